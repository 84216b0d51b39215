"""Find and describe images, audio and files inside bodies, take them out to be stored once, and put them back.

An entry of `Record.media` describes one piece of media:

- `body`: `request` or `response`;
- `type`: its media type;
- `size`: its decoded size, in bytes;
- `sha256`: the hash of the decoded bytes, in hexadecimal;
- `offset`, `length`: its position in the body, in bytes;
- `encoding`: its encoding in the body, `base64` or `raw`;
- `name`: the file's name, if it has one;
- `kept`: false if it was larger than the limit and has been removed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from autolog._record.bodies import form_parts
from autolog._record.folded import fold
from autolog._record.record import Record

#: Base64 of fewer characters is not treated as media.
MIN_CHARACTERS = 256

_BASE64 = re.compile(
    rb'"(?:data:([\w.+-]{1,60}/[\w.+-]{1,60})[^",]{0,100};base64,)?([A-Za-z0-9+/]{%d,}+={0,2})"' % MIN_CHARACTERS
)
_KEY = re.compile(rb'"(\w+)"\s*:\s*$')
#: Keys under which base64 is always media.
_KEYS = frozenset({b"b64_json", b"partial_image_b64", b"file_data", b"image_url"})
#: Keys under which base64 is media if a key nearby gives a format.
_NEAR = re.compile(rb'"format"|"media_type"|"mime_type"|"audio"|"expires_at"')
_VAGUE_KEYS = frozenset({b"data", b"audio", b"result", b"image", b"delta"})

#: File signatures: an offset, the bytes found there, and the media type.
_MAGIC = (
    (0, b"\x89PNG\r\n", "image/png"), (0, b"\xff\xd8\xff", "image/jpeg"), (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"), (8, b"WAVE", "audio/wav"), (0, b"ID3", "audio/mpeg"), (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"), (4, b"ftypM4A", "audio/mp4"), (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"), (0, b"%PDF", "application/pdf"), (0, b"PK\x03\x04", "application/zip"),
)  # fmt: skip
_BINARY = re.compile(r"(audio|image|video)/|application/(pdf|zip|octet-stream)")

Entry = dict[str, Any]


def note_media(record: Record) -> None:
    """Set `record.media` to the entries for the media in the record's bodies, or to None if there are none."""
    found = [
        {"body": side, **entry}
        for side, body, content_type in (
            ("request", record.request_body, record.request_content_type),
            ("response", record.response_body, record.response_content_type),
        )
        if body
        for entry in find_media(body, content_type or "")
    ]
    record.media = found or None


def find_media(body: bytes, content_type: str) -> list[Entry]:
    """Return an entry, without `body`, for each piece of media in a body, ordered by offset."""
    if content_type in ("", "application/json"):  # as most are
        return list(_in_json(body)) if _may_have_base64(body) else []
    if content_type.startswith("multipart/"):
        return [
            _entry(body, part.start, part.end, part.content_type or _sniff(body[part.start : part.end]), part.filename)
            for part in form_parts(body, content_type)
            if part.filename is not None and part.end > part.start
        ]
    if _BINARY.match(content_type) and not (content_type.startswith("application/octet") and body[:1] in b"{["):
        kind = _sniff(body) or content_type.partition(";")[0]
        return [_entry(body, 0, len(body), kind, None)]
    if "event-stream" in content_type:
        folded = fold(body)
        if not _may_have_base64(folded.body) and not _may_have_base64(folded.pieces):
            return []
    return list(_in_json(body)) if _may_have_base64(body) else []


#: Matches up to the end of a body, or to where the next `MIN_CHARACTERS` bytes are all of base64: it goes on behind the
#: last other byte among as many as that, so that it looks at few of the bytes (a third of the time of `bytes.translate`
#: for 2 kB, and an eighth for megabytes).
_BETWEEN = re.compile(rb"(?s:(?:.{0,%d}[^A-Za-z0-9+/])*+)" % (MIN_CHARACTERS - 1))


def _may_have_base64(body: bytes) -> bool:
    between = _BETWEEN.match(body)
    return between is not None and len(body) - between.end() >= MIN_CHARACTERS


def _in_json(body: bytes) -> Iterator[Entry]:
    for found in _BASE64.finditer(body):
        start, end = found.span(2)
        kind = found[1].decode() if found[1] else _kind_of(body, found.start(), found.end(), start)
        if kind is None:
            continue
        try:
            content = base64.b64decode(found[2], validate=True)
        except binascii.Error:
            continue
        if base64.b64encode(content) == found[2]:
            yield {
                "type": kind,
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "offset": start,
                "length": end - start,
                "encoding": "base64",
            }


