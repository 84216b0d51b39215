"""The parts of a message are read alike from every provider's format."""

from __future__ import annotations

from typing import Any

import pytest

from autolog._reading.parts import Part, call_part, parts_of, text_of


@pytest.mark.parametrize("content", [
    "Hello", [{"type": "text", "text": "Hello"}], {"text": "Hello"}, [{"text": "Hello"}], [{"type": "output_text", "text": "Hello"}],
    [{"type": "text", "content": "Hello"}], [{"type": "text", "text": {"value": "Hello", "annotations": []}}],
])  # fmt: skip
def test_a_text_reads_the_same_however_it_is_written(content: Any) -> None:
    assert parts_of(content) == [Part("text", "Hello")]
    assert text_of(content) == "Hello"


@pytest.mark.parametrize("called", [
    {"name": "look_up", "arguments": '{"n": 1}'}, {"toolName": "look_up", "input": '{"n": 1}'},
    {"tool_name": "look_up", "args": '{"n": 1}'}, {"name": "look_up", "parameters": '{"n": 1}'},
])  # fmt: skip
def test_a_tool_call_reads_the_same_under_every_name(called: dict[str, Any]) -> None:
    part = call_part(called, 7)
    assert (part.kind, part.name, part.id, part.text, part.value) == (
        "tool_call",
        "look_up",
        "7",
        '{"n": 1}',
        '{"n": 1}',
    )


@pytest.mark.parametrize(
    "content", [{"unheard_of": 1}, [{"type": "hologram", "data": "x"}], 5, [None, {"a": {"b": []}}]]
)
def test_what_is_not_recognised_is_shown_as_json(content: Any) -> None:
    assert any(part.kind == "json" for part in parts_of(content))
    assert text_of(content)


@pytest.mark.parametrize("content", [None, "", []])
def test_nothing_has_no_parts(content: Any) -> None:
    assert parts_of(content) == []
    assert text_of(content) == ""
