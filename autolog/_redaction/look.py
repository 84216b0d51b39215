"""A quick check of a body before it is decoded: most bodies contain nothing like a secret and are left alone.

`may_hold_secret` may give false positives, but never false negatives. It takes time linear in the length of the body.
"""

from __future__ import annotations

import functools
import re

from autolog._redaction.credentials import WORDS, may_hold_credential
from autolog._redaction.encoded import holds_within
from autolog._redaction.keys import may_hold_key
from autolog._redaction.letters import Words, patterns_by_words
from autolog._redaction.names import (
    PARAMETERS,
    holds_code,
    holds_random,
    perhaps_secret,
    suggests_secret,
)
from autolog._redaction.pieces import REPEATED
from autolog._redaction.places import ends_in_code, may_hold_password
from autolog._redaction.spoken import ASCII_WORDS, BEFORE_CODE, may_speak

#: What may come between a name and its value.
_BLANKS = rb"(?:\s|\\++[nrtf])*+"
_SIGN = rb"(?::=|=>|[=:>]|,?" + _BLANKS + rb"(?:\\*+[\"'])?value(?:\\*+[\"'])?" + _BLANKS + rb"[=:])"
_SAID_AFTER = rb"(?:[ \t]|\\++t){1,4}(?:is )?(?:\\{0,7}[\"'])?(?=[a-z_+/.~-]{0,512}+\d)[\w+/.~-]{16}"
_LISTED_AFTER = rb"\\*+[\"'`]" + _BLANKS + rb"," + _BLANKS + rb"\\*[\"'`]"
_ASSIGNED_AFTER = rb"(?:\\*+[\"'`])?" + _BLANKS + _SIGN
_DEFAULT_AFTER = (
    rb"(?:\\*+[\"'`])?[\])]{0,2}" + _BLANKS +
    rb"(?:(?:\|\||\?\?|\?:|or\b|\{)" + _BLANKS + rb"(?:default|\\*+[\"'`])|,\s*default)"
)  # fmt: skip
#: What has to follow a word in the name of a secret, and the name of a code.
_NAMED = rb"(?=[\w.-]{0,30}+(?:" + b"|".join((_SAID_AFTER, _ASSIGNED_AFTER, _LISTED_AFTER, _DEFAULT_AFTER)) + rb"))"
_NUMBERED = (
    rb"(?=[\w.-]{0,20}+(?:\\*+[\"'`])?" + _BLANKS + rb"(?:(?:is\b|,|" + _SIGN + rb")" + _BLANKS +
    rb"\[?" + _BLANKS + rb"(?:\\*+[\"'`])?\d{2}|\d{6}))"
)  # fmt: skip
#: Lower-case words in the names of secrets, each with what has to follow. `tokens` is excluded, because every response
#: counts tokens.
_LEADS = {
    **dict.fromkeys((b"key", b"secret", b"pass", b"pwd", b"bearer", b"credential", b"cookie", b"auth",
                     b"signature", b"salt", b"sess"), _NAMED),
    b"token": rb"(?!s)" + _NAMED,
    b"connection": rb"[-_. ]?string" + _NAMED,
    **dict.fromkeys((b"recovery", b"backup"), rb"[-_. ]?code" + _NAMED),
    **dict.fromkeys((b"otp", b"pin", b"cv", b"code"), _NUMBERED),
    **dict.fromkeys(ASCII_WORDS, rb"(?:" + _NAMED + rb"|(?=[^\d\n]{0,160}+\d))"),
}  # fmt: skip
_LEADING = tuple(patterns_by_words(_LEADS))
_WANTED = {**dict.fromkeys((*_LEADS, *WORDS, b"bearer", b"basic", BEFORE_CODE), b""), b"token": rb"(?!s)"}
#: One search for all words rules out most texts, and saves some twenty searches for a word and what has to follow it.
#: Long texts contain most of the words, so for them it is skipped.
_find_words, _ALL_WORDS, _LONG = Words(_WANTED), frozenset(_WANTED), 262_144
_SCHEMES = re.compile(rb"b(?:earer|asic) +[\w.~+/\\-]{16}")
_NAMES = b"|".join(sorted(re.escape(name).encode() for name in PARAMETERS))
_QUERIES = {sign: re.compile(re.escape(sign) + b"(?:" + _NAMES + b")=") for sign in (b"?", b"&", b";")}
#: The login in a URL, searched for from `://` on so that no part of a text is read twice.
_LOGIN = re.compile(rb"://[^\s/@\"']++@")
#: An ASCII character that JSON has written as an escape.
_ESCAPED = re.compile(rb"\\(?:/|u00([2-7][0-9a-fA-F]))")
#: How many names are checked before the body is walked anyway.
_PATIENCE = 2000


