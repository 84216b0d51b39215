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

from autolog._redaction.letters import alternatives, patterns
from autolog._redaction.names import alternates, holds_password, holds_random, is_jumbled, looks_random, suggests_secret
from autolog._redaction.signs import Signed, Signs
from autolog._redaction.spans import AMPERSAND, MAYBE_QUOTE, QUOTE, WORD, Search, Span

_PLACEHOLDER = re.compile(
    r"(?i)[<{\[(]|\$(?!\w+[!@#^&?])|[*%-](?!(?=\D*\d)(?=[^a-z]*[a-z])[^!@#^&?]*[!@#^&?])|x+\Z|\.+|(?:your|my|the|some|new|old|test)?[-_]?(?:user|pass(?:word|wd|phrase|code)?|pwd|secret|"
    r"token|(?:api)?[-_]?key|value|example|null|none|true|false|redacted|changeme|todo|string|prompt|stdin)\d?\Z"
)


def is_given(value: str) -> bool:
    """Return whether a word may be a password, and is neither a placeholder nor an ordinary word."""
    return _PLACEHOLDER.match(value) is None and any(not sign.isalpha() and sign not in "._-/:" for sign in value)


#: Names of algorithms, encodings and columns, which also contain digits.
_KIND = re.compile(
    r"(?i)(?:base|utf|iso|sha|md|aes|rsa|des|argon|bcrypt|scrypt|pbkdf|oauth|u?int|float|varchar|char|str|text|v|x|pw|"
    r"var|arg|col|field|user|step|test)[-_]?\d{1,4}(?:[-_]?(?:encoded|hashed|encrypted)|[-\w]{0,6})|"
    r"\d{1,3}[-_]?(?:bit|byte|char|character|digit|letter|symbol|word|day|hour|minute|month|year)s?"
)
_CODE = re.compile(r"[()\[\]{}<>|]|://|^[~./]|[A-Za-z_]\w*(?:\.\w+)+\Z|[A-Z][A-Z0-9]*_[A-Z0-9_]*\Z")


def is_chosen(value: str) -> bool:
    """Return whether a word looks like a chosen password: letters with digits or signs, but not a name or code."""
    return (
        len(value) >= 6
        and is_given(value)
        and (any(map(str.isdigit, value)) or (not value.isalpha() and is_jumbled(value)))
        and any(map(str.isalpha, value))
        and not _KIND.fullmatch(value)
        and not _CODE.search(value)
    )


def is_identifier(value: str) -> bool:
    """Return whether an unquoted value may be the name of a variable, with its digits in one place."""
    named = value.isidentifier() and not alternates(value, least=12) and not value[-3:].isdigit()
    return named and ("_" in value or len(re.findall(r"\d+", value)) < 2)


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
    searches = _OPTIONS_IN_BODIES.searches(lowered)
    if b"login" in words or b":54" in body or (b"*" in body and b":*:" in body):  # .netrc and .pgpass
        searches.append(_files)
    for search in searches:
        if next(search(body, lowered), None):
            return True
    signs = (b"ENV ", b"setx ", b"set -", b"Private-Lines") if words & PASSWORD_WORDS else ()
    return any(sign in body for sign in signs)  # the walk finds those passwords


# Commands, and their options that take a password

