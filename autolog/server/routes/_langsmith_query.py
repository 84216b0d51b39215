"""Finding LangSmith's runs, and encoding them with the addresses of their attachments."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from autolog._record.record import Record
from autolog.dialects import langsmith as dialect
from autolog.dialects._convert import parse_time
from autolog.dialects._fault import Fault, Json
from autolog.server._addresses import sign
from autolog.server._call import Call, Reply, Route
from autolog.server._reading import REPLY_BYTES, body_size, in_groups, too_much
from autolog.server.routes._langsmith_totals import with_totals
from autolog.stores.query import Condition, Query

#: The records per query, and the most that are searched for one reply; the next page continues from there.
PAGE = 200
MAX_LOOKED_AT = 5_000
#: The most runs of a trace that are read.
MAX_IN_TRACE = 1_000
#: The fields of a run that hold its bodies.
_BODIES = ("inputs", "outputs")


#: Returns the part of a run that is kept.
Keep = Callable[[Json], Json]


def find_runs(call: Call, wanted: Json, most: int, keep: Keep = lambda run: run) -> tuple[list[Json], str | None]:
    """Return at most `most` runs, fewer if their bodies are large, and the cursor of the next page, if there is one.

    `wanted` has the fields of a request to `/runs/query`.

    Raises:
        Fault: 422, if a field or a filter is not supported.
    """
    accepts, query, offset = _accepting(call, wanted), _run_query(call, wanted), offset_of(wanted.get("cursor"))
    runs: list[Json] = []
    last, size = offset + MAX_LOOKED_AT, 0
    while offset < last:
        page = call.store.find(query, PAGE, offset, newest_first=wanted.get("order") != "asc")
        for record, run in _encoded(call, page):
            offset += 1
            if dialect.is_run(record) and accepts(run):
                runs.append(kept := keep(run))
                size += body_size(record) if any(kept.get(name) is run[name] for name in _BODIES if run[name]) else 0
            if len(runs) == most or size > REPLY_BYTES:
                return runs, str(offset)
        if len(page) < PAGE:
            return runs, None
    return runs, str(offset)


def _encoded(call: Call, records: Sequence[Record]) -> Iterator[tuple[Record, Json]]:
    for group in in_groups(call.store, records):
        yield from zip(group, encode(call, group), strict=True)


def all_runs(call: Call, wanted: Json, keep: Keep = lambda run: run) -> list[Json]:
    """Return all runs that match, the newest first.

    Raises:
        Fault: 413, if they have too large bodies; 422, if a field or a filter is not supported, or more runs match than
            are searched.
    """
    found, cursor = find_runs(call, wanted, MAX_LOOKED_AT, keep)
    if cursor is not None and int(cursor) < MAX_LOOKED_AT:
        raise too_much()
    if cursor is not None:
        raise Fault(422, f"more than {MAX_LOOKED_AT} runs would be searched; restrict start_time and end_time")
    return found


def offset_of(cursor: Any) -> int:
    if cursor is None:
        return 0
    if not isinstance(cursor, str) or not cursor.isdecimal() or len(cursor) > 12:
        raise Fault(422, "cursor: was not returned by any page")
    return int(cursor)


def _run_query(call: Call, wanted: Json) -> Query:
    conditions = [Condition("dialect", "eq", (dialect.name,))]
    equal: dict[str, Any] = {"project": call.project}
    if isinstance(wanted.get("id"), list) and wanted["id"]:
        conditions.append(Condition("id", "eq", tuple(map(str, wanted["id"]))))
    for word, key in (("trace", "trace_id"), ("parent_run", "parent_span_id"), ("thread", "session")):
        if wanted.get(word):
            equal[key] = str(wanted[word])
    if wanted.get("error") is not None:
        equal["status"] = "error" if wanted["error"] else "ok"
    since, until = (parse_time(wanted.get(key), key, 422) for key in ("start_time", "end_time"))
    return Query(equal, since=since, until=until, conditions=tuple(conditions))


def _accepting(call: Call, wanted: Json) -> dialect.Filter:
    """Return a function that checks runs for the conditions that the store cannot compare."""
    accepts = _filter(wanted, "filter")
    if not isinstance(wanted.get("session"), (list, type(None))):
        raise Fault(422, "session: is not a list of ids")
    sessions = set(map(str, wanted.get("session") or []))
    examples = wanted.get("reference_example")
    if not isinstance(examples, (list, type(None))):
        raise Fault(422, "reference_example: is not a list of ids")
    text = wanted.get("query")
    said = dialect.parse_filter(f"search({json.dumps(str(text))})", "query") if text else None
    in_trace = _accepting_trace(call, wanted)
    return lambda run: (
        (not sessions or run["session_id"] in sessions)
        and wanted.get("run_type") in (None, run["run_type"])
        and wanted.get("is_root") in (None, run["parent_run_id"] is None)
        and (not examples or run.get("reference_example_id") in examples)
        and (accepts is None or accepts(run))
        and (said is None or said(run))
        and (in_trace is None or in_trace(run))
    )


def _filter(wanted: Json, key: str) -> dialect.Filter | None:
    return dialect.parse_filter(str(wanted[key]), key) if wanted.get(key) else None


def _accepting_trace(call: Call, wanted: Json) -> dialect.Filter | None:
    """Return a function that checks a run's trace: its root, and any of its runs; None without such a condition."""
    of_root, of_any = _filter(wanted, "trace_filter"), _filter(wanted, "tree_filter")
    if of_root is None and of_any is None:
        return None
    known: dict[str, bool] = {}

    def accepts(run: Json) -> bool:
        trace_id = run["trace_id"]
        if trace_id not in known:
            known[trace_id] = _is_accepted(_runs_of_trace(call, run), of_root, of_any)
        return known[trace_id]

    return accepts


