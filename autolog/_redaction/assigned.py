"""Passwords after their name: `password: 'p4ss!'`, `<password>p4ss!</password>`, `my password is p4ss!`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autolog._redaction.names import holds_password, looks_random
from autolog._redaction.spans import AMPERSAND, MAYBE_QUOTE, QUOTE, Span
from autolog._redaction.values import is_chosen, is_identifier

#: The contents of a quoted string.
_QUOTED = QUOTE + rb"([^\s\"'`\\]{4,256})" + QUOTE
#: What may come between the name of a password and its value: a sign, with a type before it or a key of its own for the
#: value, the border of a table's cell, or words.
_ASSIGNED = (
    rb"(?:\s{0,40}(?:[:?]=|[|?]{2}=|=>|<-|->|(?::|(?<=\s)as) ?&?(?:str|string) ?=|,? ?"
    + MAYBE_QUOTE + rb"value" + MAYBE_QUOTE + rb" ?[:=]|"
    rb":?(?:[ ]?</\w{1,10}>\s{0,8}|(?<![\"'`])(?: [\w:-]{1,20}=" + QUOTE + rb"[^\"'<>\\]{0,60}" + QUOTE + rb"){1,3}>|>)"
    rb"(?:<!\[cdata\[)?|[:|]|={1,3}|\b(?:is|are):?(?: now| still)?|\b(?:was|used to be|should be|will be))|"
    rb" \[[\w*]{1,24}\]:| [a-z]{4,8}\d?(?:\(\d{1,4}\))?(?: not null)? default(?= ')|"
    rb" str(?:ing)? ?=| \{ ?get;[^{}\n]{0,30}\} ?=|\{(?=[\"'])| ?\((?![\"'`\s])|'s (?!\s)|"
    rb"(?: ?\?| -| ?(?:\xe2(?:\x80[\x93\x94]|\x86\x92)|\xc3[\xa8\xa9]|\\{1,4}u(?:201[34]|2192|00e[89]))) |"
    rb" (?:(?:has been|was|is|got) (?:changed|set|reset) )?to:?|"
    rb"(?:(?<=with password)|(?<=use password)|(?<=using password)) )"
)  # fmt: skip
#: A YAML tag or anchor, the prefix of a string in Python and SQL, or its conversion to bytes in Go.
_BEFORE_VALUE = (
    rb"(?:[!&]{1,2}[\w:-]{1,20} |[@bfnru]{1,2}(?=[\"'])|\[\]byte\(|[\w.]{0,30}[(\[](?=[\"'])|"
    rb"\[(?=[^\s\"'`()\[\]{}<>]{6,64}\])|\$\{\w{1,60}:[-=]|\"\"(?=\"))?"
)
#: A password after its name: in quotes, or up to a character that passwords do not contain.
_NAME_OF_ONE = rb"p(?:ass(?:word|wd|[ -]?phrase|code)?|wd?|sk)"
_AFTER_NAME = (
    rb"s?(?![a-z])" + MAYBE_QUOTE + rb"\]?"
    rb"(?: (?:is generated )?(?:for|of|on|del|della|do) (?:the |my |our )?[\w.@-]{1,40}(?: [\w.@-]{1,40}){0,2}?)?"
    rb"(?:\*{0,2}" + _ASSIGNED + rb"\*{0,2}\s{0,8}(?:<\w{1,6}>)?" + _BEFORE_VALUE +
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
    rb" (?:(?:has been|was|is|got) (?:changed|set|reset) )?to:? )\s?"
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
        before = _NAME_BEFORE.search(text, max(0, found.start() - 60), found.start())
        name = ((before[0] if before else b"") + text[slice(*found.span(1))]).decode("latin-1")
        value = text[slice(*found.span(group))].decode("latin-1")
        if value.endswith("}") and "{" not in value and group == 3:  # `{password: p4ss!}`
            value = value.rstrip("}")
        word = value.rstrip(".?:")
        named = (group == 3 or b"(" in lowered[found.end(1) : found.start(group)]) and is_identifier(word)
        code = named and not looks_random(word) and not (_is_told(lowered, found) and not _NUMBERED.fullmatch(word))
        if is_chosen(value) and not code and (holds_password(name) or (name.lower() == "pass" and group != 4)):
            yield found.start(group), found.start(group) + len(value)


def _is_told(lowered: bytes, found: re.Match[bytes]) -> bool:
    whose = _WHOSE.search(lowered, max(0, found.start() - 60), found.start())
    return whose is not None and _TELLS.fullmatch(lowered, found.end(1), found.start(3)) is not None


#: The signs of these passwords in long texts.
SIGNS_OF_ASSIGNED = tuple(name + _AFTER_NAME for name in (rb"pass(?:word|wd|phrase|code)?", rb"pwd?", rb"psk"))
