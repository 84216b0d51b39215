"""`with autolog.context(...)`: the values that calls inside it inherit."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from autolog import _guard, autolog
from autolog.testing import Records


@autolog
def add(a: int, b: int = 2) -> int:
    return a + b


def test_context(records: Records) -> None:
    with autolog.context(user="u", tags=["a"], metadata={"x": 1, "y": 1}):
        with autolog.context(session="s", tags="b", metadata={"y": 2}):
            add(1)
        add(2)
    add(3)
    assert [(item.user, item.session, item.tags, item.metadata) for item in records] == [
        ("u", "s", ["a", "b"], {"x": 1, "y": 2}),
        ("u", None, ["a"], {"x": 1, "y": 1}),
        (None, None, [], {}),
    ]


def test_a_context_entered_twice(records: Records) -> None:
    context = autolog.context(user="u")
    with context, context:
        add(1)
    add(2)
    assert [record.user for record in records] == ["u", None]


def test_a_trace_from_another_process(records: Records) -> None:
    with autolog.context(traceparent=f"00-{'a' * 32}-{'b' * 16}-01"):
        add(1)
    with autolog.context(traceparent="nonsense"):
        add(1)
    with autolog.context(traceparent=f"00-{'c' * 32}-{'b' * 16}-01".encode()):  # as in ASGI's headers
        add(1)
    assert (records[0].trace_id, records[0].parent_span_id) == ("a" * 32, "b" * 16)
    assert records[1].parent_span_id is None
    assert records[2].trace_id == "c" * 32


def test_attributes_that_cannot_be_read_are_left_out(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd:
        def __str__(self) -> str:
            raise ValueError

    name = f"<{Odd.__qualname__}: ValueError while reading it>"
    with autolog.context(
        user=cast("Any", Odd()), tags=cast("Any", [Odd(), 5]), metadata={cast("Any", Odd()): 1, "a": 2}
    ):
        add(1)
    monkeypatch.setattr("autolog._guard.strict", False)
    with autolog.context(tags=cast("Any", 5)), autolog.context(metadata=cast("Any", [1]), user="u"):
        add(1)
    assert (records[0].user, records[0].tags, records[0].metadata) == (name, [name, "5"], {name: 1, "a": 2})
    assert (records[1].user, records[1].tags) == (None, [])
    assert _guard.failures.pop("reading the attributes of a context") == 2


def test_metadata_is_as_it_was_when_the_block_was_made(records: Records) -> None:
    given: dict[str, Any] = {"list": [1]}
    with autolog.context(metadata=given):
        given["list"].append(2)
        add(1)
    assert records[0].metadata == {"list": [1]}


def test_a_task_keeps_the_context_that_it_was_made_in(records: Records) -> None:
    async def later() -> None:
        await asyncio.sleep(0.01)
        add(1)

    async def main() -> None:
        async with autolog.context(user="u"):
            task = asyncio.create_task(later())
        add(2)
        await task

    asyncio.run(main())
    assert [record.user for record in records] == [None, "u"]


def test_an_error_passes_and_the_context_ends(records: Records) -> None:
    with pytest.raises(LookupError), autolog.context(user="u"):
        raise LookupError
    add(1)
    assert records[0].user is None
