"""Langfuse: batches of its older SDKs, scores, and what its SDKs read back."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from autolog._record.record import Record
from autolog._version import __version__
from autolog.dialects import langfuse as dialect
from autolog.dialects._fault import Fault, Json
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite
from autolog.server.routes import _langfuse_media
from autolog.server.routes._langfuse_filter import narrow
from autolog.stores.query import Condition, Query

#: The most records of one trace that are read, and of one page of a list.
MAX_RECORDS = 1_000
MAX_PAGE = 100
#: The most records that are looked through for scores, if the query does not say whose.
MAX_LOOKED_AT = 10_000


def _find(call: Call) -> dialect.Find:
    return lambda thing_id: call.store.get(thing_id, call.project)


def _root_of(call: Call) -> dialect.Find:
    """Return what finds the record that a score is of: an observation's, or of a trace's its root."""

    def find(thing_id: str) -> Record | None:
        if (record := call.store.get(thing_id, call.project, bodies=False)) is not None:
            return record
        for field in ("span_id", "trace_id"):
            query = Query({"project": call.project, field: thing_id})
            found = call.store.find(query, MAX_RECORDS, newest_first=False)
            if found:
                return next((record for record in found if record.parent_span_id is None), found[0])
        return None

    return find


def ingest(call: Call) -> RecordWrite:
    batch = dialect.decode_batch(call.object(), _find(call), _root_of(call), call.batch_items)
    reply = Reply(207, {"successes": batch.successes, "errors": batch.errors})
    return call.keep(batch.records, lambda _: reply)


def score(call: Call) -> RecordWrite:
    """Keep a score, or a list of them: of those that cannot be read, the reply says why."""
    body = call.json()
    if isinstance(body, list):
        batch = dialect.decode_scores(body, _root_of(call), call.batch_items)
        reply = Reply(207 if batch.errors else 202, dialect.encode_scores(batch))
        return call.keep(batch.records, lambda _: reply)
    if not isinstance(body, dict):
        raise Fault(400, "the body is neither a score nor a list of them")
    record = dialect.decode_score(body, _root_of(call))
    return call.keep([record], lambda _: Reply(200, {"id": body.get("id") or f"{record.id}/{body['name']}"}))


# Queries

#: Parameters that compare a field, in every list.
_EQUAL = {"userId": "user", "sessionId": "session", "name": "name", "traceId": "trace_id",
          "parentObservationId": "parent_span_id"}  # fmt: skip
#: What cannot be asked for: a list that ignored it would hold more than was wanted.
_NOT_UNDERSTOOD = ("version", "release", "source", "dataType", "configId", "queueId", "authorUserId", "value",
                   "valueMin", "valueMax", "experimentId", "scoreIds", "operator", "isRootObservation")  # fmt: skip


def _query(call: Call, since: str, until: str, roots: bool = False) -> Query:
    """Return the query that a list's parameters ask for; `since` and `until` name those of the times.

    A filter goes before the parameters, as in Langfuse.
    """
    given = call.parameters
    if (wanted := given.text("filter")) is not None:
        return narrow(Query({"project": call.project}, roots=roots), wanted)
    for name in _NOT_UNDERSTOOD:
        if given.has(name):
            raise Fault(400, f"{name}: cannot be asked for here; {', '.join((*_EQUAL, since, until))} can")
    equal: dict[str, Any] = {"project": call.project}
    equal |= {field: value for name, field in _EQUAL.items() if (value := given.text(name)) is not None}
    conditions: list[Condition] = []
    if (word := given.text("type")) is not None:
        equal["kind"] = dialect.KINDS.get(word.lower(), word.lower())
    if (level := given.text("level")) is not None:
        equal["status"] = "error" if level.upper() == "ERROR" else "ok"
    if given.texts("environment") and "default" not in given.texts("environment"):
        conditions.append(Condition("nothing", "eq", ()))
    return Query(equal, tuple(given.texts("tags")), since=given.time(since), until=given.time(until), roots=roots,
                 conditions=tuple(conditions))  # fmt: skip


def _newest_first(call: Call) -> bool:
    """Return whether a list begins with the newest, as it does unless `orderBy` says otherwise."""
    wanted = call.parameters.text("orderBy") or "timestamp.desc"
    field, _, direction = wanted.partition(".")
    if field not in {"timestamp", "startTime"} or direction.lower() not in {"asc", "desc"}:
        raise Fault(400, f"orderBy: {wanted[:50]!r} is neither timestamp.asc nor timestamp.desc")
    return direction.lower() == "desc"


def _page(call: Call, query: Query, encode: Callable[[Sequence[Record]], list[Json]]) -> Reply:
    """Reply with a page of what matches a query, by its number, from 1."""
    page, limit = call.parameters.integer("page", 1, 1), call.parameters.integer("limit", 50, 1, MAX_PAGE)
    total = call.store.count(query)
    found = call.store.find(query, limit, newest_first=_newest_first(call), offset=(page - 1) * limit, bodies=True)
    return Reply(200, {"data": encode(found), "meta": _meta(page, limit, total)})


def _meta(page: int, limit: int, total: int) -> Json:
    return {"page": page, "limit": limit, "totalItems": total, "totalPages": -(-total // limit)}


# Traces and observations


def get_trace(call: Call) -> Reply:
    trace_id = call.path["id"]
    query = Query({"project": call.project, "trace_id": trace_id})
    records = call.store.find(query, MAX_RECORDS, newest_first=False, bodies=True)
    if not records:
        raise Fault(404, "there is no trace with this id")
    return Reply(200, dialect.encode_trace(trace_id, records))


def list_traces(call: Call) -> Reply:
    return _page(call, _query(call, "fromTimestamp", "toTimestamp", roots=True), lambda roots: _trace_rows(call, roots))


def _trace_rows(call: Call, roots: Iterable[Record]) -> list[Json]:
    roots = list(roots)
    ids = tuple({root.trace_id for root in roots if root.trace_id})
    members: dict[str | None, list[Record]] = defaultdict(list)
    if ids:
        query = Query({"project": call.project}, conditions=(Condition("trace_id", "eq", ids),))
        for record in call.store.find(query, MAX_LOOKED_AT, newest_first=False):
            members[record.trace_id].append(record)
    return [dialect.encode_trace_row(root, members.get(root.trace_id) or [root]) for root in roots]


def get_observation(call: Call) -> Reply:
    record = call.store.get(call.path["id"], call.project)
    if record is None:
        query = Query({"project": call.project, "span_id": call.path["id"]})
        record = next(iter(call.store.find(query, 1, bodies=True)), None)
    if record is None:
        raise Fault(404, "there is no observation with this id")
    return Reply(200, dialect.encode_observation(record))


def list_observations(call: Call) -> Reply:
    query = _query(call, "fromStartTime", "toStartTime")
    return _page(call, query, _observations)


def _observations(records: Iterable[Record]) -> list[Json]:
    return [dialect.encode_observation(record) for record in records if dialect.is_observation(record)]


def list_observations_on(call: Call) -> Reply:
    """Reply with observations as the present SDKs read them: the newest first, each page naming the next."""
    query, limit = _query(call, "fromStartTime", "toStartTime"), call.parameters.integer("limit", 50, 1, MAX_RECORDS)
    if (cursor := call.parameters.text("cursor")) is not None:
        query = replace(query, past=_past(cursor))
    found = call.store.find(query, limit + 1, bodies=True)
    following = {"cursor": _cursor(found[limit - 1])} if len(found) > limit else {}
    return Reply(200, {"data": _observations(found[:limit]), "meta": following})


def _cursor(last: Record) -> str:
    """Return where the next page begins."""
    at = last.created_at.isoformat() if last.created_at else ""
    return base64.urlsafe_b64encode(f"{at} {last.seq}".encode()).decode()


def _past(cursor: str) -> tuple[datetime, int]:
    try:
        at, _, seq = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        past = datetime.fromisoformat(at), int(seq)
    except (binascii.Error, ValueError) as error:
        raise Fault(400, "cursor: is none that a page has named") from error
    if past[0].tzinfo is None or not 0 <= past[1] < 2**63:
        raise Fault(400, "cursor: is none that a page has named")
    return past


# Sessions and scores


def list_sessions(call: Call) -> Reply:
    given = call.parameters
    page, limit = given.integer("page", 1, 1), given.integer("limit", 50, 1, MAX_PAGE)
    query = _query(call, "fromTimestamp", "toTimestamp")
    found = call.store.summarise(query, "session", limit + 1, (page - 1) * limit)
    data = [dialect.encode_session(str(one.value), one.first, call.project) for one in found[:limit]]
    total = (page - 1) * limit + len(found)  # as far as anybody knows: one more where there is a next page
    return Reply(200, {"data": data, "meta": _meta(page, limit, total)})


def get_session(call: Call) -> Reply:
    query = Query({"project": call.project, "session": call.path["id"]}, roots=True)
    roots = call.store.find(query, MAX_RECORDS, newest_first=False, bodies=True)
    if not roots:
        raise Fault(404, "there is no session with this id")
    session = dialect.encode_session(call.path["id"], roots[0].created_at, call.project)
    return Reply(200, {**session, "traces": _trace_rows(call, roots)})


def _scores(call: Call, encode: Callable[[Record], list[Json]]) -> list[Json]:
    """Return the scores of the records that a list's parameters name, the newest first; else of the newest records."""
    given = call.parameters
    if given.has("filter"):
        raise Fault(400, "filter: scores are asked for by their name, trace, observation, user, session and time")
    name, query = given.text("name"), _query(call, "fromTimestamp", "toTimestamp")
    equal = {key: value for key, value in query.equal.items() if key != "name"}
    if (observation := given.text("observationId")) is not None:
        equal["span_id"] = observation
    query = Query(equal, query.tags, since=query.since, until=query.until, conditions=query.conditions)
    records = (record for record in call.store.find(query, MAX_LOOKED_AT) if record.scores)
    return [one for record in records for one in encode(record) if name in (None, one["name"])]


