"""A request and its response as a conversation, in one shape for every provider's format.

Bodies are read by duck typing, because the formats share their parts and vendors mix them. A body of unknown shape is
shown as JSON instead of being left out, so that a page is never blank.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from autolog._reading.parts import Part, call_part, parts_of, text_of
from autolog.providers._fields import mapping, objects, text

__all__ = ["Message", "Part", "last_user_text", "plain_text", "request_messages", "response_messages"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation: a role and its parts."""

    role: str
    parts: list[Part] = field(default_factory=list)


#: The keys of instructions, in the order in which they are shown.
_INSTRUCTIONS = ("system", "instructions", "systemInstruction", "system_instruction", "preamble", "system_prompt")
#: The keys that may hold a request's content; the first one present counts.
_REQUEST = (
    "messages", "contents", "input", "prompt", "message", "inputs", "query", "texts", "inputText", "content",
    "requests", "instances", "text",
)  # fmt: skip
#: Keys of responses that contain figures or files instead of a conversation.
_FIGURES = {"data", "embedding", "embeddings", "embeddingsByType", "predictions"}
#: Types of items that answer a tool call and have no role.
_RESULT_TYPES = {
    "tool_result",
    "function_call_output",
    "custom_tool_call_output",
    "mcp_tool_result",
    "web_search_tool_result",
    "tool_call_response",
}


def request_messages(body: Any) -> list[Message]:
    """Return the messages of a request: instructions first, then the messages, prompt or input."""
    if not isinstance(body, dict):
        return _turns(body, "user")
    messages = [Message("system", _instructions(body[key])) for key in _INSTRUCTIONS if body.get(key)]
    if isinstance(body.get("chat_history"), list):
        messages.extend(_turns(body["chat_history"], "user"))
    key = next((key for key in _REQUEST if body.get(key) not in (None, "", [])), None)
    given = body.get(key or "")
    if (
        key == "input" and isinstance(given, dict) and "type" not in given
    ):  # Replicate, DashScope: a request in the request
        return [*messages, *request_messages(given)] if given else messages
    if key is None:
        return messages or ([Message("user", [Part("json", value=body)])] if body else [])
    return [*messages, *_turns(given, "user")]


def response_messages(body: Any) -> list[Message]:
    """Return the messages of a response: one for each choice, candidate or output item."""
    if not isinstance(body, dict):
        return _turns(body, "assistant")
    key = next((key for key in _RESPONSE if body.get(key) not in (None, "")), None)
    if key is not None and (messages := _RESPONSE[key](body)) is not None:
        return messages
    return [Message("assistant", [Part("json", value=body)])] if body and not body.keys() & _FIGURES else []


def last_user_text(body: Any) -> str | None:
    """Return what the user wrote last, without the blocks that coding agents put before it.

    If the user's messages consist of such blocks only, the last of them is returned as it is.
    """
    if (content := _plain_last(body)) is not None and not content.startswith("<"):
        return content
    last = None
    for message in _latest_first(body):
        if message.role == "user" and (content := plain_text(message)):
            if written := _without_blocks(content):
                return written
            last = last or content
    return last


#: The blocks of context that coding agents put before the user's words: Claude Code (the first four), Gemini CLI,
#: Codex, Cline and Roo, Copilot.
_BLOCKS = (
    "system-reminder", "local-command-caveat", "ide_opened_file", "ide_selection", "session_context",
    "environment_context", "user_instructions", "environment_details", "environment_info", "workspace_info",
)  # fmt: skip
_BLOCK = re.compile(rf"\s*<({'|'.join(_BLOCKS)})>.*?</\1>\s*", re.DOTALL)


def _without_blocks(content: str) -> str:
    """Return a text without the blocks of context at its beginning."""
    begin = 0
    while block := _BLOCK.match(content, begin):
        begin = block.end()
    return content[begin:]


def _plain_last(body: Any) -> str | None:
    """Return the text of the last message if it is only a text of the user's, as most are: in a third of the time."""
    messages = body.get("messages") if isinstance(body, dict) else None
    last = messages[-1] if isinstance(messages, list) and messages and isinstance(messages[0], dict) else None
    if not isinstance(last, dict) or last.keys() != _PLAIN or last["role"] != "user":
        return None
    return text(last["content"])


def _latest_first(body: Any) -> Iterator[Message]:
    """Yield the request's messages, the last first, lazily, to avoid reading all of a long conversation."""
    given = body.get("messages") if isinstance(body, dict) else None
    if isinstance(given, list) and given and isinstance(given[0], dict):
        yield from (_message(item, "user") for item in reversed(objects(given)))
    yield from reversed(request_messages(body))


def plain_text(message: Message) -> str:
    """Return the text of a message, written or spoken, without its other parts."""
    return "\n".join(part.text for part in message.parts if part.kind in {"text", "refusal", "audio"} and part.text)


# Requests


def _instructions(value: Any) -> list[Part]:
    return parts_of(value["parts"] if isinstance(value, dict) and "parts" in value else value)


def _turns(given: Any, role: str) -> list[Message]:
    """Return the messages in a list, an object or a text; `role` is the default role."""
    if isinstance(given, dict):
        return [_message(given, role)]
    if isinstance(given, list) and given and isinstance(given[0], dict):
        return [_message(item, role) for item in objects(given)]
    parts = parts_of(given)
    return [Message(role, parts)] if parts else []


# Responses


