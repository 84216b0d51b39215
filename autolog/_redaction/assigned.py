"""Passwords after their name: `password: 'p4ss!'`, `<password>p4ss!</password>`, `my password is p4ss!`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autolog._redaction.names import PASSWORD_ELSEWHERE, holds_password, looks_random
from autolog._redaction.spans import AMPERSAND, MAYBE_QUOTE, QUOTE, Span
from autolog._redaction.values import is_any, is_chosen, is_identifier, is_label, is_word

#: The contents of a quoted string.
_QUOTED = QUOTE + rb"(?:\{noop\})?([^\s\"'`\\]{4,256})" + QUOTE
#: What answers a question for a password, `password? - p4ss!`, `password?\nbob: p4ss!`, `password, it was p4ss!`; or
#: a line's end, if the password is alone on the next. Dashes appear as question marks in ASCII.
_IT_IS = rb"(?:it'?s|(?:it|that) (?:is|was))(?= )"
_ALONE = rb"[?:]?\r?\n(?=\s{0,4}[^\s\d]{0,64}\d[^\s]{0,64}[ \t]{0,4}\r?(?:\n|\Z))"
_ANSWERED = (
    rb"(?:\?|(?<= pls)|(?<= please))\s{0,4}(?:[a-z]{1,12}: )?(?:[?>-]{1,2}(?= )|(?<=: )|"
    + _IT_IS + rb")|(?:,(?: i think| maybe| probably)? |\r?\n)" + _IT_IS + rb"|" + _ALONE
)  # fmt: skip
#: What may come between the name of a password and its value: a sign, with a type before it or a key of its own for the
#: value, the border of a table's cell, or words.
_ASSIGNED = (
    rb"(?:\s{0,40}(?:[:?]=|\.{3,40}(?=\s)|[|?]{2}=|={1,3}>|>>|!={1,2}|<-|->|(?::|(?<=\s)as) ?&?(?:str|string) ?=|,? ?"
    + MAYBE_QUOTE + rb"value" + MAYBE_QUOTE + rb" ?[:=]|"
    rb":?(?:[ ]?</\w{1,10}>\s{0,8}:?\s?|(?<![\"'`])(?: [\w:-]{1,20}=" + QUOTE +
    rb"[^\"'<>\\]{0,60}" + QUOTE + rb"){1,3}>|>)"
    rb"(?:<!\[cdata\[)?|[:|]|={1,3}|\b(?:is|are):?(?: now| still)?|\b(?:was|used to be|should be|will be))|"
    rb" \[[\w*]{1,24}\]:| [a-z]{4,8}\d?(?:\(\d{1,4}\))?(?: not null)? default(?= ')|"
    rb"\s?=\s?" + QUOTE + rb"[^\s\"'`\\]{1,64}" + QUOTE + rb",\s?(?=[\"'])|"  # a user's and a password at once
    rb" str(?:ing)? ?=| \{ ?get;[^{}\n]{0,30}\} ?=|\{(?=[\"'])| ?\((?![\"'`\s])|'s (?!\s)|"
    rb"(?: ?\?| -|~) |"
    + _ANSWERED + rb"|"
    rb" (?:(?:has been|was|is|got) (?:changed|set|reset) )?to:?|"
    rb"(?:(?<=with password)|(?<=use password)|(?<=using password)) )"
)  # fmt: skip
#: A YAML tag or anchor, the prefix of a string in Python and SQL, or its conversion to bytes in Go.
_BEFORE_VALUE = (
    rb"(?:[!&]{1,2}[\w:-]{1,20} |[$@bfnru]{1,2}(?=[\"'])|\[\]byte\(|[\w.:()]{0,40}[(\[](?=[\"'])|"
    rb"\[(?=[^\s\"'`()\[\]{}<>]{6,64}\])|\$\{\w{1,60}:[-=]?|\"\"(?=\"))?"
)
#: A password after its name: in quotes, or up to a character that passwords do not contain.
_NAME_OF_ONE = rb"p(?:ass(?:word|wd|[ -]?phrase|code)?|wd?|sk)"
_AFTER_NAME = (
    rb"s?(?:_?confirm(?:ation)?)?(?![a-z])" + MAYBE_QUOTE + rb"(?:\[\d{0,4})?\]?"
    rb"(?: (?:is generated )?(?:for|of|on|to|d[aeio]|del|della|per|para|pour) (?:the |my |our )?"
    rb"[\w.@-]{1,40}(?: [\w.@-]{1,40}){0,2}?| \([\w .@-]{1,30}\)| below| here| as before| again| pls| please|"
    rb" (?:that )?i use| currently)?"
    rb"(?:\*{0,2}" + _ASSIGNED + rb"\*{0,2}\s{0,8}(?:<\w{1,6}>){0,2}" + _BEFORE_VALUE +
    rb"(?:" + _QUOTED + rb"|((?:[^\s\"'`\\,;&<|\])]|" + AMPERSAND +
    rb"){6,256}+)(?=[\s\"'`\\,;&<|\])]|\Z))|[ (]{1,2}" + _QUOTED + rb")"
)  # fmt: skip
_NAMED = re.compile(rb"(" + _NAME_OF_ONE + rb")" + _AFTER_NAME)
_NAME_BEFORE = re.compile(rb"[\w.-]{1,60}\Z")
#: What precedes and follows the word in a sentence that tells a password, which may then look like an identifier:
#: `my Wi-Fi password is hunter2`.
_WHOSE = re.compile(
    rb"(?<![\w-])(?:my|our|your|his|her|their|the|a|new|temporary|initial|default|enter) "
    rb"(?:[\w'-]{1,20} ){0,2}(?:[a-z]{2,5}-)?\Z"
)
_TELLS = re.compile(
    rb"(?: (?:for|of|on) (?:[\w.@-]{1,40} ){0,3}[\w.@-]{1,40})?\*{0,2}"
    rb"(?:: ?\*{0,2}|:? (?:is:?(?: now| still)?|was) | ?\(|'s |"
    rb" (?:(?:has been|was|is|got) (?:changed|set|reset) )?to:? |(?: below| here| pls| please)?(?:"
    + _ANSWERED
    + rb"))\s{0,4}"
)
#: A numbered part of a program or document, which only a sentence about passwords mentions there.
_NUMBERED = re.compile(
    r"(?:param|name|item|option|key|part|line|section|table|page|chapter|figure|example|level|group|hash|input|value|"
    r"version|rule|python|java|http|ipv|base|md|sha|utf|field|step|user|test|string)s?[-_]?\d{1,3}"
)


def passwords_assigned(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find likely passwords after the name of one: `password: 'p4ss!'`, `<password>p4ss!</password>`."""
    if not any(word in lowered for word in (b"pass", b"pw", b"psk")):
        return
    for found in _NAMED.finditer(lowered):
        group = found.lastindex or 1
        value = text[slice(*found.span(group))].decode("latin-1")
        if value.endswith("}") and "{" not in value and group == 3:  # `{password: p4ss!}`
            value = value.rstrip("}")
        if _is_likely(lowered, found, value) if is_chosen(value) else _is_word(value):
            before = _NAME_BEFORE.search(text, max(0, found.start() - 60), found.start())
            name = ((before[0] if before else b"") + text[slice(*found.span(1))]).decode("latin-1")
            passes = name.lower() == "pass" and (group != 4 or lowered.endswith(b"#define ", 0, found.start()))
            if (passes or holds_password(name)) and (is_chosen(value) or _is_certain(text, found, name)):
                yield found.start(group), found.start(group) + len(value)


