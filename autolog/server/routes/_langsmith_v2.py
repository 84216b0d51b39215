"""LangSmith's newer API for reading back, `/api/v2`: its client's `client.runs`, `client.traces` and `client.threads`.

Runs have the fields that a request selects, in other words than before, and pages a cursor.
"""

from __future__ import annotations

from typing import Any

from autolog.dialects import langsmith as dialect
from autolog.dialects._fault import Fault, Json
from autolog.server._call import Call, Reply, Route
from autolog.server._reading import too_much
from autolog.server.routes import _langsmith_sessions, _langsmith_threads
from autolog.server.routes._langsmith_query import MAX_LOOKED_AT, encode, find_runs, page_size, reading, wanted_by_v2

#: The most runs on a page, and of a trace.
MAX_RUNS, MAX_IN_TRACE = 1_000, 1_000


def query_runs(call: Call) -> Reply:
    """Find runs by the fields of the request.

    Raises:
        Fault: 422, if a field or a filter is not supported.
    """
    given = call.object()
    wanted = wanted_by_v2(given)
    items, cursor = find_runs(
        call, wanted, page_size(given, 100, MAX_RUNS), lambda run: _select(run, given.get("selects"))
    )
    return Reply(200, {"items": items, "next_cursor": cursor})


def _select(run: Json, selects: Any) -> Json:
    """Encode the selected fields of a run; without a selection only its id."""
    wanted = {"id", *(str(field).lower() for field in selects or ())}
    return {key: value for key, value in dialect.encode_run_v2(run).items() if key in wanted}


def get_run(call: Call) -> Reply:
    record = call.store.get(call.path["id"], call.project)
    if record is None or not dialect.is_run(record):
        raise Fault(404, "there is no run with this id")
    return Reply(200, _select(encode(call, [record])[0], call.parameters.texts("selects")))


def query_traces(call: Call) -> Reply:
    """Find traces by their root runs.

    Raises:
        Fault: 422, if a field or a filter is not supported.
    """
    given = call.object()
    ids = given.get("trace_ids")
    wanted = {
        **wanted_by_v2(given),
        "is_root": True,
        "filter": given.get("trace_filter"),
        "trace_filter": None,
        "id": ids,
    }
    if given.get("project_id"):
        wanted["session"] = [str(given["project_id"])]
    found, cursor = find_runs(call, wanted, page_size(given, 20, 100))
    items = [
        {
            "root_run": _select(run, given.get("selects")),
            "trace_aggregates": {key: run[key] for key in ("total_tokens", "total_cost")},
        }
        for run in found
    ]
    return Reply(200, {"items": items, "next_cursor": cursor})


def trace_runs(call: Call) -> Reply:
    wanted = {"trace": call.path["id"], "filter": call.parameter("filter"), "order": "asc"}
    selects = call.parameters.texts("selects")
    items, cursor = find_runs(call, wanted, MAX_IN_TRACE, lambda run: _select(run, selects))
    if cursor is not None and len(items) < MAX_IN_TRACE and int(cursor) < MAX_LOOKED_AT:
        raise too_much()
    return Reply(200, {"items": items})


def routes(base: str) -> list[Route]:
    """Return the routes below a base path that ends with `/v2`."""
    return [
        reading("POST", base + "/runs/query", query_runs, "find runs"),
        reading("GET", base + "/runs/{id}", get_run, "one run"),
        reading("POST", base + "/traces/query", query_traces, "find traces"),
        reading("GET", base + "/traces/{id}/runs", trace_runs, "the runs of a trace"),
        *_langsmith_threads.routes(base),
        *_langsmith_sessions.routes(base),
    ]
