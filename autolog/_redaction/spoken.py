"""Passwords, keys and codes given in words: in languages other than English, or without a sign before them.

`Das Passwort für das WLAN lautet p4ss-w0rt!`, `密码是p4ssw0rd!`, `clé API : q8Zr3Lk9Vx2Pm7Tn`,
`482913 is your verification code`.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from autolog._redaction.letters import late, patterns
from autolog._redaction.names import KEY_ELSEWHERE, PASSWORD_ELSEWHERE, looks_random
from autolog._redaction.objects import is_hash
from autolog._redaction.spans import AMPERSAND, MAYBE_QUOTE, Span
from autolog._redaction.values import is_chosen, is_identifier, is_strong

#: The words for a password, and those for a key, that are ASCII; most others are also listed without their accents.
ASCII_WORDS = tuple(word.encode() for word in PASSWORD_ELSEWHERE if word.isascii())
ASCII_KEYS = tuple(word.encode() for word in KEY_ELSEWHERE if word.isascii())


def _forms(words: Iterable[str]) -> tuple[str, ...]:
    """Return the words that contain non-ASCII letters, in lower and upper case."""
    return tuple(
        form
        for word in words
        if not word.isascii()
        for form in sorted({word, word.capitalize(), word.title().replace("D'A", "d'a"), word.upper()})
        if not form.isascii()  # as that with a dotless i is in upper case
    )


_OTHER_WORDS, _OTHER_KEYS = _forms(PASSWORD_ELSEWHERE), _forms(KEY_ELSEWHERE)

#: What may follow the word: the password's owner, a sign or a verb, and the password. Non-ASCII letters appear as `?`.
_VERBS = "es|ist|est|c'est|e|is|er|on|je|jest|to|lautet|lyder"
_VALUE = r"(?P<password>(?:[!#$%(*+./0-9:=>?@A-Z\[\]^_a-z{|}~-]|" + AMPERSAND.decode() + r"){6,256})"
_DRAWN = r"(?P<key>[A-Za-z0-9_+/~-]{16,512}+={0,2}+)"
_KEY = re.compile(_DRAWN)
_FOLLOWS = (
    rb"(?![\w-])(?: [a-z?]{1,14}){0,3}[*\"'`]{0,3}\s{0,4}(?:[:=|]|(?<= )(?:" + _VERBS.encode() + rb"|\?|-)(?= ))"
    rb"[*\"'`\s]{0,7}+"
)
_ASCII = tuple(patterns({
    **dict.fromkeys(ASCII_WORDS, _FOLLOWS + _VALUE.encode()), **dict.fromkeys(ASCII_KEYS, _FOLLOWS + _DRAWN.encode()),
}))  # fmt: skip


def spoken_in(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Return the spans of passwords and keys after their name in another language.

    Args:
        text: the text in ASCII, with all other characters replaced by question marks.
        lowered: the text in lower case.
    """
    for found in itertools.chain.from_iterable(pattern.finditer(lowered) for pattern in _ASCII):
        kind = found.lastgroup or ""
        value = text[slice(*found.span(kind))].decode()
        if _is_key(value) if kind == "key" else _is_password(value):
            yield found.span(kind)


def _is_password(value: str) -> bool:
    word = value.rstrip(".?:")
    return is_chosen(value) and (not is_identifier(word) or looks_random(word))


def _is_key(value: str) -> bool:
    return looks_random(value) and not is_hash(value) and value.count("-") < 4  # a UUID is a record's id


#: Parts of words whose letters are all frequent; these words are only searched for where their part occurs.
_PARTS = ("люч", "окен", "clé", "Clé", "d'acc")
_LONGEST_PART = max(map(len, _PARTS))


