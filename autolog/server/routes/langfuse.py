"""Langfuse: batches of its older SDKs, scores, and what its SDKs read back."""

from __future__ import annotations

import base64
import binascii
import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from autolog._record.record import Record
from autolog._version import __version__
from autolog.dialects import langfuse as dialect
from autolog.dialects._fault import Fault, Json
from autolog.server._call import Call, Reply, Route
from autolog.server._reading import REPLY_BYTES, body_size, in_one_reply
from autolog.server._writer import RecordWrite
from autolog.server.routes import _langfuse_configs, _langfuse_media, _langfuse_metrics
from autolog.server.routes._langfuse_filter import OBSERVATIONS, TRACES
from autolog.server.routes._langfuse_query import (
    MAX_LOOKED_AT,
    MAX_RECORDS,
    listing,
    meta_of,
    newest_first,
    page_and_limit,
    page_of,
    page_of_list,
    query_beside,
)
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query


def _find(call: Call) -> dialect.Find:
    return lambda ids: call.store.with_bodies(call.store.by_ids(call.project, ids))


def _root_of(call: Call) -> dialect.RootOf:
    """Return a function that finds the record for a score: by an observation's id, or the root by a trace's id."""

    def find(thing_id: str) -> Record | None:
        if (record := call.store.get(thing_id, call.project, bodies=False)) is not None:
            return record
        for field in ("span_id", "trace_id"):
            query = Query({"project": call.project, field: thing_id})
            records = call.store.find(query, MAX_RECORDS, newest_first=False)
            if records:
                return next((record for record in records if record.parent_span_id is None), records[0])
        return None

    return find


def ingest(call: Call) -> RecordWrite:
    batch = dialect.decode_batch(call.object(), _find(call), _root_of(call), call.batch_items)
    reply = Reply(207, {"successes": batch.successes, "errors": batch.errors})
    return call.keep(batch.records, lambda _: reply)


def score(call: Call) -> RecordWrite:
    """Store a score, or a list of scores; for a list the reply names those that are invalid, and why.

    Raises:
        Fault: 400, if the body or a single score is invalid.
    """
    body = call.json()
    if isinstance(body, list):
        batch = dialect.decode_scores(body, _root_of(call), call.batch_items)
        reply = Reply(207 if batch.errors else 202, dialect.encode_scores(batch))
        return call.keep(batch.records, lambda _: reply)
    if not isinstance(body, dict):
        raise Fault(400, "the body is neither a score nor a list of them")
    record = dialect.decode_score(body, _root_of(call))
    return call.keep([record], lambda _: Reply(200, {"id": body.get("id") or f"{record.id}/{body['name']}"}))


# Traces and observations


def get_trace(call: Call) -> Reply:
    trace_id = call.path["id"]
    query = Query({"project": call.project, "trace_id": trace_id})
    records = in_one_reply(call.store, call.store.find(query, MAX_RECORDS, newest_first=False))
    if not records:
        raise Fault(404, "there is no trace with this id")
    return Reply(200, dialect.encode_trace(trace_id, records))


def delete_trace(call: Call) -> Reply:
    return _deleted(call, [call.path["id"]])


def delete_traces(call: Call) -> Reply:
    """Delete the traces with the given ids.

    Raises:
        Fault: 400, if the ids are no list of texts.
    """
    ids = call.object().get("traceIds")
    if not isinstance(ids, list) or not all(isinstance(trace_id, str) for trace_id in ids):
        raise Fault(400, "traceIds: is not a list of ids")
    return _deleted(call, ids)


def _deleted(call: Call, ids: Sequence[str]) -> Reply:
    query = Query({"project": call.project}, conditions=(Condition("trace_id", "eq", tuple(ids)),))
    call.write(lambda store: store.delete(query) if ids else 0)
    return Reply(200, {"message": "deleted"})


def list_traces(call: Call) -> Reply:
    query, accepts = listing(call, "fromTimestamp", "toTimestamp", TRACES)
    return page_of(call, query, accepts, functools.partial(_trace_rows, call))


def _trace_rows(call: Call, roots: Sequence[Record], wide: bool = False) -> list[Json]:
    ids = tuple({root.trace_id for root in roots if root.trace_id})
    members: dict[str | None, list[Record]] = defaultdict(list)
    if ids:
        query = Query({"project": call.project}, conditions=(Condition("trace_id", "eq", ids),))
        for record in call.store.find(query, MAX_LOOKED_AT, newest_first=False):
            members[record.trace_id].append(record)
    traces = [(root, members.get(root.trace_id) or [root]) for root in roots]
    rows = [(dialect.encode_trace_row(root, within), within) for root, within in traces]
    return [dialect.trace_columns(row, within) if wide else row for row, within in rows]


