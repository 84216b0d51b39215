"""Decode what is encoded inside texts: in URLs and HTML, with the original offsets, in JSON and in base64."""

from __future__ import annotations

import base64
import binascii
import bisect
import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from autolog._redaction.names import suggests_secret

#: How many levels of URL encoding and HTML entities are undone.
TWICE = 2


def decoded_parts(text: bytes) -> Iterator[tuple[bytes, Callable[[int], int]]]:
    """Yield the parts of a text that contain URL-encoded JSON or forms, or quotes as HTML entities, decoded.

    Each comes with a function that maps an offset in the decoded part to an offset in the text.
    """
    for signs, part, encoded, byte in _ENCODINGS:
        end = 0
        for sign in signs.finditer(text):
            if sign.start() >= end:
                before = part.match(text[end : sign.start()][::-1])
                begin = sign.start() - (before.end() if before else 0)
                found = part.match(text, begin)
                if found:
                    end = found.end()
                    yield _decoded(re.split(encoded, found[0]), byte, begin)


def _url_byte(code: bytes) -> bytes:
    return bytes([int(code[1:], 16)])


def _entity_byte(entity: bytes) -> bytes:
    return _ENTITIES.get(entity) or bytes([int(entity[3:-1], 16) if entity[2:3] in b"xX" else int(entity[2:-1])])


_ENTITIES = {b"&quot;": b'"', b"&apos;": b"'", b"&amp;": b"&", b"&lt;": b"<", b"&gt;": b">"}
#: For each encoding its signs, the part of a text around a sign that is decoded, what is encoded in it, and how.
_ENCODINGS = (
    (re.compile(rb"%(?:22|25|3[aAdD])"), re.compile(rb"[^\s\"'<>]*+"), re.compile(rb"(%[0-9A-Fa-f]{2})"), _url_byte),
    (re.compile(rb"&(?:amp;)?(?:quot|apos|#3[49]|#[xX]2[27]|lt;/?[\w:-]{0,30}?(?i:pass|pwd|secret|token|key))"),
     re.compile(rb"[^\n]*+"),
     re.compile(rb"(&(?:quot|apos|amp|lt|gt|#(?:\d{2}|1[01]\d|12[0-7])|#[xX][2-7][0-9a-fA-F]);)"),
     _entity_byte),
)  # fmt: skip


def _decoded(parts: list[bytes], byte: Callable[[bytes], bytes], begin: int) -> tuple[bytes, Callable[[int], int]]:
    """Join the parts of a text, of which every second is an encoded byte."""
    decoded = [byte(part) if number % 2 else part for number, part in enumerate(parts)]
    starts = list(itertools.accumulate(map(len, decoded), initial=0))
    sources = list(itertools.accumulate(map(len, parts), initial=begin))

    def place(at: int) -> int:
        part = bisect.bisect_right(starts, at) - 1
        return sources[part] + at - starts[part]

    return b"".join(decoded), place


def holds_within(body: bytes, holds: Callable[[bytes], bool], depth: int = TWICE) -> bool:
    """Return whether `holds` is true of a body, or of anything encoded in it, up to `depth` levels."""
    return holds(body) or (depth > 0 and any(holds_within(inner, holds, depth - 1) for inner, _ in decoded_parts(body)))


#: How many levels of JSON inside JSON strings are searched.
_NESTED = 8
#: Escapes and what they stand for. An escaped backslash is first replaced by a byte that never occurs in UTF-8, and
#: that byte last by a backslash, so that it does not begin another escape.
_ESCAPES = ((rb"\\", b"\xff"), (rb"\n", b"\n"), (rb"\r", b"\r"), (rb"\t", b"\t"), (rb"\"", b'"'), (rb"\/", b"/"),
            (b"\xff", b"\\"))  # fmt: skip


def unescaped(body: bytes) -> Iterator[bytes]:
    """Yield a body as it is, then with its escapes undone level by level, because JSON strings may contain JSON."""
    yield body
    for _ in range(1, _NESTED):
        if b"\\" not in body:
            return
        escaped = body
        for escape, plain in _ESCAPES:
            body = body.replace(escape, plain)
        if body == escaped:
            return
        yield body


# Base64


def is_login(value: str) -> bool:
    """Return whether a text is base64 of `user:password`, as in `Basic` authentication and Docker's `auth`."""
    plain = _base64_decoded(value[:1000].encode()).strip(b"\0").replace(b"\0", b":")
    return 0 < plain.find(b":") < len(plain) - 1 and plain.isascii() and plain.decode().isprintable()


def _base64_decoded(text: bytes) -> bytes:
    """Decode base64 in the standard or the URL-safe alphabet; return `b""` if the text is neither."""
    plain = text.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4))
    except binascii.Error:
        return b""


def holds_private_key(value: str) -> bool:
    return b" PRIVATE KEY" in _base64_decoded(value[:400].encode())


def holds_named_secret(value: str) -> bool:
    """Return whether a text is base64 of JSON in which a string is stored under the name of a secret."""
    try:
        left: list[Any] = [json.loads(_base64_decoded(value.encode()))]
    except (ValueError, RecursionError):
        return False
    while left:
        item = left.pop()
        if isinstance(item, list):
            left += item
        elif isinstance(item, dict):
            left += item.values()
            if any(isinstance(held, str) and len(held) >= 4 and suggests_secret(name) for name, held in item.items()):
                return True
    return False
