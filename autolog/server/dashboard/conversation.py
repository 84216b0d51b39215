"""A record's conversation for a page: messages, their parts, and what of them a browser may show."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from autolog._reading.describe import bodies
from autolog._reading.messages import Message, Part, request_messages, response_messages
from autolog._record.bodies import decode_json
from autolog._record.record import Record
from autolog.server.dashboard.markup import json_tree, text

#: Media that a browser shows without running anything in them.
SHOWN = re.compile(r"(image/(png|jpeg|gif|webp)|audio/[\w.+-]+|video/(mp4|webm))")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)[^,]{0,100};base64,[A-Za-z0-9+/=\s]+")
#: Of longer conversations the middle is left out; the raw body has all.
MAX_MESSAGES = 300
#: What parameters are not: the conversation itself.
_SAID = {"messages", "input", "prompt", "system", "instructions", "tools"}
_THOUGHT = Markup('<details class="thought"><summary>reasoning</summary><div class="said">{}</div></details>')


def contents(record: Record) -> dict[str, Any]:
    """Read the bodies of a record once, and return what its page shows of them."""
    request, response = bodies(record)
    llm = record.kind == "llm"
    return {
        "messages": _messages(request, response) if llm else [],
        "parameters": _parameters(request),
        "tools": _tools(request),
        "input": "" if llm or request is None else json_tree(request),
        "output": "" if llm or response is None else json_tree(response),
    }


def _messages(request: Any, response: Any) -> list[dict[str, Any]]:
    """Return a message for the template: its `role`, and its `parts` as HTML."""
    messages = [*request_messages(request), *response_messages(response)]
    left_out = len(messages) - MAX_MESSAGES
    if left_out > 0:
        begin, end = messages[: MAX_MESSAGES // 4], messages[left_out + MAX_MESSAGES // 4 :]
        messages = [*begin, Message("…", [Part("text", f"{left_out:,} messages are left out here")]), *end]
    return [{"role": message.role, "parts": [_part(part) for part in message.parts]} for message in messages]


def _parameters(request: Any) -> dict[str, Any]:
    """Return the request's other parameters: model, temperature, ..."""
    return {key: value for key, value in request.items() if key not in _SAID} if isinstance(request, dict) else {}


def _tools(request: Any) -> list[Any]:
    """Return the tools that the model was offered."""
    tools = request.get("tools") if isinstance(request, dict) else None
    return tools if isinstance(tools, list) else []


def _part(part: Part) -> Markup:
    if part.kind == "text":
        return Markup('<div class="said">{}</div>').format(text(part.text))
    if part.kind == "reasoning":
        return _THOUGHT.format(text(part.text))
    if part.kind == "refusal":
        return Markup('<div class="said refused">{}</div>').format(text(part.text))
    if part.kind == "tool_call":
        value = decode_json(part.text) if part.text else part.value
        drawn = json_tree(value) if isinstance(value, (dict, list)) else text(part.text or part.value or "")
        return Markup('<div class="tool"><b>calls {}</b> {}</div>').format(text(part.name or "?"), drawn)
    if part.kind == "tool_result":
        value = decode_json(part.text) if part.text else part.value
        drawn = json_tree(value) if isinstance(value, (dict, list)) else text(part.text)
        return Markup('<div class="tool"><b>returns</b> {}</div>').format(drawn)
    if part.kind in {"image", "audio", "file"}:
        return _media(part)
    return json_tree(part.value)


def _media(part: Part) -> Markup:
    """Show an image or sound that is inside the body; name one that is elsewhere, and do not fetch it."""
    url, kind = _source(part.value)
    if url is not None and kind is not None and SHOWN.fullmatch(kind):
        if kind.startswith("image/"):
            return Markup('<img class="media" alt="image in the conversation" src="{}">').format(url)
        return Markup('<audio controls src="{}"></audio><div class="said">{}</div>').format(url, text(part.text))
    return Markup('<div class="tool"><b>{}</b> {}</div>').format(part.kind, json_tree(part.value))


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
