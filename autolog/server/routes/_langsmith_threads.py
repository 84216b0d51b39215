"""LangSmith's threads: traces with the same id in their metadata, which its client's `client.threads` reads."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from autolog.dialects import langsmith as dialect
from autolog.dialects._fault import Fault, Json
from autolog.server._call import Call, Reply, Route
from autolog.server.routes._langsmith_query import all_runs, offset_of, page_size, reading, wanted_by_v2
from autolog.stores.query import Condition, Query


def query_threads(call: Call) -> Reply:
    """Find the threads that had a trace within a time, by default a day, the most recent first.

    Raises:
        Fault: 422, if a field or a filter is not supported, or too many traces match.
    """
    given = call.object()
    if given.get("thread_filter"):
        raise Fault(422, "thread_filter: is not supported; use filter, trace_filter or tree_filter")
    wanted = {**wanted_by_v2(given), "is_root": True}
    wanted["start_time"] = wanted["start_time"] or (datetime.now(UTC) - timedelta(days=1)).isoformat()
    if given.get("project_id"):
        wanted["session"] = [str(given["project_id"])]
    first, size = offset_of(given.get("cursor")), page_size(given, 20, 100)
    threads = defaultdict[str, list[Json]](list)
    for run in all_runs(call, wanted, dialect.with_previews):
        if run["thread_id"] is not None:
            threads[run["thread_id"]].append(run)
    shown = [*threads.items()][first : first + size]
    sums = _sums(call, tuple(thread_id for thread_id, _ in shown))
    items = [dialect.encode_thread(thread_id, runs, *sums.get(thread_id, (0, None))) for thread_id, runs in shown]
    cursor = str(first + size) if first + size < len(threads) else None
    return Reply(200, {"items": items, "next_cursor": cursor})


def _sums(call: Call, threads: tuple[str, ...]) -> dict[str | None, tuple[int, float | None]]:
    """Return the tokens and the cost of each thread."""
    if not threads:
        return {}
    conditions = (Condition("session", "eq", threads), Condition("dialect", "eq", (dialect.name,)))
    found = call.store.summarise(Query({"project": call.project}, conditions=conditions), "session")
    return {thread.value: (thread.input_tokens + thread.output_tokens, thread.cost) for thread in found}


def thread_traces(call: Call) -> Reply:
    """List the traces of a thread, the most recent first, with the selected fields of their roots.

    Raises:
        Fault: 422, if a filter is not supported, or there are too many traces.
    """
    given = call.parameters
    filters = {key: given.text(key) for key in ("filter", "trace_filter", "tree_filter")}
    project = given.text("project_id")
    wanted = {**filters, "is_root": True, "thread": call.path["id"], "session": [project] if project else None}
    first, size = offset_of(given.text("cursor")), given.integer("page_size", 20, 1, 100)
    runs = all_runs(call, wanted)
    selects = {"trace_id", *(field.lower() for field in given.texts("selects"))}
    items = [
        _select({**dialect.encode_run_v2(run), "turn_number": len(runs) - place}, selects)
        for place, run in enumerate(runs)
    ]
    cursor = str(first + size) if first + size < len(items) else None
    return Reply(200, {"items": items[first : first + size], "next_cursor": cursor})


def _select(run: Json, selects: set[str]) -> Json:
    known = {**run, "latency": run["latency_seconds"]}
    return {key: value for key, value in known.items() if key in selects}


def routes(base: str) -> list[Route]:
    """Return the routes below a base path that ends with `/v2`."""
    return [
        reading("POST", base + "/threads/query", query_threads, "find threads"),
        reading("GET", base + "/threads/{id}/traces", thread_traces, "the traces of a thread"),
    ]
