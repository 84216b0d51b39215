"""One log: its page, its bodies as files, and its score."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from autolog._record.record import Record, to_json
from autolog._record.scores import DEFAULT, set_score
from autolog.dialects._fault import Fault
from autolog.server._call import Reply
from autolog.server.dashboard import conversation, markup, snippets
from autolog.server.dashboard._page import HEADERS, PageRequest, log_url
from autolog.stores.query import Condition, Query

#: The longest JSON or command that is offered for copying, in characters.
MAX_SNIPPET = 1_000_000


def log(request: PageRequest) -> Reply:
    record = request.record(request.id)
    newer, older = _neighbours(request, record)
    return request.render(
        "log.html", record=record, newer=newer, older=older, **conversation.contents(record),
        curl=snippets.as_curl(record), python=snippets.as_python(record), as_json=_ascii_json(record),
        raw={"request": _beginning(record.request_body), "response": _beginning(record.response_body)},
        timing=_timing(record), may_write=request.may_write, place="logs",
    )  # fmt: skip


def raw(request: PageRequest) -> Reply:
    """Return a body as it is, to be saved, never to be run by the browser."""
    side = request.parameter("side")
    record = request.record(request.id)
    body = {"request": record.request_body, "response": record.response_body}.get(side)
    if body is None:
        raise Fault(404, "This log has no such body.")
    name = re.sub(r"[^\w.-]", "_", f"{record.id}-{side}", flags=re.ASCII)
    headers = {**HEADERS, "content-disposition": f'attachment; filename="{name}"'}
    return Reply(200, body, "application/octet-stream", headers)


def score(request: PageRequest) -> Reply:
    if not request.may_write:
        raise Fault(403, "This key may read and not score.")
    record = request.record(request.id, bodies=False)
    text, comment = request.form.get("value", ""), request.form.get("comment", "").strip()
    try:
        value = float(text)
    except ValueError:
        raise Fault(400, f"{text[:50]!r} is not a number.") from None
    if not -1e9 <= value <= 1e9:
        raise Fault(400, f"{text[:50]!r} is not a score.")

    def change(kept: Record) -> None:
        set_score(kept, DEFAULT, value, comment or None)

    request.call.write(lambda store: store.update(record.id, record.project, change))
    return request.redirect(log_url(record))


def _neighbours(request: PageRequest, record: Record) -> tuple[Record | None, Record | None]:
    """Return the next newer and the next older record."""
    if record.created_at is None or record.seq is None:
        return None, None
    base = Query({"project": request.project} if request.project else {})
    older = request.store.find(replace(base, past=(record.created_at, record.seq)), 1)
    from_here = base.where(Condition("created_at", "ge", (record.created_at,)))
    after = [
        other
        for other in request.store.find(from_here, 20, newest_first=False)
        if other.created_at and other.seq and (other.created_at, other.seq) > (record.created_at, record.seq)
    ]
    return after[0] if after else None, older[0] if older else None


def _beginning(body: bytes | None) -> str | None:
    """Return the beginning of a body as text."""
    return None if body is None else body[: markup.MAX_TEXT].decode(errors="replace")


def _ascii_json(record: Record) -> str | None:
    """Return all of a record as JSON that shows nothing but itself; None if that is too much for a page."""
    text = json.dumps(json.loads(to_json(record, bodies=True)))
    return text if len(text) <= MAX_SNIPPET else None


def _timing(record: Record) -> dict[str, float] | None:
    """Return the share of a call's time before its first chunk, in per cent."""
    if not record.duration or record.time_to_first_chunk is None:
        return None
    return {"first": min(100.0, 100 * record.time_to_first_chunk / record.duration)}