def _is_likely(lowered: bytes, found: re.Match[bytes], value: str) -> bool:
    """Return whether what looks like a password is one, and no code or unrelated line."""
    between = lowered[found.end(1) : found.start(found.lastindex or 1)]
    if b"\n" in between and not between.strip(b" :?\t\r\n") and not _begins_line(lowered, found.start()):
        return False
    word = value.rstrip(".?:")
    named = (found.lastindex == 3 or b"(" in between) and is_identifier(word) and not looks_random(word)
    if not named or _user_beside(found):
        return True
    return _is_told(lowered, found) and not _NUMBERED.fullmatch(word)


#: The name of a user, and what may come between it and the user.
_USER = (
    rb"(?<![a-z])(?:(?:root|admin|db|smtp|mail|my)?user(?:[_ ]?name|[_ ]?id)?|uid|login|e-?mail)(?:\*\*|" + QUOTE +
    rb")?\s?(?:=>|:\*\*|[:=|\t]|</\w{1,10}>\s{0,8}<\w{1,10}>)\s?"
)  # fmt: skip
#: What precedes the name of a password that belongs to a user, so that it may be an ordinary word, and what follows it.
_OF_USER = re.compile(
    _USER + MAYBE_QUOTE +
    rb"(?!str(?:ing)?\b|required|your|user|text|none|null|<|\$|\{)([^\s\"'`,;=:()<>|]{2,64})" + MAYBE_QUOTE +
    rb"(?:[\s,;/|&*-]|\\{1,3}[nrt]|</?\w{1,10}>){1,24}" + MAYBE_QUOTE + rb":?[\w-]{0,20}\Z"
)  # fmt: skip
_BEFORE_USER = re.compile(
    MAYBE_QUOTE + rb"(?:[\s,;&]|\\{1,3}[nrt]){1,16}" + MAYBE_QUOTE + _USER + MAYBE_QUOTE +
    rb"(?!str(?:ing)?\b|required|your|user|text|none|null|<|\$|\{)([^\s\"'`,;=:()<>|]{2,64})"
)  # fmt: skip
#: What precedes a password among the settings of a connection, and in an option of a command.
_AMONG_SETTINGS = re.compile(
    rb"(?<![a-z])(?:server|data source|host|driver|endpoint|address|network address)\s?=[^\n]{1,120}?;\s?[\w ]{0,20}\Z"
)
_IN_OPTION = re.compile(rb"[ \t\"'\[]--?[a-z][\w-]{0,30}[ =\"']{1,3}[\w.-]{0,60}\Z")


