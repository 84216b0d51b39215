"""A long text is searched near the signs of secrets only."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from autolog._redaction.excerpts import search_excerpts
from autolog._redaction.spans import Span

LINE = b"The quick brown fox jumps over the lazy dog.\n"


def words(text: bytes, _: bytes) -> Iterator[Span]:
    yield from (found.span() for found in re.finditer(rb"secret=(\w+)", text))


def starts(text: bytes, _: bytes) -> Iterator[Span]:
    yield from (found.span() for found in re.finditer(rb"(?:\A|(?<=\n))fox", text))


def across(text: bytes, _: bytes) -> Iterator[Span]:
    yield from (found.span() for found in re.finditer(rb"begin[\s\S]*end", text))


def found(text: bytes, *searches: object, sign: bytes = b"sign") -> list[bytes]:
    places = [match.start() for match in re.finditer(re.escape(sign), text)]
    return [text[start:end] for start, end in search_excerpts(text, text.lower(), places, searches)]  # type: ignore[arg-type]


@pytest.mark.parametrize("before", [b"", LINE, LINE * 300, b"word " * 3000])
@pytest.mark.parametrize("after", [b"", b"\n" + LINE * 300, b" word" * 3000])
def test_what_is_near_a_sign_is_found_at_its_place(before: bytes, after: bytes) -> None:
    assert found(before + b"sign secret=a1" + after, words) == [b"secret=a1"]


def test_what_is_far_from_any_sign_is_not_searched() -> None:
    assert found(b"secret=a1\n" + LINE * 300 + b"sign\n" + LINE * 300 + b"secret=b2\n", words) == []


def test_a_long_word_is_not_cut() -> None:
    secret = b"secret=" + b"a1" * 9000
    assert found(LINE * 300 + b"sign " + secret + b"\n" + LINE * 300, words) == [secret]


def test_a_command_that_continues_on_further_lines_is_whole() -> None:
    command = b"run secret=a1 \\\n" + b"  --option value \\\n" * 40
    assert found(LINE * 300 + command + b"  sign\n", words) == [b"secret=a1"]


def test_an_excerpt_from_within_a_line_does_not_begin_one() -> None:
    assert found(b"fox " * 5000 + b"sign", starts) == []
    assert found(LINE * 300 + b"fox sign", starts) == [b"fox"]


def test_nothing_is_found_across_two_excerpts() -> None:
    assert found(b"sign begin\n" + LINE * 300 + b"sign end\n", across) == []


def test_the_signs_of_one_place_are_searched_together() -> None:
    assert found(b"sign secret=a1 sign secret=b2\n" * 2 + LINE * 300, words) == [b"secret=a1", b"secret=b2"] * 2
