"""Signs choose the searches that a text needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autolog._redaction.signs import Places, Signs
from autolog._redaction.spans import Span


def dollars(_: bytes, lowered: bytes) -> Iterator[Span]:
    yield 0, lowered.count(b"$")


def letters(_: bytes, lowered: bytes) -> Iterator[Span]:
    yield 0, len(lowered)


SIGNS = Signs((((rb"\$1", rb"\$2"), dollars), ((rb"q(?<=sq)l", rb"\$3"), letters)), {rb"q(?<=sq)l": b"sql"})


@pytest.mark.parametrize(("text", "words", "searches"), [
    (b"$1 and $2", None, [dollars]), (b"$4", None, []), (b"sql", None, [letters]), (b"$3 $1", None, [letters, dollars]),
    (b"sql", frozenset({b"sql"}), [letters]), (b"sql", frozenset(), []), (b"$3", frozenset(), [letters]),
])  # fmt: skip
def test_a_search_is_chosen_once_by_any_of_its_signs(
    text: bytes, words: frozenset[bytes] | None, searches: list[object]
) -> None:
    chosen = SIGNS.searches(text, words)
    assert len(chosen) == len(searches)
    assert set(chosen) == set(searches)


@pytest.mark.parametrize("before", [0, 262_143, 262_144 - 3])
def test_the_places_of_all_signs_are_found_even_where_they_overlap_or_cross_a_part(before: int) -> None:
    places = Places(lambda: (rb"\$[0-9]{1,40}a", rb"\$(?=b)", rb"q(?<=sq)l", rb"q:"))
    text = b"-" * before + b"$$111a sql $1b ql $b q: q;"
    assert places(text) == {before + at for at in (1, 8, 18, 21)}
