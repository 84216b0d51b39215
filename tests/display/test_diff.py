"""The comparison of two records."""

from __future__ import annotations

import json
from typing import Any

from autolog._display.diff import answer_lines, compare_figures, compare_lines, folded, request_lines
from autolog._record.record import Record


def lines(left: list[str], right: list[str]) -> list[tuple[str, str | None, str | None]]:
    return [(line.kind, line.left, line.right) for line in compare_lines(left, right)]


def call(request: Any, response: Any, **fields: Any) -> Record:
    return Record(
        id="r", request_url="https://api.openai.com/v1/chat/completions", request_body=json.dumps(request).encode(),
        response_body=json.dumps(response).encode(), **fields,
    )  # fmt: skip


def test_equal_lines_stand_beside_each_other() -> None:
    assert lines(["a", "b", "c"], ["a", "x", "c", "d"]) == [
        ("same", "a", "a"), ("changed", "b", "x"), ("same", "c", "c"), ("added", None, "d"),
    ]  # fmt: skip
    assert lines(["a", "b"], ["b"]) == [("removed", "a", None), ("same", "b", "b")]


def test_equal_lines_far_from_a_difference_may_be_folded() -> None:
    left = [str(number) for number in range(40)]
    right = [*left[:20], "other", *left[21:36], left[36], "more", *left[37:]]
    stretches = [(far, len(stretch)) for far, stretch in folded(compare_lines(left, right))]
    assert stretches == [(True, 17), (False, 7), (True, 10), (False, 7)]
    assert [far for far, _ in folded(compare_lines(left, left))] == [True]
    assert list(folded([])) == []


def test_of_long_lines_what_is_equal_around_a_difference_is_left_out() -> None:
    begin, end = "a" * 500, "b" * 500
    ((_, (line,)),) = folded(compare_lines([f"{begin} old {end}"], [f"{begin} newer {end}"]))
    assert line.left == f"…{'a' * 59} old {'b' * 59}…"
    assert line.right == f"…{'a' * 59} newer {'b' * 59}…"
    for left, right in (("x" * 900, "x" * 901), ("x" * 900, ""), ("short", "sort")):
        ((_, (line,)),) = folded(compare_lines([left], [right]))
        assert line.left != line.right


def test_of_long_texts_the_beginning_is_compared() -> None:
    last = compare_lines(["same"] * 4000, ["same"] * 4000)[-1]
    assert (last.kind, last.left) == ("changed", "… 1,000 more lines, not compared")


def test_texts_that_repeat_themselves_are_matched_at_both_ends() -> None:
    found = compare_lines(["a"] + ["x"] * 2998 + ["z"], ["a"] + (["x"] * 7 + ["y"]) * 374 + ["z"])
    assert (found[0].kind, found[-1].kind) == ("same", "same")


def test_a_request_is_its_parameters_then_its_messages() -> None:
    request = {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": "Hi\nthere"}]}
    answered = {"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}
    record = call(request, answered)
    assert request_lines(record) == ["{", '  "model": "m",', '  "temperature": 0', "}", "[user]", "Hi", "there"]
    assert answer_lines(record) == ["[assistant]", "Hello"]


def test_figures_that_are_unknown_are_dashes() -> None:
    figures = {name: (left, right) for name, left, right in compare_figures(call({}, {}, cost=0.5), Record(id="s"))}
    assert figures["cost"] == ("$0.50", "–")
    assert figures["input tokens"] == ("–", "–")


def test_prompt_versions_and_scores_stand_beside_each_other() -> None:
    left = call({}, {}, prompt_name="plan", prompt_version="3", score=0.5)
    right = call({}, {}, prompt_name="plan", prompt_version="4", scores={"tone": {"value": 1, "comment": "kind"}})
    figures = {name: (one, other) for name, one, other in compare_figures(left, right)}
    assert figures["prompt"] == ("plan 3", "plan 4")
    assert figures["score default"] == ("0.5", "–")
    assert figures["score tone"] == ("–", "1")
