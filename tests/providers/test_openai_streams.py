"""Assembling streams of OpenAI, and of vendors that deviate from its format."""

from __future__ import annotations

from typing import Any

import pytest

from autolog._record.streams import Event
from autolog.providers import openai
from autolog.providers._openai_streams import assemble

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"


def chat(*deltas: dict[str, Any], **last: Any) -> list[Event]:
    return [
        Event(None, {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]}) for delta in deltas
    ] + ([Event(None, last)] if last else [])


def call(arguments: Any, name: str | None = None, **more: Any) -> dict[str, Any]:
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return {"tool_calls": [{**more, "function": function}]}


def calls_of(events: list[Event]) -> list[tuple[Any, Any, Any]]:
    found = openai.read(CHAT, assemble(CHAT, events), {}).tool_calls
    return [(found_call["id"], found_call["name"], found_call["arguments"]) for found_call in found]


TWO = [("a", "sun", '{"x":1}'), ("b", "moon", '{"y":2}')]


@pytest.mark.parametrize(
    ("deltas", "wanted"),
    [
        pytest.param([call('{"x":', "sun", index=0, id="a"), call("1}", "", index=0, id="")], TWO[:1], id="repeated empty"),
        pytest.param([call('{"x":', "sun", index=0, id="a"), call("1}", "sun", index=0, id="a")], TWO[:1], id="repeated whole"),
        pytest.param([call('{"x":', "sun", index=0, id="a"), call("1}", None, index=0, id=None)], TWO[:1], id="repeated null"),
        pytest.param([call('{"x":1}', "sun", index=0, id="a"), call('{"y":2}', "moon", index=0, id="b")], TWO, id="all at 0"),
        pytest.param(
            [call('{"x":', "sun", index=0, id="a"), call("1}", index=0), call('{"y":', "moon", index=0, id="b"), call("2}", index=0)],
            TWO, id="all at 0, in pieces",
        ),
        pytest.param([call('{"x":', "sun", id="a"), call("1}"), call('{"y":', "moon", id="b"), call("2}")], TWO, id="no index"),
        pytest.param([call('{"x":1}', "sun", index=1, id="a"), call('{"y":', "moon", index=4, id="b"), call("2}", index=4)], TWO, id="gaps"),
        pytest.param(
            [call('{"x":', "sun", index=0, id="a"), call('{"y":', "moon", index=1, id="b"), call("1}", index=0), call("2}", index=1)],
            TWO, id="interleaved",
        ),
        pytest.param(
            [call('{"x":1}', "sun", index=0, id=""), call('{"y":2}', "moon", index=0, id="")],
            [("", "sun", '{"x":1}'), ("", "moon", '{"y":2}')], id="no ids, all at 0",
        ),
        pytest.param(
            [call('{"x":1}', "sun"), call('{"x":2}', "sun")],
            [(None, "sun", '{"x":1}'), (None, "sun", '{"x":2}')], id="no ids, no index, one function twice",
        ),
        pytest.param([call("", "get_", index=0, id="a"), call("{}", "sun", index=0)], [("a", "get_sun", "{}")], id="a name in pieces"),
        pytest.param([call("", "sun", index=0), call('{"x":1}', None, index=0, id="a")], TWO[:1], id="the id comes late"),
        pytest.param(
            [{"tool_calls": [{"function": {"name": "sun", "arguments": {"x": 1}}}, {"function": {"name": "moon", "arguments": {}}}]}],
            [(None, "sun", {"x": 1}), (None, "moon", {})], id="whole calls, as objects",
        ),
    ],
)  # fmt: skip
def test_tool_calls_are_told_apart(deltas: list[dict[str, Any]], wanted: list[Any]) -> None:
    assert calls_of(chat(*deltas)) == wanted


