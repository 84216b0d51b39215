"""A record's conversation for a page: messages, their parts, and what of them a browser may show."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from typing import Any

from markupsafe import Markup

from autolog._reading.describe import bodies
from autolog._reading.messages import Message, Part, last_user_text, plain_text, request_messages, response_messages
from autolog._record.bodies import decode_json
from autolog._record.record import Record
from autolog.server.dashboard.markdown import markdown
from autolog.server.dashboard.markup import MAX_TEXT, json_tree, text

#: Media that a browser shows without running anything in them.
SHOWN = re.compile(r"(image/(png|jpeg|gif|webp)|audio/[\w.+-]+|video/(mp4|webm))")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)[^,]{0,100};base64,[A-Za-z0-9+/=\s]+")
#: So many messages of the history are drawn, the newest; the raw body has all.
MAX_MESSAGES = 300
#: What parameters are not: the conversation itself.
_SAID = {"messages", "input", "prompt", "system", "instructions", "tools", "contents", "systemInstruction"}
_ROLES = ("system", "developer", "user", "assistant", "tool")
_INSTRUCTIONS = ("system", "developer")
_THOUGHT = Markup('<details class="thought"><summary>reasoning</summary><div class="said">{}</div></details>')
_CALL = Markup('<div class="called"><b>{}</b> {}{}</div>')
_RETURNS = Markup('<div class="returns"><small>returned</small>{}</div>')


@dataclass(frozen=True, slots=True)
class Shown:
    """A message for the template: its parts as HTML, and what of it is copied."""

    role: str
    parts: list[Markup]
    text: str

    @property
    def style(self) -> str:
        return self.role if self.role in _ROLES else "other"

    @property
    def is_instruction(self) -> bool:
        return self.role in _INSTRUCTIONS


def contents(record: Record) -> dict[str, Any]:
    """Read the bodies of a record once, and return what its page shows of them.

    `answer` came back; `instructions`, `earlier` and `turn` were sent: what the system says, the history, and what
    is new since the user spoke last.
    """
    request, response = bodies(record)
    if record.kind != "llm":
        sent, came = ("" if body is None else _value_of(body) for body in (request, response))
        return {"input": sent, "output": came, "parameters": {}, "tools": []}
    said = request_messages(request)
    results: dict[str | None, Part] = {
        part.id: part for message in said for part in message.parts if part.kind == "tool_result" and part.id
    }
    called = {part.id for message in said for part in message.parts if part.kind == "tool_call"}
    messages = [message for message in said if message.role not in _INSTRUCTIONS]
    begin = _turn_begins(messages)
    draw = partial(_show, results=results, beside=called)
    earlier = [shown for message in messages[:begin][-MAX_MESSAGES:] if (shown := draw(message))]
    return {
        "answer": [shown for message in response_messages(response) if (shown := draw(message))],
        "instructions": [shown for message in said if message.role in _INSTRUCTIONS and (shown := draw(message))],
        "earlier": earlier,
        "left_out": max(0, begin - MAX_MESSAGES),
        "turn": [shown for message in messages[begin:] if (shown := draw(message))],
        "parameters": _parameters(request),
        "tools": _tools(request),
    }


def turn_of(record: Record, most: int) -> tuple[Markup, Markup]:
    """Return what the user said last and what came back, cut after `most` characters; a function's input and output."""
    request, response = bodies(record)
    if record.kind != "llm":
        asked, answer = (None if body is None else _only_text(body) for body in (request, response))
    else:
        asked = last_user_text(request) or None
        answer = "\n\n".join(filter(None, map(plain_text, response_messages(response)))) or None
    asked, answer = asked or record.input_preview, answer or record.output_preview
    return _value_of(asked, most) if asked else Markup(""), _value_of(answer, most) if answer else Markup("")


def _turn_begins(messages: Sequence[Message]) -> int:
    """Return where the newest turn begins: at what the user said last, results of tools apart."""
    begin = max(0, len(messages) - MAX_MESSAGES // 2)
    for index in range(len(messages) - 1, begin - 1, -1):
        if messages[index].role == "user" and any(part.kind != "tool_result" for part in messages[index].parts):
            return index
    return begin


def _show(message: Message, results: Mapping[str | None, Part], beside: AbstractSet[str | None]) -> Shown | None:
    """Return a message to show; None if all of it stands beside the tool calls that it answers."""
    parts = [
        _part(part, results.get(part.id) if part.kind == "tool_call" else None)
        for part in message.parts
        if part.kind != "tool_result" or part.id not in beside
    ]
    return Shown(message.role, parts, plain_text(message)) if parts or not message.parts else None


def _parameters(request: Any) -> dict[str, Any]:
    """Return the request's other parameters: model, temperature, ..."""
    return {key: value for key, value in request.items() if key not in _SAID} if isinstance(request, dict) else {}


def _tools(request: Any) -> list[Any]:
    """Return the tools that the model was offered."""
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


def _text(said: str, most: int = MAX_TEXT) -> Markup:
    """Return what was said: JSON as a tree, all else as Markdown."""
    value = decode_json(said) if said[:1] in {"{", "["} else None
    if isinstance(value, (dict, list)):
        return Markup('<div class="json">{}</div>').format(json_tree(value))
    return Markup('<div class="said">{}</div>').format(markdown(said, most))


def _only_text(body: Any) -> Any:
    """Return the one argument of a function that takes a text, or the body as it is."""
    values = list(body.values()) if isinstance(body, dict) else []
    return values[0] if len(values) == 1 and isinstance(values[0], str) else body


def _value_of(body: Any, most: int = MAX_TEXT) -> Markup:
    """Return what went into a function, or came out: text as Markdown, all else as a tree."""
    return _text(body, most) if isinstance(body, str) else Markup('<div class="json">{}</div>').format(json_tree(body))


def _value(part: Part) -> Markup:
    """Return a tool's arguments or result."""
    value = decode_json(part.text) if part.text else part.value
    return json_tree(value) if isinstance(value, (dict, list)) else text(part.text or part.value or "")


def _media(part: Part) -> Markup:
    """Show an image or sound that is inside the body; name one that is elsewhere, and do not fetch it."""
    url, kind = _source(part.value)
    if url is not None and kind is not None and SHOWN.fullmatch(kind):
        if kind.startswith("image/"):
            return Markup('<img class="media" alt="image in the conversation" src="{}">').format(url)
        return Markup('<audio controls src="{}"></audio><div class="said">{}</div>').format(url, text(part.text))
    return Markup('<div class="called"><b>{}</b> {}</div>').format(part.kind, json_tree(part.value))


def _source(value: Any) -> tuple[str | None, str | None]:
    """Return a data URL for the media in a part, in any provider's format, and its type."""
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
    found = _DATA_URL.fullmatch(url) if isinstance(url, str) else None
    return (url, found[1]) if found else (None, None)
