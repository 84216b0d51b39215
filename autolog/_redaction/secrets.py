"""Find API keys, tokens and passwords in texts by their format, their name or their surroundings.

Every search takes time linear in the length of the text, whatever it contains. Searches run on bytes, one for each
character.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from autolog._redaction.blocks import blocks_in
from autolog._redaction.commands import SIGNS_OF_OPTIONS
from autolog._redaction.credentials import credentials_in, signs_in_texts
from autolog._redaction.encoded import TWICE, decoded_parts
from autolog._redaction.excerpts import search_excerpts
from autolog._redaction.keys import RUN, keys_in, long_words
from autolog._redaction.letters import patterns
from autolog._redaction.look import SCHEMES, names_in_texts
from autolog._redaction.names import (
    PARAMETERS,
    holds_key,
    holds_random,
    holds_secret,
    holds_session,
    is_mixed,
    looks_random,
    names_secret,
    suggests_secret,
)
from autolog._redaction.objects import KEY_LENGTH, is_drawn, is_hash
from autolog._redaction.places import SIGNS_OF_FILES, passwords_in, passwords_in_files
from autolog._redaction.signs import Places
from autolog._redaction.spans import AMPERSAND, Search, Span
from autolog._redaction.spoken import AFTER_CODE, codes_in, named_codes_in, spoken_beyond_ascii, spoken_in
from autolog._redaction.statements import SIGNS_BESIDE_NAMES, beside_names, inserts_in
from autolog._redaction.tokens import key_blocks_in
from autolog._redaction.told import SIGNS, told_in
from autolog._redaction.values import is_chosen, is_given, is_identifier, is_strong


def secrets_in(text: str) -> Iterator[Span]:
    """Yield the spans in a text that look like secrets, in no particular order; spans may overlap."""
    if len(text) >= RUN // 2:
        plain = text.encode("ascii", "replace")  # one byte per character, so offsets are the same
        yield from _found(plain)
        if not text.isascii():
            yield from spoken_beyond_ascii(text, plain)


def _found(plain: bytes, depth: int = TWICE) -> Iterator[Span]:
    lowered = plain.lower()
    for search in _UNLIMITED:
        yield from search(plain, lowered)
    if len(plain) <= _SHORT:
        words = long_words(plain)
        yield from keys_in(plain, words)
        yield from _values_at(plain, words)
        yield from itertools.chain.from_iterable(search(plain, lowered) for search in _NEAR_SIGNS)
    else:
        yield from _keys(plain)
        yield from search_excerpts(plain, lowered, _places(lowered), (_values, *_NEAR_SIGNS))
    for decoded, place in decoded_parts(plain) if depth else ():
        ascii_only = decoded.decode("ascii", "replace").encode("ascii", "replace")
        yield from ((place(start), place(end)) for start, end in _found(ascii_only, depth - 1))


# Secrets without a format of their own, recognised by their surroundings

#: Two patterns, because a search for one literal is faster than a search for either of two.
_AFTER_SCHEME = rb"(?: {1,9}|\\{0,3}[\"'], ?\\{0,3}[\"']| ?[\"'] ?[+.] ?[\"'])([a-z0-9._~+/-]{16,}+=*+)"
_SCHEME = (re.compile(rb"bearer" + _AFTER_SCHEME), re.compile(rb"basic" + _AFTER_SCHEME))


def _credentials(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the credentials after `Bearer` and `Basic`."""
    for found in itertools.chain.from_iterable(pattern.finditer(lowered) for pattern in _SCHEME):
        value = text[slice(*found.span(1))].decode()
        alone = not text[found.start() - 1 : found.start()].isalnum()
        if alone and (looks_random(value) or (is_mixed(value) and len(value) >= 20)):
            yield found.span(1)


#: A parameter's value and what precedes it. The search starts from the equals sign, because in texts that are not in
#: ASCII question marks stand for most letters.
_PARAMETER = re.compile(rb"=(?<=[\w.-]=)((?:[^&#;\s\"'<>\\]|" + AMPERSAND + rb"){6,})")
_PARAMETER_NAME = re.compile(rb"[\w.-]{1,60}")


def _parameters(text: bytes, _: bytes) -> Iterator[Span]:
    """Find the values of URL parameters that grant access."""
    for found in _PARAMETER.finditer(text):
        earliest, at = max(0, found.start() - 61), found.start()
        begin = max(text.rfind(sign, earliest, at) for sign in (b"?", b"&", b";"))
        if begin < 0 or not _PARAMETER_NAME.fullmatch(text, begin + 1, at):
            continue
        name, value = text[begin + 1 : at].decode().lower(), found[1].decode()
        likely = name in PARAMETERS or suggests_secret(name)
        if names_secret(name) or (likely and (len(value) >= 20 or is_mixed(value))):
            yield found.span(1)


