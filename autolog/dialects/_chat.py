"""Messages in any sender's format, converted to the chat messages that the other packages read.

The content of a message can be text, blocks (`content`), `parts` (the GenAI conventions, Gemini), keyed blocks
(Converse: `{"toolUse": {...}}`), or in LangChain's serialisation; tool calls are beside the content or in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from autolog._record.bodies import decode_json
from autolog.dialects._convert import text_of
from autolog.dialects._fault import Json

_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "HUMAN": "user", "AI": "assistant"}
_THOUGHTS = {"reasoning", "thinking", "redacted_thinking"}
_CALLS = {"tool_call", "tool-call", "tool_use", "function_call", "toolUse", "functionCall"}
_RESULTS = {"tool_call_response", "tool-result", "tool_result", "toolResult", "functionResponse"}

#: The keys of a message that has only a text.
_PLAIN = {"role", "content"}
#: What the `type` of a block may be.
_KINDS = frozenset({
    "text", "input_text", "output_text", "refusal", "image", "image_url", "input_image", "audio", "input_audio", "file",
    "input_file", "document", "blob", "uri", *_THOUGHTS, *_CALLS, *_RESULTS,
})  # fmt: skip


def parsed(value: Any) -> Any:
    """Parse a value that may be JSON in a text; return the value unchanged if it is not."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"'):
        found = decode_json(value)
        return value if found is None else found
    return value


def request_of(messages: Any) -> Json | None:
    """Return a request body with these messages; None if there are no messages."""
    found = chat_messages(messages, "user")
    return {"messages": found} if found else None


def response_of(messages: Any) -> Json | None:
    """Return a response body with these messages as its choices; None if there are no messages."""
    listed = parsed(messages)
    items = listed if isinstance(listed, list) else []
    reasons = [item.get("finish_reason") for item in items if isinstance(item, dict)]
    found = chat_messages(listed, "assistant")
    reasons += [None] * (len(found) - len(reasons))
    choices = [
        {"index": number, "message": message, **({"finish_reason": str(reason)} if reason else {})}
        for number, (message, reason) in enumerate(zip(found, reasons, strict=False))
    ]
    return {"choices": choices} if choices else None


def with_usage(response: Any, usage: Json, provider: str | None) -> Json:
    """Return a response with the provider's own usage object, in the shape in which that provider's usage is read."""
    body = response if isinstance(response, dict) else {}
    if provider != "anthropic" or body.get("type") == "message":
        return {"choices": [], **body, "usage": usage}
    choices = [choice for choice in body.get("choices") or [] if isinstance(choice, dict)]
    message: Json = next((choice["message"] for choice in choices if isinstance(choice.get("message"), dict)), {})
    content = [{"type": "text", "text": message["content"]}] if isinstance(message.get("content"), str) else []
    if isinstance(message.get("content"), list):
        content = message["content"]
    for call in message.get("tool_calls") or []:
        called = call.get("function") or {}
        arguments = parsed(called.get("arguments"))
        content.append({"type": "tool_use", "id": call.get("id"), "name": called.get("name"), "input": arguments})
    reason = next((choice.get("finish_reason") for choice in choices), None)
    return {"type": "message", "role": "assistant", "content": content, "stop_reason": reason, "usage": usage}


def chat_messages(messages: Any, role: str) -> list[Json]:
    """Return messages as chat messages; `role` is the role of messages that have none."""
    messages = parsed(messages)
    if isinstance(messages, dict):
        inner = messages.get("messages", messages.get("contents"))
        messages = inner if isinstance(inner, list) else [messages]
    if isinstance(messages, str):
        return [{"role": role, "content": messages}] if messages else []
    if not isinstance(messages, list):
        return []
    if len(messages) == 1 and isinstance(messages[0], list):  # LangChain: a list of conversations
        messages = messages[0]
    return [message for item in messages for message in _message(item, role)]


