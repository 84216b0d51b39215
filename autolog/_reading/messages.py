"""A request and its response as a conversation: who said what, in one shape for every provider's format.

Read by duck typing, for the formats share their parts and vendors mix them: chat completions, completions, responses,
messages. What is not recognised is shown as JSON rather than left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from autolog.providers._fields import mapping, objects, text


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a message. `kind`: text, reasoning, refusal, tool_call, tool_result, image, audio, file or json."""

    kind: str
    text: str = ""
    name: str | None = None
    id: str | None = None
    value: Any = None


@dataclass(frozen=True, slots=True)
class Message:
    """What one side said at once."""

    role: str
    parts: list[Part] = field(default_factory=list)


_TEXT = {"text", "input_text", "output_text", "summary_text"}
_CALLS = {"tool_use", "server_tool_use", "mcp_tool_use", "function_call", "custom_tool_call", "mcp_call"}
_RESULTS = {
    "tool_result",
    "function_call_output",
    "custom_tool_call_output",
    "mcp_tool_result",
    "web_search_tool_result",
}
_MEDIA = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "input_audio": "audio",
    "output_audio": "audio",
    "audio": "audio",
    "file": "file",
    "input_file": "file",
    "document": "file",
    "video": "file",
}


def request_messages(body: Any) -> list[Message]:
    """What was sent: instructions first, then the messages, prompt or input."""
    if not isinstance(body, dict):
        return []
    messages = [Message("system", _parts(body[key])) for key in ("system", "instructions") if body.get(key)]
    given = next((body[key] for key in ("messages", "input", "prompt") if body.get(key) is not None), None)
    if isinstance(given, list) and given and isinstance(given[0], dict):
        messages.extend(_message(item) for item in objects(given))
    elif given is not None:
        messages.append(Message("user", _parts(given)))
    return messages


def response_messages(body: Any) -> list[Message]:
    """What came back: one message for each choice or output item."""
    if not isinstance(body, dict):
        return []
    if isinstance(body.get("choices"), list):
        return [
            _message(choice["message"])
            if isinstance(choice.get("message"), dict)
            else Message("assistant", _parts(choice.get("text") or ""))
            for choice in objects(body["choices"])
        ]
    if isinstance(body.get("messages"), list):
        return [_message(item) for item in objects(body["messages"])]
    if isinstance(body.get("output"), list):
        return [_message(item) for item in objects(body["output"])]
    if isinstance(body.get("content"), (list, str)):
        return [_message(body)]
    if isinstance(body.get("text"), str):
        return [Message("assistant", [Part("text", body["text"])])]
    return []


def last_user_text(body: Any) -> str | None:
    """The text that the user said last."""
    for message in reversed(request_messages(body)):
        if message.role == "user" and (said := plain_text(message)):
            return said
    return None


def plain_text(message: Message) -> str:
    """The text of a message, written or spoken, without its other parts."""
    return "\n".join(part.text for part in message.parts if part.kind in {"text", "refusal", "audio"} and part.text)


def _message(item: dict[str, Any]) -> Message:
    kind = text(item.get("type"))
    if "role" not in item and kind is not None and kind != "message":
        return Message("tool" if kind in _RESULTS else "assistant", list(_part(item)))
    parts: list[Part] = []
    thought = item.get("reasoning_content") or item.get("reasoning") or item.get("thinking")
    if isinstance(thought, str):
        parts.append(Part("reasoning", thought))
    if item.get("tool_call_id"):
        parts.append(Part("tool_result", _joined(item.get("content")), id=str(item["tool_call_id"])))
    else:
        parts.extend(_parts(item.get("content")))
    if isinstance(item.get("refusal"), str):
        parts.append(Part("refusal", item["refusal"]))
    calls = objects(item.get("tool_calls"))
    if isinstance(item.get("function_call"), dict):
        calls.append({"function": item["function_call"]})
    parts.extend(_call(mapping(call.get("function") or call.get("custom")), call.get("id")) for call in calls)
    if isinstance(item.get("audio"), dict):
        parts.append(Part("audio", str(item["audio"].get("transcript") or ""), value=item["audio"]))
    return Message(str(item.get("role") or "assistant"), parts)


def _parts(content: Any) -> list[Part]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Part("text", content)]
    if isinstance(content, list):
        return [part for item in content for part in (_part(item) if isinstance(item, dict) else _parts(item))]
    if isinstance(content, dict):
        return list(_part(content))
    return [Part("json", value=content)]


def _part(item: dict[str, Any]) -> Iterator[Part]:
    kind = str(item.get("type") or "")
    if kind in _TEXT or (not kind and isinstance(item.get("text"), str)):
        yield Part("text", str(item.get("text") or ""))
    elif kind in {"thinking", "reasoning", "redacted_thinking"}:
        thought = item.get("thinking") or _joined(item.get("summary")) or _joined(item.get("content"))
        yield Part("reasoning", str(thought or "(hidden)"))
    elif kind == "refusal":
        yield Part("refusal", str(item.get("refusal") or ""))
    elif kind in _CALLS:
        yield _call(item, item.get("call_id") or item.get("id"))
    elif kind in _RESULTS:
        result = item.get("content", item.get("output"))
        yield Part("tool_result", _joined(result), id=item.get("tool_use_id") or item.get("call_id"), value=result)
    elif kind in _MEDIA:
        yield Part(_MEDIA[kind], str(item.get("transcript") or ""), value=item)
    else:
        yield Part("json", value=item)


def _call(called: dict[str, Any], call_id: Any) -> Part:
    arguments = next((called[key] for key in ("arguments", "input") if called.get(key) is not None), None)
    return Part(
        "tool_call",
        arguments if isinstance(arguments, str) else "",
        name=str(called.get("name") or "?"),
        id=None if call_id is None else str(call_id),
        value=arguments,
    )


def _joined(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(part.text for part in _parts(content) if part.text)
