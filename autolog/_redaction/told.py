"""Passwords that a person tells in passing: beside their name without a sign, before it, or as a pair with the user's.

`use pw p4ss!`, `p4ss! is my password`, `creds: ada / p4ss!`. Ordinary words stand in the same places, so such a
password needs a letter, a digit and a sign that words do not have, unless what follows it leaves no doubt.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from autolog._redaction.letters import patterns, signs_of
from autolog._redaction.names import looks_random
from autolog._redaction.spans import AMPERSAND, MAYBE_QUOTE, Span
from autolog._redaction.values import is_chosen, is_identifier, is_strong

_WORD = rb"(?=[^\s\d]{0,63}\d)((?:[^\s\"'`\\,;&<>(){}\[\]|]|" + AMPERSAND + rb"){6,64}+)"
#: A password after its name; it may be the old one of two.
_AFTER = dict.fromkeys(
    (b"password", b"passwd", b"passphrase", b"passcode", b"passwort", b"kennwort", b"pwd", b"pw", b"senha",
     b"wachtwoord"),
    rb"(?![a-z])" + MAYBE_QUOTE +
    rb"(?:(?: i use| was| changed| reset| set){0,2} (?:is|from|to) |" +
    rb"(?=[*_]{0,3}(?:[ \t]|\\+t))(?:[ \t*_]|\\+t){1,8}+)" + MAYBE_QUOTE + _WORD,
)  # fmt: skip
#: The new password after the old one.
_TO = re.compile(MAYBE_QUOTE + rb" to " + MAYBE_QUOTE + _WORD)
#: A password or token before its name, at the end of a clause; it starts from the name.
_IS_MY_PASSWORD = (
    rb"s (?<= is )(?:the|my|your|our|his|her|a) (?:[\w-]{1,20} ){0,2}(?:password|passphrase|passcode|secret|pin|token)"
)
_BEFORE = re.compile(MAYBE_QUOTE + _WORD + MAYBE_QUOTE + rb" i" + _IS_MY_PASSWORD + rb"\Z")
_LAST = tuple(
    patterns(dict.fromkeys((b"password", b"passphrase", b"passcode", b"secret", b"token"),
                           rb"(?=[.,;:!?)\"'\s\\]|\Z)(?! [a-z]{3,20}\b(?<! for)(?<! and)(?<! but))"))
)  # fmt: skip
#: What precedes a word.
_BEGINNING = re.compile(rb"\A|[\s\"'`(]|\\n")
#: A user and a password: `creds are ada/p4ss!`.
_PAIR = dict.fromkeys(
    (b"creds", b"credentials", b"login", b"logins", b"log in", b"sign in", b"zugangsdaten", b"password"),
    rb"(?:/[a-z]{2,10}| details| data)?(?: (?:for|on|to) (?:the )?[\w.-]{1,30}(?: [\w.-]{1,30})?)?"
    rb"(?: are| is| with| as| using)?:?\*{0,2} \(?" + MAYBE_QUOTE + rb"[a-z][\w.@-]{1,40}" + MAYBE_QUOTE +
    rb"(?: ?[/:] ?| and )" + MAYBE_QUOTE + _WORD,
)  # fmt: skip
#: Words of which one occurs in every text with such a password, and the signs of these passwords in long texts.
WORDS = frozenset({b"pass", b"pw", b"pwd", b"secret", b"token", b"creds", b"credential", b"login", b"log in",
                   b"sign in", b"kennwort", b"senha", b"wachtwoord", b"zugangsdaten"})  # fmt: skip
SIGNS = (*signs_of(_AFTER), *signs_of(_PAIR), _IS_MY_PASSWORD)
_WITH_VALUE = (*patterns(_AFTER), *patterns(_PAIR))


def told_in(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Return the spans of such passwords, in no particular order; spans may overlap.

    Args:
        lowered: the text in lower case.
    """
    for found in itertools.chain.from_iterable(pattern.finditer(lowered) for pattern in _WITH_VALUE):
        if _is_told(text[slice(*found.span(1))].decode("latin-1"), found[0]):
            yield found.span(1)
            new = _TO.match(lowered, found.end(1))
            if new and is_chosen(text[slice(*new.span(1))].decode("latin-1")):
                yield new.span(1)
    for name in itertools.chain.from_iterable(pattern.finditer(lowered) for pattern in _LAST):
        yield from _before(text, lowered, name.start())


def _is_told(value: str, told: bytes) -> bool:
    """Return whether a value is a password; after a user and a slash it may also be a word with a long number."""
    word = value.rstrip(".?:!")
    return is_strong(value) or (b" / " in told and word.isalnum() and is_chosen(word) and not is_identifier(word))


def _before(text: bytes, lowered: bytes, place: int) -> Iterator[Span]:
    """Find what is told before the name of a secret around an offset."""
    start = lowered.rfind(b" is ", max(0, place - 60), place)
    end = place
    while end < len(lowered) and lowered[end : end + 1].isalpha():
        end += 1
    for begun in _BEGINNING.finditer(lowered, max(0, start - 70), max(0, start)):
        if found := _BEFORE.match(lowered, begun.end(), end):
            value = text[slice(*found.span(1))].decode("latin-1")
            if is_chosen(value) and (is_strong(value) or not is_identifier(value) or looks_random(value)):
                yield found.span(1)
