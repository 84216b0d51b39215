"""Impossible usage figures, and errors in every format."""

from __future__ import annotations

from typing import Any

import pytest

from autolog.providers._facts import invalid_usage, read_error
from autolog.providers._fields import count, money, objects, seconds, total


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": 3},
        {"prompt_tokens": None},
        {"prompt_tokens_details": None},
        {"iterations": [{"input_tokens": 1}]},
    ],
)
def test_usage_that_can_be(usage: Any) -> None:
    assert invalid_usage(usage) is None


@pytest.mark.parametrize(
    "usage",
    [{"prompt_tokens": "many"}, {"output_tokens": -1}, {"input_tokens": 1.5}, {"prompt_tokens_details": "x"}, {"iterations": [{"input_tokens": True}]},
     {"server_tool_use": {"web_search_requests": "two"}}, {"total_tokens": {}}, {"num_sources_used": "3"},
     {"promptTokenCount": "100"}, {"promptTokensDetails": [{"tokenCount": -1}]}, {"promptTokensDetails": 5},
     {"inputTokens": 1.5}, {"cache_creation": 5}, {"server_tool_use": "x"}, {"iterations": True}],
)  # fmt: skip
def test_usage_that_cannot_be_is_named(usage: dict[str, Any]) -> None:
    assert "the response says" in str(invalid_usage(usage))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"error": {"type": "t", "message": "m"}}, ("t", "m")),
        ({"error": {"code": 7, "message": "m"}}, ("7", "m")),
        ({"error": "m", "code": "c"}, ("c", "m")),
        ({"message": "m"}, (None, "m")),
        ({"detail": [{"msg": "m"}]}, (None, "[{'msg': 'm'}]")),
        ({"type": "error", "code": "c", "message": "m"}, ("c", "m")),
        ({"type": "error", "message": "m"}, ("error", "m")),
        ("m", (None, None)),
        (None, (None, None)),
    ],
)
def test_errors_of_every_shape(body: Any, wanted: tuple[str | None, str | None]) -> None:
    assert read_error(body) == wanted


@pytest.mark.parametrize("value", [-1, 1.5, True, "3", None, 2**60, float("nan"), float("inf"), [], {}])
def test_what_is_no_count(value: Any) -> None:
    assert count(value) is None


def test_fields_are_of_their_type_or_none() -> None:
    assert (count(3), count(3.0), total(None, 3, 4), total(None)) == (3, 3, 7, None)
    assert (money(0.5), money(True), money(10**400), money("1")) == (0.5, None, None, None)
    assert (seconds(2), seconds(-1), seconds("2")) == (2.0, None, None)
    assert (objects([{"a": 1}, 2]), objects("x")) == ([{"a": 1}], [])
