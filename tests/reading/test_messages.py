"""Conversations read from bodies in every provider's format."""

from __future__ import annotations

from typing import Any

import pytest

from autolog._reading.messages import last_user_text, plain_text, request_messages, response_messages

Shown = list[tuple[str, list[tuple[str, str]]]]


def shown(messages: Any) -> Shown:
    return [
        (message.role, [(part.kind, part.text or part.name or "") for part in message.parts]) for message in messages
    ]


ASKED: Shown = [("system", [("text", "Be brief.")]), ("user", [("text", "Why?")])]


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]},
        {"system": "Be brief.", "messages": [{"role": "user", "content": [{"type": "text", "text": "Why?"}]}]},
        {"system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}][:1], "messages": [{"role": "user", "content": [{"text": "Why?"}]}]},
        {"instructions": "Be brief.", "input": "Why?"},
        {"instructions": "Be brief.", "input": [{"role": "user", "content": [{"type": "input_text", "text": "Why?"}]}]},
        {"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": [{"role": "user", "parts": [{"text": "Why?"}]}]},
        {"system_instruction": {"parts": {"text": "Be brief."}}, "contents": "Why?"},
        {"preamble": "Be brief.", "message": "Why?"},
        {"system": "Be brief.", "prompt": "Why?"},
        {"input": {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]}},
        {"input": {"system_prompt": "Be brief.", "prompt": "Why?"}},
        {"messages": [{"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
                      {"role": "user", "parts": [{"type": "text", "text": "Why?"}]}]},
    ],
)  # fmt: skip
def test_requests_of_every_shape(body: dict[str, Any]) -> None:
    assert shown(request_messages(body)) == ASKED
    assert last_user_text(body) == "Why?"


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "<system-reminder>\nToday is Monday.\n</system-reminder>\n\nWhy?"}],
        [{"role": "user", "content": [{"type": "text", "text": "<system-reminder>a</system-reminder>"},
                                      {"type": "text", "text": "<system-reminder>b</system-reminder>\n"},
                                      {"type": "text", "text": "Why?"}]}],
        [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Let me look."},
         {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"},
                                      {"type": "text", "text": "<system-reminder>Be brief.</system-reminder>"}]}],
        [{"role": "user", "content": "<session_context>\n<os>linux</os>\n</session_context>\nWhy?"}],
        [{"role": "user", "content": "<environment_context>x</environment_context>"},
         {"role": "user", "content": "Why?"}],
    ],
)  # fmt: skip
def test_blocks_of_context_are_not_what_the_user_wrote(messages: list[dict[str, Any]]) -> None:
    assert last_user_text({"messages": messages}) == "Why?"


@pytest.mark.parametrize(
    "content",
    [
        "<system-reminder>Be brief.</system-reminder>",
        "<system-reminder>cut off",
        "<article>Long.</article> Why?",
        "Why <system-reminder>x</system-reminder>",
    ],
)
def test_other_text_stays_as_the_user_wrote_it(content: str) -> None:
    assert last_user_text({"messages": [{"role": "user", "content": content}]}) == content


@pytest.mark.parametrize(
    "body",
    [{"prompt": "Why?"}, {"inputs": "Why?"}, {"inputText": "Why?"}, {"texts": ["Why?"]}, {"content": {"parts": [{"text": "Why?"}]}},
     {"requests": [{"content": {"parts": [{"text": "Why?"}]}}]}, {"instances": [{"content": "Why?"}]}, {"query": "Why?", "documents": ["x"]},
     {"contents": {"parts": {"text": "Why?"}}}, [{"role": "user", "content": "Why?"}]],
)  # fmt: skip
def test_requests_that_are_one_text(body: Any) -> None:
    assert last_user_text(body) == "Why?"


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"message": {"role": "assistant", "content": "So."}}]},
        {"choices": [{"text": "So."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "So."}]},
        {"output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "So."}]}]},
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "So."}]}, "finishReason": "STOP"}]},
        {"output": {"message": {"role": "assistant", "content": [{"text": "So."}]}}},
        {"output": {"choices": [{"message": {"role": "assistant", "content": "So."}}]}},
        {"output": {"text": "So.", "finish_reason": "stop"}},
        {"output": ["S", "o."]},
        {"output": "So."},
        {"message": {"role": "assistant", "content": "So."}, "done": True},
        {"message": {"role": "assistant", "content": [{"type": "text", "text": "So."}]}, "finish_reason": "COMPLETE"},
        {"response": "So.", "done": True},
        {"text": "So.", "generation_id": "g"},
        {"generations": [{"text": "So."}]},
        {"results": [{"outputText": "So.", "tokenCount": 2}]},
        {"outputs": [{"text": "So."}]},
        {"generation": "So.", "prompt_token_count": 1},
        {"completion": "So."},
        {"role": "assistant", "parts": [{"type": "text", "content": "So."}]},
        {"messages": [{"role": "assistant", "parts": [{"type": "text", "content": "So."}], "finish_reason": "stop"}]},
        [{"generated_text": "So."}],
        "So.",
    ],
)  # fmt: skip
def test_responses_of_every_shape(body: Any) -> None:
    [message] = response_messages(body)
    assert (message.role, plain_text(message)) == ("assistant", "So.")


