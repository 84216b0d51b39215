"""Find API keys of published formats (`_formats`) among the long words of a text."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Sequence

from autolog._redaction._formats import FORMATS, INNER, SK_FORMAT, SK_ISSUERS, SK_MODES
from autolog._redaction.letters import alternatives
from autolog._redaction.names import is_mixed, looks_random
from autolog._redaction.spans import Span

#: The least number of consecutive characters in a key.
RUN = 16
_MARKED = re.compile(b"a" * RUN + rb"a*+")
#: A translation table: bytes that may occur in a key become `a`, all others a blank.
_MARKS = bytes(97 if (chr(byte).isalnum() and byte < 128) or byte in b"_-.=+/:~%@" else 32 for byte in range(256))
#: The formats that are tried on all words, and those of which each is tried, too, if a text contains a part of it: all
#: of them would take seven times as long as the others.
_BEGUN = alternatives(pattern.encode() for pattern in (*FORMATS, SK_FORMAT))
_PARTS = [(sign.encode(), re.compile(part.encode()), key.encode()) for sign, part, key in INNER]
#: The character before a key. A pattern that begins with a character set skips all other characters quickly.
_BEFORE_KEY = rb"[^A-Za-z0-9]"
#: The same in JSON that could not be parsed, where a letter before a key may belong to an escape.
_BEFORE_KEY_IN_ESCAPES = rb"[^G-Zg-mo-qsu-z](?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))"


def _keys(before: bytes, text: bytes) -> list[re.Pattern[bytes]]:
    """Return the patterns of all formats that may occur in a text."""
    inner = [key for sign, part, key in _PARTS if sign in text and part.search(text)]
    return [_compiled(before, formats) for formats in (_BEGUN, *inner)]


@functools.cache
def _compiled(before: bytes, formats: bytes) -> re.Pattern[bytes]:
    """Compile a pattern of formats, on first use because that of all takes 4 ms."""
    return re.compile(before + b"(" + formats + b")")


def keys_in(text: bytes, words: Sequence[Span]) -> Iterator[Span]:
    """Return the spans of the keys in a text.

    Args:
        words: the spans of the words in which to search (`long_words`).
    """
    holding = _holding(_words(text, words))
    if not holding:
        return
    words = [word for word in words if not holding.isdisjoint(_words(text, (word,)))]
    patterns = _keys(_BEFORE_KEY_IN_ESCAPES if b"\\" in text else _BEFORE_KEY, text)
    for pattern, (start, end) in itertools.product(patterns, words):
        if start:
            yield from _found(pattern, text, start - 1, end)
        else:
            yield from (
                (first - 1, last - 1) for first, last in _found(pattern, b" " + text[: end + _AFTER], 0, end + 1)
            )


def _found(pattern: re.Pattern[bytes], text: bytes, start: int, end: int) -> Iterator[Span]:
    while match := pattern.search(text, start, end):
        start = match.end() - 1  # the last character of one key may precede the next
        if _is_key(match[1].decode()):
            yield match.span(1)
            if match[1].startswith((b"AKIA", b"ASIA")) and (secret := _AWS_SECRET.match(text, match.end())):
                yield secret.span(1)


#: The secret key of AWS after its id, and the greatest distance of its end.
_AFTER = 200
_AWS_SECRET = re.compile(
    rb"[^A-Za-z0-9+]{1,12}?(?:[\w-]{1,24}[^A-Za-z0-9+/]{1,6}){0,4}?(?<![A-Za-z0-9+])([A-Za-z0-9+/]{40})(?![A-Za-z0-9+/=])"
)


def _is_key(word: str) -> bool:
    """Return whether a word in a format is a key; names of CSS classes begin with `sk-`, of C functions with `sk_`."""
    start, rest = word[:3], word[3:]
    if start == "sk_":
        return rest.startswith(SK_MODES) or looks_random(rest)
    known = rest.startswith(SK_ISSUERS) or "-" not in rest
    return start != "sk-" or (known and is_mixed(rest)) or looks_random(rest)


def long_words(text: bytes) -> list[Span]:
    """Return the spans of the words that are long enough to be a key."""
    words = [word.span() for word in _MARKED.finditer(text.translate(_MARKS))]
    return [word for word in words if word[1] - word[0] <= _BLOB or not _BASE64.fullmatch(text, *word)]


#: Longer words in base64, of either alphabet, are data, such as encrypted reasoning: what looks like a key in them is
#: there by chance.
_BLOB = 400
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]*+|[A-Za-z0-9_-]*+)={0,2}")


# Before a body is decoded

#: Long words without a key, remembered because names of fields, models and headers recur in every call.
_known_words: set[bytes] = set()
_MOST_KNOWN, _LONGEST_KNOWN = 16_384, 64


def may_hold_key(body: bytes) -> bool:
    """Return whether a body may contain a key."""
    return bool(_holding(_words(body, long_words(body))))


def _holding(words: set[bytes]) -> set[bytes]:
    """Return the words in which a key or a JSON Web Token may be.

    All others are remembered, which saves 13 us per chat.
    """
    new = words - _known_words
    if not new:
        return new
    together = b" ".join((b"", *new, b""))
    holding = {word for pattern in _keys(_BEFORE_KEY, together) for word in _matching(pattern, together)}
    holding.update([word for word in new if b".eyJ" in word] if b".eyJ" in together else ())
    if len(_known_words) > _MOST_KNOWN:
        _known_words.clear()
    _known_words.update([word for word in new if len(word) <= _LONGEST_KNOWN and word not in holding])
    return holding


def _matching(pattern: re.Pattern[bytes], words: bytes) -> Iterator[bytes]:
    """Yield the words in which a pattern matches, of words that are each between two blanks."""
    at = 0
    while found := pattern.search(words, at):
        start, at = words.rfind(b" ", at, found.start() + 1) + 1, words.find(b" ", found.start() + 1)
        yield words[start:at]


def _words(body: bytes, spans: Sequence[Span]) -> set[bytes]:
    """Return the distinct words at these spans: few in most texts, and repeated in streams."""
    words = {body[start:end] for start, end in spans}
    if b"\\" in body:
        for start, end in spans:
            if start and body[start - 1] == 92:  # its first letter, or its first five as in `\u65e5`, are an escape's
                words.update((body[start + 1 : end], body[start + 5 : end]))
    return words
