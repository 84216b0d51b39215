"""Exceptions and their messages."""

from __future__ import annotations

import pytest

from autolog.errors import shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("clickhouse://user:pw@host:8123/logs", "clickhouse://user@host:8123/logs"),
        ("clickhouse://user:p/w@x?:y@host/logs?secure=1", "clickhouse://user@host/logs?secure=1"),
        ("clickhouse:/user:pw@host/logs", "clickhouse:/user@host/logs"),
        ("user:pw@host", "user@host"),
        ("https://sk-123@host/v1", "https://…@host/v1"),
        ("https://host/v1?api_key=sk-123&page=2#access_token=x", "https://host/v1?api_key=…&page=2#access_token=…"),
        ("https://host:8790/v1", "https://host:8790/v1"),
        ("sqlite:////home/a:b@c/logs.db", "sqlite:////home/a:b@c/logs.db"),
    ],
)
def test_urls_are_shown_without_what_is_secret(url: str, expected: str) -> None:
    assert shown(url) == expected
