"""Choose the searches that a text needs by their signs: cheap patterns that match wherever a search finds something."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from autolog._redaction.letters import LatePattern, alternatives, late
from autolog._redaction.spans import Search, Span

#: Patterns of which at least one matches every lower-case text, escaped or not, in which the search finds something.
#: Each begins with a byte that is rare in prose.
Signed = tuple[tuple[bytes, ...], Search]
#: A pattern whose first group is the secret, and a check that the group has to pass.
Place = tuple[bytes, Callable[[str], bool]]
#: Signs, and the places for which to search when a sign matches.
SignedPlaces = tuple[tuple[bytes, ...], tuple[Place, ...]]


def searches_for(listed: Iterable[SignedPlaces]) -> tuple[Signed, ...]:
    """Return a search for the places of each entry, with the entry's signs."""
    return tuple((signs, _search_for(places)) for signs, places in listed)


def _search_for(places: Iterable[Place]) -> Search:
    compiled = [(re.compile(place), check) for place, check in places]

    def search(text: bytes, lowered: bytes) -> Iterator[Span]:
        for pattern, check in compiled:
            for found in pattern.finditer(lowered):
                if check(text[slice(*found.span(1))].decode("latin-1")):
                    yield found.span(1)

    return search


#: How far a sign may reach, in bytes, and how many bytes of a text are searched at once, so that other threads can run.
_REACH, _PART = 2048, 262_144
#: Signs less than this many bytes behind one of the same patterns are passed over: what they are signs of is in an
#: excerpt with that one. A text may consist of signs, and would take 30 times its size in offsets.
NEAR = 64


class _Sign(NamedTuple):
    pattern: LatePattern
    search: Search


class Signs:
    """The signs of several searches.

    Args:
        signed: the searches with their signs.
        by_word: the signs that are only looked for if a word may occur in the text, with that word.
    """

    def __init__(self, signed: Iterable[Signed], by_word: Mapping[bytes, bytes]) -> None:
        single = [(sign, search) for signs, search in signed for sign in signs]
        self._all = list(_by_first(single))
        self._by_word = [(by_word[sign], _Sign(late(sign), search)) for sign, search in single if sign in by_word]
        self._by_first = list(_by_first([(sign, search) for sign, search in single if sign not in by_word]))

    def searches(self, lowered: bytes, words: frozenset[bytes] | None = None) -> list[Search]:
        """Return the searches of which a sign is in a text.

        Args:
            lowered: the text in lower case.
            words: the words that may occur in it, if they are known.
        """
        found: list[Search] = []
        if words is not None:
            found += [sign.search for word, sign in self._by_word if word in words and sign.pattern().search(lowered)]
        for first, together, signs in self._all if words is None else self._by_first:
            if first in lowered and together.search(lowered):
                found += [sign.search for sign in signs if sign.pattern().search(lowered)]
        return list(dict.fromkeys(found)) if found else found


def _by_first(signs: list[tuple[bytes, Search]]) -> Iterator[tuple[bytes, re.Pattern[bytes], list[_Sign]]]:
    """Combine signs with the same first byte; yield that byte, the combined pattern and the signs.

    A search for a pattern that begins with a single byte is fast, and one for the byte alone is faster still.
    """
    grouped: dict[bytes, list[tuple[bytes, Search]]] = {}
    for sign, search in signs:
        grouped.setdefault(sign[: 2 if sign.startswith(b"\\") else 1], []).append((sign, search))
    for first, same in grouped.items():
        rests = dict.fromkeys(sign[len(first) :] for sign, _ in same)
        together = re.compile(first + b"(?:" + b"|".join(rests) + b")")
        yield first[-1:], together, [_Sign(late(sign), search) for sign, search in same]


class Places:
    """Finds the places of many signs in long texts.

    Args:
        signs: returns the signs, which are combined on first use. A sign should begin with two literal bytes, neither
            of them optional: of those with the same two, none is tried where only the first occurs.
    """

    def __init__(self, signs: Callable[[], Iterable[bytes]]) -> None:
        self._signs = signs

    @functools.cached_property
    def _patterns(self) -> list[tuple[bytes, re.Pattern[bytes]]]:
        grouped: dict[bytes, list[bytes]] = {}
        for sign in self._signs():
            first = sign[: 2 if sign.startswith(b"\\") else 1]
            grouped.setdefault(first, []).append(sign[len(first) :])
        together = (
            (first, first + b"(?=" + alternatives(dict.fromkeys(rests)) + b")") for first, rests in grouped.items()
        )
        return [(first[-1:], re.compile(pattern)) for first, pattern in together]

    def __call__(self, lowered: bytes) -> set[int]:
        """Return the offsets of all signs in a lower-case text, except some within `NEAR` bytes of others."""
        found: set[int] = set()
        for at in range(0, len(lowered), _PART):
            for first, pattern in self._patterns:
                if lowered.find(first, at, at + _PART) >= 0:
                    found.update(_apart(pattern, lowered, at))
        return found


def _apart(pattern: re.Pattern[bytes], lowered: bytes, at: int) -> Iterator[int]:
    end = at + _PART
    while at < end and (sign := pattern.search(lowered, at, end + _REACH)):
        yield sign.start()
        at = sign.start() + NEAR
