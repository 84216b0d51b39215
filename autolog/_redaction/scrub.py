"""Edit texts inside bodies without harm to what surrounds them: JSON stays JSON, and a stream stays a stream.

`scrub` walks a body, asks the rules for the edits of every text, and returns a new body, or the same bytes if there are
no edits. A text that a stream delivers in pieces is edited as a whole. JSON inside a text (a tool's arguments) is
walked, too.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from typing import Any

from autolog._record.bodies import decode_json, encode_json, form_parts
from autolog._record.record import Record
from autolog._record.streams import Event, read_events
from autolog._redaction.pieces import edit_in_pieces
from autolog._redaction.walk import TOKENS, Edit, Path, Rules, apply

_LINE_END = re.compile(rb"[}\]][ \t\r]*+\n\s*+[{\[]")
#: The field with which server-sent events begin; a comment is a field without a name.
_FIELD = re.compile(rb"(?:\xef\xbb\xbf)?\s*+(?:(?:data|event|id|retry):|: ?[^\r\n]*+\r?\n\r?\n?(?:data|event|id|:))")
#: An event whose data is spread over several lines.
_FOLDED = re.compile(rb"(?:\A|[\r\n])data:[^\r\n]*+(?:\r\n|[\r\n])data:")
_BINARY = ("image/", "audio/", "video/", "application/pdf", "application/zip", "application/octet-stream")


def scrub(body: bytes, content_type: str, rules: Rules) -> tuple[bytes, str]:
    """Return a body and its content type after all edits.

    An AWS event stream with edits becomes server-sent events.
    """
    if content_type.startswith("multipart/"):
        return _form(body, content_type, rules), content_type
    if "amazon.eventstream" in content_type:
        data = _unfolded(body, content_type)
        changed = _lines(data, rules)
        return (body, content_type) if changed is data else (changed, "text/event-stream")
    coding = json.detect_encoding(body)
    if coding != "utf-8":
        return _recoded(body, content_type, rules, coding), content_type
    if is_streamed(body, content_type):
        if _FOLDED.search(body):
            data = _unfolded(body, content_type)
            if (changed := _lines(data, rules)) is not data:
                return changed, content_type
        return _lines(body, rules), content_type
    value = decode_json(body) if body[:20].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[", b'"') else None
    if isinstance(value, list) and _may_be_stream(value):
        return _array(body, value, rules), content_type
    if value is not None:
        return _json(body, value, rules), content_type
    return _plain(body, content_type, rules), content_type


def _unfolded(body: bytes, content_type: str) -> bytes:
    """Return a stream of server-sent events with each event's data on one line."""
    return b"".join(map(_server_sent, read_events(body, content_type)))


def _server_sent(event: Event) -> bytes:
    """Return an event in the server-sent format, with its name unless its data contains that."""
    named = event.name is not None and event.name != event.data.get("type")
    head = f"event: {event.name}\n".encode() if named else b""
    return b"%sdata: %s\n\n" % (head, encode_json(event.data))


def _json(body: bytes, value: Any, rules: Rules) -> bytes:
    """Return JSON after all edits: the same bytes if there are none, else the value encoded again."""
    changed = _walked(value, rules)
    if changed is value and not _hides_more(body, rules):
        return body
    return encode_json(changed)


def _overwritten(body: bytes) -> list[Any]:
    """Return the values of duplicate keys that a JSON reader does not see, because the last one wins."""
    hidden: list[Any] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        merged = dict(pairs)
        if len(merged) != len(pairs):
            hidden.extend({key: value} for key, value in pairs if merged[key] is not value)
        return merged

    try:
        json.loads(body, object_pairs_hook=collect)
    except (ValueError, RecursionError):
        return []
    return hidden


def _recoded(body: bytes, content_type: str, rules: Rules, coding: str) -> bytes:
    """Return a body in UTF-16, UTF-32 or with a byte-order mark after all edits, in the same encoding."""
    try:
        plain = body.decode(coding).encode()
    except UnicodeError:
        return _plain(body, content_type, rules)
    changed, _ = scrub(plain, content_type, rules) if b"\0" not in plain else (plain, content_type)
    return body if changed is plain else changed.decode().encode(coding)


def scrub_bodies(record: Record, rules: Rules, concerns: Callable[[bytes, str], bool]) -> bool:
    """Scrub the bodies of a record to which the rules may apply, and return whether one changed.

    Args:
        concerns: returns whether the rules may apply to a body, given the body and its content type.
    """
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
    """Return whether a body consists of lines: server-sent events or JSON lines."""
    if _names_stream(content_type):
        return True
    if _FIELD.match(body):
        return True
    return body[:4096].lstrip()[:1] == b"{" and b"\n" in body and _LINE_END.search(body) is not None


@functools.lru_cache(maxsize=256)
def _names_stream(content_type: str) -> bool:
    return any(word in content_type for word in ("event-stream", "ndjson", "jsonl", "json-seq", "jsonlines"))


