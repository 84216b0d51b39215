"""Signs choose the searches that a text needs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from autolog._redaction.signs import NEAR, Places, Signs
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
    apart = b"-" * NEAR
    text = b"-" * before + b"$$111a sql $1b ql" + apart + b"$b q:" + apart + b"q;"
    assert places(text) == {before + at for at in (1, 8, 17 + NEAR, 20 + NEAR)}


def test_a_text_that_consists_of_signs_has_few_places() -> None:
    text = b"$b" * 300_000
    found = sorted(Places(lambda: (rb"\$(?=b)",))(text))
    assert found[0] == 0
    assert found[-1] >= len(text) - NEAR - 2
    assert all(
        NEAR <= after - before <= NEAR + 1 for before, after in itertools.pairwise(found) if after % 262_144 > NEAR
    )
    assert len(found) < len(text) / NEAR + 10