#: What may come between a name and its value in an element or object that has both: `name="KEY" value="..."`.
_ITS_VALUE = rb"(?:[:=] ?\{|,)?\s{0,8}\\{0,3}[\"']?(?:value|content)\\{0,3}[\"']?\s{0,8}[=:]"
_ITS_SIGN = (
    rb"(?<!<key)s?(?:[-_]?\w{1,10}| provided)?"  # what follows `<key>` in a property list is a name
    rb"(?:\\{0,3}[\"'`])?\]?[ \t]{0,40}(?:\[[\w*]{1,24}\]:|:\*\*|"
    rb"\*\*:|[:?]=|<-|\|\|=|\?\?=|\||=>|->|</\w{1,10}>\s{0,8}<\w{1,10}>|"
    rb"(?:\*\*)? ?[?-]{1,2}(?= )|\?(?=[\w+/-]{20})|(?::|(?<= )as) ?&?[a-z]{1,20}(?:\[[a-z]{1,20}\])? ?=|"
    rb"(?:={1,3}|!={1,2}|[:>])(?:[ ]?[&!]{1,2}[\w-]{1,20} )?|"
    rb"(?:[\w:-]{1,20}=\\{0,3}\"[^\"'<>\\]{0,60}\\{0,3}\" ?){1,3}>(?=\S)|[({](?=\\{0,3}[\"'])|"
    + _ITS_VALUE
    + rb"|(?<=[\"']),)"
    rb"\s{0,8}(?:<\w{1,6}>)?(?:\[\]byte\(|\[(?=\s?\\{0,3}[\"'])|(?:new )?[a-z.]{1,30}\((?=\\{0,3}[\"'])|"
    rb"[@bfnru]{1,2}(?=[\"'])|"
    rb"<!\[cdata\[)?(\\{0,3}[\"'`])?(?:bearer |basic )?"
    rb"((?<=[\"'`])[^\s\"'`\\<>(){}]{8,512}+(?=\\{0,3}[\"'`])|"
    rb"(?<=>)[^\s\"'`\\<>(){}]{8,512}+(?=</)|(?<=[a-z]=)(?:[^\s\"'`\\<>(){},;&]|"
    + AMPERSAND
    + rb"){8,512}+(?=[\s\"'`]|\\{1,3}[nrt]|\Z)|"
    rb"[\w+/.~-]{8,}+=*+(?![(\[]))"
)
_NAMED = tuple(patterns(dict.fromkeys(
    (b"key", b"token", b"secret", b"password", b"passwd", b"pwd", b"passphrase", b"credential", b"salt", b"sessid",
     b"sessionid", b"session_id", b"sid", b"pat", b"auth"), _ITS_SIGN)))  # fmt: skip
_NAME = re.compile(rb"[\w.-]*+")
#: The same backwards, with up to two words before it: `secret access key`.
_NAME_BEFORE = re.compile(rb"[\w.-]*+(?: [a-z-]{2,12}+){0,2}")


