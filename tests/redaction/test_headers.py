"""URLs and headers are kept without credentials."""

from __future__ import annotations

import pytest

from autolog._redaction.headers import clean_url, kept_headers, plain_headers, redacted_headers


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://user:pass@a.example/v1?x=1#part", "https://a.example/v1?x=1"),
        ("https://a.example/v1?key=abc&alt=sse", "https://a.example/v1?key=REDACTED&alt=sse"),
        ("https://a.example/?subscription-key=abc", "https://a.example/?subscription-key=REDACTED"),
        ("https://a.example/?X-Amz-Signature=abc&X-Amz-Date=1", "https://a.example/?X-Amz-Signature=REDACTED&X-Amz-Date=1"),
        ("https://a.example/?client%5Fsecret=abc", "https://a.example/?client%5Fsecret=REDACTED"),
        ("https://a.example/?q=a+b%20c&empty=&flag", "https://a.example/?q=a+b%20c&empty=&flag"),
        ("http://[", ""),
    ],
)  # fmt: skip
def test_urls_are_kept_without_credentials(url: str, kept: str) -> None:
    assert clean_url(url) == kept


def test_only_headers_worth_keeping_are_kept() -> None:
    given = {"Content-Type": "application/json", "Authorization": "Bearer x", "X-RateLimit-Limit": "5", "Cookie": "a=b"}
    assert kept_headers(plain_headers(given)) == {"content-type": "application/json", "x-ratelimit-limit": "5"}


def test_of_all_headers_those_with_credentials_are_replaced() -> None:
    given = {
        "X-Portkey-Api-Key": "a",
        "X-Auth-Request-User": "a",
        "Set-Cookie": "a",
        "X-Session-Token": "a",
        "Accept": "*/*",
    }
    found = redacted_headers(given)
    assert found == {name: "*/*" if name == "Accept" else "REDACTED" for name in given}


def test_headers_of_every_library_read_alike() -> None:
    """botocore signs with bytes; httpx has its own as bytes; most have text."""

    class Raw:
        raw = ((b"Authorization", b"AWS4 k"), (b"Content-Type", b"text/plain"))

    wanted = {"authorization": "AWS4 k", "content-type": "text/plain"}
    for given in ({"Authorization": b"AWS4 k", "Content-Type": "text/plain"},
                  {b"Authorization": b"AWS4 k", b"Content-Type": b"text/plain"}, Raw()):  # fmt: skip
        assert plain_headers(given) == wanted
