"""API keys, tokens and passwords, recognised by format, and by the name of the key that they stand under.

`may_hold_secret` tells quickly that a body can be left alone; it may give false positives, never false negatives.
Every search takes time in proportion to the text, whatever the text is: on bytes, of which each is a character.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator

from autolog._redaction._formats import FORMATS, SK_FORMAT, SK_ISSUERS
from autolog._redaction.blocks import blocks_in
from autolog._redaction.credentials import credentials_in, may_hold_credential
from autolog._redaction.encoded import TWICE, holds_within, url_decoded
from autolog._redaction.letters import patterns
from autolog._redaction.names import (
    PARAMETERS,
    holds_code,
    holds_random,
    looks_random,
    names_secret,
    perhaps_secret,
    suggests_secret,
)
from autolog._redaction.objects import is_hash
from autolog._redaction.places import ends_in_code, may_hold_password, passwords_in

Span = tuple[int, int]

#: A key has at least so many characters without a break.
_RUN = 16
_LONG = b"a" * _RUN
#: Every character that may stand in a key as `a`, all else as a blank.
_MARKS = bytes(97 if (chr(byte).isalnum() and byte < 128) or byte in b"_-.=+/:~%@" else 32 for byte in range(256))


def secrets_in(text: str) -> Iterator[Span]:
    """Return where something stands in a text that looks like a secret, in no order; the places may overlap."""
    if len(text) >= _RUN // 2:
        yield from _found(text.encode("ascii", "replace"))  # one byte for each character: a place is the same in both


def _found(plain: bytes, depth: int = TWICE) -> Iterator[Span]:
    yield from blocks_in(plain)
    for at, end in _stretches(plain):
        part = plain[at:end]
        for search in _SEARCHES:
            yield from ((at + first, at + last) for first, last in search(part))
    for decoded, place in url_decoded(plain) if depth else ():
        yield from ((place(start), place(end)) for start, end in _found(decoded, depth - 1))


# Secrets with a format


def _alternatives(formats: Iterable[str]) -> str:
    """Return one pattern for all formats, by their first character: a search then compares few of them."""
    by_start: dict[str, list[str]] = {}
    for pattern in formats:
        by_start.setdefault(pattern[0] if pattern[0].isalnum() else "", []).append(pattern[pattern[0].isalnum() :])
    return "|".join(f"{start}(?:{'|'.join(rest)})" for start, rest in by_start.items())


_ANY = _alternatives([*FORMATS, SK_FORMAT]).encode()
_BEFORE_KEY = rb"(?<![A-Za-z0-9])"
#: A letter before a key may belong to an escape, in text that is JSON and could not be parsed.
_BEFORE_KEY_IN_ESCAPES = rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))"


@functools.cache
def _keys(before: bytes) -> re.Pattern[bytes]:
    """Return the pattern of all formats, when it is wanted: it takes 4 ms to compile."""
    return re.compile(before + b"(?:" + _ANY + b")")


def _formats(text: bytes) -> Iterator[Span]:
    pattern = _keys(_BEFORE_KEY_IN_ESCAPES if b"\\" in text else _BEFORE_KEY)
    for start, end in _long_words(text):
        for found in pattern.finditer(text, start, end):
            if not found[0].startswith(b"sk-") or _is_sk_key(found[0][3:].decode()):
                yield found.span()


def _is_sk_key(rest: str) -> bool:
    """Return whether what follows `sk-` makes it a key: class names of style sheets begin like that, too."""
    known = rest.startswith(SK_ISSUERS) or "-" not in rest
    return (known and _is_mixed(rest)) or looks_random(rest)


def _long_words(text: bytes) -> Iterator[Span]:
    """Return the places of the words of which a key could be one."""
    marks, at = text.translate(_MARKS), 0
    while (at := marks.find(_LONG, at)) >= 0:
        end = marks.find(b" ", at)
        end = len(text) if end < 0 else end
        if end - at <= _BLOB or not _BASE64.fullmatch(text, at, end):
            yield at, end
        at = end


#: Longer words of base64 are data, and what looks like a key in their midst is chance.
_BLOB = 400
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*+={0,2}")

# Secrets without a format of their own, recognised by what stands around them

#: Two, for a search for a text is quicker than one for either of two.
_AFTER_SCHEME = rb" {1,9}([a-z0-9._~+/-]{16,}+=*+)"
_SCHEME = (re.compile(rb"bearer" + _AFTER_SCHEME), re.compile(rb"basic" + _AFTER_SCHEME))
_USER_INFO = re.compile(rb"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s/:@\"']{0,256}:([^\s/@\"']{1,512})@")
_SENTRY = re.compile(rb"://([0-9a-f]{32})(?::[0-9a-f]{32})?@[\w.-]{1,80}sentry")
_PLACEHOLDER = re.compile(
    r"(?i)[$<{*%\[].*|x+|\.+|(?:your|my|the|some)?[-_]?(?:user|pass(?:word)?|passwd|pwd|secret|token)\Z"
)


def _credentials(text: bytes) -> Iterator[Span]:
    """Find what follows `Bearer` and `Basic`, and the passwords of URLs."""
    lowered = text.lower()
    for found in itertools.chain.from_iterable(pattern.finditer(lowered) for pattern in _SCHEME):
        value = text[slice(*found.span(1))].decode()
        alone = not text[found.start() - 1 : found.start()].isalnum()
        if alone and (looks_random(value) or (_is_mixed(value) and len(value) >= 20)):
            yield found.span(1)
    if b"://" in text and b"@" in text:
        yield from (found.span(1) for found in _USER_INFO.finditer(text) if not _PLACEHOLDER.match(found[1].decode()))
        yield from (found.span(1) for found in _SENTRY.finditer(text))


_PARAMETERS = {
    sign: re.compile(re.escape(sign) + rb"([\w.-]{1,60})=([^&#;\s\"'<>\\]{6,})") for sign in (b"?", b"&", b";")
}


def _parameters(text: bytes) -> Iterator[Span]:
    """Find the values of a URL's parameters that grant access."""
    for found in itertools.chain.from_iterable(one.finditer(text) for sign, one in _PARAMETERS.items() if sign in text):
        name, value = found[1].decode().lower(), found[2].decode()
        likely = name in PARAMETERS or suggests_secret(name)
        if names_secret(name) or (likely and (len(value) >= 20 or _is_mixed(value))):
            yield found.span(2)