def _user_beside(found: re.Match[bytes]) -> Span | None:
    """Return the span of the user beside a password in a lower-case text."""
    start, end = found.start(), found.end(found.lastindex or 1)
    user = _OF_USER.search(found.string, max(0, start - 130), start) or _BEFORE_USER.match(found.string, end)
    return user.span(1) if user else None


#: What precedes the name in a line that contains nothing else.
_LINE_BEFORE = re.compile(rb"(?:\A|[\n\"])[ \w#*>'-]{0,50}\Z")


def _is_certain(text: bytes, found: re.Match[bytes], name: str) -> bool:
    """Return whether a value is that of a password and cannot be anything else.

    It is the value of an environment variable or a property, an element of XML, or it follows a user's name.
    """
    start, end = found.span(found.lastindex or 1)
    line_ends = text[end : end + 1] in (b"", b"\n", b"\r", b'"', b"\\")
    between = text[found.end(1) : start]
    if between == b"=" and (name.isupper() or ("." in name and line_ends and not name.startswith(("self.", "this.")))):
        return True
    if between == b": " and name.isupper() and "_" in name and line_ends:
        return True
    if between == b">" and text[end : end + 2] == b"</":
        return True
    value = text[start:end].decode("latin-1")
    user = _user_beside(found)
    labels = user and found.lastindex == 2 and is_label(value) and is_label(text[slice(*user)].decode("latin-1"))
    if user and user[0] < start:
        return not labels  # in which both words begin with a capital letter
    if not is_word(value) or _CALLED.search(between):
        return False
    if between == b"=":
        begin = max(0, found.start() - 150)
        return any(before.search(found.string, begin, found.start()) for before in (_AMONG_SETTINGS, _IN_OPTION))
    if user or (name.isupper() and b"value" in between):
        return not labels
    return found.lastindex == 2 and _is_literal(name, between, value)


#: A call or an index before a value, other than one that only turns it into a string.
_CALLED = re.compile(rb"\w[(\[](?<!from\()(?<!Some\()(?<!\]byte\()" + MAYBE_QUOTE + rb"\Z")
#: Names that also stand for a step, a directory and a kind of cipher.
_ALSO = frozenset({"pass", "pwd", "psk"})


def _is_literal(name: str, between: bytes, value: str) -> bool:
    """Return whether a quoted word of letters is a password, and no label of a form or translation of the name.

    Most are none if the name is quoted itself: what a tool was called with, `{"password": "mellon"}`, may be the topic
    of a conversation. Nor is what a sentence lists, `the passwords: "mellon" and "radiance"`.
    """
    if name.lower() in _ALSO:
        return name.lower() == "psk" and between in (b'="', b"='")
    if between[:1] in b"\"'`\\s" and not (name.isupper() or b"value=" in between):
        return False
    return not is_label(value) or (b"=" in between and b"=>" not in between and not value.isupper())


def _is_word(value: str) -> bool:
    return value.replace("-", "").isalpha() and value.isascii() and is_any(value) and value.lower() not in _NAMES


_NAMES = frozenset(PASSWORD_ELSEWHERE)


def _begins_line(lowered: bytes, start: int) -> bool:
    return _LINE_BEFORE.search(lowered, max(0, start - 60), start) is not None


def _is_told(lowered: bytes, found: re.Match[bytes]) -> bool:
    whose = _WHOSE.search(lowered, max(0, found.start() - 60), found.start())
    return whose is not None and _TELLS.fullmatch(lowered, found.end(1), found.start(3)) is not None


#: The signs of these passwords in long texts.
SIGNS_OF_ASSIGNED = tuple(name + _AFTER_NAME for name in (rb"pass(?:word|wd|phrase|code)?", rb"pwd?", rb"psk"))
