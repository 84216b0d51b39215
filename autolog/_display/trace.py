"""Arrange the spans of a trace as a tree, with sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from autolog._record.record import Record

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Node:
    """A span in the tree of its trace.

    Attributes:
        start: when the span started, as a fraction of the trace's duration.
        share: the span's duration, as a fraction of the trace's.
        calls: the number of provider calls at and below the span.
        tokens: the input and output tokens of these calls.
        cost: the dollars of these calls; None if the cost of none of them is known.
    """

    record: Record
    depth: int
    start: float
    share: float
    calls: int = 0
    tokens: int = 0
    cost: float | None = None


def span_tree(records: Sequence[Record]) -> list[Node]:
    """Return the spans of one trace in reading order: parents before children, earlier before later."""
    ordered = sorted(records, key=lambda record: record.start_time or record.created_at or _NEVER)
    starts = [record.start_time.timestamp() for record in ordered if record.start_time]
    ends = [start.timestamp() + (record.duration or 0) for record in ordered if (start := record.start_time)]
    begin, length = min(starts, default=0.0), max(ends, default=0.0) - min(starts, default=0.0)
    known = {record.span_id for record in ordered if record.span_id}
    children: dict[str | None, list[Record]] = {}
    for record in ordered:
        parent = record.parent_span_id if record.parent_span_id in known else None
        children.setdefault(parent, []).append(record)
    nodes: list[Node] = []
    seen: set[int] = set()

    def place(record: Record) -> Node:
        start = (record.start_time.timestamp() - begin) / length if record.start_time and length else 0.0
        return Node(record, 0, start, (record.duration or 0) / length if length else 0.0)

    # No recursion, because a trace may be deeper than Python's stack
    def walk(roots: Sequence[Record]) -> None:
        waiting = [(record, 0) for record in reversed(roots)]
        while waiting:
            record, depth = waiting.pop()
            if id(record) in seen:
                continue
            seen.add(id(record))
            node = place(record)
            node.depth = depth
            nodes.append(node)
            below = children.get(record.span_id, []) if record.span_id else []
            waiting += [(child, depth + 1) for child in reversed(below)]

    walk(children.get(None, []))
    walk([record for record in ordered if id(record) not in seen])  # spans whose parents form a cycle
    _sum_up(nodes)
    return nodes


def _sum_up(nodes: list[Node]) -> None:
    """Add each span's call to all of its ancestors, which are the last nodes at each smaller depth."""
    above: list[Node] = []
    for node in nodes:
        del above[node.depth :]
        above.append(node)
        record = node.record
        if record.kind != "llm":
            continue
        for span in above:
            span.calls += 1
            span.tokens += (record.usage_input_tokens or 0) + (record.usage_output_tokens or 0)
            if record.cost is not None:
                span.cost = (span.cost or 0.0) + record.cost
