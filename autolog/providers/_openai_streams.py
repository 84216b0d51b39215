"""Assemble responses from OpenAI's streams, as far as they arrived.

Compatible vendors deviate from OpenAI in every way that its SDK tolerates. Therefore an empty value never overwrites
one that is not, and nothing is lost if an index or an id is missing.
"""

from __future__ import annotations

from typing import Any

from autolog._record.bodies import decode_json
from autolog._record.streams import Event
from autolog.providers._facts import failed_part
from autolog.providers._fields import count, kind_of, mapping, objects, text
from autolog.providers._pieces import Pieces, add_text, child, joined


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from a stream, as far as it arrived."""
    sessions = [event.data["session"] for event in events if "session" in event.data]
    sessions = [session for session in sessions if isinstance(session, dict)]
    if sessions:  # an agent's session; each event has its total usage so far
        return dict(sessions[-1])
    if any("choices" in event.data for event in events):
        return mapping(joined(_assemble_choices(events)))
    if any(_is_of_response(event) for event in events):
        return mapping(joined(_assemble_response(events)))
    return _assemble_typed(path, events)


# Chat completions and completions


def _assemble_choices(events: list[Event]) -> dict[str, Any]:
    """Return a chat completion or text completion, assembled from its chunks."""
    body: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    texts: dict[int, list[str]] = {}
    for event in events:
        failed = event.name == "error" or ("choices" not in event.data and failed_part(event.data))
        if failed and not event.data.get("error"):
            body["error"] = failed_part(event.data) or event.data or event.text
            continue
        for key, value in event.data.items():
            if key == "choices":
                for position, part in enumerate(value if isinstance(value, list) else ()):
                    _add_part(choices, texts, part, position)
            elif key == "usage" and isinstance(value, dict):
                body["usage"] = _later_usage(mapping(body.get("usage")), value)
            elif key == "id" and body.get("id"):
                continue  # the caller sees the first one
            elif value or key not in body or (value is not None and not body[key]):
                body[key] = value
    body["choices"] = [_with_texts(choices, texts, index) for index in sorted({*choices, *texts})]
    for choice in body["choices"]:
        for call in objects(mapping(choice.get("message")).get("tool_calls")):
            call.pop("index", None)
    body["object"] = str(body.get("object", "")).removesuffix(".chunk") or None
    return body


def _add_part(choices: dict[int, dict[str, Any]], texts: dict[int, list[str]], part: Any, position: int) -> None:
    """Add a part to its choice, by its index or else its position; a part that is only text is buffered in `texts`."""
    match part:
        case {"index": int(index), "delta": {"content": str(words), **rest}, **others} if (
            index >= 0 and not rest and not any(others.values())
        ):
            texts.setdefault(index, []).append(words)
        case {}:
            known = count(part.get("index"))
            _grow_choice(_with_texts(choices, texts, position if known is None else known), part)


def _later_usage(before: dict[str, Any], usage: dict[str, Any]) -> dict[str, Any]:
    """Return `before` updated by a later usage object, which has all or some of the totals so far."""
    return {**before, **{key: value for key, value in usage.items() if value or key not in before}}


def _with_texts(choices: dict[int, dict[str, Any]], texts: dict[int, list[str]], index: int) -> dict[str, Any]:
    """Return a choice, with the texts buffered for it added."""
    choice = choices.setdefault(index, {})
    if waiting := texts.pop(index, None):
        _grow_choice(choice, {"index": index, "delta": {"content": "".join(waiting)}, "finish_reason": None})
    return choice


def _grow_choice(choice: dict[str, Any], part: dict[str, Any]) -> None:
    """Merge a part of a chunk into its choice."""
    so_far = mapping(part.get("message"))
    if so_far.get("content"):  # Perplexity repeats the whole message so far with every delta
        choice["message"] = dict(so_far)
    for key, value in part.items():
        if key == "message" and so_far.get("content"):
            continue
        if key == "delta":
            if not so_far.get("content"):
                _grow_message(child(choice, "message"), mapping(value))
        elif key == "text":
            add_text(choice, "text", str(value or ""))
        elif key == "logprobs" and isinstance(value, dict):
            grown = dict(mapping(choice.get("logprobs")))
            _grow_message(grown, value)
            choice["logprobs"] = grown
        elif not _is_empty(value) or key not in choice:
            choice[key] = value


#: The keys of strings that are repeated whole; all others arrive in pieces.
_WHOLE = frozenset({"role", "id", "type", "name"})


def _grow_message(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Merge a delta into a message: append to texts and lists, merge objects, and ignore empty values."""
    for key, value in delta.items():
        before = message.get(key)
        if key == "content" and (isinstance(before, list) or (before is not None and isinstance(value, list))):
            message[key] = _add_parts(_as_parts(before), _as_parts(value))
        elif key == "tool_calls":
            message[key] = _grow_calls(before if isinstance(before, list) else [], objects(value))
        elif isinstance(before, (str, Pieces)) and isinstance(value, str) and key not in _WHOLE:
            add_text(message, key, value)
        elif isinstance(before, dict) and isinstance(value, dict):
            _grow_message(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            before.extend(value)
        elif not _is_empty(value) or key not in message:
            message[key] = {**value} if isinstance(value, dict) else [*value] if isinstance(value, list) else value


def _as_parts(content: Any) -> list[Any]:
    """Return content as a list of parts, as a vendor may switch from text to parts in mid-stream."""
    if isinstance(content, list):
        return content
    joined_text = joined(content)
    return [{"type": "text", "text": joined_text}] if isinstance(joined_text, str) and joined_text else []


def _add_parts(parts: list[Any], more: list[Any]) -> list[Any]:
    """Add parts, joining consecutive texts into one part, and consecutive thoughts."""
    for part in more:
        last, kind = mapping(parts[-1]) if parts else {}, kind_of(part)
        if kind not in {"text", "thinking"} or kind != last.get("type"):
            parts.append(dict(part) if isinstance(part, dict) else part)
        elif isinstance(part.get(kind), str):
            add_text(last, kind, part[kind])
        elif isinstance(part.get(kind), list):
            last[kind] = _add_parts(_as_parts(last.get(kind)), part[kind])
    return parts


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _grow_calls(calls: list[Any], parts: list[dict[str, Any]]) -> list[Any]:
    """Add the pieces of tool calls in one delta to the calls so far."""
    for position, part in enumerate(parts):
        index = count(part.get("index"))
        if index is None and len(parts) > 1:
            index = position
        call = _call_to_grow(calls, part, index)
        if call is None:
            call = {} if index is None else {"index": index}
            calls.append(call)
        called, more = mapping(call.get("function")), mapping(part.get("function"))
        if text(more.get("name")) and text(called.get("name")) not in (None, more["name"]):
            more = {**more, "name": f"{called['name']}{more['name']}"}
        rest = {key: value for key, value in part.items() if key != "index"}
        _grow_message(call, {**rest, "function": more} if more else rest)
    return calls


def _call_to_grow(calls: list[Any], part: dict[str, Any], index: int | None) -> dict[str, Any] | None:
    """Return the tool call that a piece continues; None if it begins a new one.

    A new index or a new id that is not empty begins a new call; if a vendor sends neither, a name does, if the call
    before has its arguments already.
    """
    named = text(part.get("id"))
    for call in reversed(calls):
        known = text(call.get("id"))
        same_place = index is None or call.get("index") == index
        if named is not None and named == known:
            return call if isinstance(call, dict) else None
        if same_place and (named is None or known is None):
            return None if named is None and _begins_another(call, part) else call
    return None


def _begins_another(call: dict[str, Any], part: dict[str, Any]) -> bool:
    """Return whether a piece without an id begins a new call: it has a name, and the call before is complete."""
    before, after = mapping(call.get("function")), mapping(part.get("function"))
    arguments, more = joined(before.get("arguments")), after.get("arguments")
    if text(after.get("name")) is None or not arguments:
        return False
    if after["name"] != before.get("name"):
        return True
    if isinstance(arguments, str):  # a vendor may repeat the name with every piece
        return str(more or "").startswith("{") and arguments.endswith("}") and decode_json(arguments) is not None
    return bool(more)


# Responses

#: Texts that arrive in pieces, by the event's type without `response.` and `.delta`: the key of the list in the item
#: (None: the text is in the item itself), the event's key of the index in that list, the type of the part, or of the
#: item if there is no list, and the key of the text in it.
_PIECES: dict[str, tuple[str | None, str, str, str]] = {
    "output_text": ("content", "content_index", "output_text", "text"),
    "refusal": ("content", "content_index", "refusal", "refusal"),
    "reasoning_text": ("content", "content_index", "reasoning_text", "text"),
    "reasoning_summary_text": ("summary", "summary_index", "summary_text", "text"),
    "output_audio_transcript": ("content", "content_index", "output_audio", "transcript"),
    "text": ("content", "content_index", "text", "text"),  # these two in the first version of Realtime
    "audio_transcript": ("content", "content_index", "audio", "transcript"),
    "function_call_arguments": (None, "", "function_call", "arguments"),
    "mcp_call_arguments": (None, "", "mcp_call", "arguments"),
    "custom_tool_call_input": (None, "", "custom_tool_call", "input"),
    "code_interpreter_call_code": (None, "", "code_interpreter_call", "code"),
}
#: The type of the item that has such a list, for items whose beginning is missing.
_ITEM_OF = {"content": "message", "summary": "reasoning"}


def _is_of_response(event: Event) -> bool:
    """Return whether an event belongs to a stream of the Responses API."""
    kind = str(event.data.get("type") or event.name or "")
    return isinstance(event.data.get("response"), dict) or kind.startswith("response.output_item.")


def _assemble_response(events: list[Event]) -> dict[str, Any]:
    """Return a response of the Responses API: from the last event, which repeats it, or else from the items so far."""
    body: dict[str, Any] = {}
    items: dict[int, dict[str, Any]] = {}
    error: Any = None
    for event in events:
        data = event.data
        kind = str(data.get("type") or event.name or "").removeprefix("response.")
        name, _, step = kind.rpartition(".")
        if isinstance(data.get("response"), dict):
            body = data["response"]
        elif kind in {"output_item.added", "output_item.done"}:
            items[count(data.get("output_index")) or 0] = dict(mapping(data.get("item")))
        elif name in _PIECES:
            _grow_item(items, name, data, step)
        elif kind == "error" or "error" in data:
            error = data.get("error") or data
    if items and not body.get("output"):
        body = {**body, "output": [items[index] for index in sorted(items)]}
    return {**body, "error": error} if error and not body.get("error") else body


def _grow_item(items: dict[int, dict[str, Any]], name: str, data: dict[str, Any], step: str) -> None:
    """Add a piece of text to its item (`step` is `delta`), or set the whole text that follows the pieces (`done`)."""
    container, place, kind, key = _PIECES[name]
    new_item = {"type": _ITEM_OF[container], "role": "assistant"} if container else {"type": kind}
    holder = items.setdefault(count(data.get("output_index")) or 0, new_item)
    if container is not None:
        if not isinstance(holder.get(container), list):
            holder[container] = []
        holder = _part_at(holder[container], count(data.get(place)) or 0, {"type": kind})
    if step == "delta":
        add_text(holder, key, str(data.get("delta") or ""))
    elif isinstance(data.get(key), str):
        holder[key] = data[key]


def _part_at(parts: list[Any], index: int, new_part: dict[str, Any]) -> dict[str, Any]:
    """Return the part at an index, appending `new_part` if there are fewer parts."""
    if index >= len(parts):
        parts.append(new_part)
        return new_part
    if not isinstance(parts[index], dict):
        parts[index] = new_part
    part: dict[str, Any] = parts[index]
    return part


# Other streams


def _assemble_typed(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the response of a stream whose last event has everything: transcriptions, speech, images, runs."""
    body: dict[str, Any] = {}
    texts: list[str] = []
    for event in events:
        data = mapping(event.data.get("data")) or event.data
        kind = str(data.get("type") or event.name or "")
        if kind == "error" or "error" in data:
            body["error"] = data.get("error") or body.get("error") or (data or event.text if kind == "error" else None)
        if kind.endswith(".delta"):
            texts.append(str(data.get("delta") or ""))
        elif kind.endswith((".done", ".completed")) or "usage" in data:
            body.update({key: value for key, value in data.items() if value is not None and key != "type"})
    if texts and "text" not in body and "audio" in path:
        body["text"] = "".join(texts)
    return body
