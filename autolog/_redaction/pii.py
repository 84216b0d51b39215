"""Personal data in texts: e-mail addresses, telephone numbers, IBANs, card numbers, IP addresses, names.

Checksums are verified: of IBANs by ISO 13616 (mod 97), of cards by ISO/IEC 7812 (Luhn). Names are recognised by a list
of given names, so unusual ones are missed. Every search takes time linear in the length of the text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Any

from autolog._redaction._given_names import AMBIGUOUS, GIVEN_NAMES
from autolog._redaction.spans import Span
from autolog._redaction.walk import Edit

#: A start and an end offset.

_LOCAL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}")
_DOMAIN = re.compile(r"@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")


def _emails(text: str) -> Iterator[Span]:
    for found in _DOMAIN.finditer(text):
        local = _LOCAL.match(text[max(0, found.start() - 64) : found.start()][::-1])
        if local is not None and text[found.end() - 1] != "-":
            yield found.start() - local.end(), found.end()


_PHONE = re.compile(
    r"(?<![\w.,/-])(?:"
    r"\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,5}"  # international
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[ .-]\d{3}[ .-]\d{4}"  # North America
    r"|\(?0[1-9]\d{1,4}\)?[ /-]\d{2,8}(?:[ -]\d{2,6}){0,4}"  # most of Europe
    r")(?![\w/-]|[.,]\d)"
)


def _phones(text: str) -> Iterator[Span]:
    for found in _PHONE.finditer(text):
        if 8 <= sum(sign.isdigit() for sign in found[0]) <= 15:
            yield found.span()


_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9])")


def _ibans(text: str) -> Iterator[Span]:
    for found in _IBAN.finditer(text):
        plain = found[0].replace(" ", "")
        number = "".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])
        if 15 <= len(plain) <= 34 and int(number) % 97 == 1:
            yield found.span()


_CARD = re.compile(
    r"(?<![\w.-])[2-6]\d{3}(?:[ -]?\d{4}){2}(?:[ -]?\d{1,7})(?![\w-]|\.\d)"
    r"|(?<![\w.-])3[47]\d{2}[ -]?\d{6}[ -]?\d{5}(?![\w-])"
)


def _cards(text: str) -> Iterator[Span]:
    yield from (found.span() for found in _CARD.finditer(text) if is_card(found[0]))


def is_card(number: str) -> bool:
    """Return whether digits, possibly separated by blanks and dashes, form a valid card number."""
    digits = [int(sign) for sign in number if sign.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2:
        return False
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


_ADDRESS = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4})(?![\w:]|\.\d)"
)


def _addresses(text: str) -> Iterator[Span]:
    for found in _ADDRESS.finditer(text):
        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified or address.is_multicast):
            yield found.span()


_SOCIAL_SECURITY = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")


def _numbers_of_people(text: str) -> Iterator[Span]:
    yield from (found.span() for found in _SOCIAL_SECURITY.finditer(text))


_CAPITALISED = re.compile(r"(?<![\w.'-])[^\W\d_a-z][^\W\d_]{1,15}(?![\w'-])")
_WORD = r"[^\W\d_a-z][^\W\d_]+"
_SURNAME = re.compile(
    rf"(?: (?:[A-Z]\.|(?:van|von|de|da|di|der|den|la|le|bin|al)(?= )))* (?:[OD]')?{_WORD}(?:-{_WORD})?(?![\w'])"
)
_TITLE = re.compile(rf"(?<!\w)(?:Mr|Mrs|Ms|Dr|Prof|Herr|Frau|Mme|Sr|Sra)\.? (?:[OD]')?{_WORD}(?:[ -]{_WORD})?")


def _names(text: str) -> Iterator[Span]:
    for found in _CAPITALISED.finditer(text):
        given = found[0].lower()
        if given in GIVEN_NAMES:
            surname = _SURNAME.match(text, found.end())
            if surname is not None:
                yield found.start(), surname.end()
            elif given not in AMBIGUOUS:
                yield found.span()
    yield from (found.span() for found in _TITLE.finditer(text))


#: The replacement for each kind of data, and its search; of two overlapping findings the earlier in this list wins.
_SEARCHES: tuple[tuple[str, Callable[[str], Iterator[Span]]], ...] = (
    ("[EMAIL]", _emails), ("[IBAN]", _ibans), ("[CARD]", _cards), ("[SSN]", _numbers_of_people), ("[IP]", _addresses),
    ("[PHONE]", _phones), ("[NAME]", _names),
)  # fmt: skip


def personal_data(text: str) -> list[Edit]:
    """Return the edits that replace personal data in a text by its kind, such as `[EMAIL]`."""
    found: list[Edit] = []
    for label, search in _SEARCHES:
        found += [(start, end, label) for start, end in search(text)]
    return found


def hides_number(value: Any) -> bool:
    """Return whether a JSON number is a card number."""
    return isinstance(value, int) and not isinstance(value, bool) and 10**12 <= value < 10**19 and is_card(str(value))