def list_scores(call: Call) -> Reply:
    given = call.parameters
    page, limit = given.integer("page", 1, 1), given.integer("limit", 50, 1, MAX_PAGE)
    found = _scores(call, dialect.encode_record_scores)
    return Reply(200, {"data": found[(page - 1) * limit : page * limit], "meta": _meta(page, limit, len(found))})


def list_scores_on(call: Call) -> Reply:
    limit, first = call.parameters.integer("limit", 50, 1, MAX_RECORDS), call.parameters.integer("cursor", 0)
    found = _scores(call, dialect.encode_typed_scores)
    following = {"cursor": str(first + limit)} if len(found) > first + limit else {}
    return Reply(200, {"data": found[first : first + limit], "meta": {"limit": limit, **following}})


# What there is not, and the rest


def no_prompts(call: Call) -> Reply:
    name = call.path.get("name", "")
    raise Fault(404, f"there are no prompts here: {name!r} needs get_prompt(..., fallback=...)")


def no_datasets(call: Call) -> Reply:
    raise Fault(404, f"there are no datasets here, so none called {call.path['name']!r}")


def projects(call: Call) -> Reply:
    """Say which project a key is of: SDKs ask it to see whether their keys are right."""
    organization = {"id": "autolog", "name": "autolog"}
    project = {"id": call.project, "name": call.project, "metadata": {}, "organization": organization}
    return Reply(200, {"data": [project]})


