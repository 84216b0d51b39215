"""Secrets recognised by the statement or form that contains them.

`INSERT INTO users (name, password) VALUES ('ada', 'p4ss!')`, `<input type="password" value="p4ss!">`, the fields of a
multipart form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autolog._redaction.calls import IN_CALLS
from autolog._redaction.names import looks_random, suggests_secret
from autolog._redaction.objects import is_named_secret
from autolog._redaction.signs import Signed
from autolog._redaction.spans import AMPERSAND, MAYBE_QUOTE, QUOTE, QUOTED, WORD, Span
from autolog._redaction.tools import OF_TOOLS
from autolog._redaction.values import is_chosen, is_given, is_identifier, is_strong, is_word

#: An SQL statement up to its rows, with the names of its columns; a row with its values; and a value.
_INSERT = re.compile(rb"insert (?:ignore )?into [^\s()]{1,80}\s{0,4}\(([^()]{1,600})\)\s{0,8}values?(?=\s{0,8}\()")
_ROW = re.compile(
    rb"\s{0,8}\(((?:'(?:[^'\\]++|''|\\.)*+'|\"(?:[^\"\\]++|\\.)*+\"|[^'\"()]++|\([^()]*+\))*+)\)\s{0,8},?", re.DOTALL
)
_VALUE = re.compile(
    rb"\s*+n?(?:'((?:[^'\\]++|''|\\.)*+)'|\"((?:[^\"\\]++|\\.)*+)\"|(?:[^,'\"()]++|\([^()]*+\))++)?\s*+(?:,|\Z)",
    re.DOTALL | re.IGNORECASE,
)
#: The most bytes of a row.
_LONGEST_ROW = 4000


def inserts_in(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Return the spans of the secrets among the rows that an SQL statement inserts."""
    for found in _INSERT.finditer(lowered) if INSERT_INTO in lowered else ():
        names = [name.strip(b' \t\r\n`"[]').decode("latin-1") for name in found[1].split(b",")]
        at = found.end()
        while any(suggests_secret(name) or name.lower() == "pass" for name in names) and (
            row := _ROW.match(text, at, at + _LONGEST_ROW)
        ):
            for name, value in zip(names, _VALUE.finditer(text, *row.span(1)), strict=False):
                group = value.lastindex
                if group and is_named_secret(name, value[group].decode("latin-1"), is_given):
                    yield value.span(group)
            at = row.end()


_INPUT = re.compile(rb"<(?:input|meta)\b([^<>]{1,400})>")
_ATTRIBUTE = re.compile(
    rb"([\w:-]{1,30})\s?=\s?(?:" + QUOTE + rb"([^\"'<>\\]{0,256})" + QUOTE + rb"|([^\s\"'`<>=\\]{1,256}))"
)