def _by_parts(words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield a part of words, and a pattern of the words that are searched for if it occurs in a text.

    The pattern of all others starts at the first non-ASCII letter of each, which most texts do not contain. They are
    grouped by that letter, because a search for 60 alternatives takes ten times as long in Cyrillic.

    Args:
        words: each word, with a regular expression that has to match after it.
    """
    groups: dict[str, list[str]] = {}
    for word, follows in words.items():
        first = next(letter for letter in word if not letter.isascii())
        begin = next((part for part in _PARTS if part in word), first)
        before, _, rest = word.partition(begin)
        groups.setdefault(begin, []).append(rest + (f"(?<={word})" if before else "") + follows)
    begun = {begin: f"{begin}(?:{'|'.join(rests)})" for begin, rests in groups.items()}
    yield from ((part, begun.pop(part)) for part in _PARTS)
    yield "", "|".join(begun.values())


def _late(pattern: str) -> Callable[[], re.Pattern[str]]:
    """Return a function that compiles a pattern when it is first called: these take 0.1 s, and most texts are ASCII."""
    return functools.cache(functools.partial(re.compile, pattern))


_SIGNED = (
    r"(?:s? (?:d['\u2019])?[^\W\d_]{1,14}){0,3}[*\"'`」』»]{0,3}\s{0,4}"
    r"(?:[:=\uff1a\uff1dは是为為은는]{1,2}|(?<= )(?:" + _VERBS + r"|é|è|är|là|это|-|–|—)(?= ))"
)  # fmt: skip
#: After Chinese, Japanese and Korean words there is no blank.
_UNSIGNED = "(?:(?= )|(?<=[\u3040-\ud7ff]))()"
_OPENING = r"[*\"'`「『«„“\s]{0,7}"
#: A word, a sign or none, and the value.
_OTHER = [
    (part, _late(f"({names})(?:{_SIGNED}|{_UNSIGNED}){_OPENING}{_VALUE}"))
    for part, names in _by_parts(dict.fromkeys((*_OTHER_WORDS, *_OTHER_KEYS), ""))
]


#: The parts of a text in ASCII in which non-ASCII characters, question marks there, are at most `_REACH` apart, and how
#: far a password may reach behind the last of them. Most of a text is not in these parts, which saves half the time.
_REACH = 400
_BEYOND = re.compile(rb"\?(?s:.{0,%d}\?)*+" % _REACH)


def spoken_beyond_ascii(text: str, plain: bytes) -> Iterator[Span]:
    """Return the spans of passwords and keys after a name that contains non-ASCII letters.

    Args:
        plain: the text in ASCII, with all other characters replaced by question marks.
    """
    parts = [part.span() for part in _BEYOND.finditer(plain)]
    patterns_in_text = [pattern() for part, pattern in _OTHER if part in text]
    for pattern, (start, end) in itertools.product(patterns_in_text, parts):
        yield from _spoken_between(pattern, text, max(0, start - _LONGEST_PART), end + _REACH)


def _spoken_between(pattern: re.Pattern[str], text: str, start: int, end: int) -> Iterator[Span]:
    for found in pattern.finditer(text, start, end):
        value = found["password"]
        if text.endswith(_OTHER_WORDS, max(0, found.end(1) - 20), found.end(1)):
            if is_strong(value) if found[2] is not None else _is_password(value):
                yield found.span("password")
        elif (key := _KEY.match(value)) and _is_key(key[0]):
            yield found.start("password"), found.start("password") + key.end()


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

#: What has to follow the name of a key, within a few words.
_KEY_FOLLOWS = r"[^\n]{0,60}?[A-Za-z0-9_+/~-]{16}"
_BEYOND_ASCII = [
    (part, _late(names))
    for part, names in _by_parts(dict.fromkeys(_OTHER_WORDS, "") | dict.fromkeys(_OTHER_KEYS, _KEY_FOLLOWS))
]


def _is_beyond_ascii(body: bytes) -> bool:
    """Return whether a body contains such a name. Decoding it first is four times as fast as a search of its bytes."""
    text = body.decode(errors="replace")
    return any(part in text and names().search(text) for part, names in _BEYOND_ASCII)


def _escaped(word: str) -> str:
    """Return a pattern of a word escaped by JSON, possibly JSON inside a JSON string, from its first `\\u` on."""
    at = next(place for place, letter in enumerate(word) if not letter.isascii())
    codes = "".join(f"\\u{ord(letter):04x}" if not letter.isascii() else letter.lower() for letter in word[at:])[2:]
    first, rest = codes[:4], codes[4:].replace("\\", r"\\++")
    befores = [f"(?<={word[:at].lower()}{slashes}u{first})" for slashes in (r"\\", r"\\\\", r"\\\\\\\\")]
    return first + (f"(?:{'|'.join(befores)})" if at else "") + rest


def _any_escaped(words: Iterable[str]) -> str:
    return "|".join(sorted({_escaped(form) for form in words}))


_ESCAPED = late(rf"\\u(?:{_any_escaped(_OTHER_WORDS)}|(?:{_any_escaped(_OTHER_KEYS)}){_KEY_FOLLOWS})".encode())


def may_speak(body: bytes, lowered: bytes, words: frozenset[bytes]) -> bool:
    """Return whether a body may contain a code before its purpose, or a name of a password or key beyond ASCII.

    Args:
        lowered: the body in lower case.
        words: contains `BEFORE_CODE` if that may occur in it.
    """
    return (
        (BEFORE_CODE in words and next(codes_in(body, lowered), None) is not None)
        or (not body.isascii() and _is_beyond_ascii(body))
        or (b"\\" in lowered and b"\\u" in lowered and _ESCAPED().search(lowered) is not None)
    )
