"""Search for many words at once, starting from their rarest letters.

`re` searches several times faster for a pattern that begins with a single letter than for an alternation of words, and
the rarer the letter the faster: four words that contain a `k` take 20 us in 50 kB of English, a single word 30 us.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

#: Letters from the rarest in English on; every word that is searched for contains one of them.
_LETTERS = (b"k", b"v", b"b", b"p", b"g", b"c", b"u", b"s")

#: Returns a pattern, which it compiles when it is first called.
LatePattern = Callable[[], re.Pattern[bytes]]


def late(pattern: bytes) -> LatePattern:
    """Return a function that compiles a pattern when it is first called.

    The first record waits until this package is imported. Most programs never need its largest patterns, which take
    17 ms to compile.
    """
    return functools.cache(functools.partial(re.compile, pattern))


def patterns(words: Mapping[bytes, bytes]) -> Iterator[re.Pattern[bytes]]:
    """Yield patterns that together find lower-case words, each starting from the words' rarest letter.

    Args:
        words: each word, with a regular expression that has to match after it. One with groups must be the same for
            all words.
    """
    yield from (pattern() for _, pattern in patterns_by_words(words))


def patterns_by_words(words: Mapping[bytes, bytes]) -> Iterator[tuple[frozenset[bytes], LatePattern]]:
    """Yield the patterns of `patterns`, each with the words that it finds."""
    for letter, group in _by_letter(words):
        begun: dict[bytes, list[bytes]] = {}
        for word in group:
            before, _, rest = word.partition(letter)
            begun.setdefault(words[word], []).append(rest + (rb"(?<=%s)" % word if before else b""))
        leads = (b"(?:" + b"|".join(rests) + b")" + follows for follows, rests in begun.items())
        yield frozenset(group), late(letter + b"(?:" + b"|".join(leads) + b")")


def signs_of(words: Mapping[bytes, bytes]) -> Iterator[bytes]:
    """Yield the patterns of `patterns` in parts that begin with two literal bytes, so that `Places` tries few of them.

    Args:
        words: each word, with a regular expression that has to match after it.
    """
    for letter, group in _by_letter(words):
        begun: dict[tuple[bytes, bytes], list[bytes]] = {}
        for word in group:
            before, _, rest = word.partition(letter)
            begun.setdefault((rest[:1], words[word]), []).append(rest[1:] + (rb"(?<=%s)" % word if before else b""))
        for (second, follows), rests in begun.items():
            yield letter + second + b"(?:" + b"|".join(rests) + b")" + follows


def _by_letter(words: Iterable[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
    left = list(words)
    for letter in _LETTERS:
        group, left = [word for word in left if letter in word], [word for word in left if letter not in word]
        if group:
            yield letter, group


_NONE: frozenset[bytes] = frozenset()


class Words:
    """Determines which of many words may occur in a text, with one search for each of their rare letters.

    Args:
        words: each lower-case word, with a regular expression of zero width that has to match after it.
    """

    def __init__(self, words: Mapping[bytes, bytes]) -> None:
        self._patterns = list(patterns(words))
        ends = {word: word[word.index(letter) :] for letter, group in _by_letter(words) for word in group}
        #: For each word's part from its rare letter on, which a search finds: the words to which it may belong.
        self._words = {
            end: frozenset(word for word, other in ends.items() if end.startswith(other) or other.startswith(end))
            for end in ends.values()
        }

    def __call__(self, text: bytes) -> frozenset[bytes]:
        """Return the words that occur in a text, and possibly others that a search cannot tell from them."""
        found: list[bytes] = []
        for pattern in self._patterns:
            found += pattern.findall(text)
        return frozenset().union(*(self._words[end] for end in {*found})) if found else _NONE


def alternatives(choices: Iterable[bytes]) -> bytes:
    """Combine regular expressions into one, grouped by their first character, so that a search tries few of them.

    Expressions that begin with a special character are tried at every position.
    """
    by_start: dict[bytes, list[bytes]] = {}
    for choice in choices:
        start = choice[:1] if choice[:1] == re.escape(choice[:1]) else b""
        by_start.setdefault(start, []).append(choice[len(start) :])
    return b"|".join(start + b"(?:" + b"|".join(rests) + b")" for start, rests in by_start.items())