def health(call: Call) -> Reply:  # noqa: ARG001 - every handler takes a call
    return Reply(200, {"status": "OK", "version": __version__})


def _read(path: str, handler: Callable[[Call], Reply], summary: str) -> Route:
    return Route("GET", f"/api/public{path}", handler, dialect, f"Langfuse: {summary}", "read")


ROUTES = [
    Route("POST", "/api/public/ingestion", ingest, dialect, "Langfuse: a batch of events", ok=(207,), keeps=True),
    Route(
        "POST",
        "/api/public/scores",
        score,
        dialect,
        "Langfuse: a score, or a list of them",
        keeps=True,
        ok=(200, 202, 207),
    ),
    _read("/traces", list_traces, "traces"),
    _read("/traces/{id}", get_trace, "a trace with its observations"),
    _read("/observations", list_observations, "observations"),
    _read("/observations/{id}", get_observation, "one observation"),
    _read("/v2/observations", list_observations_on, "observations, page after page"),
    _read("/sessions", list_sessions, "sessions"),
    _read("/sessions/{id}", get_session, "a session with its traces"),
    _read("/scores", list_scores, "scores"),
    _read("/v2/scores", list_scores, "scores"),
    _read("/v3/scores", list_scores_on, "scores, page after page"),
    _read("/v2/prompts/{name}", no_prompts, "that there are no prompts"),
    _read("/v2/datasets/{name}", no_datasets, "that there are no datasets"),
    *_langfuse_media.ROUTES,
    Route("GET", "/api/public/projects", projects, dialect, "Langfuse: the project of a key"),
    Route("GET", "/api/public/health", health, dialect, "Langfuse: whether the server answers", open=True),
]
