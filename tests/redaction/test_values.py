"""Passwords are told from placeholders, words and code."""

from __future__ import annotations

import pytest

from autolog._redaction.values import is_chosen, is_given, is_label, is_word


@pytest.mark.parametrize(("word", "given"), [
    ("hunter2", True), ("p@ss", True), ("secret", False), ("$PASS1", False), ("<pass2>", False), ("xxxx", False),
    ("your-password", False), ("***", False), ("{{ pass1 }}", False), ("password1", False), ("a.b-c_d", False),
])  # fmt: skip
def test_placeholders_and_words_are_no_passwords(word: str, given: bool) -> None:
    assert is_given(word) is given


@pytest.mark.parametrize(("word", "chosen"), [
    ("Tr0ub4dor", True), ("hunter2", True), ("p4ss!word", True), ("sha256", False), ("utf-8", False), ("DB_PASSWORD_2", False),
    ("db.password2", False), ("/run/secrets/db1", False), ("min8|max20", False), ("https://a.example/1", False), ("Stro9ng1", True), ("a1", False),
    ("v10l3t26x", True), ("v1beta1", False), ("utf8mb4", False), ("x86_64", False),
])  # fmt: skip
def test_a_chosen_password_has_letters_and_digits_and_is_no_name(word: str, chosen: bool) -> None:
    assert is_chosen(word) is chosen


@pytest.mark.parametrize(("word", "is_one"), [
    ("sunshine", True), ("correct-horse", True), ("BlueElephant", True), ("monkeybusiness", True), ("Buttercup", True), ("abcde", False),
    ("password", False), ("userPassword", False), ("string", False), ("Required", False), ("YOUR_PW_HERE", False), ("db.settings", False), ("tulip42", False),
])  # fmt: skip
def test_a_word_of_letters_may_be_a_password_unless_it_names_a_kind_or_a_state(word: str, is_one: bool) -> None:
    assert is_word(word) is is_one


def test_labels_begin_with_a_capital_letter() -> None:
    assert [is_label(word) for word in ("Kennwort", "KENNWORT", "kennwort", "BlueElephant")] == [
        True,
        True,
        False,
        False,
    ]