def test_what_is_empty_overwrites_nothing() -> None:
    events = [
        Event(
            None, {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "a"}}]}
        ),
        Event(
            None,
            {
                "id": "",
                "model": "",
                "choices": [{"index": 0, "delta": {"role": "", "content": ""}, "finish_reason": "stop"}],
            },
        ),
        Event(None, {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": ""}]}),
        Event(None, {"choices": None, "usage": {"prompt_tokens": 3, "completion_tokens": 4}}),
        Event(None, {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}),
    ]
    facts = openai.read(CHAT, assemble(CHAT, events), {})
    assert (facts.id, facts.model, facts.finish_reasons, facts.output_text) == ("c", "m", ["stop"], "a")
    assert (facts.usage.input, facts.usage.output) == (3, 4)


def test_choices_without_an_index_are_told_apart_by_their_order() -> None:
    events = [
        Event(None, {"choices": [{"delta": {"content": word}} for word in words]}) for words in (("a", "x"), ("b", "y"))
    ]
    assert openai.read(CHAT, assemble(CHAT, events), {}).output_text == "ab\nxy"


@pytest.mark.parametrize(
    ("last", "error"),
    [
        pytest.param(Event("error", {"message": "died", "code": 500}), ("500", "died"), id="an event without `error`"),
        pytest.param(Event("error", {}, "died"), (None, "died"), id="an event with text"),
        pytest.param(Event("error", {"error": {"type": "x", "message": "died"}}), ("x", "died"), id="an event"),
        pytest.param(Event(None, {"object": "error", "message": "died", "code": 500}), ("500", "died"), id="an object"),
        pytest.param(Event(None, {"detail": "died"}), (None, "died"), id="a detail"),
        pytest.param(
            Event(None, {"base_resp": {"status_code": 1013, "status_msg": "died"}}), ("1013", "died"), id="a status",
        ),
        pytest.param(
            Event(None, {"choices": [{"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "died"}}]}),
            ("502", "died"), id="in the choice",
        ),
        pytest.param(
            Event(None, {"choices": [{"index": 0, "delta": {}}], "x_groq": {"id": "r", "error": "died"}}), (None, "died"), id="at Groq",
        ),
    ],
)  # fmt: skip
def test_an_error_in_the_middle_is_read_wherever_it_is(last: Event, error: tuple[str | None, str]) -> None:
    facts = openai.read(CHAT, assemble(CHAT, [*chat({"content": "a"}), last]), {})
    assert (facts.error_type, facts.error_message, facts.output_text) == (*error, "a")


def test_usage_that_arrives_in_parts_or_again_and_again() -> None:
    usages = [
        {"prompt_tokens": 7},
        {"completion_tokens": 1},
        {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    ]
    facts = openai.read(CHAT, assemble(CHAT, [Event(None, {"choices": [], "usage": usage}) for usage in usages]), {})
    assert (facts.usage.input, facts.usage.output) == (7, 2)


def test_usage_inside_a_choice() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2}
    events = [*chat({"content": "a"}), Event(None, {"choices": [{"index": 0, "delta": {}, "usage": usage}]})]
    assert openai.read(CHAT, assemble(CHAT, events), {}).usage.input == 7


def test_a_message_that_is_repeated_as_a_whole_is_not_doubled() -> None:
    events = [
        Event(
            None,
            {
                "choices": [
                    {"index": 0, "delta": {"content": piece}, "message": {"role": "assistant", "content": whole}}
                ]
            },
        )
        for piece, whole in (("a", "a"), ("b", "ab"))
    ]
    assert openai.read(CHAT, assemble(CHAT, events), {}).output_text == "ab"


def response(*events: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    started = {"object": "response", "id": "r", "status": "in_progress", "output": []}
    return assemble(RESPONSES, [
        Event("response.created", {"type": "response.created", "response": started}),
        *(Event(kind, {"type": kind, **data}) for kind, data in events),
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("events", "output"),
    [
        ([("response.output_text.delta", {"delta": "a"}), ("response.output_text.delta", {"delta": "b"})],
         {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ab"}]}),
        ([("response.refusal.delta", {"delta": "No"}), ("response.refusal.delta", {"delta": "!"})],
         {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No!"}]}),
        ([("response.output_item.added", {"item": {"type": "function_call", "name": "f", "arguments": ""}}),
          ("response.function_call_arguments.delta", {"delta": '{"x":'})],
         {"type": "function_call", "name": "f", "arguments": '{"x":'}),
        ([("response.output_item.added", {"item": {"type": "custom_tool_call", "name": "f", "input": ""}}),
          ("response.custom_tool_call_input.delta", {"delta": "x"})],
         {"type": "custom_tool_call", "name": "f", "input": "x"}),
        ([("response.output_item.added", {"item": {"type": "mcp_call", "name": "f", "arguments": ""}}),
          ("response.mcp_call_arguments.delta", {"delta": "{}"})],
         {"type": "mcp_call", "name": "f", "arguments": "{}"}),
        ([("response.output_item.added", {"item": {"type": "code_interpreter_call", "code": None}}),
          ("response.code_interpreter_call_code.delta", {"delta": "1 "}), ("response.code_interpreter_call_code.delta", {"delta": "+ 1"})],
         {"type": "code_interpreter_call", "code": "1 + 1"}),
        ([("response.reasoning_summary_text.delta", {"delta": "hm"}), ("response.reasoning_summary_text.done", {"text": "hmm"})],
         {"type": "reasoning", "role": "assistant", "summary": [{"type": "summary_text", "text": "hmm"}]}),
        ([("response.reasoning_text.delta", {"delta": "hm", "output_index": 0})],
         {"type": "message", "role": "assistant", "content": [{"type": "reasoning_text", "text": "hm"}]}),
        ([("response.output_text.delta", {"delta": "a"}), ("response.output_item.done", {"item": {"type": "message", "content": []}})],
         {"type": "message", "content": []}),
    ],
)  # fmt: skip
def test_a_broken_response_keeps_what_had_arrived(
    events: list[tuple[str, dict[str, Any]]], output: dict[str, Any]
) -> None:
    assert response(*events)["output"] == [output]


def test_a_broken_response_keeps_its_parts_and_items_apart() -> None:
    deltas = [("response.output_text.delta", {"delta": text, "output_index": item, "content_index": part})
            for text, item, part in (("a", 1, 0), ("b", 1, 1), ("c", 2, 0), ("d", 1, 1))]  # fmt: skip
    texts = [[part["text"] for part in item["content"]] for item in response(*deltas)["output"]]
    assert texts == [["a", "bd"], ["c"]]


def test_the_last_response_wins_over_what_was_put_together() -> None:
    done = {
        "object": "response",
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "all"}]}],
    }
    body = response(("response.output_text.delta", {"delta": "a"}), ("response.completed", {"response": done}))
    assert openai.read(RESPONSES, body, {}).output_text == "all"
