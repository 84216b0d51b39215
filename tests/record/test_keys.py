"""The end of an API key, which identifies the key."""

from __future__ import annotations

import httpx2

from autolog._record.keys import key_hint


def test_of_a_key_its_last_four_characters_are_kept_and_of_what_is_short_or_short_lived_nothing() -> None:
    key = "sk-proj-0123456789abcdefghijWXYZ"
    assert key_hint({"authorization": f"Bearer {key}"}) == "WXYZ"
    assert key_hint({"x-api-key": key}) == key_hint({"api-key": key}) == "WXYZ"
    for headers in (
        {}, {"authorization": "Bearer k"}, {"x-api-key": "short"}, {"authorization": f"Basic {key}"},
        {"authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"},
        {"authorization": f"AWS4-HMAC-SHA256 Credential=AKIA, Signature={'a' * 64}"},
    ):  # fmt: skip
        assert key_hint(headers) is None


def test_headers_of_a_request_that_is_about_to_be_sent_are_read_too() -> None:
    key = "sk-proj-0123456789abcdefghijWXYZ"
    assert key_hint(httpx2.Headers({"Authorization": f"Bearer {key}"})) == "WXYZ"
    assert key_hint({"x-api-key": key.encode()}) == "WXYZ"
