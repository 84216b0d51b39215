"""Passwords and codes given in words: in languages other than English, or without a sign before them.

`Das Passwort für das WLAN lautet p4ss-w0rt!`, `密码是p4ssw0rd!`, `482913 is your verification code`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from autolog._redaction.letters import late, patterns
from autolog._redaction.names import PASSWORD_ELSEWHERE, looks_random
from autolog._redaction.spans import AMPERSAND, MAYBE_QUOTE, Span
from autolog._redaction.values import is_chosen, is_identifier, is_strong

#: The words for a password that are ASCII; most others are also listed without their accents.
ASCII_WORDS = tuple(word.encode() for word in PASSWORD_ELSEWHERE if word.isascii())
_OTHER_WORDS = tuple(
    form
    for word in PASSWORD_ELSEWHERE
    if not word.isascii()
    for form in {word, word.capitalize(), word.title(), word.upper()}
)

#: What may follow the word: the password's owner, a sign or a verb, and the password. Non-ASCII letters appear as `?`.
_VERBS = "es|ist|est|c'est|e|is|er|on|je|jest|lautet|lyder"
_VALUE = r"((?:[!#$%(*+./0-9:=>?@A-Z\[\]^_a-z{|}~-]|" + AMPERSAND.decode() + r"){6,256})"
_FOLLOWS = (
    rb"(?![\w-])(?: [a-z?]{1,14}){0,3}[*\"'`]{0,3}\s{0,4}(?:[:=|]|(?<= )(?:" + _VERBS.encode() + rb"|\?|-)(?= ))"
    rb"[*\"'`\s]{0,7}+" + _VALUE.encode()
)  # fmt: skip
_ASCII = tuple(patterns(dict.fromkeys(ASCII_WORDS, _FOLLOWS)))


def spoken_in(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Return the spans of passwords after their name in another language.

    Args:
        text: the text in ASCII, with all other characters replaced by question marks.
        lowered: the text in lower case.
    """
    for found in itertools.chain.from_iterable(pattern.finditer(lowered) for pattern in _ASCII):
        if _is_password(text[slice(*found.span(1))].decode()):
            yield found.span(1)


def _is_password(value: str) -> bool:
    word = value.rstrip(".?:")
    return is_chosen(value) and (not is_identifier(word) or looks_random(word))


def _from_first_letter(words: Iterable[str]) -> Iterator[str]:
    """Yield a pattern for each word, starting at its first non-ASCII letter, which most texts do not contain."""
    for word in words:
        at = next(place for place, letter in enumerate(word) if not letter.isascii())
        yield word[at:] + (f"(?<={word})" if at else "")


_OTHER = re.compile(
    "(?:" + "|".join(_from_first_letter(_OTHER_WORDS)) + r")(?:(?:s? [^\W\d_]{1,14}){0,3}[*\"'`」』»]{0,3}\s{0,4}"
    r"(?:[:=\uff1a\uff1dは是为為은는]{1,2}|(?<= )(?:" + _VERBS + r"|to|é|è|är|это|-|–|—)(?= ))|((?= )))"
    r"[*\"'`「『«\s]{0,7}" + _VALUE
)  # fmt: skip


#: The parts of a text in ASCII in which non-ASCII characters, question marks there, are at most `_REACH` apart, and how
#: far a password may reach behind the last of them. Most of a text is not in these parts, which saves half the time.
_REACH = 400
_BEYOND = re.compile(rb"\?(?s:.{0,%d}\?)*+" % _REACH)


def spoken_beyond_ascii(text: str, plain: bytes) -> Iterator[Span]:
    """Return the spans of passwords after a name that contains non-ASCII letters.

    Args:
        plain: the text in ASCII, with all other characters replaced by question marks.
    """
    parts = (part.span() for part in _BEYOND.finditer(plain))
    for found in itertools.chain.from_iterable(_OTHER.finditer(text, start, end + _REACH) for start, end in parts):
        unsigned = found[1] is not None
        if is_strong(found[2]) if unsigned else _is_password(found[2]):
            yield found.span(2)