def parts(*items: Any) -> list[tuple[str, str]]:
    [message] = request_messages({"messages": [{"role": "user", "content": list(items)}]})
    return [(part.kind, part.text or part.name or "") for part in message.parts]


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        ({"type": "thinking", "thinking": "Hm."}, [("reasoning", "Hm.")]),
        ({"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, [("reasoning", "Hm.")]),
        ({"type": "reasoning", "content": "Hm."}, [("reasoning", "Hm.")]),
        ({"type": "redacted_thinking", "data": "x"}, [("reasoning", "(hidden)")]),
        ({"text": "Hm.", "thought": True}, [("reasoning", "Hm.")]),
        ({"reasoningContent": {"reasoningText": {"text": "Hm."}}}, [("reasoning", "Hm.")]),
        ({"type": "tool_use", "id": "1", "name": "f", "input": {"x": 1}}, [("tool_call", "f")]),
        ({"type": "tool_call", "id": "1", "name": "f", "arguments": {"x": 1}}, [("tool_call", "f")]),
        ({"type": "tool-call", "toolCallId": "1", "toolName": "f", "args": {"x": 1}}, [("tool_call", "f")]),
        ({"functionCall": {"name": "f", "args": {"x": 1}}}, [("tool_call", "f")]),
        ({"toolUse": {"toolUseId": "1", "name": "f", "input": {"x": 1}}}, [("tool_call", "f")]),
        ({"type": "tool_result", "tool_use_id": "1", "content": "42"}, [("tool_result", "42")]),
        ({"type": "tool_call_response", "id": "1", "result": "42"}, [("tool_result", "42")]),
        ({"type": "tool-result", "toolCallId": "1", "output": {"type": "text", "value": "42"}}, [("tool_result", '{"type": "text", "value": "42"}')]),
        ({"functionResponse": {"name": "f", "response": {"n": 42}}}, [("tool_result", '{"n": 42}')]),
        ({"toolResult": {"toolUseId": "1", "content": [{"text": "42"}]}}, [("tool_result", "42")]),
        ({"type": "tool-f", "toolCallId": "1", "input": {"x": 1}, "output": "42"}, [("tool_call", "f"), ("tool_result", "42")]),
        ({"type": "tool-invocation", "toolInvocation": {"toolName": "f", "args": {}, "result": "42"}}, [("tool_call", "f"), ("tool_result", "42")]),
        ({"inlineData": {"mimeType": "image/png", "data": "x"}}, [("image", "")]),
        ({"fileData": {"mimeType": "application/pdf", "fileUri": "gs://x"}}, [("file", "")]),
        ({"image": {"format": "png", "source": {"bytes": "x"}}}, [("image", "")]),
        ({"guardContent": {"text": {"text": "Hm."}}}, [("text", "Hm.")]),
        ({"citationsContent": {"content": [{"text": "Hm."}]}}, [("text", "Hm.")]),
        ({"executableCode": {"code": "1+1"}}, [("json", "")]),
        ({"type": "news"}, [("json", "")]),
        (7, [("json", "")]),
    ],
)  # fmt: skip
def test_parts_of_every_shape(item: Any, wanted: list[tuple[str, str]]) -> None:
    assert parts(item) == wanted


def test_results_of_tools_show_what_they_returned() -> None:
    [message] = request_messages(
        {"messages": [{"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "42"}]}]}
    )
    assert [(part.kind, part.text, part.id) for part in message.parts] == [("tool_result", "42", "c")]


@pytest.mark.parametrize(
    "body", [{"strange": 1}, {"error": {"message": "no"}}, {"candidates": [{"finishReason": "SAFETY"}]}]
)
def test_nothing_is_a_blank_page(body: dict[str, Any]) -> None:
    for messages in (request_messages(body), response_messages(body)):
        assert [part.kind for message in messages for part in message.parts] == ["json"]


def test_a_message_of_an_unknown_shape_is_shown_as_json() -> None:
    [message] = request_messages({"messages": [{"role": "user", "utterance": "Why?"}]})
    assert [part.value for part in message.parts] == [{"role": "user", "utterance": "Why?"}]


@pytest.mark.parametrize(
    "body", [None, [], {}, "", 3, [None, 1], {"messages": 3}, {"choices": "x"}, {"candidates": None}]
)
def test_what_is_no_conversation_is_none(body: Any) -> None:
    for messages in (request_messages(body), response_messages(body)):
        assert all(plain_text(message) == "" for message in messages)
