"""Texts inside bodies, changed without harm to what is around them: JSON stays JSON, a stream stays a stream.

`scrub` walks a body, asks for the edits of every text, and returns a new body, or the very same bytes if there are
none. A text that a stream brings in pieces is edited as one. JSON inside a text (a tool's arguments) is walked, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from autolog._record.bodies import decode_json, encode_json, form_parts
from autolog._record.record import Record
from autolog._record.streams import Event, read_events
from autolog._redaction.secrets import PIECES

#: From where, to where, and what stands there instead.
Edit = tuple[int, int, str]
#: Keys by which a value was reached, outermost first; lists leave no trace.
Path = tuple[str, ...]
#: Gets a piece of a text, where it stands, and gives what is to stand there, or None to leave it.
OnPiece = Callable[[Path, tuple[Any, ...], str], "str | None"]

#: Keys of the formats' own words, which tell models, kinds and prices.
_STRUCTURE = frozenset({"model", "type", "object", "role", "finish_reason", "stop_reason", "service_tier", "status"})
#: Fields of an event that tell which text its pieces belong to.
_PLACES = ("type", "index", "output_index", "content_index", "summary_index", "item_id")
_DEPTH = 100
#: Shorter keys of objects are no secrets.
_LONG = 16
_LINE_END = re.compile(rb"[}\]][ \t\r]*\n\s*[{\[]")


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
        data = b"".join(map(_server_sent, read_events(body, content_type)))
        changed = _lines(data, rules)
        return (body, content_type) if changed is data else (changed, "text/event-stream")
    if is_streamed(body, content_type):
        return _lines(body, rules), content_type
    value = decode_json(body) if body.lstrip()[:1] in (b"{", b"[", b'"') else None
    if isinstance(value, list) and any(isinstance(item, dict) and "candidates" in item for item in value):
        return _array(body, value, rules), content_type
    if value is not None:
        changed_value = _Walk(rules).walk(value)
        return (body if changed_value is value else encode_json(changed_value)), content_type
    return _plain(body, content_type, rules), content_type


def _server_sent(event: Event) -> bytes:
    """Return an event as a server-sent one, with its name if its data does not say it."""
    named = event.name is not None and event.name != event.data.get("type")
    head = f"event: {event.name}\n".encode() if named else b""
    return b"%sdata: %s\n\n" % (head, encode_json(event.data))


def scrub_bodies(record: Record, rules: Rules, concerns: Callable[[bytes, str], bool]) -> bool:
    """Scrub those of a record's bodies that the rules may concern, by body and content type; whether one changed."""
    changed = False
    for side in ("request", "response"):
        body: bytes | None = getattr(record, f"{side}_body")
        kind: str = getattr(record, f"{side}_content_type") or ""
        if body and concerns(body, kind):
            new, new_kind = scrub(body, kind, rules)
            if new is not body:
                changed = True
                setattr(record, f"{side}_body", new)
                setattr(record, f"{side}_content_type", new_kind or None)
    return changed


def is_streamed(body: bytes, content_type: str) -> bool:
    """Whether a body is one of lines: server-sent events, or JSON by the line."""
    start = body.lstrip()[:6]
    if any(word in content_type for word in ("event-stream", "ndjson", "jsonl", "json-seq", "jsonlines")):
        return True
    if start[:5] == b"data:" or start == b"event:":
        return True
    return start[:1] == b"{" and b"\n" in body and _LINE_END.search(body) is not None


