"""autolog's own API: ingestion and reading of records, totals, scores, budgets, and the live tail."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from datetime import tzinfo
from typing import Any

import pydantic

from autolog._reading.derive import fill_in_all
from autolog._record.bodies import encode_json
from autolog._record.media import check_media
from autolog._record.record import Record, pack, to_dict, to_json
from autolog._record.scores import DEFAULT, set_score
from autolog.dialects import native as dialect
from autolog.dialects._fault import Fault
from autolog.dialects._schema import validate
from autolog.server._auth import project_of
from autolog.server._call import Call, Parameter, Reply, Route
from autolog.server._live import follow
from autolog.server._writer import RecordWrite
from autolog.stores import sql
from autolog.stores._contract import Store
from autolog.stores.filters import FILTERS, parse_zone, read_query
from autolog.stores.lookup import find_by_part, with_whole_trace
from autolog.stores.query import GROUPS, SCORE_GROUPS, FilterError, Query

MAX_LIMIT = 1_000
#: The most rows in the answer to a SELECT.
MAX_ROWS = 100_000
#: The fields that lists can be sorted by, by their names in the URL.
SORTS = {"time": "created_at", "arrival": "seq", "latency": "duration", "cost": "cost", "tokens": "tokens"}
#: The most bytes of bodies on a page of a list; the other records follow on the next page.
PAGE_BYTES = 8 * 1024 * 1024
MSGPACK = "application/msgpack"
_PROTOCOL = {dialect.PROTOCOL_HEADER: dialect.PROTOCOL}


def ingest(call: Call) -> RecordWrite:
    """Store a batch of records; the reply has the id of each, or why it was refused, in the order of the batch.

    Raises:
        Fault: 400, if the body is not a batch; 413, if it has too many records; 415, if its content type is unknown;
            501, if it is of another major version of the protocol.
    """
    dialect.check_protocol(call.headers.get(dialect.PROTOCOL_HEADER))
    decoded = dialect.decode_batch(call.body, call.headers.get("content-type", ""), call.batch_items)
    records = [record for record in decoded if isinstance(record, Record)]
    for record in records:
        record.created_at = record.created_at or record.start_time
    fill_in_all(
        record
        for record in records
        if record.kind == "llm" and record.operation_name is None and (record.request_body or record.response_body)
    )
    for record in records:
        check_media(record)
    results = [item.id if isinstance(item, Record) else item for item in decoded]
    return call.keep(records, lambda _: Reply(200, encode_json(dialect.encode_results(results)), headers=_PROTOCOL))


# Reading

#: The name of the parameter with the time zone of times that have none.
ZONE = "zone"


def query_of(call: Call, *own: str) -> Query:
    """Return the query for the call's parameters except the route's `own`; they are named as on the command line.

    Raises:
        Fault: 400, if a filter is unknown or invalid; 403, if the project is not the key's.
    """
    pairs = [(name, value) for name, value in call.query if value and name not in {*own, ZONE}]
    try:
        query = read_query(pairs, zone_of(call))
        query = query.where(project=_project(call, query.equal.get("project")))
        return with_whole_trace(call.store, query)
    except FilterError as error:
        raise Fault(400, str(error)) from error


def zone_of(call: Call) -> tzinfo:
    """Return the time zone that the call names, or UTC.

    Raises:
        Fault: 400, if there is no such zone.
    """
    try:
        return parse_zone(call.parameter(ZONE) or "UTC")
    except ValueError as error:
        raise Fault(400, f"{ZONE}: {error}") from error


def _project(call: Call, wanted: str | None) -> str:
    """Return the project to read: the call's, or the one that a filter names, if the key is for all projects.

    Raises:
        Fault: 400, if a header names another project; 403, if the key is for another one.
    """
    if wanted is None or wanted == call.project:
        return call.project
    if call.headers.get("x-autolog-project"):
        raise Fault(400, f"project: {wanted[:50]!r} is not the project that the header x-autolog-project names")
    return project_of(call.principal, wanted)


def list_records(call: Call) -> Reply:
    """Reply with a page of the records that match, as JSON, or as MessagePack if the client accepts that.

    Raises:
        Fault: 400, if a parameter is invalid; 403, if the project is not the key's.
    """
    query = query_of(call, "limit", "offset", "total", "sort", "after", "id", "bodies", "roots")
    query = replace(query, roots=call.parameter("roots") in {"1", "true"})
    limit = call.parameters.integer("limit", 50, most=MAX_LIMIT)
    offset = call.parameters.integer("offset", 0)
    records = _found(call, query, limit + 1, offset)
    more, records = len(records) > limit, records[:limit]
    bodies = call.parameter("bodies") in {"1", "true"}
    if bodies:
        requested, records = len(records), _with_bodies(call.store, records)
        more = more or len(records) < requested
    if _wants_msgpack(call):
        return Reply(200, pack(records), MSGPACK, {**_PROTOCOL, **({"x-autolog-more": "1"} if more else {})})
    answer: dict[str, Any] = {"records": [to_dict(record, bodies) for record in records], "more": more}
    if not answer["more"] and (records or not offset):
        answer["total"] = offset + len(records)
    elif call.parameter("total") in {"1", "true"}:  # reads an index to its end, so only on request
        answer["total"] = call.store.count(query)
    return Reply(200, answer, headers=_PROTOCOL)


def _found(call: Call, query: Query, limit: int, offset: int) -> list[Record]:
    """Return the records that the parameters `id`, `after` and `sort` select.

    Raises:
        Fault: 400, if they are invalid or cannot be combined.
    """
    if (part := call.parameter("id")) is not None:
        return find_by_part(call.store, part, query, limit)
    sort = call.parameter("sort") or "-time"
    if sort == "arrival" and not offset:
        return call.store.tail(query, call.parameters.integer("after", 0, most=2**63 - 1), limit)
    field = SORTS.get(sort.removeprefix("-"))
    if field is None or call.parameter("after"):
        raise Fault(
            400, f"sort: {sort[:50]!r} is not one of {', '.join(SORTS)}, with - before it for the largest first; "
            "`after` goes with sort=arrival, without an offset"
        )  # fmt: skip
    return call.store.find(query, limit, offset, sort.startswith("-"), field)


def _with_bodies(store: Store, records: Sequence[Record]) -> list[Record]:
    """Return the first records with their bodies, as many as fit into `PAGE_BYTES`, but at least one."""
    whole: list[Record] = []
    size = 0
    for record in store.with_bodies(records):
        size += len(record.request_body or b"") + len(record.response_body or b"")
        if whole and size > PAGE_BYTES:
            break
        whole.append(record)
    return whole


def _wants_msgpack(call: Call) -> bool:
    return call.headers.get("accept", "").partition(";")[0].strip().lower() == MSGPACK


def get_record(call: Call) -> Reply:
    """Reply with a record and its bodies, as JSON, or as MessagePack if the client accepts that.

    Raises:
        Fault: 404, if there is no such record.
    """
    record = call.store.get(call.path["id"], _project(call, call.parameter("project")))
    if record is None:
        raise Fault(404, "there is no record with this id")
    if _wants_msgpack(call):
        return Reply(200, pack([record]), MSGPACK)
    return Reply(200, to_dict(record, bodies=True))


def delete_record(call: Call) -> Reply:
    """Delete a record.

    Raises:
        Fault: 404, if there is no such record.
    """
    query = Query({"project": call.project, "id": call.path["id"]})
    if not call.write(lambda store: store.delete(query)):
        raise Fault(404, "there is no record with this id")
    return Reply(200, {"deleted": 1})


def _group(call: Call, groups: Collection[str]) -> str | None:
    """Return the parameter `by`, which must be one of `groups` if it is given."""
    by = call.parameter("by")
    if by is not None and by not in groups:
        raise Fault(400, f"by: {by[:50]!r} is not one of {', '.join(groups)}")
    return by


def aggregate(call: Call) -> Reply:
    """Reply with the sums of the provider calls that match, by the value of `by`, or of all together.

    Raises:
        Fault: 400, if a parameter is invalid.
    """
    by = _group(call, GROUPS)
    return Reply(200, {"groups": map(asdict, call.store.aggregate(query_of(call, "by"), by, zone_of(call)))})


def score_sums(call: Call) -> Reply:
    """Reply with the sums of the scores of the records that match, by name, and by the value of `by` if it is given.

    Raises:
        Fault: 400, if a parameter is invalid.
    """
    by = _group(call, SCORE_GROUPS)
    return Reply(200, {"scores": map(asdict, call.store.scores(query_of(call, "by"), by))})


def run_sql(call: Call) -> Reply:
    """Answer a SELECT over the views of the project.

    Raises:
        Fault: 400, if the statement is invalid, not allowed, or takes too long.
    """
    query = query_of(call, "sql", "seconds", "rows")
    rows = call.parameters.integer("rows", sql.ROWS, most=MAX_ROWS)
    try:
        seconds = min(float(call.parameter("seconds") or sql.SECONDS), sql.SECONDS)
        answer = sql.select(call.store, call.parameter("sql") or "", query, seconds, rows)
    except (sql.SQLError, ValueError) as error:
        raise Fault(400, str(error)) from error
    return Reply(200, asdict(answer))


def tail(call: Call) -> Reply:
    """Stream the records that match and arrive from now on, as server-sent events."""
    return follow(call, query_of(call, "after"), to_json)


# Scores


class Score(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    name: str = pydantic.Field(default=DEFAULT, min_length=1, max_length=200)
    value: float = pydantic.Field(allow_inf_nan=False)
    comment: str | None = None


def score(call: Call) -> Reply:
    """Set a score of a record, which replaces an earlier one of the same name.

    Raises:
        Fault: 400, if the body is invalid; 404, if there is no such record.
    """
    given = validate(Score, call.object())

    def change(record: Record) -> None:
        set_score(record, given.name, given.value, given.comment)

    def apply(store: Store) -> Record | None:
        return store.update(call.path["id"], call.project, change)

    if call.write(apply) is None:
        raise Fault(404, "there is no record with this id")
    return Reply(200, {"id": call.path["id"]})


# Budgets


class Reservation(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    id: str = pydantic.Field(min_length=1, max_length=100)
    bound: float = pydantic.Field(ge=0, allow_inf_nan=False)
    seconds: float = pydantic.Field(default=600, gt=0, le=86_400)
    record: str = pydantic.Field(default="", max_length=200)
    user: str | None = None
    session: str | None = None
    tags: list[str] = []
    function: str | None = None
    key: str | None = pydantic.Field(default=None, max_length=8)


class Settlement(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    cost: float = pydantic.Field(ge=0, allow_inf_nan=False)


def reserve(call: Call) -> Reply:
    """Reserve the most that a call may cost from the server's budgets, until it is settled or expires."""
    given = validate(Reservation, call.object())
    spending = call.services.spending
    about = Record(id=given.record, project=call.project, user=given.user, session=given.session, tags=given.tags,
                   caller=given.function, request_meta={"key_hint": given.key} if given.key else {})  # fmt: skip
    refused = spending.reserve(given.id, about, given.bound, given.seconds)
    return Reply(200, {"reserved": refused is None, "reason": refused})


