"""What is encoded inside texts: URL-encoded JSON and forms, with the places of their bytes, and JSON's escapes."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Callable, Iterator

#: What is URL-encoded may be so twice.
TWICE = 2


def url_decoded(text: bytes) -> Iterator[tuple[bytes, Callable[[int], int]]]:
    """Return the words of a text that hold URL-encoded JSON or forms, decoded, and where each of their bytes stood."""
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
    parts = re.split(rb"(%[0-9A-Fa-f]{2})", word)  # every second one is a byte
    decoded = [bytes([int(part[1:], 16)]) if number % 2 else part for number, part in enumerate(parts)]
    starts = list(itertools.accumulate(map(len, decoded), initial=0))
    sources = list(itertools.accumulate(map(len, parts), initial=begin))

    def place(at: int) -> int:
        part = bisect.bisect_right(starts, at) - 1
        return sources[part] + at - starts[part]

    return b"".join(decoded), place


def holds_within(body: bytes, holds: Callable[[bytes], bool], depth: int = TWICE) -> bool:
    """Return whether something is true of a body, or of what is URL-encoded in it."""
    return holds(body) or (depth > 0 and any(holds_within(inner, holds, depth - 1) for inner, _ in url_decoded(body)))


#: So deep texts of JSON are looked for in texts of JSON.
_NESTED = 3
#: What an escape stands for; that of a backslash comes first and last, in between a byte that UTF-8 has nowhere.
_ESCAPES = ((rb"\\", b"\xff"), (rb"\n", b"\n"), (rb"\r", b"\r"), (rb"\t", b"\t"), (rb"\"", b'"'), (rb"\/", b"/"),
            (b"\xff", b"\\"))  # fmt: skip


def unescaped(body: bytes) -> Iterator[bytes]:
    """Yield a body as it is, then with its escapes undone, level by level: JSON may be a text of JSON."""
    yield body
    for _ in range(1, _NESTED):
        if b"\\" not in body:
            return
        for escape, plain in _ESCAPES:
            body = body.replace(escape, plain)
        yield body
