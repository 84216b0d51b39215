"""Two records beside each other."""

from __future__ import annotations

import json
from typing import Any

from autolog._display.diff import answer_lines, compare_figures, compare_lines, request_lines
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


def test_of_long_texts_the_beginning_is_compared() -> None:
    last = compare_lines(["same"] * 4000, ["same"] * 4000)[-1]
    assert (last.kind, last.left) == ("changed", "… 1,000 more lines, not compared")


def test_texts_that_repeat_themselves_are_matched_at_both_ends() -> None:
    found = compare_lines(["a"] + ["x"] * 2998 + ["z"], ["a"] + (["x"] * 7 + ["y"]) * 374 + ["z"])
    assert (found[0].kind, found[-1].kind) == ("same", "same")


def test_a_request_is_its_parameters_then_its_messages() -> None:
    asked = {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": "Hi\nthere"}]}
    answered = {"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}
    record = call(asked, answered)
    assert request_lines(record) == ["{", '  "model": "m",', '  "temperature": 0', "}", "[user]", "Hi", "there"]
    assert answer_lines(record) == ["[assistant]", "Hello"]


def test_figures_that_are_unknown_are_dashes() -> None:
    figures = {name: (left, right) for name, left, right in compare_figures(call({}, {}, cost=0.5), Record(id="s"))}
    assert figures["cost"] == ("$0.50", "–")
    assert figures["input tokens"] == ("–", "–")