def _choices(body: dict[str, Any]) -> list[Message] | None:
    if not isinstance(body["choices"], list):
        return None
    return [
        _message(choice["message"], "assistant")
        if isinstance(choice.get("message"), dict)
        else Message("assistant", parts_of(choice.get("text") or ""))
        for choice in objects(body["choices"])
    ]


def _candidates(body: dict[str, Any]) -> list[Message] | None:
    """Read Gemini's candidates; a blocked one has no content, and is shown as JSON with the reason."""
    return [
        _message(content, "assistant")
        if (content := mapping(candidate.get("content") or candidate.get("output")))
        else Message("assistant", [Part("json", value=candidate)])
        for candidate in objects(body["candidates"])
    ]


def _output(body: dict[str, Any]) -> list[Message] | None:
    """Read `output`: Responses API items, a Converse message, a text or pieces of one, or DashScope's choices."""
    output = body["output"]
    if isinstance(output, dict):
        inner = mapping(output.get("message"))
        return [_message(inner, "assistant")] if inner else response_messages(output)
    if isinstance(output, list) and output and all(isinstance(piece, str) for piece in output):
        return [Message("assistant", [Part("text", "".join(output))])]
    return _turns(output, "assistant")


def _content(body: dict[str, Any]) -> list[Message] | None:
    return [_message(body, "assistant")] if isinstance(body["content"], (list, str, dict)) else None


def _turns_at(key: str) -> Callable[[dict[str, Any]], list[Message] | None]:
    return lambda body: _turns(body[key], "assistant")


def _texts_at(key: str, inner: str) -> Callable[[dict[str, Any]], list[Message] | None]:
    return lambda body: [
        Message("assistant", parts_of(item.get(inner))) for item in objects(body[key]) if item.get(inner)
    ]


def _text_at(key: str) -> Callable[[dict[str, Any]], list[Message] | None]:
    return lambda body: [Message("assistant", [Part("text", body[key])])] if isinstance(body[key], str) else None


_RESPONSE: dict[str, Callable[[dict[str, Any]], list[Message] | None]] = {
    "choices": _choices,
    "candidates": _candidates,
    "messages": _turns_at("messages"),
    "output": _output,
    "outputs": _texts_at("outputs", "text"),
    "content": _content,
    "parts": lambda body: [_message(body, "assistant")],
    "message": _turns_at("message"),
    "generations": _texts_at("generations", "text"),
    "results": _texts_at("results", "outputText"),
    "text": _text_at("text"),
    "response": _text_at("response"),
    "completion": _text_at("completion"),
    "generation": _text_at("generation"),
    "generated_text": _text_at("generated_text"),
}


# One message


def _message(item: dict[str, Any], role: str = "assistant") -> Message:
    if item.keys() == _PLAIN and isinstance(item["content"], str):  # most messages, read in a fifth of the time
        return Message(_role(item, role), parts_of(item["content"]))
    kind = text(item.get("type"))
    if "role" not in item and kind is not None and kind != "message":
        return Message("tool" if kind in _RESULT_TYPES else _role(item, role), parts_of(item))
    parts = [*_thoughts(item), *_own_parts(item)]
    if isinstance(item.get("refusal"), str):
        parts.append(Part("refusal", item["refusal"]))
    calls = objects(item.get("tool_calls"))
    if isinstance(item.get("function_call"), dict):
        calls.append({"function": item["function_call"]})
    parts.extend(
        call_part(mapping(call.get("function") or call.get("custom")) or call, call.get("id")) for call in calls
    )
    if isinstance(item.get("audio"), dict):
        parts.append(Part("audio", str(item["audio"].get("transcript") or ""), value=item["audio"]))
    if not parts and item.keys() - _SAY_NOTHING:
        parts.append(Part("json", value=item))
    return Message(_role(item, role), parts)


#: The keys of a message that has only a text.
_PLAIN = {"role", "content"}
#: Keys of a message that have nothing to show on their own.
_SAY_NOTHING = {"role", "content", "parts", "name", "id", "type", "status", "refusal", "annotations", "audio",
                "tool_calls", "function_call", "finish_reason"}  # fmt: skip
#: Roles that go by other names.
_ROLES = {"model": "assistant", "CHATBOT": "assistant", "USER": "user", "SYSTEM": "system", "TOOL": "tool"}


def _role(item: dict[str, Any], role: str) -> str:
    given = str(item.get("role") or role)
    return _ROLES.get(given, given)


def _thoughts(item: dict[str, Any]) -> list[Part]:
    reasoning = item.get("reasoning_content") or item.get("reasoning") or item.get("thinking")
    return [Part("reasoning", reasoning)] if isinstance(reasoning, str) else []


#: The keys that may hold a message's content.
_CONTENT = ("content", "parts", "message", "generated_text")


def _own_parts(item: dict[str, Any]) -> list[Part]:
    """Return the parts of a message's content, under whichever key it is."""
    if item.get("tool_call_id"):
        return [
            Part("tool_result", text_of(item.get("content")), id=str(item["tool_call_id"]), value=item.get("content"))
        ]
    content = next((item[key] for key in _CONTENT if item.get(key) not in (None, "", [])), None)
    if content is None and "role" not in item:  # a bare part in place of a message, or another kind of input
        return parts_of(item) if item else []
    if isinstance(content, dict) and "parts" in content:
        return parts_of(content["parts"])
    images = (
        [Part("image", value=image) for image in item.get("images") or ()]
        if isinstance(item.get("images"), list)
        else []
    )
    return [*parts_of(content), *images]
