"""Passwords are told from placeholders, words and code."""

from __future__ import annotations

import pytest

from autolog._redaction.values import is_chosen, is_given


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
