"""Metrics: the token and cost counters of coding agents are stored; all other metrics are only acknowledged.

A counter is stored as a record of kind `metric`, which totals of calls do not include, since the calls are logged, too.
"""

from __future__ import annotations

import hashlib

from autolog._record.bodies import encode_json
from autolog._record.record import Record
from autolog.dialects._fault import NO_LIMIT, Json
from autolog.dialects.otlp._wire import Batch, Point, read_points
from autolog.dialects.otlp.families._family import present

#: The counters that are stored: of tokens, and of dollars.
KEPT = {
    "claude_code.token.usage", "claude_code.cost.usage", "codex.turn.token_usage", "gemini_cli.token.usage",
    "gen_ai.client.token.usage",
}  # fmt: skip


def decode_metrics(request: Json, most: int = NO_LIMIT) -> Batch[Record]:
    """Return the counters of an export request that are to be stored.

    Raises:
        Fault: 400, if the body is not an export request; 413, if it has more than `most` items.
    """
    points = read_points(request, most)
    batch: Batch[Record] = Batch([], points.rejected, points.problem)
    for point in points.items:
        if point.metric in KEPT:
            batch.add(lambda point=point: [_record(point)])  # type: ignore[misc]
    return batch


def _record(point: Point) -> Record:
    attributes = point.attributes
    identity = encode_json([point.metric, str(point.at), attributes])
    session, user, model = (
        present(attributes, names)
        for names in (("session.id", "conversation.id"), ("user.email", "user.id"), ("model", "gen_ai.request.model"))
    )
    return Record(
        id=hashlib.sha256(identity).hexdigest()[:32],
        dialect="otlp",
        kind="metric",
        name=point.metric,
        created_at=point.at,
        session=None if session is None else str(session),
        user=None if user is None else str(user),
        request_model=None if model is None else str(model),
        metadata={**attributes, "value": point.value},
    )
