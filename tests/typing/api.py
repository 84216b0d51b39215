"""Never run, only type-checked: what users write keeps its types."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import assert_type

import autolog as package
from autolog import autolog


def redacted(record: package.Record) -> package.Record | None:
    return record if record.user else None


@autolog
def plain(a: int, *, b: str = "") -> float:
    return float(a)


@autolog(name="x", kind="tool", capture_input=False)
def with_options(a: int) -> str:
    return str(a)


@package.autolog
async def later(a: int) -> bytes:
    return bytes(a)


@autolog
def numbers() -> Iterator[int]:
    yield 1


@autolog
async def letters() -> AsyncIterator[str]:
    yield "a"


class Shop:
    @autolog
    def sell(self, item: str) -> int:
        return len(item)


async def check() -> None:
    assert_type(plain(1, b="x"), float)
    assert_type(with_options(1), str)
    assert_type(await later(1), bytes)
    assert_type(numbers(), Iterator[int])
    assert_type(Shop().sell("x"), int)
    with autolog.span("s", kind="k", n=1) as span:
        assert_type(span, package.Span)
        assert_type(span.set(a=1), package.Span)
    async with package.context(user="u"), package.span("s") as other:
        assert_type(other.trace_id, str)
    assert_type(package.patch(), list[str])
    assert_type(package.flush(), bool)
    plain("x")  # type: ignore[arg-type]
    autolog.configure(
        store="sqlite:///logs.db",
        journal=Path("journal.db"),
        sinks=["sqlite:///more.db", {"endpoint": "https://logs.example", "api_key": "k"}],
        prices={"my-model": {"input": 2.5, "output": 10.0}},
        budgets=[{"limit": 5, "per": "day", "user": "*", "then": print}],
        redact=[r"\d{9}", re.compile("secret"), redacted],
        stream_usage="request",
        max_field_chars=None,
    )
    package.configure(redact={"patterns": "x", "fields": ["name"], "function": redacted}, prices=lambda record: 0.1)
    package.configure(stor="sqlite:///x.db")  # type: ignore[call-arg]
    package.configure(stream_usage="guess")  # type: ignore[arg-type]
    package.configure(budgets=[{"per": "day"}])  # type: ignore[list-item]
    async for letter in letters():
        assert_type(letter, str)