def _inputs(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the values of a page's password fields and of its tokens."""
    for found in _INPUT.finditer(lowered):
        attributes = {item[1].lower(): item for item in _ATTRIBUTE.finditer(text, *found.span(1))}
        value = attributes.get(b"value") or attributes.get(b"content")
        names = [_name(_value(attributes[key])) for key in (b"type", b"name", b"id") if key in attributes]
        if value and any(is_named_secret(name, _value(value).decode("latin-1"), is_given) for name in names):
            yield value.span(value.lastindex or 0)


def _value(attribute: re.Match[bytes]) -> bytes:
    return attribute[attribute.lastindex or 0]


def _name(field: bytes) -> str:
    """Return the name of a form's field, which may be in brackets after its owner, `user[password]`."""
    return field.rpartition(b"[")[2].rstrip(b"]").decode("latin-1")


_FORM_FIELD = re.compile(
    rb"form-data; name=" + QUOTE + rb"([\w.\[\]-]{1,60})" + QUOTE + rb"(?:\r?\n|(?:\\{1,3}r)?\\{1,3}n){2}"
    rb"([^\s\\\"]{4,512})"
)  # fmt: skip


def _form_fields(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the secrets among the fields of a multipart form."""
    for found in _FORM_FIELD.finditer(lowered):
        if is_named_secret(_name(found[1]), text[slice(*found.span(2))].decode("latin-1"), is_given):
            yield found.span(2)


#: The address after a user and a password without a scheme: `ada:p4ss!@db.example.com`.
_AT_HOST = (
    rb"@(?<=[^\s\"'`\\,;/@:<>(){}]{6}@)(?=(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,20}\b|"
    rb"\d{1,3}(?:\.\d{1,3}){3}\b|(tcp\()|localhost\b|[a-z][a-z0-9-]{1,40}:\d{2,5}\b)"
)
_LOGIN_AT = re.compile(_AT_HOST)
_LOGIN_BEFORE = re.compile(rb"(?:\A|[\s\"'`=(>]|\\n)([a-z][\w.-]{0,31}):([^\s\"'`\\,;/@:<>(){}]{6,64})\Z")
#: What precedes addresses of mail and of packages.
_NO_USERS = frozenset({b"mailto", b"cc", b"bcc", b"to", b"from", b"email", b"sip", b"acct", b"npm", b"git", b"image"})


def _logins_at(text: bytes, lowered: bytes) -> Iterator[Span]:
    for found in _LOGIN_AT.finditer(lowered):
        begin = max(0, found.start() - 100)
        colon = lowered.rfind(b":", begin, found.start())  # most addresses are those of mail
        login = _LOGIN_BEFORE.search(lowered, max(begin, colon - 36), found.start()) if colon >= 0 else None
        if login and login[1] not in _NO_USERS:
            value = text[slice(*login.span(2))].decode("latin-1")
            if is_chosen(value) and (not is_identifier(value) or looks_random(value) or found.end(1) > found.start(1)):
                yield login.span(2)


#: A password after its user's address of mail: `ada@example.com / p4ss!`.
_OF_MAIL = (
    rb"@[\w-]{1,40}(?:\.[\w-]{1,20}){1,3}(?: / |:| \| |"
    + QUOTE
    + rb",\s?(?="
    + QUOTE
    + rb"))(?="
    + MAYBE_QUOTE
    + rb"[^\s\d]{0,63}\d)"
)
_AFTER_MAIL = re.compile(
    _OF_MAIL + MAYBE_QUOTE + rb"((?:[^\s\"'`\\,;&<>(){}\[\]|/]|" + AMPERSAND + rb"){6,64})(?=[\s\"'`\\,;<)]|\Z)"
)


def _mails(text: bytes, lowered: bytes) -> Iterator[Span]:
    for found in _AFTER_MAIL.finditer(lowered):
        value = text[slice(*found.span(1))].decode("latin-1")
        listed = lowered[found.start(1) - 1 : found.start(1)] != b":"
        if is_strong(value) or (listed and value.isalnum() and is_chosen(value) and not is_identifier(value)):
            yield found.span(1)


#: A value that pydantic does not accept, two lines after the name of its field.
_REFUSED = rb"=(?<=input_value=)(?=" + QUOTE + rb")"
_REFUSED_VALUE = re.compile(_REFUSED + QUOTE + rb"([^\s\"'`\\]{6,512})" + QUOTE)
_REFUSED_NAME = re.compile(rb"(?:\A|\n|\\n)([\w.-]{1,80})(?:\n|\\n) {2}[^\n]{0,200}\Z")


def _refused(text: bytes, _: bytes) -> Iterator[Span]:
    for found in _REFUSED_VALUE.finditer(text):
        name = _REFUSED_NAME.search(text, max(0, found.start() - 300), found.start())
        if name and is_named_secret(name[1].decode("latin-1"), found[1].decode("latin-1"), is_chosen):
            yield found.span(1)


#: A value in the registry of Windows, as commands set and print it.
_REGISTRY = (rb"_sz(?<=reg_sz)", rb"_expand_sz(?<=reg_expand_sz)")
_REGISTERED = re.compile(
    rb"_(?:" + b"|".join(kind[1:] for kind in _REGISTRY) + rb")[ \t]{1,40}(?:/d )?" + MAYBE_QUOTE + WORD
)
_REGISTERED_NAME = re.compile(rb"(?<![\w.-])([\w.-]{1,80})" + MAYBE_QUOTE + rb"[ \t]{1,40}(?:/[tT] )?REG\Z")
#: The first passwords of the users of a virtual machine, a user and a password on each line.
_FIRST_PASSWORDS = re.compile(rb":(?<=chpasswd:)(?:\s{1,20}list:[ |>+-]{0,6})?\r?((?:\n[ \t]{1,16}[^\n]{1,100}){1,40})")
_FIRST_PASSWORD = re.compile(rb"\n[ \t]{1,16}(?:- )?[\w.-]{1,32}:" + WORD + rb"[ \t]{0,8}(?=\n|\Z)")


def _registered(text: bytes, lowered: bytes) -> Iterator[Span]:
    for found in _REGISTERED.finditer(lowered):
        name = _REGISTERED_NAME.search(text, max(0, found.start() - 130), found.start())
        value = text[slice(*found.span(1))].decode("latin-1")
        if name and is_named_secret(name[1].decode("latin-1"), value, is_given):
            yield found.span(1)


def _first_passwords(text: bytes, lowered: bytes) -> Iterator[Span]:
    for users in _FIRST_PASSWORDS.finditer(lowered):
        for found in _FIRST_PASSWORD.finditer(text, *users.span(1)):
            if is_given(found[1].decode("latin-1")) and found[1].lower() != b"random":
                yield found.span(1)


#: A call on what was found by the name of a password, as in tests of pages and apps.
_TYPED = rb"\)\.(?:(?:type|fill|send_?keys|set_?value|val|perform\((?:type|replace)text)\(|value\s?=\s?)" + QUOTED
#: The name of a password, in a call that takes the password next, `put("password", "p4ss!")`, or after a blank.
_IN_CALL = (
    MAYBE_QUOTE + rb"\]?(?:" + QUOTE + rb"(?:\s?,\s?(?:with:\s?)?" + QUOTED + rb"|" + _TYPED + rb")|\)" + _TYPED + rb")"
)
#: The same name in a tuple of Erlang: `{password, "p4ss!"}`.
_IN_TUPLE = rb",\s?(?:<<)?" + QUOTED + rb"(?:>>)?\s?\}"
_IN_EITHER = rb"(?:" + _IN_CALL + rb"|" + _IN_TUPLE + rb")"
_NAME = re.compile(rb"p(?:(?:ass(?:word|wd|phrase)?|wd?|sk)" + _IN_EITHER + rb"|(?<= p)ass(?:word|phrase)\b)")
_TUPLE_BEFORE = re.compile(rb"\{\s?\w{0,40}\Z")
_CALL_BEFORE = re.compile(
    rb"(?:\w\(\s?(?:"
    + QUOTE
    + rb"[^\"'`\n]{0,60}"
    + QUOTE
    + rb"\s?,\s?){0,6}|\bfill_in )"
    + QUOTE
    + rb"[\w.#=\[-]{0,60}\Z"
)
#: A call that sets what it takes, so that it may be a word of letters.
_SETS = re.compile(rb"(?:\.fill|\.type|setproperty|\.put|setitem|by\.\w{1,9}, ?|setenv|putenv)\(?[^\n()]{0,60}\Z")
#: A password before its name, and one after its user: `use p4ss! as the password`, `user ada, password p4ss!`.
_AS_THE = rb"s (?<= as )(?:(?:the|my|your|our|a|its) (?:\w{1,20} ){0,2})?"
_AS = re.compile(
    MAYBE_QUOTE + rb"((?:[^\s\"'`\\;&<]|" + AMPERSAND + rb"){6,256}+)" + MAYBE_QUOTE + rb" a" + _AS_THE + rb"\Z"
)
_AFTER_USER = re.compile(
    rb"(?:(?<![a-z])(?:user(?:name)?|login)[ :=]{1,2}[\w.@-]{1,40},?(?: and| with)?(?: the)?|"
    rb"(?<![a-z])(?:neighbor|ssh) [\w.:@-]{1,60}|ppp chap|failed) \Z"
)
_FOLLOWING = re.compile(rb"password " + MAYBE_QUOTE + WORD)

#: The signs of these passwords in long texts.
SIGNS_BESIDE_NAMES = (
    *(name + _IN_EITHER for name in (rb"pass(?:word|wd|phrase)?", rb"pwd?", rb"psk")),
    _AS_THE + rb"pass(?:word|phrase)\b",
    rb"password (?<= password )" + MAYBE_QUOTE + rb"[^\s\d\"'`\\;|&]{0,255}+\d",
)  # fmt: skip


def beside_names(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the passwords that a call, or a sentence, puts beside their name without a sign between them."""
    for name in _NAME.finditer(lowered) if b"pass" in lowered or b"pw" in lowered or b"psk" in lowered else ():
        found: re.Match[bytes] | None
        if name[2] or name[3]:
            found = name
        elif name[4]:
            found = name if _TUPLE_BEFORE.search(lowered, max(0, name.start() - 42), name.start()) else None
        elif name[1] is None:
            found = _before_name(lowered, name.start()) or _after_name(lowered, name.start())
        else:
            found = name if _CALL_BEFORE.search(lowered, max(0, name.start() - 200), name.start()) else None
        group = found.lastindex if found else None
        value = text[slice(*found.span(group))].decode("latin-1") if found and group else ""
        sets = (
            _SETS.search(lowered, max(0, name.start() - 100), name.start()) if value and not is_chosen(value) else None
        )
        if found and group and (is_chosen(value) or (sets and is_word(value))):
            yield found.span(group)


def _before_name(lowered: bytes, name: int) -> re.Match[bytes] | None:
    """Return the password in `use p4ss! as the password`, given the offset of its name."""
    start = lowered.rfind(b" as ", max(0, name - 50), name)
    word = lowered.rfind(b" ", max(0, start - 256), max(0, start)) + 1
    return _AS.match(lowered, word, name) if start >= 0 else None


def _after_name(lowered: bytes, name: int) -> re.Match[bytes] | None:
    """Return the password in `user ada, password p4ss!`, given the offset of its name."""
    return _FOLLOWING.match(lowered, name) if _AFTER_USER.search(lowered, max(0, name - 60), name) else None


#: The sign of an insertion, which is only looked for where the words `insert into` occur.
VALUES, INSERT_INTO = rb"v(?=alues?(?:\s|\\{1,7}[nrt]){0,8}\()", b"insert into"
#: These searches with their signs.
IN_STATEMENTS: tuple[Signed, ...] = (
    ((VALUES,), inserts_in), ((rb"<input", rb"<meta"), _inputs), ((rb"-(?<=form-)data",), _form_fields),
    *IN_CALLS,
    ((_AT_HOST,), _logins_at), ((_OF_MAIL,), _mails), *OF_TOOLS, ((_REFUSED,), _refused),
    (_REGISTRY, _registered), ((rb":(?<=chpasswd:)",), _first_passwords),
)  # fmt: skip
