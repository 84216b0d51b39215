"""The parameters of Langfuse's lists, and their pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autolog._record.bodies import encode_json
from autolog._record.record import Record
from autolog.dialects._fault import Fault, Json
from autolog.server._call import Call, Reply
from autolog.server._reading import REPLY_BYTES, in_groups, in_one_reply, too_much
from autolog.server.routes._langfuse_filter import TRACES, Accepts, Columns, narrow, parse_conditions
from autolog.stores.query import Condition, Query

#: The most records of one trace that are read, and the most items on one page of a list.
MAX_RECORDS = 1_000
MAX_PAGE = 100
#: The most records that are searched for scores if the query does not name a trace, session or the like.
MAX_LOOKED_AT = 10_000

#: Parameters of every list that compare a field for equality.
_EQUAL = {"userId": "user", "sessionId": "session", "name": "name", "traceId": "trace_id",
          "parentObservationId": "parent_span_id"}  # fmt: skip
#: Unsupported parameters. They are refused, because a list that ignored them would contain too much.
_NOT_UNDERSTOOD = ("source", "dataType", "configId", "queueId", "authorUserId", "value", "valueMin", "valueMax",
                   "experimentId", "scoreIds", "operator")  # fmt: skip
#: Parameters of lists of traces and observations only, treated as conditions of a filter.
_CONDITIONS = ("type", "level", "version", "release", "isRootObservation")


def _query(call: Call, since: str, until: str, roots: bool = False) -> Query:
    """Return the query for a list's parameters; `since` and `until` are the names of its time parameters.

    Raises:
        Fault: 400, if a parameter is unsupported or invalid.
    """
    given = call.parameters
    for name in _NOT_UNDERSTOOD:
        if given.has(name):
            raise Fault(400, f"{name}: is not supported here; choose from {', '.join((*_EQUAL, since, until))}")
    equal: dict[str, Any] = {"project": call.project}
    equal |= {field: value for name, field in _EQUAL.items() if (value := given.text(name)) is not None}
    return Query(equal, tuple(given.texts("tags")), since=given.time(since), until=given.time(until), roots=roots)


def query_beside(call: Call) -> Query:
    """Return the query for a list of sessions or scores, which have no columns for conditions.

    Raises:
        Fault: 400, if a parameter is unsupported or invalid.
    """
    given, query = call.parameters, _query(call, "fromTimestamp", "toTimestamp")
    for name in _CONDITIONS:
        if given.has(name):
            raise Fault(400, f"{name}: sessions and scores cannot be filtered by it")
    if given.texts("environment") and "default" not in given.texts("environment"):
        return query.where(Condition("nothing", "eq", ()))
    return query


def listing(call: Call, since: str, until: str, columns: Columns) -> tuple[Query, Accepts | None]:
    """Return the query for a list of traces or observations, and a function that checks items for the other conditions.

    As in Langfuse, a `filter` overrides the parameters.
    """
    roots = columns is TRACES
    if (wanted := call.parameters.text("filter")) is not None:
        return narrow(Query({"project": call.project}, roots=roots), parse_conditions(wanted), columns)
    return narrow(_query(call, since, until, roots), _conditions(call), columns)


def _conditions(call: Call) -> list[Json]:
    given = call.parameters
    found: list[Json] = []
    for name in _CONDITIONS:
        if (value := given.text(name)) is not None:
            is_flag = name == "isRootObservation"
            wanted = value.lower() == "true" if is_flag else value.upper() if name in {"type", "level"} else value
            found.append({"column": name, "operator": "=", "value": wanted})
    if environments := given.texts("environment"):
        found.append({"column": "environment", "operator": "any of", "value": list(environments)})
    return found


def newest_first(call: Call) -> bool:
    """Return whether a list begins with the newest item, which is the default of `orderBy`."""
    wanted = call.parameters.text("orderBy") or "timestamp.desc"
    field, _, direction = wanted.partition(".")
    if field not in {"timestamp", "startTime"} or direction.lower() not in {"asc", "desc"}:
        raise Fault(400, f"orderBy: {wanted[:50]!r} is neither timestamp.asc nor timestamp.desc")
    return direction.lower() == "desc"


#: Returns records as items of a list; if the flag is true, with the columns that a filter compares.
Encode = Callable[[Sequence[Record], bool], list[Json]]


def page_of(call: Call, query: Query, accepts: Accepts | None, encode: Encode) -> Reply:
    """Reply with a page of the records that match, by page number, starting at 1."""
    page, limit = page_and_limit(call)
    first, total, descending = (page - 1) * limit, call.store.count(query), newest_first(call)
    if accepts is None:
        records = in_one_reply(call.store, call.store.find(query, limit, newest_first=descending, offset=first))
        return Reply(200, {"data": encode(records, False), "meta": meta_of(page, limit, total)})
    if total > MAX_LOOKED_AT:
        raise Fault(
            400, f"filter: this would search {total} items, more than {MAX_LOOKED_AT}; add a userId, sessionId or tag"
        )
    rows, count, size = list[Json](), 0, 0
    for offset in range(0, total, MAX_PAGE):
        records = call.store.find(query, MAX_PAGE, newest_first=descending, offset=offset)
        for row in (row for group in in_groups(call.store, records) for row in filter(accepts, encode(group, True))):
            if first <= count < first + limit:
                rows.append(row)
                size += len(encode_json(row))
            count += 1
            if size > REPLY_BYTES and len(rows) > 1:
                raise too_much()
    return Reply(200, {"data": rows, "meta": meta_of(page, limit, count)})


def page_of_list(call: Call, items: Sequence[Json]) -> Reply:
    """Reply with a page of a list that is there as a whole."""
    page, limit = page_and_limit(call)
    return Reply(200, {"data": items[(page - 1) * limit : page * limit], "meta": meta_of(page, limit, len(items))})


def page_and_limit(call: Call) -> tuple[int, int]:
    """Return the number of the page to reply with, starting at 1, and the most items on it."""
    return call.parameters.integer("page", 1, 1), call.parameters.integer("limit", 50, 1, MAX_PAGE)


def meta_of(page: int, limit: int, total: int) -> Json:
    return {"page": page, "limit": limit, "totalItems": total, "totalPages": -(-total // limit)}
