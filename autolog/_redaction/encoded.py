"""Decode what is encoded inside texts: URL-encoded JSON and forms, with the original offsets, JSON escapes, base64."""

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

#: How many levels of URL encoding are undone.
TWICE = 2


def url_decoded(text: bytes) -> Iterator[tuple[bytes, Callable[[int], int]]]:
    """Yield the decoded words of a text that contain URL-encoded JSON or forms.

    Each comes with a function that maps an offset in the decoded word to an offset in the text.
    """
    end = 0
    for sign in _URL_ENCODED.finditer(text):
        if sign.start() >= end:
            before = _WORD.match(text[end : sign.start()][::-1])
            word = _WORD.match(text, sign.start() - (before.end() if before else 0))
            if word:
                end = word.end()
                yield _decoded_word(word[0], word.start())


_URL_ENCODED = re.compile(rb"%(?:22|25|3[aAdD])")
_WORD = re.compile(rb"[^\s\"'<>]*+")


def _decoded_word(word: bytes, begin: int) -> tuple[bytes, Callable[[int], int]]:
    parts = re.split(rb"(%[0-9A-Fa-f]{2})", word)  # every second part is an encoded byte
    decoded = [bytes([int(part[1:], 16)]) if number % 2 else part for number, part in enumerate(parts)]
    starts = list(itertools.accumulate(map(len, decoded), initial=0))
    sources = list(itertools.accumulate(map(len, parts), initial=begin))

    def place(at: int) -> int:
        part = bisect.bisect_right(starts, at) - 1
        return sources[part] + at - starts[part]

    return b"".join(decoded), place


def holds_within(body: bytes, holds: Callable[[bytes], bool], depth: int = TWICE) -> bool:
    """Return whether `holds` is true of a body, or of anything URL-encoded in it, up to `depth` levels."""
    return holds(body) or (depth > 0 and any(holds_within(inner, holds, depth - 1) for inner, _ in url_decoded(body)))


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