#: What may stand between a name and its value where an element or an object has both: `name="KEY" value="..."`.
_ITS_VALUE = rb",?\s{0,8}\\{0,3}[\"']?value\\{0,3}[\"']?\s{0,8}[=:]"
_ITS_SIGN = (
    rb"s?(?:[-_]?\w{1,10})?"
    rb"(?:\\{0,3}[\"'`])?[ \t]{0,8}(?::=|=>|[=:>]|" + _ITS_VALUE + rb")\s{0,8}(\\{0,3}[\"'`])?(?:bearer |basic )?"
    rb"([\w+/.~-]{8,}+=*+)(?![(\[])"
)
_ASSIGNED = tuple(patterns(dict.fromkeys((b"key", b"token", b"secret", b"password", b"passwd", b"pwd", b"passphrase",
                                          b"credential", b"salt", b"sessid", b"sessionid"), _ITS_SIGN)))  # fmt: skip
_NAME = re.compile(rb"[\w.-]*+")


def _assigned(text: bytes) -> Iterator[Span]:
    """Find the values in `NAME=value`, `name: "value"` and the like."""
    lowered = text.lower()
    for found in itertools.chain.from_iterable(pattern.finditer(lowered) for pattern in _ASSIGNED):
        start = found.start()
        before = _NAME.match(text[max(0, start - 60) : start][::-1])
        after = _NAME.match(text, start)
        name = text[start - (before.end() if before else 0) : after.end() if after else start].decode()
        if _is_assigned(name, text[slice(*found.span(2))].decode(), quoted=found[1] is not None):
            yield found.span(2)


#: The name of a secret, and what may stand between it and its value; the value itself.
_SAID = re.compile(rb"(?<![\w.-])-{0,2}([A-Za-z_][\w-]{2,60}+)(?:\\t|[ \t]){1,4}(?:is )?[\"']?\Z")
_SAID_VALUE = re.compile(rb"[\w+/.~-]{16,4096}+(?![(\[])")
_COOKIES = re.compile(rb"[Cc]ookie: ?([^\r\n\"'\\]{1,4096})")
_COOKIE = re.compile(rb"([^\s=;]{1,60})=([^\s;,]{8,4096})")
#: Cookies that stand for a login.
_SESSION = re.compile(rb"(?i)sess|auth|token|sid\Z|csrf|xsrf|jwt")


def _given(text: bytes) -> Iterator[Span]:
    """Find what follows the name of a secret, as in a command's options, and the values of cookies."""
    for start, _ in _long_words(text):
        start += text[start - 1 : start] == b"\\"  # its first letter belongs to an escape
        name, value = _SAID.search(text, max(0, start - 80), start), _SAID_VALUE.match(text, start)
        if name and value and suggests_secret(name[1].decode()) and _is_drawn(value[0].decode()):
            yield value.span()
    for found in _COOKIES.finditer(text) if b"ookie:" in text else ():
        for cookie in _COOKIE.finditer(text, *found.span(1)):
            held = cookie[2].decode()
            session = _SESSION.search(cookie[1]) is not None and _is_mixed(held)
            if session or (len(held) >= _RUN and looks_random(held)):
                yield cookie.span(2)


