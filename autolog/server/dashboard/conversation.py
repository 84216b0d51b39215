"""A record's conversation as a page shows it: messages, their parts, and media that are safe to show in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from autolog._reading.describe import bodies
from autolog._reading.messages import Message, Part, last_user_text, plain_text, request_messages, response_messages
from autolog._record.bodies import decode_json
from autolog._record.record import Record
from autolog.server.dashboard.markdown import markdown
from autolog.server.dashboard.markup import MAX_TEXT, cut, json_tree, text

#: Media types that a browser shows without running anything in them.
SHOWN = re.compile(r"(image/(png|jpeg|gif|webp)|audio/[\w.+-]+|video/(mp4|webm))")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)[^,]{0,100};base64,[A-Za-z0-9+/=\s]+")
#: The most messages that are shown, the newest ones; the raw body has all.
MAX_MESSAGES = 300
#: The most parts of a message that are shown.
MAX_PARTS = 300
#: Fields of a request that are part of the conversation, and not parameters.
_CONVERSATION = {"messages", "input", "prompt", "system", "instructions", "tools", "contents", "systemInstruction"}
_ROLES = ("system", "developer", "user", "assistant", "tool")
_INSTRUCTIONS = ("system", "developer")
_THOUGHT = Markup('<details class="thought"><summary>reasoning</summary><div class="said">{}</div></details>')
_CALL = Markup('<div class="called"><b>{}</b> {}{}</div>')
_RETURNS = Markup('<div class="returns"><small>returned</small>{}</div>')


@dataclass(frozen=True, slots=True)
class Shown:
    """A message for the template: its parts as HTML, and the text for copying."""

    role: str
    parts: list[Markup]
    text: str

    @property
    def style(self) -> str:
        return self.role if self.role in _ROLES else "other"


def contents(record: Record) -> dict[str, Any]:
    """Parse the bodies of a record once, and return what its page shows of them.

    `answer` is from the response. From the request come `instructions`, which is the system prompt, `earlier`, the
    history, and `turn`, the messages since the user's last one.
    """
    request, response = bodies(record)
    if record.kind != "llm":
        given, returned = ("" if body is None else _value_of(body) for body in (request, response))
        return {"input": given, "output": returned, "parameters": {}, "tools": []}
    sent = request_messages(request)
    parts = [part for message in sent for part in message.parts]
    results: dict[str | None, Part] = {part.id: part for part in parts if part.kind == "tool_result" and part.id}
    called = {part.id for part in parts if part.kind == "tool_call"}

    def draw(messages: Iterable[Message]) -> list[Shown]:
        return [shown for message in messages if (shown := _show(message, results, called))]

    messages = [message for message in sent if message.role not in _INSTRUCTIONS]
    begin = _turn_begins(messages)
    return {
        "answer": draw(response_messages(response)[:MAX_MESSAGES]),
        "instructions": draw([message for message in sent if message.role in _INSTRUCTIONS][:MAX_MESSAGES]),
        "earlier": draw(messages[:begin][-MAX_MESSAGES:]),
        "left_out": max(0, begin - MAX_MESSAGES),
        "turn": draw(messages[begin:]),
        "parameters": _parameters(request),
        "tools": _tools(request),
    }


def turn_of(record: Record, most: int) -> tuple[Markup, Markup]:
    """Return the user's last message and the answer, or a function's input and output, each cut at `most`."""
    request, response = bodies(record)
    if record.kind != "llm":
        question, answer = (None if body is None else _only_text(body) for body in (request, response))
    else:
        question = last_user_text(request) or None
        answer = "\n\n".join(filter(None, map(plain_text, response_messages(response)))) or None
    question, answer = question or record.input_preview, answer or record.output_preview
    return _value_of(question, most) if question else Markup(""), _value_of(answer, most) if answer else Markup("")


def _turn_begins(messages: Sequence[Message]) -> int:
    """Return the index of the user's last message, not counting tool results, at which the newest turn begins."""
    begin = max(0, len(messages) - MAX_MESSAGES // 2)
    for index in range(len(messages) - 1, begin - 1, -1):
        if messages[index].role == "user" and any(part.kind != "tool_result" for part in messages[index].parts):
            return index
    return begin


def _show(message: Message, results: Mapping[str | None, Part], called: AbstractSet[str | None]) -> Shown | None:
    """Return a message to show; None if all its parts are tool results shown with their calls."""
    own = [part for part in message.parts if part.kind != "tool_result" or part.id not in called]
    parts = [_part(part, results.get(part.id) if part.kind == "tool_call" else None) for part in own[:MAX_PARTS]]
    if len(own) > MAX_PARTS:
        parts.append(cut(f"{len(own) - MAX_PARTS:,} more parts"))
    return Shown(message.role, parts, plain_text(message)) if parts or not message.parts else None


def _parameters(request: Any) -> dict[str, Any]:
    """Return the request's parameters apart from the conversation: model, temperature, ..."""
    if not isinstance(request, dict):
        return {}
    return {key: value for key, value in request.items() if key not in _CONVERSATION}


def _tools(request: Any) -> list[Any]:
    """Return the tools that the request offered to the model."""
    tools = request.get("tools") if isinstance(request, dict) else None
    return tools if isinstance(tools, list) else []


def _part(part: Part, result: Part | None = None) -> Markup:
    if part.kind == "text":
        return _text(part.text)
    if part.kind == "reasoning":
        return _THOUGHT.format(markdown(part.text))
    if part.kind == "refusal":
        return Markup('<div class="said refused">{}</div>').format(markdown(part.text))
    if part.kind == "tool_call":
        returned = "" if result is None else _RETURNS.format(_value(result))
        return _CALL.format(text(part.name or "?"), _value(part), returned)
    if part.kind == "tool_result":
        return _CALL.format("tool result", _value(part), "")
    if part.kind in {"image", "audio", "file"}:
        return _media(part)
    return Markup('<div class="json">{}</div>').format(json_tree(part.value))


def _text(content: str, most: int = MAX_TEXT) -> Markup:
    """Render a text: as a tree if it is JSON, else as Markdown."""
    value = decode_json(content) if content[:1] in {"{", "["} else None
    if isinstance(value, (dict, list)):
        return Markup('<div class="json">{}</div>').format(json_tree(value))
    return Markup('<div class="said">{}</div>').format(markdown(content, most))


def _only_text(body: Any) -> Any:
    """Return the single text argument of a function, or else the body unchanged."""
    values = list(body.values()) if isinstance(body, dict) else []
    return values[0] if len(values) == 1 and isinstance(values[0], str) else body


def _value_of(body: Any, most: int = MAX_TEXT) -> Markup:
    """Render the input or output of a function: text as Markdown, everything else as a tree."""
    return _text(body, most) if isinstance(body, str) else Markup('<div class="json">{}</div>').format(json_tree(body))


def _value(part: Part) -> Markup:
    """Render the arguments or the result of a tool."""
    value = decode_json(part.text) if part.text else part.value
    return json_tree(value) if isinstance(value, (dict, list)) else text(part.text or part.value or "")


def _media(part: Part) -> Markup:
    """Render an image or sound that is embedded in the body; others are only named, and not fetched."""
    url, kind = _source(part.value)
    if url is not None and kind is not None and SHOWN.fullmatch(kind):
        if kind.startswith("image/"):
            return Markup('<img class="media" alt="image in the conversation" src="{}">').format(url)
        return Markup('<audio controls src="{}"></audio><div class="said">{}</div>').format(url, text(part.text))
    return Markup('<div class="called"><b>{}</b> {}</div>').format(part.kind, json_tree(part.value))


def _source(value: Any) -> tuple[str | None, str | None]:
    """Return a data URL for the media in a part, in any provider's format, and the media type."""
    if not isinstance(value, dict):
        return None, None
    source = value.get("source")
    if isinstance(source, dict) and source.get("type") == "base64":
        return f"data:{source.get('media_type')};base64,{source.get('data')}", str(source.get("media_type"))
    sound = value.get("input_audio") or (value if "data" in value else None)
    if isinstance(sound, dict) and isinstance(sound.get("data"), str):
        kind = f"audio/{sound.get('format') or 'wav'}"
        return f"data:{kind};base64,{sound['data']}", kind
    image = value.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    match = _DATA_URL.fullmatch(url) if isinstance(url, str) else None
    return (url, match[1]) if match else (None, None)