def get_observation(call: Call) -> Reply:
    record = call.store.get(call.path["id"], call.project)
    if record is None:
        query = Query({"project": call.project, "span_id": call.path["id"]})
        record = next(iter(call.store.find(query, 1, bodies=True)), None)
    if record is None:
        raise Fault(404, "there is no observation with this id")
    return Reply(200, dialect.encode_observation(record))


def list_observations(call: Call) -> Reply:
    query, accepts = listing(call, "fromStartTime", "toStartTime", OBSERVATIONS)
    others = _others(call, query)
    if accepts is not None or not others:
        return page_of(call, query, accepts, _observations)
    page, limit = page_and_limit(call)
    first, total, descending = (page - 1) * limit, call.store.count(query), newest_first(call)
    found: list[Record] = []
    for offset in range(0, min(total, first + limit + others), MAX_RECORDS):
        some = call.store.find(query, MAX_RECORDS, newest_first=descending, offset=offset)
        found += filter(dialect.is_observation, some)
    rows = _observations(in_one_reply(call.store, found[first : first + limit]))
    return Reply(200, {"data": rows, "meta": meta_of(page, limit, total - others)})


def _others(call: Call, query: Query) -> int:
    """Return how many of a query's records are no observations, but traces of older SDKs and media."""
    of_langfuse = query.where(Condition("dialect", "eq", (dialect.name,)))
    traces, media = replace(of_langfuse, roots=True), replace(of_langfuse, ids=(dialect.MEDIA,))
    return call.store.count(traces) + call.store.count(media)


def _observations(records: Sequence[Record], wide: bool = False) -> list[Json]:
    rows = [dialect.encode_observation(record) for record in records if dialect.is_observation(record)]
    return [*map(dialect.observation_columns, rows)] if wide else rows


def list_observations_on(call: Call) -> Reply:
    """Reply with observations as the current SDKs read them: newest first, each page with a cursor for the next.

    If a filter rejects most observations, or they are large, a page may be short and still have a cursor.
    """
    query, accepts = listing(call, "fromStartTime", "toStartTime", OBSERVATIONS)
    limit = call.parameters.integer("limit", 50, 1, MAX_RECORDS)
    if (cursor := call.parameters.text("cursor")) is not None:
        query = replace(query, past=_past(cursor))
    rows, last, size = list[Json](), None, 0
    for looked_at, record in enumerate(_following(call, query, limit + 1)):
        if last is not None and (len(rows) == limit or looked_at == MAX_LOOKED_AT or size > REPLY_BYTES):
            return Reply(200, {"data": rows, "meta": {"cursor": _cursor(last)}})
        found = [row for row in _observations([record], accepts is not None) if accepts is None or accepts(row)]
        rows += found
        last, size = record, size + (body_size(record) if found else 0)
    return Reply(200, {"data": rows, "meta": {}})


def _following(call: Call, query: Query, size: int) -> Iterator[Record]:
    """Yield the records that match, newest first, reading `size` at a time."""
    while records := call.store.find(query, size):
        yield from call.store.with_bodies(records)
        if len(records) < size:
            return
        query = replace(query, past=_past(_cursor(records[-1])))


def _cursor(last: Record) -> str:
    """Return the cursor for the page after a record."""
    at = last.created_at.isoformat() if last.created_at else ""
    return base64.urlsafe_b64encode(f"{at} {last.seq}".encode()).decode()


def _past(cursor: str) -> tuple[datetime, int]:
    try:
        at, _, seq = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        past = datetime.fromisoformat(at), int(seq)
    except (binascii.Error, ValueError) as error:
        raise Fault(400, "cursor: was not returned by any page") from error
    if past[0].tzinfo is None or not 0 <= past[1] < 2**63:
        raise Fault(400, "cursor: was not returned by any page")
    return past


# Sessions and scores


def list_sessions(call: Call) -> Reply:
    page, limit = page_and_limit(call)
    query = query_beside(call)
    found = call.store.summarise(query, "session", limit + 1, (page - 1) * limit)
    data = [dialect.encode_session(str(session.value), session.first, call.project) for session in found[:limit]]
    total = (page - 1) * limit + len(found)  # a lower bound: one more than shown if there is a next page
    return Reply(200, {"data": data, "meta": meta_of(page, limit, total)})