def _runs_of_trace(call: Call, run: Json) -> Iterator[Json]:
    """Yield a run and the others of its trace."""
    yield run
    query = Query({"project": call.project, "trace_id": run["trace_id"]})
    records = filter(dialect.is_run, call.store.find(query, MAX_IN_TRACE, newest_first=False))
    for group in in_groups(call.store, records):
        yield from with_totals(call, group)


def _is_accepted(runs: Iterable[Json], of_root: dialect.Filter | None, of_any: dialect.Filter | None) -> bool:
    """Return whether the root of a trace passes one filter, and any of its runs the other."""
    for run in runs:
        if of_root is not None and run["parent_run_id"] is None and of_root(run):
            of_root = None
        if of_any is not None and of_any(run):
            of_any = None
        if of_root is None and of_any is None:
            return True
    return False


def encode(call: Call, records: Sequence[Record]) -> list[Json]:
    """Return runs with the figures of the runs inside them, and signed addresses of their attachments."""
    runs = with_totals(call, records)
    for record, run in zip(records, runs, strict=True):
        if files := dialect.attachments_of(record):
            path = f"/runs/{record.id}/attachment"
            run["s3_urls"] = {
                f"attachment.{name}": {
                    "presigned_url": sign(call, "GET", path, name=name),
                    "mime_type": description.get("content_type"),
                }
                for name, description in files.items()
            }
    return runs


# The newer API

_UNKNOWN = ("ai_search", "sem_filter", "min_feedback_modified_at", "max_feedback_modified_at", "reference_dataset_id")


def wanted_by_v2(given: Json) -> Json:
    """Return the fields of a request to the newer API in the words of `/runs/query`.

    Raises:
        Fault: 422, if a field is not supported.
    """
    if not isinstance(given.get("selects"), (list, type(None))):
        raise Fault(422, "selects: is not a list of fields")
    for key in _UNKNOWN:
        if given.get(key):
            raise Fault(422, f"{key}: is not supported; use filter, trace_filter or tree_filter")
    run_type = given.get("run_type")
    return {
        **{key: given.get(key) for key in ("cursor", "filter", "trace_filter", "tree_filter", "is_root")},
        "session": given.get("project_ids"),
        "error": given.get("has_error"),
        "id": given.get("ids"),
        "trace": given.get("trace_id"),
        "run_type": str(run_type).lower() if run_type else None,
        "reference_example": given.get("reference_examples"),
        "start_time": given.get("min_start_time"),
        "end_time": given.get("max_start_time"),
    }


def page_size(given: Json, usual: int, most: int) -> int:
    size = given.get("page_size", usual)
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= most:
        raise Fault(422, f"page_size: must be a number from 1 to {most}")
    return size


def reading(method: str, path: str, handler: Callable[[Call], Reply], summary: str) -> Route:
    """Return a route for keys with the scope `read`."""
    return Route(method, path, handler, dialect, f"LangSmith: {summary}", "read")