_OPTIONS = (
    (rb"curl", rb"(?:-[uU]|--(?:proxy-)?user)[ =]?" + MAYBE_QUOTE + rb"[^\s:\"'`\\$]{0,64}:" + MAYBE_QUOTE + WORD),
    (rb"https?|xh", rb"(?:-a|--auth)[ =]?" + MAYBE_QUOTE + rb"[^\s:\"'`\\$]{0,64}:" + WORD),
    (b"|".join(name + b" login" for name in (b"docker", b"podman", b"nerdctl", b"buildah", b"skopeo", b"oras", b"crane",
                                             b"az", b"helm registry")), rb"-p[ =]?" + MAYBE_QUOTE + WORD),
    (rb"ssh-keygen", rb"-[NP] " + MAYBE_QUOTE + WORD),
    (rb"sshpass|useradd|usermod|cqlsh|snowsql|twine|ncftp|mongo|mongosh|mongodump|mongorestore|mongoimport|mongoexport",
     rb"-p[ =]?" + MAYBE_QUOTE + WORD),
    (rb"mysql\w{0,12}|mariadb[\w-]{0,12}|7za?|rar", rb"-p" + MAYBE_QUOTE + WORD),
    (rb"sqlcmd|bcp|isql|unzip|zip|mosquitto_\w{2,4}", rb"-P ?" + MAYBE_QUOTE + WORD),
    (rb"redis-cli", rb"-a " + MAYBE_QUOTE + WORD),
    (rb"ldapsearch|ldapadd|ldapmodify|ldapdelete|ldappasswd|ldapwhoami", rb"-w " + MAYBE_QUOTE + WORD),
    (rb"openssl", rb"(?:-[kK] " + MAYBE_QUOTE + rb"|-pass(?:in|out|) " + MAYBE_QUOTE + rb"pass:)" + WORD),
    (rb"htpasswd", rb"-(?:[a-mo-zA-Z]{0,5}b[a-mo-zA-Z]{0,5} \S{1,200}|(?=[a-zA-Z]{0,9}n)[a-zA-Z]{0,5}b[a-zA-Z]{0,5})"
                  rb" \S{1,64} " + MAYBE_QUOTE + WORD),
    (rb"smbclient|rpcclient|mount\.cifs", rb"-U ?" + MAYBE_QUOTE + rb"[^\s%]{1,64}%" + WORD),
)  # fmt: skip
_NAMES = [name for names, _ in _OPTIONS for name in names.split(b"|")]
#: A command, after anything that may precede one, including an escaped blank or line end.
_COMMAND = re.compile(
    rb"[^\w.-](?:(?<=\\)[nrt])?(?=[%s])(%s)(?=[ \t])" % (b"".join({name[:1] for name in _NAMES}), alternatives(_NAMES))
)
_OPTION = [(re.compile(names), re.compile(rb"(?<=[ \t])" + option)) for names, option in _OPTIONS]
#: The end of a command; a backslash before a line end continues it.
_COMMAND_END = re.compile(rb"(?<!\\)\n|[ \t](?:&&|\|\|?)[ \t]|;[ \t\n]")
#: Commands whose argument is always a password, so that it may be an ordinary word.
_ANY_WORD = frozenset({b"sshpass"})
#: The greatest length of a command, in bytes; what follows is treated as the next one.
_LONGEST = 4000


#: Commands whose options `credentials` searches.
WITH_P = (b"psexec", b"evil-winrm", b"nxc", b"netexec", b"crackmapexec", b"beeline", b"cypher-shell", b"ipmitool")
DASHED = (*WITH_P, b"snmp[a-z]{3,8}", b"lftp", b"security")


#: The beginning of every such option: searching for it is faster than searching for the commands.
_HINT = re.compile(rb"-(?<=[ \t]-)(?:[uUapPwkKN]|-(?:proxy-)?user|-auth|[a-zA-Z]{0,5}b[a-zA-Z]{0,5} )")


def _commands(text: bytes, _: bytes) -> Iterator[Span]:
    """Find the passwords in the options of commands, line by line."""
    at, text = 0, b"\n" + text  # so that something precedes every command
    while hint := _HINT.search(text, at):
        earliest = max(at, hint.start() - _LONGEST)
        start = max(earliest, text.rfind(b"\n", earliest, hint.start()) + 1)
        while start > earliest and text[start - 2 : start] == b"\\\n":
            start = max(earliest, text.rfind(b"\n", earliest, start - 1) + 1)
        end = text.find(b"\n", hint.end(), hint.end() + _LONGEST)
        while end > 0 and text[end - 1 : end] == b"\\":  # the command continues on the next line
            end = text.find(b"\n", end + 1, end + _LONGEST)
        at = end if end > 0 else min(len(text), hint.end() + _LONGEST)
        yield from ((first - 1, last - 1) for first, last in _options(text, start, at))


def _options(text: bytes, at: int, line_end: int) -> Iterator[Span]:
    while match := _COMMAND.search(text, max(0, at - 1), line_end):
        end = _COMMAND_END.search(text, match.end(), line_end)
        at = end.start() if end else line_end
        option = next(option for names, option in _OPTION if names.fullmatch(match[1]))
        for value in option.finditer(text, match.end(), at):
            word = value[1].decode()
            if is_given(word) or (match[1] in _ANY_WORD and _PLACEHOLDER.match(word) is None):
                yield value.span(1)


