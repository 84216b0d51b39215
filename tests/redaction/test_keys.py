"""Keys of published formats are found among the long words of a text."""

from __future__ import annotations

import pytest

from autolog._redaction.keys import keys_in, long_words, may_hold_key

KEY = "glpat-q8Zr3Lk9Vx2Pm7Tn4Wb6"


def found(text: str) -> list[str]:
    plain = text.encode()
    return [text[slice(*span)] for span in keys_in(plain, list(long_words(plain)))]


@pytest.mark.parametrize(("text", "keys"), [
    (KEY, [KEY]), (f"{KEY} ", [KEY]), (f"/{KEY}", [KEY]), (f"a{KEY}", []), (f"{KEY}/{KEY}", [KEY, KEY]),
    (f"SharedAccessKey={'aB3/' * 11}={KEY}", [f"SharedAccessKey={'aB3/' * 11}=", KEY]),
    (f"\\n{KEY}", [KEY]), (f"\\u65e5{KEY}", [KEY]), (f"\\d{KEY}", []), ("sk-learn-is-a-package-of-many-words", []),
])  # fmt: skip
def test_a_key_stands_where_no_letter_is_before_it_but_an_escape(text: str, keys: list[str]) -> None:
    assert found(text) == keys


def test_keys_in_the_midst_of_a_long_word_of_base64_are_chance() -> None:
    assert found("Ab0/" * 100 + KEY.replace("-", "/") + "Ab0/" * 100) == []
    assert found("Ab0_" * 100 + KEY + "_Ab0" * 100) == []


def test_words_that_are_no_keys_are_remembered_and_keys_are_not() -> None:
    for _ in range(2):
        assert not may_hold_key(b"a_field_with_a_long_name")
        assert may_hold_key(KEY.encode())


def test_keys_are_found_in_each_of_the_words_that_may_hold_one() -> None:
    other = "a_field_with_a_long_name"
    words = [KEY, other, f"/{KEY}/{KEY}", f"\\n{KEY}", f"{other}/{KEY}", f"\\u65e5{KEY}", f"{other}.eyJ"]
    assert found(" ".join(words)) == [KEY] * 6


def test_a_word_of_many_keys_is_searched_once() -> None:
    text = f"/{KEY}" * 20_000
    assert found(text) == [KEY] * 20_000
