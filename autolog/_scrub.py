"""Texts inside bodies, changed without harm to what is around them: JSON stays JSON, a stream stays a stream.

`scrub` walks a body, asks for the edits of every text, and returns a new body, or the very same bytes if there are
none. A text that a stream brings in pieces is edited as one. JSON inside a text (a tool's arguments) is walked, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from autolog._bodies import decode_json, encode_json, form_parts, read_events
from autolog._record import Record

#: From where, to where, and what stands there instead.
Edit = tuple[int, int, str]
#: Keys by which a value was reached, outermost first; lists leave no trace.
Path = tuple[str, ...]

#: Keys whose texts a stream brings in pieces.
_PIECES = frozenset({
    "content", "text", "delta", "arguments", "partial_json", "thinking", "reasoning_content", "reasoning", "refusal",
    "transcript", "input", "output",
})  # fmt: skip
#: Keys of the formats' own words, which tell models, kinds and prices.
_STRUCTURE = frozenset({"model", "type", "object", "role", "finish_reason", "stop_reason", "service_tier", "status"})
#: Fields of an event that tell which text its pieces belong to.
_PLACES = ("type", "index", "output_index", "content_index", "summary_index", "item_id")
_DEPTH = 100


class Rules(Protocol):
    """What is to be changed."""

    def hides(self, path: Path, value: Any) -> Any:
        """What stands in place of a value, or the value itself."""
        ...

    def edits(self, text: str, structural: bool = False) -> list[Edit]:
        """What is to be changed in a text, in order and without overlap; `structural` if it is a word of the format."""
        ...


def scrub(body: bytes, content_type: str, rules: Rules) -> tuple[bytes, str]:
    """A body and its content type, after all edits; an AWS event stream becomes server-sent events if it has any."""
    if content_type.startswith("multipart/"):
        return _form(body, content_type, rules), content_type
    if "amazon.eventstream" in content_type:
        data = b"".join(b"data: %s\n\n" % encode_json(event.data) for event in read_events(body, content_type))
        changed = _lines(data, rules)
        return (body, content_type) if changed is data else (changed, "text/event-stream")
    head = body.lstrip()[:6]
    if "event-stream" in content_type or head[:5] == b"data:" or head == b"event:":
        return _lines(body, rules), content_type
    value = decode_json(body) if head[:1] in (b"{", b"[", b'"') else None
    if value is not None:
        changed_value = _Walk(rules).walk(value)
        return (body if changed_value is value else encode_json(changed_value)), content_type
    if head[:1] == b"{":
        return _lines(body, rules), content_type
    return _plain(body, rules), content_type


def scrub_value(value: Any, rules: Rules, path: Path = ()) -> Any:
    """JSON data after all edits; the very same object if there are none."""
    return _Walk(rules).walk(value, path)


def apply(text: str, edits: list[Edit]) -> str:
    """A text after its edits."""
    for start, end, instead in reversed(edits):
        text = text[:start] + instead + text[end:]
    return text


class _Walk:
    """One walk over a JSON value; what has changed is made anew, all else stays what it is."""

    def __init__(self, rules: Rules, on_piece: Callable[[Path, Any, str], str | None] | None = None) -> None:
        self._rules = rules
        self._on_piece = on_piece

    def walk(self, value: Any, path: Path = (), owner: Any = None) -> Any:
        if path:
            instead = self._rules.hides(path, value)
            if instead is not value:
                return instead
        if isinstance(value, str):
            if self._on_piece is not None and path and path[-1] in _PIECES:
                piece = self._on_piece(path, owner, value)
                return value if piece is None else piece
            return self.text(value, bool(path) and path[-1] in _STRUCTURE)
        if len(path) > _DEPTH:
            return value
        if isinstance(value, dict):
            changed = {key: self.walk(item, (*path, str(key)), value) for key, item in value.items()}
            return value if all(changed[key] is item for key, item in value.items()) else changed
        if isinstance(value, list):
            items = [self.walk(item, path, item if isinstance(item, dict) else owner) for item in value]
            return value if all(new is old for new, old in zip(items, value, strict=True)) else items
        return value

    def text(self, value: str, structural: bool = False) -> str:
        """A text, as JSON if that is what it holds."""
        if value[:1] in ("{", "["):
            inner = decode_json(value)
            if isinstance(inner, (dict, list)):
                changed = _Walk(self._rules).walk(inner)
                return value if changed is inner else encode_json(changed).decode()
        edits = self._rules.edits(value, structural)
        return apply(value, edits) if edits else value


def _plain(body: bytes, rules: Rules) -> bytes:
    try:
        text = body.decode()
    except UnicodeDecodeError:  # a picture, sound: nothing that could be read
        return body
    edits = rules.edits(text)
    return apply(text, edits).encode() if edits else body


def _form(body: bytes, content_type: str, rules: Rules) -> bytes:
    for part in reversed(list(form_parts(body, content_type))):
        content = body[part.start : part.end]
        if part.filename is None:
            text = content.decode(errors="replace")
            hidden = rules.hides((part.name,), text)
            new = content if hidden is text else str(hidden).encode()
        else:
            new = content
        if new is content and content:
            new, _ = scrub(content, part.content_type or "", rules)
        if new is not content:
            body = body[: part.start] + new + body[part.end :]
    return body


# Streams, and JSON by the line


def _lines(body: bytes, rules: Rules) -> bytes:
    """Server-sent events or JSON lines: each line's JSON walked, what comes in pieces edited as one text."""
    lines = body.split(b"\n")
    found: list[tuple[int, bytes, Any]] = []
    for number, line in enumerate(lines):
        prefix = line[: len(line) - len(line[5:].lstrip(b" "))] if line.startswith(b"data:") else b""
        value = decode_json(line[len(prefix) :]) if line[len(prefix) : len(prefix) + 1] in (b"{", b"[") else None
        if value is not None:
            found.append((number, prefix, value))
    pieces: dict[tuple[Any, ...], list[str]] = {}
    for _, prefix, value in found:
        _Walk(rules, _collector(pieces, value, bool(prefix))).walk(value)
    edited = {key: _edited(texts, rules) for key, texts in pieces.items()}
    changed = False
    for number, prefix, value in found:
        new = _Walk(rules, _replacer(edited, value, bool(prefix))).walk(value)
        if new is not value:
            changed = True
            lines[number] = prefix + encode_json(new) + (b"\r" if lines[number].endswith(b"\r") else b"")
    return b"\n".join(lines) if changed else body


