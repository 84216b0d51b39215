"""Passwords that are recognised by their place alone: in commands, in configuration files, in code.

`sshpass -p hunter2`, `DB_PASSWORD=hunter2` on a line of its own, `getenv("DB_PASSWORD", "hunter2")`. Such passwords are
short and may be ordinary words, so the place has to be certain: the password option of a known command, or a whole
line.

Every search takes linear time: each line is scanned once for each kind of place. Quotes may be escaped, because a text
may be JSON that could not be parsed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from autolog._redaction.commands import OPTIONS_IN_BODIES
from autolog._redaction.letters import patterns
from autolog._redaction.names import (
    holds_password,
    holds_random,
    holds_secret,
    is_jumbled,
    looks_random,
    suggests_secret,
)
from autolog._redaction.spans import AMPERSAND, MAYBE_QUOTE, QUOTE, WORD, Search, Span
from autolog._redaction.values import PLACEHOLDER, is_chosen, is_given, is_identifier, is_strong


def passwords_in(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Return the spans of passwords after the name of a secret, in no particular order; spans may overlap.

    Args:
        lowered: the text in lower case.
    """
    yield from _run(_NAMED, text, lowered)


def passwords_in_files(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Return the spans of those in lines of certain files and in URLs; arguments as above."""
    yield from _run(_IN_FILES, text, lowered)


def _run(searches: Iterable[tuple[tuple[bytes, ...], Search]], text: bytes, lowered: bytes) -> Iterator[Span]:
    for words, search in searches:
        for word in words:
            if word in lowered:
                yield from search(text, lowered)
                break


#: Words in commands and files with passwords, in lower case.
PASSWORD_WORDS = frozenset({b"login", b"env ", b"setx ", b"set -", b"private-lines"})


def may_hold_password(body: bytes, lowered: bytes, words: frozenset[bytes]) -> bool:
    """Return whether a body may contain a password at such a place, other than as an assignment to a secret's name.

    Args:
        lowered: the body in lower case.
        words: the members of `PASSWORD_WORDS` that may occur in it.
    """
    searches = OPTIONS_IN_BODIES.searches(lowered)
    if b"login" in words or b":54" in body or (b"*" in body and b":*:" in body):  # .netrc and .pgpass
        searches.append(_files)
    for search in searches:
        if next(search(body, lowered), None):
            return True
    signs = (b"ENV ", b"setx ", b"set -", b"Private-Lines") if words & PASSWORD_WORDS else ()
    return any(sign in body for sign in signs)  # the walk finds those passwords


# Files, and URLs

#: The start and the end of a setting on a line of its own, as in shells, Dockerfiles, YAML, INI and properties files.
_LINE_START = re.compile(
    rb"(?:\A|\n)[ \t]*+"
    rb"(?:- |[+-](?=\w)|-e |export |set |declare -x |\$env:|(ENV |ARG |setx (?:/[mM] )?|set -\w{1,4} ))?" +
    MAYBE_QUOTE +
    rb"([\w.-]{0,60}+)\Z"
)  # fmt: skip
_LINE_END = rb"([\w.-]{0,20}+)" + MAYBE_QUOTE + rb"([ \t]*+(?:[:?]?=|:|(?<=[ \t]{2}))|(?=[ ]))[ \t]*+" + MAYBE_QUOTE + (
    rb"([^\s\"'`\\]{4,256}+)" + MAYBE_QUOTE + rb"[ \t]*+\r?(?=\n|\Z)"
)  # fmt: skip
_LINES = tuple(re.compile(b"(" + word + b")" + _LINE_END) for word in (b"pass", rb"p(?:w|sk)", b"secret"))
#: Signs that a value is code and not a password.
_IN_CODE = re.compile(r"[()\[\]{}<>]|[,;]\Z|[A-Za-z_]\w*(?:\.\w+)+\Z")


def _settings(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the passwords among settings on lines of their own."""
    for pattern in _LINES:
        for found in pattern.finditer(lowered):
            begun = _LINE_START.search(text, max(0, found.start() - 90), found.start())
            if begun is None or not (found[3] or begun[1]):
                continue
            name = text[begun.start(2) : found.end(2)].decode()
            value = text[slice(*found.span(4))].decode()
            aligned = not (found[3].strip() or begun[1])
            if _IN_CODE.search(value) or (aligned and (not is_chosen(value) or is_identifier(value))):
                continue
            if (holds_password(name) and (is_given(value) or is_jumbled(value))) or (
                name.lower().endswith("secret") and is_chosen(value) and not _may_be_name(value, name.isupper())
            ):
                yield found.span(4)


def _may_be_name(value: str, of_environment: bool) -> bool:
    """Return whether the value of a setting may be a variable or, except in the environment, the name of a secret."""
    if of_environment:
        return is_identifier(value)
    return value.islower() and value.replace("_", "").replace("-", "").isalnum()


#: Settings beside others on one line, as in a libpq connection string; and what may precede their names.
_BESIDE = re.compile(rb"pass(?:word|wd|phrase)=" + MAYBE_QUOTE + rb"((?:[^\s\"'`\\;&]|" + AMPERSAND + rb"){4,256}+)")
_BEFORE = re.compile(rb"(?:\A|[\s\"'`;,=]|\\n)[\w-]{0,40}\Z")


def _beside(text: bytes, lowered: bytes) -> Iterator[Span]:
    for found in _BESIDE.finditer(lowered):
        value = text[slice(*found.span(1))].decode()
        if not (is_given(value) or is_jumbled(value)) or _IN_CODE.search(value):
            continue
        if _BEFORE.search(text, max(0, found.start() - 42), found.start()):
            yield found.span(1)


_BLANK = rb"(?:\s|\\{1,3}[nrt])"
#: Lines of .netrc, .npmrc and .pgpass, and Oracle addresses: what comes before a rare letter, the password
#: after that letter, and its check.
_FILES = (
    (re.compile(rb"(?:machine|login)" + _BLANK + rb"{1,8}[^\s\\]{1,100}" + _BLANK + rb"{1,8}pass\Z"),
     re.compile(rb"w(?<=passw)ord" + _BLANK + rb"{1,8}([^\s\\\"]{1,200})"), is_given),
    (re.compile(rb"(?:\A|[^A-Za-z0-9]|\\[nrt])\Z"),
     re.compile(rb"_(?=auth)auth ?= ?" + MAYBE_QUOTE + rb"([\w+/=-]{8,})"), bool),
    (re.compile(rb"(?:\A|[\s\"']|\\n)(?:[\w-]{1,60}(?:\.[\w-]{1,60}){1,8}|localhost|\*)\Z"),
     re.compile(rb":(?:\d{4,5}|\*):[\w*-]{1,64}:[\w*-]{1,64}:([^\s\"'\\:]{4,200})"), is_given),
    (re.compile(rb"(?:jdb)\Z"), re.compile(rb"c(?<=jdbc):oracle:\w{1,10}:[^/\s]{1,100}/([^@\s]{1,200})@"), bool),
)  # fmt: skip


PASSWORD_IN_FILE = rb"password" + _BLANK + rb"{1,8}[a-z._/:-]{0,200}+[^\sa-z._/:\"\\]"
#: The signs of those and of passwords in URLs.
SIGNS_OF_FILES = (
    rb"uth(?<=_auth) ?=", rb":(?:\d{4,5}|\*):[\w*-]{1,64}:[\w*-]{1,64}:", rb"c:oracle:(?<=jdbc:oracle:)",
    rb":(?=//[^\s/@\"']{1,780}@)",
)  # fmt: skip


def _files(text: bytes, _: bytes) -> Iterator[Span]:
    for before, pattern, check in _FILES:
        for found in pattern.finditer(text):
            if check(found[1].decode()) and before.search(text, max(0, found.start() - 220), found.start()):
                yield found.span(1)


#: What precedes `://` in a URL, and what follows it if the URL contains a password.
_URL_SCHEME = re.compile(rb"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}\Z")
_USER_INFO = re.compile(
    rb"://[^\s/:@\"']{0,256}(?:@[\w.-]{1,100})?:([^\s/@\"']{1,512}(?:@[^\s/@\"'?&=,;:\\]{1,100}(?=@)){0,2})@"
)
#: A token in the place of the user: `https://ghs_...@github.com`, the key in a DSN of Sentry.
_TOKEN_INFO = re.compile(rb"://([\w.~%+-]{16,512}+)(?::[\w.~%+-]{0,512}+)?@[\w.-]{1,80}")
_NO_LOGIN = re.compile(
    r"(?i)(?:[$<{*%\[].*|x+|\.+|(?:your|my|the|some)?[-_]?(?:user|pass(?:word)?|passwd|pwd|secret|token))\Z"
)


def logins_in(text: bytes, _: bytes = b"") -> Iterator[Span]:
    """Return the spans of the passwords in URLs."""
    if b"@" in text:
        for found in _USER_INFO.finditer(text):
            scheme = _URL_SCHEME.search(text, max(0, found.start() - 31), found.start())
            if scheme and not _NO_LOGIN.match(found[1].decode("latin-1")):
                yield found.span(1)
        yield from (found.span(1) for found in _TOKEN_INFO.finditer(text) if looks_random(found[1].decode()))


#: An environment variable in a manifest, with its name on one line and its value on the next.
_NAME_AND_VALUE = re.compile(
    rb"name:[ \t]{1,4}" + MAYBE_QUOTE + rb"([\w.-]{3,80})" + MAYBE_QUOTE + _BLANK + rb"{1,40}value:[ \t]{1,4}" +
    MAYBE_QUOTE + WORD
)  # fmt: skip


def _manifests(text: bytes, _: bytes) -> Iterator[Span]:
    for found in _NAME_AND_VALUE.finditer(text):
        name, value = found[1].decode(), found[2].decode()
        drawn = len(value) >= 16 and looks_random(value) and (suggests_secret(name) or holds_random(name))
        if drawn or (holds_password(name) and is_given(value)) or (holds_secret(name) and is_strong(value)):
            yield found.span(2)


# Headers and code

_AUTHORIZATION = re.compile(
    rb"authorization" + MAYBE_QUOTE + rb"\s{0,3}[:=,]\s{0,3}" + MAYBE_QUOTE +
    rb"(?:(basic|bearer|token|api-?key|key|negotiate|ntlm)[ \t]{1,4}|"
    rb"(?:[a-z][a-z-]{1,30}+[ \t]{1,4})?(?:[a-z]{1,20}[=:])?)"
    rb"([a-z0-9._~+/-]{6,}+={0,2})"
)  # fmt: skip


def _authorizations(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the credentials in authorization headers: any after a common scheme, after others those that look random."""
    for found in _AUTHORIZATION.finditer(lowered):
        value = text[slice(*found.span(2))].decode()
        plain = value.title() == value or value.islower() or value.isupper() or PLACEHOLDER.match(value)
        if (is_given(value) or not plain) if found[1] else looks_random(value):
            yield found.span(2)


#: Defaults for a missing setting: `getenv("NAME", "...")`, `process.env.NAME || "..."`, `${NAME:-...}`.
_DEFAULT = tuple(patterns(dict.fromkeys(
    (b"key", b"token", b"secret", b"pass", b"pwd", b"credential"),
    rb"((?:word|wd|phrase|s)?(?:_?[a-z0-9]{1,8})?)"
    rb"(?:" + MAYBE_QUOTE + rb"[\])]{0,2}\s{0,4}(?:,|\|\||\?\?|\?:|\bor\b|\{)\s{0,4}(?:default\s?=\s?)?" +
    QUOTE + rb"|:[-=])"
    rb"([^\s\"'`\\{}]{4,256}+)"
)))  # fmt: skip
#: Signs that a program asks for its settings.
_ASKS = (b"env", b"config(", b"getproperty", b"${")
_NAME_BEFORE = re.compile(rb"[\w.-]{1,60}\Z")
_CALL = re.compile(rb"\([\"'`\\]{1,4}[\w.]{0,60}\Z")


def _defaults(text: bytes, lowered: bytes) -> Iterator[Span]:
    for found in itertools.chain.from_iterable(pattern.finditer(lowered) for pattern in _DEFAULT):
        start = found.start()
        listed = b"," in lowered[start : found.start(2)]
        if listed and not _CALL.search(text, max(0, start - 66), start):
            continue
        before = _NAME_BEFORE.search(text, max(0, start - 60), start)
        name = (before[0] if before else b"") + text[start : found.end(1)]
        if suggests_secret(name.decode()) and is_given(text[slice(*found.span(2))].decode()):
            yield found.span(2)


#: Each search, with lower-case strings of which at least one occurs in every text where the search finds something.
_IN_FILES: tuple[tuple[tuple[bytes, ...], Search], ...] = (
    ((b":", b"password", b"_auth"), _files), ((b"://",), logins_in),
)  # fmt: skip
_NAMED: tuple[tuple[tuple[bytes, ...], Search], ...] = (
    ((b"pass", b"pw", b"psk", b"secret"), _settings), ((b"pass",), _beside), ((b"name:",), _manifests),
    ((b"authorization",), _authorizations), (_ASKS, _defaults),
)  # fmt: skip
