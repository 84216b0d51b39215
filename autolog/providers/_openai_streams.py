"""Putting OpenAI's streams together: the response that the events of each kind of stream amount to."""

from __future__ import annotations

from typing import Any

from autolog._record.bodies import Event
from autolog.providers._fields import count, mapping, objects


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """The response that a stream amounts to, as far as it came."""
    sessions = [event.data["session"] for event in events if isinstance(event.data.get("session"), dict)]
    if sessions:  # an agent's: each tells all that it has used so far
        return dict(sessions[-1])
    if any("choices" in event.data for event in events):
        return _assemble_choices(events)
    if any(isinstance(event.data.get("response"), dict) for event in events):
        return _assemble_response(events)
    return _assemble_typed(path, events)


def _assemble_choices(events: list[Event]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    texts: dict[int, list[str]] = {}
    for event in events:
        for key, value in event.data.items():
            if key == "choices":
                for part in objects(value):
                    index = count(part.get("index")) or 0
                    if (text := _only_text(part)) is not None:
                        texts.setdefault(index, []).append(text)
                    else:
                        _grow_choice(_with_texts(choices, texts, index), part)
            elif value or key not in body or (value is not None and not body[key]):
                body[key] = value
    body["choices"] = [_with_texts(choices, texts, index) for index in sorted({*choices, *texts})]
    body["object"] = str(body.get("object", "")).removesuffix(".chunk") or None
    return body


#: What such a part has.
_PLAIN = frozenset({"index", "delta", "finish_reason", "logprobs"})


def _only_text(part: dict[str, Any]) -> str | None:
    """The text of a part that brings nothing else, as nearly all do: those are put together at once."""
    delta = part.get("delta")
    if type(delta) is not dict or len(delta) != 1 or part.get("finish_reason") or part.get("logprobs"):
        return None
    text = delta.get("content")
    return text if type(text) is str and part.keys() <= _PLAIN else None


def _with_texts(choices: dict[int, dict[str, Any]], texts: dict[int, list[str]], index: int) -> dict[str, Any]:
    """A choice, grown by the texts that waited for it."""
    choice = choices.setdefault(index, {})
    if waiting := texts.pop(index, None):
        _grow_choice(choice, {"index": index, "delta": {"content": "".join(waiting)}, "finish_reason": None})
    return choice


def _grow_choice(choice: dict[str, Any], part: dict[str, Any]) -> None:
    for key, value in part.items():
        if key == "delta":
            _grow_message(choice.setdefault("message", {}), mapping(value))
        elif key == "text":
            choice["text"] = choice.get("text", "") + str(value or "")
        elif key == "logprobs" and isinstance(value, dict):
            choice["logprobs"] = _grown(mapping(choice.get("logprobs")), value)
        elif value is not None or key not in choice:
            choice[key] = value


def _grow_message(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Lay a delta over what is there: texts and lists grow, objects merge, tool calls go by their index."""
    for key, value in delta.items():
        before = message.get(key)
        if key == "tool_calls":
            message[key] = _grow_calls(before if isinstance(before, list) else [], objects(value))
        elif isinstance(before, str) and isinstance(value, str) and key not in {"role", "id", "type", "name"}:
            message[key] = before + value
        elif isinstance(before, dict) and isinstance(value, dict):
            _grow_message(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            message[key] = before + value
        elif value is not None or key not in message:
            message[key] = dict(value) if isinstance(value, dict) else value


def _grown(before: dict[str, Any], delta: dict[str, Any]) -> dict[str, Any]:
    after = dict(before)
    _grow_message(after, delta)
    return after


def _grow_calls(calls: list[Any], parts: list[dict[str, Any]]) -> list[Any]:
    for part in parts:
        index = count(part.get("index"))
        rest = {key: value for key, value in part.items() if key != "index"}
        if index is None or index > len(calls):  # a vendor that sends whole calls, or skips
            index = len(calls)
        if index == len(calls):
            calls.append({})
        _grow_message(calls[index], rest)
    return calls


def _assemble_response(events: list[Event]) -> dict[str, Any]:
    """The Responses API repeats the whole response in its first and last event; between them, what was done."""
    body: dict[str, Any] = {}
    items: dict[int, dict[str, Any]] = {}
    error: Any = None
    for event in events:
        data = event.data
        kind = str(data.get("type") or event.name or "")
        if isinstance(data.get("response"), dict):
            body = data["response"]
        elif kind in {"response.output_item.added", "response.output_item.done"}:
            items[count(data.get("output_index")) or 0] = dict(mapping(data.get("item")))
        elif kind == "response.output_text.delta":
            _grow_text(items, data)
        elif kind == "error" or "error" in data:
            error = data.get("error") or data
    if items and not body.get("output"):
        body = {**body, "output": [items[index] for index in sorted(items)]}
    return {**body, "error": error} if error and not body.get("error") else body


def _grow_text(items: dict[int, dict[str, Any]], data: dict[str, Any]) -> None:
    item = items.setdefault(count(data.get("output_index")) or 0, {"type": "message", "role": "assistant"})
    parts = item.setdefault("content", [])
    if isinstance(parts, list):
        if not parts:
            parts.append({"type": "output_text", "text": ""})
        if isinstance(parts[-1], dict):
            parts[-1]["text"] = str(parts[-1].get("text") or "") + str(data.get("delta") or "")


def _assemble_typed(path: str, events: list[Event]) -> dict[str, Any]:
    """Streams whose last event says it all: transcriptions, speech, images, assistants' runs."""
    body: dict[str, Any] = {}
    texts: list[str] = []
    for event in events:
        data = mapping(event.data.get("data")) or event.data
        kind = str(data.get("type") or event.name or "")
        if kind == "error" or "error" in data:
            body["error"] = data.get("error") or body.get("error") or (data if kind == "error" else None)
        if kind.endswith(".delta"):
            texts.append(str(data.get("delta") or ""))
        elif kind.endswith((".done", ".completed")) or "usage" in data:
            body.update({key: value for key, value in data.items() if value is not None and key != "type"})
    if texts and "text" not in body and "audio" in path:
        body["text"] = "".join(texts)
    return body