def _is_drawn(value: str) -> bool:
    """Return whether a value looks drawn at random, and is no hash of a commit or a file."""
    return looks_random(value) and not is_hash(value)


def _is_assigned(name: str, value: str, quoted: bool) -> bool:
    if names_secret(name):
        long = len(value) >= _RUN or (quoted and len(value) >= _RUN // 2)
        return long and (looks_random(value) or (quoted and _is_mixed(value)))
    if len(value) < _RUN or not (suggests_secret(name) or holds_random(name)):
        return False
    return looks_random(value) and not (name.lower() == "token" and is_hash(value))


def _is_mixed(value: str) -> bool:
    """Return whether a value has letters and digits."""
    return any(sign.isdigit() for sign in value[:512]) and any(sign.isalpha() for sign in value[:512])


_SEARCHES: tuple[Callable[[bytes], Iterator[Span]], ...] = (
    _formats, _credentials, _parameters, _assigned, _given, passwords_in, credentials_in
)  # fmt: skip

#: A text is looked at in parts of so many bytes, each with as many of the next as one secret and what leads to it take.
_PART, _AROUND = 65_536, 8192


def _stretches(text: bytes) -> Iterator[Span]:
    """Yield where the searches are to look: in a long text only where a quick look finds that there may be something.

    All of them take 60 ms a megabyte, the quick look 8.
    """
    if len(text) <= _PART:
        yield 0, len(text)
        return
    start = end = 0
    for at in range(0, len(text), _PART):
        if may_hold_secret(text[at : at + _PART + _AROUND]):
            if at - _AROUND > end:
                yield start, end
                start = at - _AROUND
            end = min(len(text), at + _PART + 2 * _AROUND)
    yield start, end


# Before a body is decoded

#: What stands between a name and its value.
_BLANKS = rb"(?:\s|\\++[nrtf])*+"
_SIGN = rb"(?::=|=>|[=:>]|,?" + _BLANKS + rb"(?:\\*+[\"'])?value(?:\\*+[\"'])?" + _BLANKS + rb"[=:])"
_SAID_AFTER = rb"(?:[ \t]|\\++t){1,4}(?:is )?(?:\\?[\"'])?(?=[a-z_+/.~-]{0,512}+\d)[\w+/.~-]{16}"
_LISTED_AFTER = rb"\\*+[\"'`]" + _BLANKS + rb"," + _BLANKS + rb"\\*[\"'`]"
_ASSIGNED_AFTER = rb"(?:\\*+[\"'`])?" + _BLANKS + _SIGN
_DEFAULT_AFTER = (
    rb"(?:\\*+[\"'`])?[\])]{0,2}" + _BLANKS +
    rb"(?:(?:\|\||\?\?|\?:|or\b|\{)" + _BLANKS + rb"(?:default|\\*+[\"'`])|,\s*default)"
)  # fmt: skip
#: How it goes on after a word in the name of a secret, and after the name of a code.
_NAMED = rb"(?=[\w.-]{0,30}+(?:" + b"|".join((_SAID_AFTER, _ASSIGNED_AFTER, _LISTED_AFTER, _DEFAULT_AFTER)) + rb"))"
_NUMBERED = (
    rb"(?=[\w.-]{0,20}+(?:\\*+[\"'`])?" + _BLANKS + rb"(?:is\b|,|" + _SIGN + rb")" + _BLANKS +
    rb"\[?" + _BLANKS + rb"(?:\\*+[\"'`])?\d{2})"
)  # fmt: skip
#: Words in the names of secrets, in small letters, and what follows; counts of tokens are in every response.
_LEADS = {
    **dict.fromkeys((b"key", b"secret", b"pass", b"pwd", b"bearer", b"credential", b"cookie", b"auth",
                     b"signature", b"salt", b"sess"), _NAMED),
    b"token": rb"(?!s)" + _NAMED,
    b"connection": rb"[-_. ]?string" + _NAMED,
    **dict.fromkeys((b"recovery", b"backup"), rb"[-_. ]?code" + _NAMED),
    **dict.fromkeys((b"otp", b"pin", b"cv", b"code"), _NUMBERED),
}  # fmt: skip
_LEADING = tuple(patterns(_LEADS))
_SCHEMES = re.compile(rb"b(?:earer|asic) +[\w.~+/\\-]{16}")
_NAMES = b"|".join(sorted(re.escape(name).encode() for name in PARAMETERS))
_QUERIES = {sign: re.compile(re.escape(sign) + b"(?:" + _NAMES + b")=") for sign in (b"?", b"&", b";")}
#: What stands before the host of a URL: a search by it reads no part of a text twice.
_LOGIN = re.compile(rb"://[^\s/@\"']++@")
#: A character of ASCII as JSON may write it, too.
_ESCAPED = re.compile(rb"\\(?:/|u00([2-7][0-9a-fA-F]))")
#: After so many names in vain a body is walked.
_PATIENCE = 2000


def may_hold_secret(body: bytes) -> bool:
    """Return whether there may be something that looks like a key, or an object's key that names a secret."""
    return holds_within(body, _may_hold)


def _may_hold(body: bytes) -> bool:
    if b"\\" in body:
        body = _ESCAPED.sub(_unescaped, body)
    if b"\0" in body or (b"@" in body and (_LOGIN.search(body) or b"jdbc:" in body)):  # zeros: UTF-16
        return True
    lowered = body.lower()
    return (
        b"PRIVATE KEY" in body
        or _may_be_keys(_words(body))
        or _leads(lowered, body)
        or _SCHEMES.search(lowered) is not None
        or (b"=" in body and any(sign in body and names.search(lowered) for sign, names in _QUERIES.items()))
        or may_hold_password(body, lowered)
        or may_hold_credential(body, lowered)
    )


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)]) if found[1] else b"/"


