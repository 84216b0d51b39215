"""Never run, only type-checked: what users write keeps its types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

import autolog as package
from autolog import autolog


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
    async for letter in letters():
        assert_type(letter, str)
