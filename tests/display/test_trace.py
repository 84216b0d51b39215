"""The tree of a trace: order, depth, shares and sums."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from autolog._display.trace import span_tree
from autolog._record.record import Record

START = datetime(2026, 11, 1, tzinfo=UTC)


def span(name: str, parent: str | None = None, at: float = 0.0, length: float = 1.0, **fields: Any) -> Record:
    return Record(
        id=name, name=name, span_id=name, parent_span_id=parent, kind=fields.pop("kind", "span"),
        start_time=START + timedelta(seconds=at), duration=length, **fields,
    )  # fmt: skip


def shown(records: list[Record]) -> list[tuple[str | None, int]]:
    return [(node.record.name, node.depth) for node in span_tree(records)]


def test_parents_come_before_children_and_the_earlier_before_the_later() -> None:
    records = [span("late", "root", 3), span("early", "root", 1), span("root", at=0), span("leaf", "early", 2)]
    assert shown(records) == [("root", 0), ("early", 1), ("leaf", 2), ("late", 1)]


def test_a_span_whose_parent_is_not_there_is_a_root() -> None:
    assert shown([span("a", "elsewhere"), span("b", "a", 1)]) == [("a", 0), ("b", 1)]


def test_parents_in_a_circle_are_shown_once_each() -> None:
    assert sorted(name or "" for name, _ in shown([span("a", "b"), span("b", "a", 1)])) == ["a", "b"]


def test_calls_tokens_and_costs_sum_up_to_the_root() -> None:
    records = [
        span("root"), span("step", "root"),
        span("call", "step", kind="llm", usage_input_tokens=10, usage_output_tokens=5, cost=0.5),
        span("unpriced", "root", kind="llm", usage_input_tokens=1),
    ]  # fmt: skip
    nodes = {node.record.name: node for node in span_tree(records)}
    assert [(nodes[name].calls, nodes[name].tokens, nodes[name].cost) for name in ("root", "step", "unpriced")] == [
        (2, 16, 0.5),
        (1, 15, 0.5),
        (1, 1, None),
    ]


def test_starts_and_lengths_are_shares_of_the_trace() -> None:
    nodes = {node.record.name: node for node in span_tree([span("root", length=4.0), span("half", "root", 1.0, 2.0)])}
    assert (nodes["half"].start, nodes["half"].share) == (0.25, 0.5)


def test_a_trace_may_be_deeper_than_pythons_stack() -> None:
    records = [span(str(n), str(n - 1) if n else None, float(n)) for n in range(3000)]
    assert shown(records)[-1] == ("2999", 2999)
