"""Passwords that a person tells in passing."""

from __future__ import annotations

import json

import pytest
from secret_samples import redacted

from autolog._redaction.redactor import REDACTED
from autolog._redaction.told import is_strong, told_in


@pytest.mark.parametrize("text", [
    "use pw {}", "with the password {}", "the password I use is {}", "{} is my password", "I think {} is the wifi password, no?",
    "creds are ada/{}", "credentials: ada / {}", "password was changed to {}", "Passwort {} geht nicht", "first\n{} is the secret",
    "Zugangsdaten: ada / {}", "Login: `ada` / `{}`", "password\t{}",
])  # fmt: skip
def test_a_password_told_in_passing_is_found(text: str) -> None:
    found = json.loads(redacted({"messages": [{"content": text.replace("{}", "tulip!42x")}]}))
    assert found["messages"][0]["content"] == text.replace("{}", REDACTED)


@pytest.mark.parametrize("text", [
    "the password must have 8 characters!", "use the password field2", "sha256 is the password hash", "utf-8 is the secret here",
    "login: ada / admin2", "credentials: region/us-east-1", "password 100% safe", "password is me@example.com2", "the token is the key",
    "password $PASS1!", "C++11 is a secret", "password ^[a-z0-9]+$", "xjITfQCMUPW_7LFUBvGI5fW6EjFFvQfNfiM3naj26HTTBCjF46Pf6",
])  # fmt: skip
def test_ordinary_words_in_the_same_places_stay(text: str) -> None:
    plain = text.encode()
    assert list(told_in(plain, plain.lower())) == []


@pytest.mark.parametrize(("word", "strong"), [
    ("tulip!42x", True), ("Tr0ub4dor&3", True), ("tulip42x", False), ("a1@example.com", False), ("100%", False), ("$PASS1!", False),
    ("c++11", False), ("x==1", False), ("what1?", False), ("p4ss!", False), ("p4ss!!", False), ("p4!ssw", True),
])  # fmt: skip
def test_a_strong_word_has_a_sign_that_is_in_no_ordinary_word(word: str, strong: bool) -> None:
    assert is_strong(word) is strong