def comes_in_pieces(body: bytes, content_type: str) -> bool:
    """Return whether a text may be spread over several places in a body."""
    return is_streamed(body, content_type) or body[:4096].lstrip()[:1] == b"["


def _may_be_stream(items: list[Any]) -> bool:
    """Return whether an array may contain pieces of texts, as Gemini's streams and a generator's recorded items do."""
    return len(items) > 1 and all(isinstance(item, dict) for item in items)


def _walked(value: Any, rules: Rules) -> Any:
    """Return a JSON value after all edits; a list of texts, such as a text's tokens, is edited as one text."""
    return edit_in_pieces([value], rules, TOKENS)[0]


def _plain(body: bytes, content_type: str, rules: Rules) -> bytes:
    coding = "utf-8"
    try:
        text = body.decode()
    except UnicodeDecodeError:
        if content_type.startswith(_BINARY):  # contains no text
            return body
        text, coding = body.decode("latin-1"), "latin-1"
    edits = rules.edits(text)
    return apply(text, edits).encode(coding, errors="replace") if edits else body


def _form(body: bytes, content_type: str, rules: Rules) -> bytes:
    """Return a form after the edits of its fields and files, treating it as text if it cannot be split into parts."""
    done: list[bytes] = []
    at = 0
    for part in form_parts(body, content_type):
        content = body[part.start : part.end]
        new = content
        if part.filename is None:
            text = content.decode(errors="replace")
            hidden = rules.hides((part.name,), text)
            new = content if hidden is text else str(hidden).encode()
        if new is content and content:
            new, _ = scrub(content, part.content_type or "", rules)
        if new is not content:
            done += (body[at : part.start], new)
            at = part.end
    if done or next(iter(form_parts(body, content_type)), None) is not None:
        return b"".join((*done, body[at:])) if done else body
    return _plain(body, "", rules)


# Streams, and JSON by the line


def _lines(body: bytes, rules: Rules) -> bytes:
    """Return server-sent events or JSON lines after all edits; a text in pieces is edited as a whole."""
    lines = re.split(rb"(\r\n|\n|\r)", body)  # every second item is a line end
    prefixes: list[bytes] = []
    values: list[Any] = []
    places: list[int] = []
    bare: set[int] = set()  # lines whose data is bare text, as Replicate sends it
    changed = False
    for number in range(0, len(lines), 2):
        line = lines[number]
        prefix = line[: len(line) - len(line[5:].lstrip(b" "))] if line.startswith(b"data:") else b""
        value = decode_json(line[len(prefix) :])
        if prefix and not isinstance(value, (dict, list, str)):
            bare.add(number)
            prefix = line[: 5 + line[5:].startswith(b" ")]  # further blanks belong to the text
            value = line[len(prefix) :].decode(errors="surrogateescape")
        if isinstance(value, (dict, list, str)):
            places.append(number)
            prefixes.append(prefix)
            values.append(value)
        elif line:  # anything but complete JSON is text
            new = _plain(line, "text/plain", rules)
            if new is not line:
                lines[number], changed = new, True
    for number, prefix, old, new in zip(places, prefixes, values, edit_in_pieces(values, rules), strict=True):
        if new is not old or _hides_more(lines[number][len(prefix) :], rules):
            data = new.encode(errors="surrogateescape") if number in bare else encode_json(new)
            lines[number], changed = prefix + data, True
    return b"".join(lines) if changed else body


def _hides_more(body: bytes, rules: Rules) -> bool:
    """Return whether JSON has a finding in the value of a duplicate key, which a JSON reader does not see."""
    return any(_walked(hidden, rules) is not hidden for hidden in _overwritten(body))


def _array(body: bytes, values: list[Any], rules: Rules) -> bytes:
    """Return a stream in the form of one JSON array after all edits."""
    new = edit_in_pieces(values, rules)
    return body if all(one is other for one, other in zip(new, values, strict=True)) else encode_json(new)


# Long texts


class _Shorter:
    """Rules that cut long texts; a text of one base64 word is media, which has its own limit."""

    joins_lists = False

    def __init__(self, most: int) -> None:
        self._most = most

    def hides(self, path: Path, value: Any) -> Any:  # noqa: ARG002 - the rules' signature
        return value

    def prepare(self, value: Any) -> None:
        pass

    def edits(self, text: str, structural: bool = False) -> list[Edit]:  # noqa: ARG002 - the rules' signature
        left_out = len(text) - self._most
        if left_out <= 0 or (text.isascii() and " " not in text and "\n" not in text and len(text) > 1000):
            return []
        return [(self._most, len(text), f"… [{left_out:,} characters left out]")]


def shorten(record: Record, most: int) -> bool:
    """Cut texts of more than `most` characters in a record's bodies, and return whether there were any."""
    return scrub_bodies(record, _Shorter(most), lambda body, _: len(body) > most)