#: An option in a list of a command's words: one that takes a password in some commands, or in all.
_IN_LIST = rb"(?:\\{0,3}\"\s{0,8},\s{0,8}\\{0,3}\"|[^\"\\]{4})"
_LISTED_OPTION = re.compile(rb"-(?<=\"-)(?:[a-z]{0,5}[uUaApPwkKxXc]|-(?:proxy-)?user|-auth)" + _IN_LIST)
_LISTED_PASSWORD = re.compile(rb"-(?<=\"-)-?[a-z]{0,9}pass(?:word|wd|phrase)?" + _IN_LIST)
#: A known command among such words, perhaps with its path or its subcommand.
_LISTED_COMMAND = re.compile(
    rb"[\"/ ](?:%s)(?=\\{0,3}\"| )" % alternatives([*(name.partition(b" ")[0] for name in _NAMES), *DASHED])
)


def _listed_options(text: bytes, _: bytes) -> Iterator[Span]:
    """Find options in a list that may take a password; the walk over the list finds the password itself."""
    yield from (found.span() for found in _LISTED_PASSWORD.finditer(text))
    if _LISTED_OPTION.search(text) and _LISTED_COMMAND.search(text):
        yield from (found.span() for found in _LISTED_OPTION.finditer(text))


_TOKEN = re.compile(r"[\w.~+/-]{8,}=*")
_LONG_OPTION = re.compile(
    rb"--([A-Za-z][\w-]{2,40}+)(?:[ =]" + MAYBE_QUOTE + rb"|" + QUOTE + rb",\s?" + QUOTE + rb")" + WORD
)


def _long_options(text: bytes, _: bytes) -> Iterator[Span]:
    """Find the values of `--password`, `--api-key` and the like in any command."""
    for found in _LONG_OPTION.finditer(text):
        name, value = found[1].decode(), found[2].decode()
        if suggests_secret(name) and is_given(value) and (holds_password(name) or _TOKEN.fullmatch(value)):
            yield found.span(2)


_PIPED = re.compile(
    rb"h(?<=ech)o (?:-n )?" + MAYBE_QUOTE + WORD + MAYBE_QUOTE +
    rb" ?\| ?[\w ./-]{0,80}-(?:pass(?:word|wd|phrase)-(?:stdin|fd)|with-token)"
)  # fmt: skip


def _piped(text: bytes, _: bytes) -> Iterator[Span]:
    """Find what is piped into a command that reads its password from standard input."""
    yield from (found.span(1) for found in _PIPED.finditer(text) if is_given(found[1].decode()))


#: The searches for options of commands with their signs, and those for an undecoded body, which may have them in lists.
IN_COMMANDS: tuple[Signed, ...] = (
    ((rb"-(?<=[ \t]-)(?:[uapwkn]|-(?:proxy-)?user|-auth|[a-z]{0,5}b[a-z]{0,5} )",), _commands),
    ((rb"-(?<=--)[a-z]",), _long_options), ((rb"-(?:stdin|fd|(?=with-token))",), _piped),
)  # fmt: skip
#: The same signs for texts, each with the beginning of a word that may be a password.
_MAY_BE_ONE = MAYBE_QUOTE + rb"[a-z._/:-]{0,256}+(?:" + AMPERSAND + rb"|[^\sa-z._/:\"'`\\;|&])"
SIGNS_OF_OPTIONS = (
    rb"-(?<=[ \t]-)(?:p |[uapwkn][ =]?" + _MAY_BE_ONE + rb"|-(?:proxy-)?user|-auth|[a-z]{0,5}b[a-z]{0,5} )",
    rb"-(?<=--)[a-z][\w-]{2,40}+(?:[ =]|" + QUOTE + rb",\s?)" + _MAY_BE_ONE, rb"-(?:stdin|fd|with-token)",
)  # fmt: skip
_OPTIONS_IN_BODIES = Signs((*IN_COMMANDS, ((rb"-(?<=\"-)[-a-z]",), _listed_options)), {})


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
            name = (begun[2] + found[1] + found[2]).decode()
            value = text[slice(*found.span(4))].decode()
            aligned = not (found[3].strip() or begun[1])
            if _IN_CODE.search(value) or (aligned and (not is_chosen(value) or is_identifier(value))):
                continue
            if (holds_password(name) and (is_given(value) or is_jumbled(value))) or (
                name.lower().endswith("secret")
                and is_chosen(value)
                and not (value.islower() and value.replace("_", "").replace("-", "").isalnum())
            ):
                yield found.span(4)


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
        if drawn or (holds_password(name) and is_given(value)):
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
        plain = value.title() == value or value.islower() or value.isupper() or _PLACEHOLDER.match(value)
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