def _named(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the values in `NAME=value`, `name: "value"` and the like."""
    for found in itertools.chain.from_iterable(pattern.finditer(lowered) for pattern in _NAMED):
        start = found.start()
        before = _NAME_BEFORE.match(lowered[max(0, start - 60) : start][::-1])
        after = _NAME.match(text, start)
        words = text[start - (before.end() if before else 0) : after.end() if after else start].decode()
        name = words.rpartition(" ")[2]
        if names_secret(words) or (name.lower() == "key" and holds_random(words)):
            name = words
        value = text[slice(*found.span(2))].decode()
        quoted = found[1] is not None or text[found.start(2) - 1 : found.start(2)] == b">"
        if name.lower() == "token" and not (quoted or name.isupper()) and is_hash(value) and b"=" not in found[0]:
            continue  # of a commit
        if _is_assigned(name, value, quoted):
            yield found.span(2)


#: The name of a secret with what may come between it and its value, and the value itself.
_SAID = re.compile(
    rb"(?<![\w.-])-{0,2}((?:(?i:api|access|secret|private|signing|client|auth|encryption|decryption|master|admin|service|"
    rb"license|bearer|refresh|session|webhook|deploy) )?[A-Za-z_][\w-]{2,60}+)"
    rb"(?:\\t|[ \t]){1,40}((?:is|es|ist|est|e|lautet|\?):? |(?:(?:is|was|are) )?(?:now )?(?:set )?to )?[\"']?\Z"
)
_SAID_VALUE = re.compile(rb"(?=[A-Za-z_+/.~-]{0,4096}+\d)[\w+/.~-]{16,4096}+={0,2}+(?![(\[])")
#: Somebody's key: `my OpenAI key is ...`. That somebody has it tells it from the keys of records.
_OWNED = re.compile(
    rb"(?i)(?<![\w-])(?:my|our|your|his|her|new|this) (?:[\w-]{1,20} ){0,2}(?:key|token)"
    rb"(?: is:?|:)?[ \t]{1,4}[\"'`(]?\Z"
)
_KEY_LENGTH = 20
#: The characters of which one precedes every such value.
_BEFORE_SAID = b" \tt\"'`("
_COOKIES = re.compile(rb"ookie(?:: ?| ?= ?\\{0,3}[\"'`])([^\r\n\"'\\]{1,4096})")
_COOKIE = re.compile(rb"([^\s=;]{1,60})=([^\s;,]{8,4096})")
#: Names of cookies that represent a login.
_SESSION = re.compile(rb"(?i)sess|auth|token|sid\Z|csrf|xsrf|jwt")


def _keys(text: bytes) -> Iterator[Span]:
    for at in range(0, len(text), _PART):
        part = text[at : at + _PART + _AROUND]
        yield from ((at + start, at + end) for start, end in keys_in(part, long_words(part)))


def _values(text: bytes, _: bytes) -> Iterator[Span]:
    """Find random-looking values after the name of a secret and a blank."""
    return _values_at(text, long_words(text))


def _values_at(text: bytes, words: Iterable[Span]) -> Iterator[Span]:
    return itertools.chain.from_iterable(_said(text, start) for start, _ in words)


def _said(text: bytes, start: int) -> Iterator[Span]:
    """Find the value at `start` if the name of a secret precedes it, as in a command's options."""
    start += text[start - 1 : start] == b"\\"  # its first letter belongs to an escape
    value = _SAID_VALUE.match(text, start) if text[start - 1 : start] in _BEFORE_SAID else None
    if value is None or not looks_random(drawn := value[0].decode()):
        return  # before the name is looked for, which takes longer
    name = _SAID.search(text, max(0, start - 80), start)
    if is_hash(drawn) and not (name and _grants(name[1].decode(), name[2] is not None)):
        return
    owned = len(drawn) >= _KEY_LENGTH and _OWNED.search(text, max(0, start - 80), start)
    if owned or (name and _may_be_drawn(name[1].decode(), drawn)):
        yield value.span()


def _grants(name: str, stated: bool) -> bool:
    """Return whether what looks like a hash is a secret: its name leaves no doubt, or a sentence says `token is`."""
    return names_secret(name) or (stated and suggests_secret(name))


def _may_be_drawn(name: str, value: str) -> bool:
    session = holds_session(name) and _is_assigned(name, value, quoted=False)
    return session or suggests_secret(name) or holds_random(name)


def _cookies(text: bytes, _: bytes) -> Iterator[Span]:
    for found in _COOKIES.finditer(text) if b"ookie" in text else ():
        for cookie in _COOKIE.finditer(text, *found.span(1)):
            held = cookie[2].decode()
            session = _SESSION.search(cookie[1]) is not None and is_mixed(held)
            if session or (len(held) >= RUN and looks_random(held)):
                yield cookie.span(2)


#: The least length of a secret that identifies a session, in mixed case; most shorter ones only name a conversation.
_SESSION_LENGTH = 24


#: A value without signs that only passwords have, and signs of templates, addresses and patterns.
_PLAIN = re.compile(r"[\w+/.~-]+=*")
_PATTERN = re.compile(r"[\[|]|://|\$\{?[A-Z_]{3}|^[:/#@]|[:,;=]$|\*$|%[a-z]|\w=\w|^\w+[:,;]\w+")


def _is_assigned(name: str, value: str, quoted: bool) -> bool:
    if holds_session(name):
        return len(value) >= _SESSION_LENGTH and value.isalnum() and not value.islower() and looks_random(value)
    if holds_secret(name) and (quoted or name.isupper() or names_secret(name)) and is_strong(value):
        return not _PATTERN.search(value)
    if not _PLAIN.fullmatch(value):
        return names_secret(name) and is_given(value) and is_mixed(value) and not _PATTERN.search(value)
    if names_secret(name):
        return _is_certain(value, quoted)
    if len(value) < RUN or not (suggests_secret(name) or holds_random(name)):
        return quoted and holds_key(name) and len(value) >= KEY_LENGTH and is_drawn(value)
    return looks_random(value)


def _is_certain(value: str, quoted: bool) -> bool:
    """Return whether a value under a name that is always that of a secret is one, and no variable or call."""
    if len(value) < (RUN // 2 if quoted else RUN):
        return False
    return looks_random(value) or (is_mixed(value) and (quoted or (not is_identifier(value) and is_chosen(value))))


def _signs() -> Iterator[bytes]:
    yield from (*names_in_texts(), *signs_in_texts(), *SIGNS_OF_FILES, *SIGNS_OF_OPTIONS, *SIGNS, SCHEMES, AFTER_CODE)
    yield from SIGNS_BESIDE_NAMES


_places = Places(_signs)
#: Searches for secrets of any length, or for what most texts contain anyway, and those of which `_signs` are known.
_UNLIMITED: tuple[Search, ...] = (blocks_in, _parameters, key_blocks_in, inserts_in)
_NEAR_SIGNS: tuple[Search, ...] = (
    _credentials, passwords_in_files, credentials_in, codes_in, named_codes_in, _named, _cookies, passwords_in,
    spoken_in, told_in, beside_names,
)  # fmt: skip
#: A long text is searched for keys in parts of this many bytes, each extended by enough for one key.
_PART, _AROUND = 262_144, 8192
#: Up to this length all searches together take less time than a search for signs.
_SHORT = 4096
