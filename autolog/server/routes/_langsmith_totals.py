"""The tokens and costs of LangSmith's runs: of a run without its own, the sums of the runs inside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from autolog._record.record import Record
from autolog.dialects import langsmith as dialect
from autolog.dialects._fault import Json
from autolog.server._call import Call
from autolog.stores.query import Condition, Query

#: The most runs that are read for the sums of a page of runs, and the most levels of a trace that are followed.
MAX_READ, MOST_DEEP = 10_000, 100

_TOKENS = ("total_tokens", "prompt_tokens", "completion_tokens")
_COSTS = ("total_cost", "prompt_cost", "completion_cost")


def with_totals(call: Call, records: Sequence[Record]) -> list[Json]:
    """Return records as runs; those without tokens or a cost of their own have the sums of the runs inside them.

    LangSmith shows them so, too. If the traces have more than `MAX_READ` runs, the sums are of the newest.
    """
    runs = [dialect.encode_run(record) for record in records]
    traces = {
        record.trace_id for record, run in zip(records, runs, strict=True) if record.trace_id and _lacks_figures(run)
    }
    if not traces:
        return runs
    query = Query({"project": call.project}, conditions=(Condition("trace_id", "eq", tuple(traces)),))
    inside = defaultdict[str, list[Json]](list)
    for record in call.store.find(query, MAX_READ):
        if record.parent_span_id and dialect.is_run(record):
            inside[record.parent_span_id].append({"span": record.span_id, **dialect.encode_run(record)})
    for record, run in zip(records, runs, strict=True):
        if _lacks_figures(run) and record.span_id:
            for keys in (_TOKENS, _COSTS):
                if run[keys[0]] is None:
                    found = list(_bearers(inside, record.span_id, keys[0], MOST_DEEP))
                    run.update({key: _sum(item[key] for item in found) for key in keys})
    return runs


def _lacks_figures(run: Json) -> bool:
    return run["total_tokens"] is None or run["total_cost"] is None


def _bearers(inside: dict[str, list[Json]], span: str, key: str, levels: int) -> Iterable[Json]:
    """Yield the uppermost runs inside of one that have a figure."""
    for run in inside.get(span, ()) if levels else ():
        if run[key] is not None:
            yield run
        elif run["span"]:
            yield from _bearers(inside, run["span"], key, levels - 1)


def _sum(figures: Iterable[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None
