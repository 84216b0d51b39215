"""Short descriptions of records."""

from __future__ import annotations

from datetime import UTC, datetime

from autolog._display.brief import (
    begin,
    changed_lines,
    detail_line,
    difference,
    heading,
    interesting,
    listed,
    parts_of_record,
)
from autolog._display.diff import compare_lines
from autolog._display.trace import span_tree
from autolog._record.record import Record

CALL = Record(
    id="c", name="chat m", created_at=datetime(2026, 11, 20, 12, tzinfo=UTC), usage_input_tokens=10, cost=0.5,
    usage_output_tokens=2, duration=1.0, session="s", tags=["t"], request_url="https://api.openai.com/v1/chat/completions",
    request_body=b'{"tools": [{}], "messages": [{"role": "user", "content": "Hi?"}]}',
    response_body=b'{"choices": [{"message": {"role": "assistant", "content": "Yo"}}]}',
)  # fmt: skip


def test_a_text_has_a_beginning_on_one_line() -> None:
    assert begin("a\n b") == "a b"
    assert begin("x" * 500) == "x" * 119 + "…"
    assert begin("x " * 5_000, 10) == "x x x x x…"


def test_a_record_in_a_few_words() -> None:
    assert heading(CALL) == "c 11-20T12:00:00 chat m 10 → 2 $0.50 1.00 s"
    assert detail_line(CALL) == ["session=s tags=t tools=1"]
    assert heading(Record(id="x", status="error", status_code=500)) == "x llm ERROR 500"


def test_a_conversation_is_numbered() -> None:
    assert listed(parts_of_record(CALL)) == ["[0] user text: Hi?", "[1] answer assistant text: Yo"]
    many = listed([("user text", "x")] * 100)
    assert (len(many), many[3]) == (29, "… parts 3 to 74: ask by number")


def test_a_difference_has_little_around_it() -> None:
    left, right = ["same"] * 50 + ["a"] + ["same"] * 50, ["same"] * 50 + ["b"] + ["same"] * 50
    assert changed_lines(compare_lines(left, right)) == ["…", "  same", "- a", "+ b", "  same"]
    assert changed_lines(compare_lines(left, left)) == ["the same"]
    assert len(changed_lines(compare_lines([f"l{n}" for n in range(200)], [f"r{n}" for n in range(200)]))) == 81
    assert difference(CALL, CALL).splitlines() == ["request:", "the same", "answer:", "the same"]


def test_errors_and_what_leads_to_them_come_first() -> None:
    root = Record(id="r", span_id="0")
    spans = [Record(id=f"s{n}", span_id=f"{n + 1}", parent_span_id="0") for n in range(50)]
    spans[40].status = "error"
    kept = [node.record.id for node in interesting(span_tree([root, *spans]), 5)]
    assert kept == ["r", "s0", "s1", "s2", "s40"]
