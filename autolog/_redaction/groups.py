"""Search many texts at once: most contain nothing like a secret, and to search each on its own takes 25 us or more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from autolog._record.bodies import decode_json
from autolog._redaction.keys import RUN

#: What separates texts that are searched together: no pattern matches across it, because it contains no quote, no
#: blank and no letter between two line ends.
_BETWEEN = "\n\0\n"
#: The same for the quick check of undecoded bodies, which takes zeros for UTF-16.
BETWEEN_RECORDS = b"\n\x01\n"
#: The length of the texts that are searched together, in characters; after a finding each is searched on its own.
_GROUP = 16_384
#: For how many records at least and at most none are searched together after a finding.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 16, 1024


def clean_texts(value: Any, finds: Callable[[str], bool]) -> set[str]:
    """Return the texts of JSON data in which a search finds nothing, except long ones, which are searched only once.

    Args:
        value: JSON data, whose texts may be JSON themselves.
        finds: the search; it must find in texts that are joined by lines all that it finds in each.
    """
    clean: set[str] = set()
    for group in _groups(_texts(value)):
        found = finds(_BETWEEN.join(group))
        clean.update([text for text in group if not (found and finds(text))])
    return clean


def _groups(texts: Iterable[str]) -> Iterator[list[str]]:
    group: list[str] = []
    length = 0
    for text in texts:
        group.append(text)
        length += len(text)
        if length >= _GROUP:
            yield group
            group, length = [], 0
    yield group


def _texts(value: Any) -> Iterator[str]:
    """Yield the distinct texts of JSON data, including keys, that fit into a group and may contain a secret."""
    seen: set[str] = set()
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left += item.values()
            left += item
        elif isinstance(item, list):
            left += item
        elif isinstance(item, str) and len(item) >= RUN // 2 and item not in seen:
            seen.add(item)
            inner = decode_json(item) if item[:1] in _JSON else None
            if isinstance(inner, (dict, list, str)):
                left.append(inner)
            elif len(item) < _GROUP:
                yield item


#: The first characters of JSON that may contain texts.
_JSON = ("{", "[", '"')


class Pace:
    """Decides when to search records together.

    If something is found, each record has to be searched again on its own. After a finding, records are therefore
    searched on their own for a while: twice as long after each finding, half as long after each search without one.
    """

    def __init__(self) -> None:
        self._pause = 0
        self._left = 0

    def allows(self, count: int) -> bool:
        """Return whether the next `count` records should be searched together."""
        if self._left > 0:
            self._left -= count
            return False
        return True

    def note(self, found: bool) -> None:
        """Take note of the result of a search of records together."""
        self._pause = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, self._pause * 2)) if found else self._pause // 2
        self._left = self._pause if found else 0
