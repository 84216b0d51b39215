"""The parts of a message (text, reasoning, tool calls and results, media), in one shape for every provider's format.

Formats mark the kind of a part in one of two ways: by its `type` (OpenAI, Anthropic, the GenAI conventions, the AI
SDK), or by its single key (Gemini, Bedrock Converse). Vendors mix the two, so both are tried on every part, and an
unrecognised part is shown as JSON instead of being left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from autolog.providers._fields import mapping


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a message. `kind`: text, reasoning, refusal, tool_call, tool_result, image, audio, file or json."""

    kind: str
    text: str = ""
    name: str | None = None
    id: str | None = None
    value: Any = None


def parts_of(content: Any) -> list[Part]:
    """Return the parts of a message's content: a text, a part, a list of both, or nothing."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Part("text", content)]
    if isinstance(content, list):
        return [part for item in content for part in parts_of(item)]
    if isinstance(content, dict):
        return _read(content)
    return [Part("json", value=content)]


def text_of(content: Any) -> str:
    """Return content as text: the text of its parts, or JSON if they have none."""
    if isinstance(content, str):
        return content
    texts = [part.text for part in parts_of(content) if part.text]
    if texts or content is None or content == []:
        return "\n".join(texts)
    return json.dumps(content, ensure_ascii=False, default=str)


def call_part(called: dict[str, Any], call_id: Any) -> Part:
    """Return a tool call, reading its name and arguments under any of the keys that formats use."""
    arguments = _first(called, "arguments", "input", "args", "parameters")
    name = _first(called, "name", "toolName", "tool_name")
    return Part(
        "tool_call",
        arguments if isinstance(arguments, str) else "",
        name="?" if name is None else str(name),
        id=None if call_id is None else str(call_id),
        value=arguments,
    )


# Parts by their type


def _text(item: dict[str, Any]) -> list[Part]:
    words = _first(item, "text", "content")
    if isinstance(words, dict):  # in messages of OpenAI's assistants
        words = words.get("value")
    return [Part("text", str(words or ""))]


def _reasoning(item: dict[str, Any]) -> list[Part]:
    reasoning = _first(item, "thinking", "text") or text_of(item.get("summary")) or text_of(item.get("content"))
    return [Part("reasoning", text_of(reasoning) or "(hidden)")]


def _refusal(item: dict[str, Any]) -> list[Part]:
    return [Part("refusal", str(item.get("refusal") or ""))]


def _call(item: dict[str, Any]) -> list[Part]:
    called = mapping(item.get("function")) or item
    return [call_part(called, _first(item, "call_id", "id", "toolCallId", "toolUseId"))]


def _result(item: dict[str, Any]) -> list[Part]:
    result = _first(item, "content", "output", "result", "response")
    call_id = _first(item, "tool_use_id", "call_id", "id", "toolCallId", "toolUseId")
    return [Part("tool_result", text_of(result), id=None if call_id is None else str(call_id), value=result)]


def _media(kind: str) -> Callable[[dict[str, Any]], list[Part]]:
    return lambda item: [Part(kind, str(item.get("transcript") or ""), value=item)]


def _invocation(item: dict[str, Any]) -> list[Part]:
    """Return the parts of an AI SDK tool invocation: the call and, once there is one, the result it contains."""
    called = mapping(item.get("toolInvocation")) or item
    kind = str(item.get("type") or "")
    named = called if _first(called, "toolName", "name") else {**called, "name": kind.removeprefix("tool-")}
    parts = [call_part(named, called.get("toolCallId"))]
    return parts if _first(called, "result", "output") is None else [*parts, *_result(called)]


_BY_TYPE: dict[str, Callable[[dict[str, Any]], list[Part]]] = {
    **dict.fromkeys(("text", "input_text", "output_text", "summary_text"), _text),
    **dict.fromkeys(("thinking", "reasoning", "redacted_thinking", "reasoning_text"), _reasoning),
    "refusal": _refusal,
    **dict.fromkeys(
        ("tool_use", "server_tool_use", "mcp_tool_use", "function_call", "custom_tool_call", "mcp_call", "tool_call",
         "tool-call", "function"), _call),
    **dict.fromkeys(
        ("tool_result", "function_call_output", "custom_tool_call_output", "mcp_tool_result", "web_search_tool_result",
         "tool_call_response", "tool-result"), _result),
    "tool-invocation": _invocation,
    **dict.fromkeys(("image", "image_url", "input_image"), _media("image")),
    **dict.fromkeys(("input_audio", "output_audio", "audio"), _media("audio")),
    **dict.fromkeys(("file", "input_file", "document", "video"), _media("file")),
}  # fmt: skip


# Parts by their key


def _text_of_item(item: dict[str, Any]) -> list[Part]:
    return [Part("reasoning" if item.get("thought") is True else "text", str(item["text"]))]


def _inline(item: dict[str, Any]) -> list[Part]:
    data = mapping(_first(item, "inlineData", "inline_data", "fileData", "file_data"))
    kind = str(_first(data, "mimeType", "mime_type") or "").partition("/")[0]
    return [Part(kind if kind in {"image", "audio"} else "file", value=item)]


def _named(key: str, read: Callable[[dict[str, Any]], list[Part]]) -> Callable[[dict[str, Any]], list[Part]]:
    return lambda item: read(mapping(item[key]))


def _inner(key: str) -> Callable[[dict[str, Any]], list[Part]]:
    return lambda item: parts_of(mapping(item[key]).get("text", mapping(item[key]).get("content")))


def _converse_reasoning(item: dict[str, Any]) -> list[Part]:
    reasoning = mapping(mapping(item["reasoningContent"]).get("reasoningText")).get("text")
    return [Part("reasoning", str(reasoning or "(hidden)"))]


_BY_KEY: dict[str, Callable[[dict[str, Any]], list[Part]]] = {
    "text": _text_of_item,
    "functionCall": _named("functionCall", _call),
    "function_call": _named("function_call", _call),
    "functionResponse": _named("functionResponse", _result),
    "function_response": _named("function_response", _result),
    "toolUse": _named("toolUse", _call),
    "toolResult": _named("toolResult", _result),
    "inlineData": _inline,
    "inline_data": _inline,
    "fileData": _inline,
    "file_data": _inline,
    "image": _media("image"),
    "audio": _media("audio"),
    "video": _media("file"),
    "document": _media("file"),
    "reasoningContent": _converse_reasoning,
    "guardContent": _inner("guardContent"),
    "citationsContent": _inner("citationsContent"),
    "json": lambda item: [Part("json", value=item["json"])],
}


def _read(item: dict[str, Any]) -> list[Part]:
    kind = item.get("type")
    if isinstance(kind, str) and kind in _BY_TYPE:
        return _BY_TYPE[kind](item)
    if isinstance(kind, str) and kind.startswith("tool-"):
        return _invocation(item)
    known = next((key for key in _BY_KEY if item.get(key) is not None), None)
    if known is None or (known == "text" and not isinstance(item["text"], str)):
        return [Part("json", value=item)]
    return _BY_KEY[known](item)


def _first(item: dict[str, Any], *keys: str) -> Any:
    return next((item[key] for key in keys if item.get(key) is not None), None)