def _place(path: Path, owner: Any, event: Any) -> tuple[Any, ...]:
    near = owner if isinstance(owner, dict) else {}
    top = event if isinstance(event, dict) else {}
    choice = next((item for item in top.get("choices") or () if isinstance(item, dict)), {})
    return (path, choice.get("index"), *(str(top.get(name)) for name in _PLACES), str(near.get("index")))


def _collector(
    pieces: dict[tuple[Any, ...], list[str]], event: Any, streamed: bool
) -> Callable[[Path, Any, str], str | None] | None:
    def collect(path: Path, owner: Any, text: str) -> str | None:
        pieces.setdefault(_place(path, owner, event), []).append(text)
        return None

    return collect if streamed else None


def _replacer(
    edited: dict[tuple[Any, ...], list[str] | None], event: Any, streamed: bool
) -> Callable[[Path, Any, str], str | None] | None:
    """Gives the pieces back, in the order in which they were collected."""

    def replace(path: Path, owner: Any, text: str) -> str | None:  # noqa: ARG001 - what it replaces
        left = edited[_place(path, owner, event)]
        return None if left is None else left.pop(0)

    return replace if streamed else None


def _edited(texts: list[str], rules: Rules) -> list[str] | None:
    """Pieces of one text after its edits; what replaces a part stands where that part began. None without edits."""
    whole = "".join(texts)
    if len(texts) == 1 or whole[:1] in ("{", "["):
        new = _Walk(rules).text(whole)
        if new is whole:
            return None
        return [new, *[""] * (len(texts) - 1)]
    edits = rules.edits(whole)
    if not edits:
        return None
    pieces, at, waiting = [], 0, list(edits)
    for text in texts:
        start, end, kept = at, at + len(text), ""
        while at < end:
            edit = waiting[0] if waiting else None
            if edit is None or edit[0] >= end:
                kept, at = kept + whole[at:end], end
            else:
                kept += whole[at : max(at, edit[0])]
                if start <= edit[0]:
                    kept += edit[2]
                at = min(end, max(edit[1], at))
                if edit[1] <= end:
                    waiting.pop(0)
        pieces.append(kept)
    return pieces


# Long texts


class _Shorter:
    """Cuts texts; what is one word of base64 is media, which has its own limit."""

    def __init__(self, most: int) -> None:
        self._most = most

    def hides(self, path: Path, value: Any) -> Any:  # noqa: ARG002 - the rules' signature
        return value

    def edits(self, text: str, structural: bool = False) -> list[Edit]:  # noqa: ARG002 - the rules' signature
        left_out = len(text) - self._most
        if left_out <= 0 or (text.isascii() and " " not in text and "\n" not in text and len(text) > 1000):
            return []
        return [(self._most, len(text), f"… [{left_out:,} characters left out]")]


def shorten(record: Record, most: int) -> bool:
    """Cut texts of more than `most` characters in a record's bodies; whether there were any."""
    changed = False
    for side in ("request", "response"):
        body: bytes | None = getattr(record, f"{side}_body")
        kind: str = getattr(record, f"{side}_content_type") or ""
        if body and len(body) > most:
            new, new_kind = scrub(body, kind, _Shorter(most))
            if new is not body:
                changed = True
                setattr(record, f"{side}_body", new)
                setattr(record, f"{side}_content_type", new_kind or None)
    return changed