#: Long words that were searched in vain: names of fields, models and headers come again in every call.
_known_words: set[bytes] = set()
_MOST_KNOWN, _LONGEST_KNOWN = 4096, 64


def _may_be_keys(words: set[bytes]) -> bool:
    """Return whether one of the words may be a key; of those that come again it is known (13 us a chat otherwise)."""
    words = words.difference(_known_words)
    if not words:
        return False
    together = b" ".join(words)
    if b".eyJ" in together or _keys(_BEFORE_KEY).search(together) is not None:
        return True
    if len(_known_words) > _MOST_KNOWN:
        _known_words.clear()
    _known_words.update([word for word in words if len(word) <= _LONGEST_KNOWN])
    return False


def _words(body: bytes) -> set[bytes]:
    """Return the words of which a key could be one: in most texts there are few, and in streams they repeat."""
    words = set()
    for start, end in _long_words(body):
        words.add(body[start:end])
        if start and body[start - 1] == 92:  # its first letter belongs to an escape
            words.add(body[start + 1 : end])
    return words


def _leads(lowered: bytes, body: bytes) -> bool:
    """Return whether the name of a secret stands somewhere, and something after it."""
    tried = 0
    for pattern in _LEADING:
        for found in pattern.finditer(lowered):
            if tried == _PATIENCE or _is_in_name(body, *found.span()):
                return True
            tried += 1
    return False


def _is_in_name(body: bytes, start: int, end: int) -> bool:
    """Return whether the name around a place suggests a secret."""
    before, after = body[max(0, start - 60) : start], _NAME.match(body, end, end + 30)
    begun, rest = _NAME.match(before[::-1]), body[start : after.end() if after else end]
    name = (before[len(before) - (begun.end() if begun else 0) :] + rest).decode("latin-1")
    words = before.rpartition(b'"')[2] + rest  # an object's key may be several
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

#: A text of an object, and the key that it stands under.
_PIECE = re.compile(rb'"([^"\\]{1,40})":\s*"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
#: Several texts that come at once may be confused in `pieces_joined`.
_SEVERAL = re.compile(rb'"index":\s*[1-9]')


def several_at_once(body: bytes) -> bool:
    """Return whether a stream may bring several texts at the same time."""
    return _SEVERAL.search(body) is not None


def pieces_joined(body: bytes) -> bytes:
    """Return what a stream says under each of its keys, put together without a look at which text a piece is of."""
    texts: dict[bytes, list[bytes]] = {}
    for name, piece in _PIECE.findall(body):
        texts.setdefault(name, []).append(piece)
    return b"\n".join(b"".join(pieces) for pieces in texts.values())


#: Several texts in one list, and what stands between them.
_LISTED = re.compile(rb'\[\s*+"(?:[^"\\]++|\\.)*+"(?:\s*+,\s*+"(?:[^"\\]++|\\.)*+")++', re.DOTALL)
_BETWEEN = re.compile(rb'(?<![^\\]\\)"\s*+,\s*+"')
#: The data of an event that is a text, as JSON or as it is.
_BARE = re.compile(rb'^data: ?"?([^\r\n"{][^\r\n"]*+)', re.MULTILINE)


def lists_joined(body: bytes) -> bytes:
    """Return the texts of each list put together, and so those that are the data of a stream's events."""
    lists = [_BETWEEN.sub(b"", found[0]) for found in _LISTED.finditer(body)]
    return b"\n".join([*lists, b"".join(_BARE.findall(body)) if b"data:" in body else b""])
