"""A quick check of a body before it is decoded: most bodies contain nothing like a secret and are left alone.

`may_hold_secret` may give false positives, but never false negatives. It takes time linear in the length of the body.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

from autolog._redaction.blocks import may_hold_column
from autolog._redaction.credentials import WORDS, may_hold_credential
from autolog._redaction.encoded import holds_within
from autolog._redaction.keys import may_hold_key
from autolog._redaction.letters import LatePattern, Words, patterns_by_words, signs_of
from autolog._redaction.names import (
    PARAMETERS,
    holds_code,
    holds_password,
    holds_random,
    holds_session,
    perhaps_secret,
    suggests_secret,
)
from autolog._redaction.pieces import REPEATED
from autolog._redaction.places import PASSWORD_WORDS, logins_in, may_hold_password
from autolog._redaction.spans import AMPERSAND
from autolog._redaction.spoken import ASCII_KEYS, ASCII_WORDS, BEFORE_CODE, ends_in_code, may_speak
from autolog._redaction.told import WORDS as WORDS_OF_TOLD, told_in

#: What may come between a name and its value.
_BLANKS = rb"(?:\s|\\++[nrtf])*+"
_QUOTE = rb"\\*+[\"'`]"
#: A typographic quote before a value.
_OPENING = rb"\xe2\x80[\x98\x9c\x9e]|\xc2\xab|\\++u(?:201[8ce]|00ab)"
_SIGN = (
    rb"(?:(?:\*\*)? ?(?:-{1,2}|\xe2(?:\x80[\x93\x94]|\x86\x92)|\\{1,4}u(?:201[34]|2192))(?= )|"
    rb"(?:[\w:-]{1,20}=" + _QUOTE + rb"[^\"'<>\\]{0,60}" + _QUOTE + rb" ?){1,3}>|[({](?=\\{0,7}[\"'])|"
    rb":\*\*|\*\*:|\xef\xbc\x9a|\\{1,4}uff1a|[:?]=|[|?]{2}=|=>|->|<-|"
    rb"(?::|(?<=\s)as) ?&?[a-z]{1,20}(?:\[[a-z]{1,20}\])? ?=|"
    rb"\[[\w*]{1,24}\]:|[=!]={1,2}|[=:>|]|</\w{1,10}>" +
    _BLANKS +
    rb"<\w{1,10}>|provided:|(?:[:=] ?\{|,)?" + _BLANKS + rb"(?:" + _QUOTE + rb")?(?:value|content)(?:" + _QUOTE +
    rb")?" + _BLANKS +
    rb"[=:])"
)  # fmt: skip
#: The beginning of a value that is no ordinary word, call or placeholder; after a scheme, or in a block, of any value.
_VALUE = (
    rb"\*{0,2}" + _BLANKS +
    rb"(?:<\w{1,6}>)?(?:[!&]{1,2}[\w:-]{1,20} |[@bfnru]{1,2}(?=\\{0,7}[\"'])|\[\]byte\(|<!\[cdata\[)?"
    rb"(?:(?:\[\s?|(?:new )?[a-z.()]{1,40}\()(?=\\{0,7}[\"']))?(?:" + _QUOTE + rb"|" + _OPENING + rb")?"
    rb"(?:\{(?=[^\s{}\"]{4,64}\};))?(?![=$<{*%(\[])"
    rb"(?:[|>]|(?:basic|bearer|token|api-?key|key|negotiate|ntlm) {1,4}[\w.~+/-]{6}|"
    rb"[a-z-]{3,30} {1,4}(?=[a-z_.~:+/-]{0,64}+\d)[\w.~:+/-]{16}|"
    rb"[a-z]{16}|[a-z._/:-]{0,256}+(?:" + AMPERSAND + rb"|[^\sa-z._/:\"'`\\;|&,()\[\]{}<>-]))"
)  # fmt: skip
_SAID_AFTER = (
    rb"(?:[ \t]|\\++t){1,40}(?:(?:is|es|ist|est|e|lautet|\xc3[\xa8\xa9]|\\{1,4}u00e[89]):? |"
    rb"(?:(?:is|was|are) )?(?:now )?(?:set )?to )?(?:\\{0,7}[\"'])?"
    rb"(?=[a-z_+/.~-]{0,512}+\d)[\w+/.~-]{16}"
)
_ALIGNED_AFTER = rb"(?:[ \t]|\\++t){2,40}+[a-z._/:-]{0,256}+(?:" + AMPERSAND + rb"|[^\sa-z._/:\"'`\\;|&,()\[\]{}<>-])"
_LISTED_AFTER = _QUOTE + _BLANKS + rb"," + _BLANKS + _QUOTE
_DEFAULT_AFTER = (
    rb"(?:" + _QUOTE + rb")?[\])]{0,2}" + _BLANKS +
    rb"(?:(?:\|\||\?\?|\?:|or\b|\{)" + _BLANKS + rb"(?:default|" + _QUOTE + rb")|,\s*default)"
)  # fmt: skip
#: What has to follow a word in the name of a secret, in a body and in a decoded text, and the name of a code. The keys
#: of a body's objects are in quotes, and may have any value.
_NAMED = rb"(?=[\w.-]{0,30}+(?:" + b"|".join((
    _SAID_AFTER, _ALIGNED_AFTER, _QUOTE + rb"\]?" + _BLANKS + _SIGN, rb"\]?" + _BLANKS +
    _SIGN + _VALUE, _LISTED_AFTER, _DEFAULT_AFTER
)) + rb"))"  # fmt: skip
_NAMED_IN_TEXT = rb"(?=[\w.-]{0,30}+(?:" + b"|".join((
    _SAID_AFTER, _ALIGNED_AFTER, rb"(?:" + _QUOTE + rb")?\]?" + _BLANKS + _SIGN + _VALUE, _LISTED_AFTER +
    _VALUE, _DEFAULT_AFTER
)) + rb"))"  # fmt: skip
_NUMBERED = (
    rb"(?=[\w.-]{0,20}+(?:\\*+[\"'`])?" + _BLANKS + rb"(?:(?:is\b|,|" + _SIGN + rb")" + _BLANKS +
    rb"\[?" + _BLANKS + rb"(?:\\*+[\"'`])?\d{2}|\d{6}))"
)  # fmt: skip


def _leads_to(named: bytes) -> dict[bytes, bytes]:
    """Return lower-case words in the names of secrets, each with what has to follow.

    `tokens` is excluded, because every response counts tokens.
    """
    return {
        **dict.fromkeys((b"key", b"secret", b"pass", b"pwd", b"bearer", b"credential", b"cookie", b"auth",
                         b"signature", b"salt", b"sess", b"psk"), named),
        b"token": rb"(?!s)" + named,
        **dict.fromkeys((b"pw", b"sid", b"pat"), rb"(?![a-z])" + named),
        b"connection": rb"[-_. ]?string" + named,
        **dict.fromkeys((b"recovery", b"backup"), rb"[-_. ]?code" + named),
        **dict.fromkeys((b"otp", b"pin", b"cv", b"code"), _NUMBERED),
        **dict.fromkeys(ASCII_KEYS, rb"(?=[^\n]{0,60}?[\w+/~-]{16})"),
        **dict.fromkeys(ASCII_WORDS, rb"(?:" + named + rb"|(?=[^\d\n]{0,160}+\d))"),
    }  # fmt: skip


_LEADS = _leads_to(_NAMED)
_LEADING = tuple(patterns_by_words(_LEADS))


def names_in_texts() -> Iterator[bytes]:
    """Yield the signs of secrets that are recognised by their names, in decoded texts."""
    yield from signs_of(_leads_to(_NAMED_IN_TEXT))


_WANTED = {
    **dict.fromkeys((*_LEADS, *WORDS, *PASSWORD_WORDS, *WORDS_OF_TOLD, b"bearer", b"basic", BEFORE_CODE), b""),
    b"token": rb"(?!s)",
    **dict.fromkeys((b"pw", b"sid", b"pat"), rb"(?![a-z])"),
}
#: One search for all words rules out most texts, and saves some twenty searches for a word and what has to follow it.
#: Long texts contain most of the words, so for them it is skipped.
_find_words, _ALL_WORDS, _LONG = Words(_WANTED), frozenset(_WANTED), 262_144
SCHEMES = rb"b(?:earer|asic) +(?=[a-z_.~+/\\-]{0,512}+\d)[\w.~+/\\-]{16}"
_SCHEMES = re.compile(SCHEMES)
_NAMES = b"|".join(sorted(re.escape(name).encode() for name in PARAMETERS))
_QUERIES = {sign: re.compile(re.escape(sign) + b"(?:" + _NAMES + b")=") for sign in (b"?", b"&", b";")}
#: A `Secret` of Kubernetes in JSON, whose data the walk hides.
_SECRET_MANIFEST = re.compile(rb"kind\\*+\"\s*+:\s*+\\*+\"Secret\\*+\"")
#: An ASCII character that JSON, perhaps inside a JSON string, has written as an escape: printable, a tab or a line end.
_ESCAPED = re.compile(rb"\\(?:/|\\{0,7}+u00([2-7][0-9a-fA-F]|0[9aAdD]))")
#: From this number of bytes for each text of a body on, its texts count as long.
_LONG_TEXT = 16_384
#: How many names are checked before the body is walked anyway.
_PATIENCE = 2000


def is_long_text(body: bytes) -> bool:
    """Return whether a body is long and seems to consist of few texts: its walk takes no longer than a quick check.

    A 30 MB prompt with one key takes 0.3 s less without the check.
    """
    beginning = body[:1_048_576]
    texts = beginning.count(b'":"') + beginning.count(b'": "') if len(body) > _LONG else 0
    return len(body) > _LONG and texts * _LONG_TEXT < len(beginning)


def may_hold_secret(body: bytes) -> bool:
    """Return whether a body may contain a secret, recognised by its format, its name or its place."""
    if b"\\u00" in body:
        body = _ESCAPED.sub(_unescaped, body)
    return holds_within(body, _may_hold)


def _may_hold(body: bytes) -> bool:
    if b"\\" in body:
        body = _ESCAPED.sub(_unescaped, body)
    if b"\0" in body or (b"@" in body and (next(logins_in(body), None) or b"jdbc:" in body)):  # zeros: UTF-16
        return True
    if b"PRIVATE KEY" in body or (b"Secret" in body and _SECRET_MANIFEST.search(body)) or may_hold_key(body):
        return True
    lowered = body.lower()
    words = _find_words(lowered) if len(body) < _LONG else _ALL_WORDS
    return (
        _leads(lowered, body, words, _LEADING)
        or ((b"bearer" in words or b"basic" in words) and _SCHEMES.search(lowered) is not None)
        or (b"=" in body and any(sign in body and names.search(lowered) for sign, names in _QUERIES.items()))
        or may_hold_password(body, lowered, words)
        or may_hold_credential(body, lowered, words)
        or may_hold_column(lowered, words)
        or may_speak(body, lowered, words)
        or (not words.isdisjoint(WORDS_OF_TOLD) and next(told_in(body, lowered), None) is not None)
    )


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)]) if found[1] else b"/"


_NAME = re.compile(rb"[\w.-]*+")
_DRAWN = re.compile(rb"[\s\S]{0,80}?" + _QUOTE + rb"[A-Za-z0-9]{24}")
_OWNED = re.compile(rb"(?i)\b(?:my|our|your|his|her|new|this) (?:[\w-]{1,20} ){0,2}(?:key|token)\Z")


def _leads(
    lowered: bytes, body: bytes, words: frozenset[bytes], leading: Iterable[tuple[frozenset[bytes], LatePattern]]
) -> bool:
    """Return whether the name of a secret occurs anywhere with a value after it."""
    tried = 0
    for group, pattern in leading:
        for found in pattern().finditer(lowered) if words & group else ():
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
        or (rest.lower() == b"key" and _DRAWN.match(body, end) is not None)
        or (b"\\" in before and _may_name(name[1:]))  # its first letter may belong to an escape
        or _may_name(words.decode("latin-1"))
        or ends_in_code(words)
        or _OWNED.search(words) is not None
    )


@functools.lru_cache(maxsize=4096)
def _may_name(name: str) -> bool:
    return any(
        suggests(name)
        for suggests in (suggests_secret, perhaps_secret, holds_code, holds_random, holds_password, holds_session)
    )


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
#: The data of an event that is a string, in JSON or bare. `data:` is found several times as fast as the beginning of a
#: line, which saves 3 % of a stream of 200.
_BARE = re.compile(rb'data:(?<![^\n]data:) ?"?([^\r\n"{][^\r\n"]*+)')


def lists_joined(body: bytes) -> bytes:
    """Join the strings of each list, and those that are themselves the data of a stream's events."""
    lists = [_BETWEEN.sub(b"", found[0]) for found in _LISTED.finditer(body)]
    bare = _BARE.findall(body) if b"data:" in body else []
    return b"\n".join([*lists, b"".join(bare), *(bare if len(bare) > 1 else ())])
