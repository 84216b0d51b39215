"""Words are found by searching for their rarest letter."""

from __future__ import annotations

import re

import pytest

from autolog._redaction.letters import Words, patterns, signs_of

WORDS = {
    b"key": b"=",
    b"token": b"=",
    b"backup": b"=",
    b"cookie": rb"(?=:)",
    b"otp": b"=",
    b"signature": b"=",
    b"salt": b"=",
}


@pytest.mark.parametrize("word", WORDS)
def test_each_word_is_found_with_what_follows_it_and_not_without(word: bytes) -> None:
    sign = b":" if word == b"cookie" else b"="
    text = b"some " + word + sign + b" and " + word + b"; " + word[1:] + sign + b" " + word + sign
    ends = sorted(found.end() for pattern in patterns(WORDS) for found in pattern.finditer(text))
    of_word = [found.end() - (word == b"cookie") for found in re.finditer(word + sign, text)]
    assert ends == of_word


def test_each_pattern_begins_with_one_letter_and_has_all_words_with_it() -> None:
    starts = [pattern.pattern[:1] for pattern in patterns(WORDS)]
    assert starts == [b"k", b"p", b"g", b"s"]


def test_signs_begin_with_two_letters_and_match_where_the_patterns_do() -> None:
    signs = list(signs_of(WORDS))
    assert [sign[:2] for sign in signs] == [b"ke", b"ku", b"ki", b"p(", b"gn", b"sa"]  # `otp` ends in its rarest
    text = b"; ".join(word + sign for word in WORDS for sign in (b"=", b":", b"s", b""))
    by_sign = {found.start() for sign in signs for found in re.finditer(sign, text)}
    assert by_sign == {found.start() for pattern in patterns(WORDS) for found in pattern.finditer(text)}


@pytest.mark.parametrize(("text", "words"), [
    (b"", set()), (b"a pass", {b"pass"}), (b"my passport", {b"pass"}), (b"monkeys", {b"key"}), (b"cookie", {b"cookie"}),
    (b"kie", set()), (b"three tokens", set()), (b"a token", {b"token"}), (b"key cookie token", {b"key", b"cookie", b"token"}),
])  # fmt: skip
def test_the_words_of_a_text_are_found_by_their_letters(text: bytes, words: set[bytes]) -> None:
    find = Words({b"pass": b"", b"key": b"", b"cookie": b"", b"token": rb"(?!s)"})
    assert find(text) == words


def test_words_that_begin_like_one_that_is_there_may_be_there() -> None:
    assert Words({b"pass": b"", b"passport": b""})(b"passport") == {b"pass", b"passport"}
