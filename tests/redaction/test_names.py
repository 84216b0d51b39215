"""Names of secrets are distinguished from other names, and random values from words."""

from __future__ import annotations

import pytest

from autolog._redaction.names import holds_key, is_jumbled, looks_random, names_secret, suggests_secret


@pytest.mark.parametrize(
    "name", ["api_key", "x-api-key", "openaiApiKey", "AWS_SECRET_ACCESS_KEY", "API_KEY_2", "Authorization"]
)
def test_some_names_are_certain(name: str) -> None:
    assert names_secret(name)
    assert suggests_secret(name)


@pytest.mark.parametrize(
    "name", ["password", "DB_PASSWORD", "github_token", "cookie", "Set-Cookie", "credentials", "app.secret"]
)
def test_some_names_are_likely(name: str) -> None:
    assert suggests_secret(name)


@pytest.mark.parametrize("name", [
    "monkey", "primary_key", "cache_key", "max_tokens", "next_page_token", "stop_token", "password_length", "secret_name",
    "tokenizer", "author", "keyboard", "content",
])  # fmt: skip
def test_other_names_are_neither(name: str) -> None:
    assert not names_secret(name)
    assert not suggests_secret(name)


@pytest.mark.parametrize(
    "value", ["0123456789abcdef01234567", "Xy0123456789abcdefghij", "9f1c2d3e-1a2b-4c3d-8e4f-0123456789ab"]
)
def test_random_values(value: str) -> None:
    assert looks_random(value)


@pytest.mark.parametrize("value", [
    "OAuth2PasswordBearer", "tokenizer.encode_plus_v2_with_offsets", "cube-grid-1-of-9-wrapper", "the-password-of-the-house",
    "2026-11-02T10:11:12", "v1/chat/completions", "",
])  # fmt: skip
def test_words_and_paths_are_not_random(value: str) -> None:
    assert not looks_random(value)


@pytest.mark.parametrize(("value", "jumbled"), [
    ("SsnwFIYqbUVGMGflScaR", True), ("getPasswordFromEnvironment", False), ("authenticationtoken", False), ("SECRETPASSWORDVALUE", False),
    ("aBcDe", False), ("SsnwFIYqbUVGMGflSca1", False), ("lKkpES@nZQxMol", True), ("User#authenticate", False), ("Account@Company", False),
    ("aX*bY", False),
])  # fmt: skip
def test_letters_are_jumbled_if_their_case_changes_as_in_no_name(value: str, jumbled: bool) -> None:
    assert is_jumbled(value) is jumbled


@pytest.mark.parametrize(("name", "holds"), [
    ("key", True), ("weather_key", True), ("mapKey", True), ("KEY", True), ("cache_key", False), ("primaryKey", False),
    ("next_key", False), ("keys", False), ("monkey", False),
])  # fmt: skip
def test_keys_of_records_are_no_secrets(name: str, holds: bool) -> None:
    assert holds_key(name) is holds