def settle(call: Call) -> Reply:
    """Replace a reservation by the actual cost of the call."""
    given = validate(Settlement, call.object())
    call.services.spending.settle(call.path["id"], call.project, given.cost)
    return Reply(200, {"id": call.path["id"]})


_TEXT = {"type": "string"}
_ZONE = "The zone of times without one: Europe/Berlin, +02:00; by default UTC."
PARAMETERS = (
    *(Parameter(name, {**_TEXT, "description": says}) for name, says in FILTERS.items()),
    Parameter(ZONE, {**_TEXT, "description": _ZONE}),
)

#: The filters that limit which records a SELECT sees.
SQL_PARAMETERS = tuple(given for given in PARAMETERS if given.name in {"project", "since", "until", ZONE})

_PRODUCED = "application/json", MSGPACK
_AFTER = "With sort=arrival: only records after this sequence number."
_ID = "The beginning or the end of an id; then nothing is sorted."

ROUTES = [
    Route("POST", "/api/v1/records", ingest, dialect, "Insert records; a record that exists is completed",
          keeps=True, decodes=True),
    Route("GET", "/api/v1/records", list_records, dialect, "Find records, newest first", "read", produces=_PRODUCED,
          parameters=(*PARAMETERS, Parameter("limit", {"type": "integer", "minimum": 0, "maximum": MAX_LIMIT}),
                      Parameter("offset", {"type": "integer", "minimum": 0, "maximum": 10**9}),
                      Parameter("total", {"type": "boolean"}), Parameter("bodies", {"type": "boolean"}),
                      Parameter("roots", {"type": "boolean", "description": "Only records without a parent."}),
                      Parameter("sort", {"type": "string", "enum": [*SORTS, *(f"-{name}" for name in SORTS)]}),
                      Parameter("after", {"type": "integer", "minimum": 0, "description": _AFTER}),
                      Parameter("id", {"type": "string", "description": _ID}))),
    Route("GET", "/api/v1/records/{id}", get_record, dialect, "One record with its bodies", "read", produces=_PRODUCED),
    Route("DELETE", "/api/v1/records/{id}", delete_record, dialect, "Delete a record", "admin"),
    Route("POST", "/api/v1/records/{id}/scores", score, dialect, "Score a record", model=Score),
    Route("POST", "/api/v1/reservations", reserve, dialect, "Reserve what a call may cost of the budgets",
          model=Reservation),
    Route("POST", "/api/v1/reservations/{id}/settlement", settle, dialect, "Settle a reservation with the real cost",
          model=Settlement),
    Route("GET", "/api/v1/tail", tail, dialect, "New records as server-sent events", "read",
          produces=("text/event-stream",),
          parameters=(*PARAMETERS, Parameter("after", {"type": "integer", "minimum": 0}))),
    Route("GET", "/api/v1/aggregate", aggregate, dialect, "Sums over provider calls", "read",
          parameters=(*PARAMETERS, Parameter("by", {"type": "string", "enum": list(GROUPS)}))),
    Route("GET", "/api/v1/scores", score_sums, dialect, "Sums over scores", "read",
          parameters=(*PARAMETERS, Parameter("by", {"type": "string", "enum": list(SCORE_GROUPS)}))),
    Route("GET", "/api/v1/sql", run_sql, dialect, "Answer a SELECT over views of the project's records", "read",
          parameters=(*SQL_PARAMETERS, Parameter("sql", _TEXT, required=True),
                      Parameter("seconds", {"type": "number", "exclusiveMinimum": 0, "maximum": sql.SECONDS}),
                      Parameter("rows", {"type": "integer", "minimum": 0, "maximum": MAX_ROWS}))),
]  # fmt: skip