def comes_in_pieces(body: bytes, content_type: str) -> bool:
    """Whether a text may be spread over several places of a body."""
    return is_streamed(body, content_type) or (body.lstrip()[:1] == b"[" and b'"candidates"' in body)


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

    def __init__(self, rules: Rules, on_piece: OnPiece | None = None) -> None:
        self._rules = rules
        self._on_piece = on_piece

    def walk(self, value: Any, path: Path = (), owner: tuple[Any, ...] = ()) -> Any:
        if path:
            instead = self._rules.hides(path, value)
            if instead is not value:
                return instead
        if isinstance(value, str):
            if self._on_piece is not None and path and path[-1] in PIECES:
                piece = self._on_piece(path, owner, value)
                return value if piece is None else piece
            return self.text(value, bool(path) and path[-1] in _STRUCTURE)
        if len(path) > _DEPTH:
            return value
        if isinstance(value, dict):
            changed = {self.key(key): self.walk(item, (*path, str(key)), owner) for key, item in value.items()}
            same = changed.keys() == value.keys() and all(changed[key] is item for key, item in value.items())
            return value if same else changed
        if isinstance(value, list):
            items = [self.walk(item, path, _numbered(item, owner)) for item in value]
            return value if all(new is old for new, old in zip(items, value, strict=True)) else items
        return value

    def key(self, key: Any) -> Any:
        """A key of an object, which may be a secret, too."""
        edits = self._rules.edits(key, True) if isinstance(key, str) and len(key) >= _LONG else None
        return apply(key, edits) if edits else key

    def text(self, value: str, structural: bool = False) -> str:
        """A text, as JSON if that is what it holds."""
        if value[:1] in ("{", "["):
            inner = decode_json(value)
            if isinstance(inner, (dict, list)):
                changed = _Walk(self._rules).walk(inner)
                return value if changed is inner else encode_json(changed).decode()
        edits = self._rules.edits(value, structural)
        return apply(value, edits) if edits else value


def _numbered(item: Any, owner: tuple[Any, ...]) -> tuple[Any, ...]:
    """The indexes of the list items that a value is in, for those that say theirs."""
    return (*owner, item.get("index")) if isinstance(item, dict) and "index" in item else owner


def _plain(body: bytes, content_type: str, rules: Rules) -> bytes:
    coding = "utf-8"
    try:
        text = body.decode()
    except UnicodeDecodeError:
        if not content_type.startswith(("text/", "application/json")):  # a picture, sound: nothing that could be read
            return body
        text, coding = body.decode("latin-1"), "latin-1"
    edits = rules.edits(text)
    return apply(text, edits).encode(coding, errors="replace") if edits else body


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
    lines = re.split(rb"(\r\n|\n|\r)", body)  # every second one is a line's end
    prefixes: list[bytes] = []
    values: list[Any] = []
    places: list[int] = []
    changed = False
    for number in range(0, len(lines), 2):
        line = lines[number]
        prefix = line[: len(line) - len(line[5:].lstrip(b" "))] if line.startswith(b"data:") else b""
        value = decode_json(line[len(prefix) :])
        if isinstance(value, (dict, list)):
            places.append(number)
            prefixes.append(prefix)
            values.append(value)
        elif line:  # what is no JSON, or the beginning of some, is text
            new = _plain(line, "text/plain", rules)
            if new is not line:
                lines[number], changed = new, True
    for number, prefix, old, new in zip(places, prefixes, values, _streamed(values, rules), strict=True):
        if new is not old:
            lines[number], changed = prefix + encode_json(new), True
    return b"".join(lines) if changed else body


def _array(body: bytes, values: list[Any], rules: Rules) -> bytes:
    """A stream as one JSON array."""
    new = _streamed(values, rules)
    return body if all(one is other for one, other in zip(new, values, strict=True)) else encode_json(new)


def _streamed(events: list[Any], rules: Rules) -> list[Any]:
    """Events after all edits; what comes in pieces is edited as one text."""
    pieces: dict[tuple[Any, ...], list[str]] = {}
    for event in events:
        _Walk(rules, _collector(pieces, event)).walk(event)
    edited = {key: _edited(texts, rules) for key, texts in pieces.items()}
    return [_Walk(rules, _replacer(edited, event)).walk(event) for event in events]


def _place(path: Path, owner: tuple[Any, ...], event: Any) -> tuple[Any, ...]:
    top = event if isinstance(event, dict) else {}
    return (path, str(owner), *(str(top.get(name)) for name in _PLACES))


def _collector(pieces: dict[tuple[Any, ...], list[str]], event: Any) -> OnPiece:
    def collect(path: Path, owner: tuple[Any, ...], text: str) -> str | None:
        pieces.setdefault(_place(path, owner, event), []).append(text)
        return None

    return collect


def _replacer(edited: dict[tuple[Any, ...], list[str] | None], event: Any) -> OnPiece:
    """Gives the pieces back, in the order in which they were collected."""

    def replace(path: Path, owner: tuple[Any, ...], text: str) -> str | None:  # noqa: ARG001 - what it replaces
        left = edited[_place(path, owner, event)]
        return None if left is None else left.pop(0)

    return replace


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
    return scrub_bodies(record, _Shorter(most), lambda body, _: len(body) > most)