def _kind_of(body: bytes, start: int, end: int, text: int) -> str | None:
    """Return the media type of base64 that is not in a data URL; None if it is not media, such as an embedding.

    `start` and `end` delimit the JSON string, and `text` is the offset of its base64.
    """
    key = _KEY.search(body, max(0, start - 60), start)
    name = key[1] if key else b""
    kind = _sniff(base64.b64decode(body[text : text + 64]))
    if kind or name in _KEYS:
        return kind or "application/octet-stream"
    vague = name in _VAGUE_KEYS and b"redacted_thinking" not in body[max(0, start - 80) : end + 80]
    if vague and _NEAR.search(body[max(0, start - 120) : start] + body[end : end + 120]):
        return "application/octet-stream"
    return None


def _sniff(content: bytes) -> str | None:
    for offset, magic, kind in _MAGIC:
        if content.startswith(magic, offset):
            return kind
    return None


def _entry(body: bytes, start: int, end: int, kind: str | None, name: str | None) -> Entry:
    content = body[start:end]
    entry = {
        "type": kind or "application/octet-stream",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "offset": start,
        "length": len(content),
        "encoding": "raw",
    }
    return {**entry, "name": name} if name else entry


# Taking out and putting back


def take_out(body: bytes, entries: Sequence[Entry]) -> tuple[bytes, dict[str, bytes]]:
    """Return a body without its media, and the media by hash; if an entry does not match, the body is unchanged."""
    pieces: list[bytes] = []
    contents: dict[str, bytes] = {}
    at = 0
    for entry in _standing(entries):
        start, end = entry["offset"], entry["offset"] + entry["length"]
        pieces += [body[at:start]]
        content = _decoded(body[start:end], entry["encoding"])
        if start < at or content is None or hashlib.sha256(content).hexdigest() != entry["sha256"]:
            return body, {}
        contents[entry["sha256"]] = content
        at = end
    pieces.append(body[at:])
    return b"".join(pieces), contents


def put_back(body: bytes, entries: Sequence[Entry], load: Callable[[str], bytes | None]) -> bytes:
    """Return the body as it was before `take_out`; `load` returns a piece of media by its hash, or None."""
    pieces: list[bytes] = []
    at = removed = 0
    for entry in _standing(entries):
        content = load(entry["sha256"])
        if content is None:
            continue
        start = entry["offset"] - removed
        pieces += [body[at:start], base64.b64encode(content) if entry["encoding"] == "base64" else content]
        at, removed = start, removed + entry["length"]
    pieces.append(body[at:])
    return b"".join(pieces)


def take_media(record: Record) -> tuple[list[bytes | None], dict[str, bytes]]:
    """Return a record's request and response body without their media, and the media by hash.

    Entries that do not match their body are removed from the record.
    """
    bodies: list[bytes | None] = []
    contents: dict[str, bytes] = {}
    entries = record.media or []
    for side in ("request", "response"):
        body: bytes | None = getattr(record, f"{side}_body")
        of_side = [entry for entry in entries if entry["body"] == side]
        if body is not None and of_side:
            body, taken = take_out(body, of_side)
            contents |= taken
            if not taken and any(entry.get("kept") is not False for entry in of_side):
                record.media = [entry for entry in record.media or () if entry["body"] != side] or None
        bodies.append(body)
    return bodies, contents


def give_media(record: Record, load: Callable[[str], bytes | None]) -> None:
    """Put the media back into a record's bodies; `load` returns a piece of media by its hash, or None."""
    for side in ("request", "response"):
        body: bytes | None = getattr(record, f"{side}_body")
        if body is not None and record.media:
            of_side = [entry for entry in record.media if entry["body"] == side]
            setattr(record, f"{side}_body", put_back(body, of_side, load))


def _standing(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries whose media have not been removed for their size, ordered by offset."""
    return sorted((entry for entry in entries if entry.get("kept") is not False), key=lambda entry: entry["offset"])


def _decoded(text: bytes, encoding: str) -> bytes | None:
    if encoding == "raw":
        return text
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def check_media(record: Record) -> None:
    """Recompute a record's media entries if any of them, such as one from another service, lacks a required key."""
    shape = {"body": str, "type": str, "size": int, "sha256": str, "offset": int, "length": int, "encoding": str}
    if any(not isinstance(entry.get(key), kind) for entry in record.media or () for key, kind in shape.items()):
        note_media(record)


def limit_media(record: Record, max_bytes: int) -> None:
    """Remove media larger than `max_bytes` from a record's bodies; their entries stay, with `kept` set to false."""
    if not record.media or all(entry["size"] <= max_bytes for entry in record.media):
        return
    for side in ("request", "response"):
        entries = [entry for entry in record.media if entry["body"] == side]
        name = f"{side}_body"
        body: bytes | None = getattr(record, name)
        if body is None:
            continue
        large = [entry for entry in entries if entry["size"] > max_bytes]
        setattr(record, name, take_out(body, large)[0] if large else body)
        removed = 0
        for entry in entries:
            entry["offset"] -= removed
            if entry in large:
                removed += entry["length"]
                entry |= {"length": 0, "kept": False}
