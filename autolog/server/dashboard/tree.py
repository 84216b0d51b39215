"""The spans of a trace as a tree, and the marks that the page shows in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autolog._display.trace import Node, span_tree
from autolog._record.record import Record
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query, Summary

#: The most spans of a trace that are drawn.
MAX_SPANS = 2_000
#: The number of spans without children that are marked as slowest, in traces with more than twice as many.
SLOWEST = 3


@dataclass(frozen=True, slots=True)
class Tree:
    """The spans of a trace for the template. `parents` are the positions of spans that have children."""

    nodes: list[Node]
    parents: frozenset[int]
    slowest: frozenset[int]
    calls: int
    tokens: int
    cost: float | None
    errors: int
    duration: float

    @property
    def is_cut(self) -> bool:
        return len(self.nodes) >= MAX_SPANS


def tree_of(store: Store, record: Record) -> Tree | None:
    """Return the trace of a record; None if the record is alone in it."""
    if record.trace_id is None:
        return None
    records = spans_of(store, record.trace_id, record.project)
    return make_tree(records) if len(records) > 1 else None


def spans_of(store: Store, trace_id: str, project: str | None) -> Sequence[Record]:
    """Return the spans of a trace in order of time, at most `MAX_SPANS`."""
    equal: dict[str, Any] = {"trace_id": trace_id, **({"project": project} if project else {})}
    return store.find(Query(equal), MAX_SPANS, newest_first=False)


def trace_sums(store: Store, records: Sequence[Record]) -> dict[str | None, Summary]:
    """Return the sums of the traces whose roots are given, by trace id."""
    ids = tuple({record.trace_id for record in records if record.trace_id})
    if not ids:
        return {}
    return {
        summary.value: summary
        for summary in store.summarise(Query().where(Condition("trace_id", "eq", ids)), "trace_id")
    }


def make_tree(records: Sequence[Record]) -> Tree:
    """Arrange spans as a tree."""
    nodes = span_tree(records)
    roots = [node for node in nodes if not node.depth]
    costs = [node.cost for node in roots if node.cost is not None]
    parents = frozenset(index for index, node in enumerate(nodes[:-1]) if nodes[index + 1].depth > node.depth)
    leaves = [index for index in range(len(nodes)) if index not in parents]
    longest = sorted(leaves, key=lambda index: -(nodes[index].record.duration or 0))[:SLOWEST]
    return Tree(
        nodes, parents, frozenset(longest if len(leaves) > 2 * SLOWEST else ()),
        sum(node.calls for node in roots), sum(node.tokens for node in roots), sum(costs) if costs else None,
        sum(record.status == "error" for record in records), _length(records),
    )  # fmt: skip


def _length(records: Sequence[Record]) -> float:
    """Return the time from the first start to the last end, in seconds."""
    starts = [record.start_time.timestamp() for record in records if record.start_time]
    ends = [record.start_time.timestamp() + (record.duration or 0) for record in records if record.start_time]
    return max(ends, default=0.0) - min(starts, default=0.0)