# Codes

#: The phrase in which a message says what a code is for, and the code before it.
AFTER_CODE = (
    rb"ur (?<=[0-9] is your )(?:(?!to |in |for |of )[\w-]{1,20} ){0,3}?"
    rb"(?:[\w-]{0,20}code|t?otp|pin|(?:one[- ]time|temporary) password)\b"
)
_FOR = re.compile(AFTER_CODE)
#: Words that occur in every such message.
BEFORE_CODE = b" is your "
_CODE = re.compile(rb"(?:(?<![\w.,$#-])|(?<=\\[nrt]))(?:[a-z]-)?(\d{4,8}) is yo\Z")


def codes_in(_: bytes, lowered: bytes) -> Iterator[Span]:
    """Return the spans of codes that are followed by their purpose, in a lower-case text."""
    for found in _FOR.finditer(lowered):
        code = _CODE.search(lowered, max(0, found.start() - 18), found.start())
        if code:
            yield code.span(1)


#: A code after its name; a long one also without a sign between them.
_IS = (rb"(?:" + MAYBE_QUOTE + rb"\s{0,3}(?:\bis\b|[:=])\s{0,3}" + MAYBE_QUOTE + rb"(?=\d{3,8}(?!\d))|"
       rb"[ ](?=\d{6,8}(?!\d)))(\d{3,8})(?!\.)")  # fmt: skip
_NAMED_CODES = tuple(re.compile(b"(" + name + b")" + _IS) for name in (rb"otp", rb"cv[vc]2?", rb"pin", rb"code"))
_CODE_NAME = re.compile(
    rb"(?:^|[^a-z0-9]|\\[nrt])(?:t?otp|cvv2?|cvc2?|pin|"
    rb"(?:verification|security|one[- ]time|2fa|mfa|login|authentication|confirmation|access)[-_ ](?:pass)?code)\Z"
)


def ends_in_code(words: bytes) -> bool:
    """Return whether words end in the name of a one-time code or of a card's security code."""
    return _CODE_NAME.search(words.lower()) is not None


def named_codes_in(_: bytes, lowered: bytes) -> Iterator[Span]:
    """Return the spans of one-time codes and the security codes of cards after their names, in a lower-case text."""
    for pattern in _NAMED_CODES:
        for found in pattern.finditer(lowered):
            if ends_in_code(lowered[max(0, found.start() - 28) : found.end(1)]):
                yield found.span(2)


# Before a body is decoded

_BEYOND_ASCII = late("|".join(_from_first_letter(_OTHER_WORDS)).encode())


def _escaped(word: str) -> str:
    """Return a pattern of a word escaped by JSON, possibly JSON inside a JSON string, from its first `\\u` on."""
    at = next(place for place, letter in enumerate(word) if not letter.isascii())
    codes = "".join(f"\\u{ord(letter):04x}" if not letter.isascii() else letter.lower() for letter in word[at:])[2:]
    first, rest = codes[:4], codes[4:].replace("\\", r"\\++")
    befores = [f"(?<={word[:at].lower()}{slashes}u{first})" for slashes in (r"\\", r"\\\\", r"\\\\\\\\")]
    return first + (f"(?:{'|'.join(befores)})" if at else "") + rest


_ESCAPED = late(rf"\\u(?:{'|'.join(sorted({_escaped(form) for form in _OTHER_WORDS}))})".encode())


def may_speak(body: bytes, lowered: bytes, words: frozenset[bytes]) -> bool:
    """Return whether a body may contain a code before its purpose, or a password's name with non-ASCII letters.

    Args:
        lowered: the body in lower case.
        words: contains `BEFORE_CODE` if that may occur in it.
    """
    return (
        (BEFORE_CODE in words and next(codes_in(body, lowered), None) is not None)
        or (not body.isascii() and _BEYOND_ASCII().search(body) is not None)
        or (b"\\" in lowered and b"\\u" in lowered and _ESCAPED().search(lowered) is not None)
    )