def _message(item: Any, role: str) -> Iterator[Json]:
    item = parsed(item)
    if not isinstance(item, dict):
        if item not in (None, ""):
            yield {"role": role, "content": str(item)}
        return
    if isinstance(item.get("kwargs"), dict) and "lc" in item:  # LangChain's serialisation
        item = {**item["kwargs"], "role": str((item.get("id") or ["ai"])[-1]).partition("Message")[0].lower()}
    if isinstance(item.get("message"), (dict, list)) and "content" not in item:
        item = item["message"] if isinstance(item["message"], dict) else {"content": item["message"]}
    named = str(item.get("role") or item.get("type") or role)
    named = _ROLES.get(named, named) if named != "message" else role
    if item.keys() == _PLAIN and isinstance(item["content"], str) and parsed(item["content"]) is item["content"]:
        yield {"role": named, "content": item["content"]}
        return
    pieces = _Pieces()
    content = item["parts"] if isinstance(item.get("parts"), list) else item.get("content", item.get("message"))
    pieces.add(_content(content))
    for call in _listed(item.get("tool_calls", item.get("toolCalls"))):
        pieces.call(call)
    if isinstance(item.get("function_call"), dict):
        pieces.call(item["function_call"])
    call_id = item.get("tool_call_id") or (item.get("id") if named == "tool" else None)
    if named == "tool" and call_id and not pieces.results:
        yield {"role": "tool", "tool_call_id": str(call_id), "content": text_of(pieces.content()) or ""}
        return
    if not pieces.results or pieces.content() or pieces.calls:
        reasoning = item.get("reasoning_content") or "\n".join(pieces.thoughts)
        yield {
            "role": named,
            "content": pieces.content(),
            **({"reasoning_content": reasoning} if reasoning else {}),
            **({"tool_calls": pieces.calls} if pieces.calls else {}),
        }
    yield from pieces.results


def _content(value: Any) -> Any:
    """Return a content, parsed if it is blocks in a text; any other JSON in a text is what was said."""
    found = parsed(value)
    if not isinstance(value, str) or isinstance(found, str):
        return found
    if isinstance(found, list):
        return found if found and all(isinstance(part, dict) and _is_block(part) for part in found) else value
    kind = found.get("type")
    is_block = kind in _KINDS if isinstance(kind, str) else _is_block(found)
    return found if is_block else value


def _is_block(part: Json) -> bool:
    keyed = any(isinstance(part.get(key), dict) for key in (*_CALLS, *_RESULTS))
    return keyed or isinstance(part.get("type"), str) or part.keys() <= {"text", "thought"}


class _Pieces:
    """The pieces of one message's content, sorted by kind."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.others: list[Json] = []
        self.calls: list[Json] = []
        self.results: list[Json] = []

    def content(self) -> Any:
        """Return the content as in a chat message: text, a list of blocks, or None."""
        if self.others:
            return [*({"type": "text", "text": text} for text in self.texts), *self.others]
        return "\n".join(self.texts) if self.texts else None

    def add(self, content: Any) -> None:
        """Add content: text, a list of blocks, or a single block."""
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, dict):
                self._part(part)
            elif part is not None:
                self.texts.append(str(part))

    def _part(self, part: Json) -> None:
        keyed = next((key for key in (*_CALLS, *_RESULTS) if isinstance(part.get(key), dict)), "")
        kind = str(part.get("type") or keyed)
        inner = part[kind] if isinstance(part.get(kind), dict) else part
        text = part.get("text", part.get("content"))
        if kind in _CALLS:
            self.call(inner)
        elif kind in _RESULTS:
            self._result(inner)
        elif kind in _THOUGHTS:
            self.thoughts.append(str(part.get("thinking") or text or ""))
        elif kind in {"text", "input_text", "output_text", ""} and isinstance(text, str):
            self.texts.append(text)
        else:
            self.others.append(part)

    def call(self, call: Any) -> None:
        """Add a tool call, in any sender's format, in that of chat completions."""
        if not isinstance(call, dict):
            return
        call = call["tool_call"] if isinstance(call.get("tool_call"), dict) else call
        function = call["function"] if isinstance(call.get("function"), dict) else call
        name = _first(function, "name", "toolName") or _first(call, "name", "toolName")
        arguments = _first(function, "arguments", "args", "input", "arguments_json")
        call_id = _first(call, "id", "toolCallId", "toolUseId", "call_id", "tool_call_id")
        self.calls.append(
            {
                "id": None if call_id is None else str(call_id),
                "type": "function",
                "function": {
                    "name": str(name or ""),
                    "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments or {}),
                },
            }
        )

    def _result(self, part: Json) -> None:
        call_id = _first(part, "id", "toolCallId", "toolUseId", "tool_use_id", "tool_call_id", "name")
        result = _first(part, "response", "result", "output", "content")
        if isinstance(result, dict) and isinstance(result.get("value"), (str, dict, list)):
            result = result["value"]
        self.results.append({"role": "tool", "tool_call_id": str(call_id or ""), "content": text_of(result) or ""})


def _first(value: Json, *names: str) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), None)


def _listed(value: Any) -> list[Any]:
    value = parsed(value)
    return value if isinstance(value, list) else []