def get_session(call: Call) -> Reply:
    query = Query({"project": call.project, "session": call.path["id"]}, roots=True)
    roots = in_one_reply(call.store, call.store.find(query, MAX_RECORDS, newest_first=False))
    if not roots:
        raise Fault(404, "there is no session with this id")
    session = dialect.encode_session(call.path["id"], roots[0].created_at, call.project)
    return Reply(200, {**session, "traces": _trace_rows(call, roots)})


def _scores(call: Call, encode: Callable[[Record], list[Json]]) -> list[Json]:
    """Return the scores of the records that match a list's parameters, those of the newest records first."""
    given = call.parameters
    if given.has("filter"):
        raise Fault(400, "filter: scores can only be filtered by name, trace, observation, user, session and time")
    name, query = given.text("name"), query_beside(call)
    equal = {key: value for key, value in query.equal.items() if key != "name"}
    if (observation := given.text("observationId")) is not None:
        equal["span_id"] = observation
    query = Query(equal, query.tags, since=query.since, until=query.until, conditions=query.conditions)
    records = (record for record in call.store.find(query, MAX_LOOKED_AT) if record.scores)
    return [entry for record in records for entry in encode(record) if name in (None, entry["name"])]


def _record_scored(call: Call) -> tuple[Record, str]:
    """Return a score's record and name, by the id with which it is listed: its record's id, a slash, and its name.

    Raises:
        Fault: 404, if there is none.
    """
    parts = call.path["id"].split("/")
    for end in range(1, len(parts)):
        name = "/".join(parts[end:])
        record = call.store.get("/".join(parts[:end]), call.project, bodies=False)
        if record is not None and name in record.scores:
            return record, name
    raise Fault(404, "there is no score with this id")


def get_score(call: Call) -> Reply:
    record, name = _record_scored(call)
    return Reply(200, next(score for score in dialect.encode_record_scores(record) if score["name"] == name))


def delete_score(call: Call) -> Reply:
    record, name = _record_scored(call)
    call.write(functools.partial(_remove_score, record_id=record.id, project=call.project, name=name))
    return Reply(200, {"message": "deleted"})


def _remove_score(store: Store, record_id: str, project: str, name: str) -> None:
    def remove(record: Record) -> None:
        record.scores = {key: value for key, value in record.scores.items() if key != name}

    store.update(record_id, project, remove)


def list_scores(call: Call) -> Reply:
    return page_of_list(call, _scores(call, dialect.encode_record_scores))


def list_scores_on(call: Call) -> Reply:
    limit, first = call.parameters.integer("limit", 50, 1, MAX_RECORDS), call.parameters.integer("cursor", 0)
    found = _scores(call, dialect.encode_typed_scores)
    following = {"cursor": str(first + limit)} if len(found) > first + limit else {}
    return Reply(200, {"data": found[first : first + limit], "meta": {"limit": limit, **following}})


def no_prompts(call: Call) -> Reply:
    name = call.path.get("name", "")
    raise Fault(404, f"there are no prompts here: {name!r} needs get_prompt(..., fallback=...)")


def no_datasets(call: Call) -> Reply:
    raise Fault(404, f"there are no datasets here, so none called {call.path['name']!r}")


def projects(call: Call) -> Reply:
    """Return the project of a key; SDKs request it to check their keys."""
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
    _read("/scores/{id:path}", get_score, "a score"),
    _read("/v2/scores/{id:path}", get_score, "a score"),
    _read("/v3/scores", list_scores_on, "scores, page after page"),
    _read("/v2/prompts/{name}", no_prompts, "that there are no prompts"),
    _read("/v2/datasets/{name}", no_datasets, "that there are no datasets"),
    *_langfuse_media.ROUTES,
    *_langfuse_configs.ROUTES,
    *_langfuse_metrics.ROUTES,
    Route("DELETE", "/api/public/traces/{id}", delete_trace, dialect, "Langfuse: delete a trace", "admin"),
    Route("DELETE", "/api/public/scores/{id:path}", delete_score, dialect, "Langfuse: remove a score"),
    Route("DELETE", "/api/public/traces", delete_traces, dialect, "Langfuse: delete traces", "admin"),
    Route("GET", "/api/public/projects", projects, dialect, "Langfuse: the project of a key"),
    Route("GET", "/api/public/health", health, dialect, "Langfuse: whether the server answers", open=True),
]