def may_hold_secret(body: bytes) -> bool:
    """Return whether a body may contain a secret, recognised by its format, its name or its place."""
    return holds_within(body, _may_hold)


def _may_hold(body: bytes) -> bool:
    if b"\\" in body:
        body = _ESCAPED.sub(_unescaped, body)
    if b"\0" in body or (b"@" in body and (_LOGIN.search(body) or b"jdbc:" in body)):  # zeros: UTF-16
        return True
    if b"PRIVATE KEY" in body or may_hold_key(body):
        return True
    lowered = body.lower()
    words = _find_words(lowered) if len(body) < _LONG else _ALL_WORDS
    return (
        _leads(lowered, body, words)
        or ((b"bearer" in words or b"basic" in words) and _SCHEMES.search(lowered) is not None)
        or (b"=" in body and any(sign in body and names.search(lowered) for sign, names in _QUERIES.items()))
        or may_hold_password(body, lowered, b"login" in words)
        or may_hold_credential(body, lowered, words)
        or may_speak(body, lowered, words)
    )


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)]) if found[1] else b"/"


_NAME = re.compile(rb"[\w.-]*+")


def _leads(lowered: bytes, body: bytes, words: frozenset[bytes]) -> bool:
    """Return whether the name of a secret occurs anywhere with a value after it."""
    tried = 0
    for group, pattern in _LEADING:
        for found in pattern.finditer(lowered) if words & group else ():
            if tried == _PATIENCE or _is_in_name(body, *found.span()):
                return True
            tried += 1
    return False


def _is_in_name(body: bytes, start: int, end: int) -> bool:
    """Return whether the name around a word suggests a secret.

    Args:
        start: the offset of the word in the body.
        end: the offset of its end.
    """
    before, after = body[max(0, start - 60) : start], _NAME.match(body, end, end + 30)
    begun, rest = _NAME.match(before[::-1]), body[start : after.end() if after else end]
    name = (before[len(before) - (begun.end() if begun else 0) :] + rest).decode("latin-1")
    words = before.rpartition(b'"')[2] + rest  # an object's key may be several words
    return (
        _may_name(name)
        or (b"\\" in before and _may_name(name[1:]))  # its first letter may belong to an escape
        or _may_name(words.decode("latin-1"))
        or ends_in_code(words)
    )


@functools.lru_cache(maxsize=4096)
def _may_name(name: str) -> bool:
    return suggests_secret(name) or perhaps_secret(name) or holds_code(name) or holds_random(name)


# Streams and lists

#: A key of an object and its string value.
_PIECE = re.compile(rb'"([^"\\]{1,40})":\s*"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
#: A sign of several texts streamed at once, which `pieces_joined` would mix up.
_SEVERAL = re.compile(rb'"index":\s*[1-9]')


def several_at_once(body: bytes) -> bool:
    """Return whether a stream may interleave the pieces of several texts."""
    return _SEVERAL.search(body) is not None


def pieces_joined(body: bytes) -> bytes:
    """Join all string values of a stream that have the same key, without regard to the text that each belongs to.

    Texts of a single piece are left out, because a search of the stream itself sees them, and so are values that all
    events repeat.
    """
    texts: dict[bytes, list[bytes]] = {}
    for name, piece in _PIECE.findall(body):
        texts.setdefault(name, []).append(piece)
    return b"\n".join([b"".join(pieces) for pieces in texts.values() if not _is_whole(pieces)])


def _is_whole(pieces: list[bytes]) -> bool:
    first, count = pieces[0], len(pieces)
    return pieces.count(b"") >= count - 1 or (len(first) >= REPEATED and pieces.count(first) == count)


#: A list of several strings, and the separators between them.
_LISTED = re.compile(rb'\[\s*+"(?:[^"\\]++|\\.)*+"(?:\s*+,\s*+"(?:[^"\\]++|\\.)*+")++', re.DOTALL)
_BETWEEN = re.compile(rb'(?<![^\\]\\)"\s*+,\s*+"')
#: The data of an event that is a string, in JSON or bare.
_BARE = re.compile(rb'^data: ?"?([^\r\n"{][^\r\n"]*+)', re.MULTILINE)


def lists_joined(body: bytes) -> bytes:
    """Join the strings of each list, and those that are themselves the data of a stream's events."""
    lists = [_BETWEEN.sub(b"", found[0]) for found in _LISTED.finditer(body)]
    return b"\n".join([*lists, b"".join(_BARE.findall(body)) if b"data:" in body else b""])
