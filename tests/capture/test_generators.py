"""Generators and streamed responses belong to the trace in which they were made."""

from __future__ import annotations

import asyncio
import inspect
import json
import types
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest

from autolog import autolog
from autolog.testing import Records


def body(data: bytes | None) -> Any:
    return json.loads(data or b"null")


@autolog
def add(a: int, b: int = 2) -> int:
    return a + b


@autolog
async def add_later(a: int, b: int = 2) -> int:
    return a + b


@autolog
def talk(words: int) -> Generator[int, None, None]:
    for number in range(words):
        add(number)
        yield number


@autolog
async def talk_later(words: int) -> AsyncGenerator[int, None]:
    for number in range(words):
        await add_later(number)
        yield number


class Response:
    """A streamed response as web frameworks have it: it keeps a generator, and is read when its function has ended."""

    def __init__(self, stream: Any, attribute: str = "body_iterator") -> None:
        self.attribute = attribute
        setattr(self, attribute, stream)

    @property
    def stream(self) -> Any:
        return getattr(self, self.attribute)


async def collected(stream: Any) -> list[Any]:
    return [item async for item in stream] if hasattr(stream, "__aiter__") else list(stream)


@pytest.mark.parametrize("make", [talk, talk_later])
def test_a_generator_belongs_to_where_it_was_made(records: Records, make: Any) -> None:
    with autolog.context(user="u"), autolog.span("outer") as outer:
        stream = make(2)
    with autolog.context(user="somebody else"):
        assert asyncio.run(collected(stream)) == [0, 1]
    by_name = {record.name: record for record in records}
    generator = by_name[make.__name__]
    assert generator.parent_span_id == outer.span_id
    child = by_name["add" if make is talk else "add_later"]
    assert (child.parent_span_id, child.trace_id) == (generator.span_id, outer.trace_id)
    assert {record.user for record in records if record.name != "outer"} == {"u"}


@pytest.mark.parametrize("attribute", ["body_iterator", "response", "_iterator"])
@pytest.mark.parametrize("make", [talk, talk_later])
def test_a_response_that_a_function_returned_stays_in_its_trace(records: Records, make: Any, attribute: str) -> None:
    def plain() -> Generator[int, None, None]:
        add(1)
        yield 1

    async def plain_later() -> AsyncGenerator[int, None]:
        await add_later(1)
        yield 1

    responses: list[Response] = []

    @autolog
    async def route() -> Response:
        responses.append(Response(plain() if make is talk else plain_later(), attribute))
        return responses[0]

    async def serve() -> list[Any]:
        with autolog.context(user="u"):
            response = await route()
        assert response is responses[0]
        return await collected(response.stream)

    assert asyncio.run(serve()) == [1]
    parent, child = records
    assert child.name in {"add", "add_later"}
    assert (child.parent_span_id, child.user) == (parent.span_id, "u")


@pytest.mark.parametrize(
    "wrap",
    [lambda stream: stream, lambda stream: (stream, 200, {}), lambda stream: (Response(stream), 201),
     lambda stream: Response(map(str, stream), "response"),
     lambda stream: Response(Response(stream, "iter"), "response")],
    ids=["itself", "with headers", "response with status", "map", "body of a response"],
)  # fmt: skip
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_generator_in_whatever_a_view_returned_stays_in_its_trace(
    records: Records, wrap: Callable[[Any], Any], asynchronous: bool
) -> None:
    def plain() -> Generator[int, None, None]:
        yield add(1)

    @autolog
    def view() -> Any:
        return wrap(plain())

    @autolog
    async def view_later() -> Any:
        return wrap(plain())

    with autolog.context(user="u"):
        result = asyncio.run(view_later()) if asynchronous else view()
    if type(result) is tuple:
        assert len(result) > 1
        result = result[0]
    while isinstance(result, Response):
        result = result.stream
    list(result)
    parent, child = records
    assert (child.name, child.parent_span_id, child.user) == ("add", parent.span_id, "u")


def test_a_tuple_without_a_generator_is_returned_itself(records: Records) -> None:
    given: list[tuple[Any, ...]] = [(), (1, 2), (Response([1]), 200), ((1, 2), 3)]

    @autolog
    def view(index: int) -> Any:
        return given[index]

    assert all(view(index) is result for index, result in enumerate(given))


@pytest.mark.parametrize("wrap", [lambda stream: stream, lambda stream: (stream, 200)], ids=["itself", "with status"])
def test_a_generator_that_was_passed_in_is_returned_itself(records: Records, wrap: Callable[[Any], Any]) -> None:
    @autolog
    def same(_: int, stream: Any) -> Any:
        return wrap(stream)

    @autolog
    async def same_later(stream: Any) -> Any:
        return wrap(stream)

    def first(result: Any) -> Any:
        return result[0] if isinstance(result, tuple) else result

    stream = (number for number in range(3))
    assert first(same(1, stream)) is first(same(1, stream=stream)) is first(asyncio.run(same_later(stream))) is stream
    assert list(stream) == [0, 1, 2]


def test_spans_and_contexts_that_a_generator_opens_are_its_own(records: Records) -> None:
    @autolog
    def careful() -> Generator[int, None, None]:
        with autolog.context(user="inside"), autolog.span("step") as step:
            yield step.span
            add(1)
            yield step.span

    running = careful()
    step = next(running)
    assert autolog.current_span() is None
    add(2)
    next(running)
    list(running)
    inside, outside = sorted(
        (record for record in records if record.name == "add"), key=lambda record: body(record.request_body)["a"]
    )
    assert (inside.parent_span_id, inside.user) == (f"{step:016x}", "inside")
    assert (outside.parent_span_id, outside.user) == (None, None)


@pytest.mark.parametrize("make", [talk, talk_later])
def test_wrong_arguments_of_a_generator_raise_at_the_call(records: Records, make: Any) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        make()
    assert [record.error_type for record in records] == ["TypeError"]


def test_a_generator_is_named_as_its_function() -> None:
    assert (talk(1).__name__, talk_later(1).__name__) == ("talk", "talk_later")
    assert talk.__code__.co_flags & inspect.CO_GENERATOR
    assert inspect.signature(talk_later) == inspect.signature(inspect.unwrap(talk_later))


@pytest.mark.parametrize("order", ["inside", "outside", "both"])
def test_a_generator_that_is_awaited_stays_one(records: Records, order: str) -> None:
    """`types.coroutine` marks it, in whatever order the two come."""

    def answer() -> Generator[None, None, int]:
        yield
        return 3

    function: Any = types.coroutine(answer) if order != "outside" else answer
    function = autolog(function)
    function = types.coroutine(function) if order != "inside" else function
    generator = function()
    assert inspect.isawaitable(generator)
    generator.close()

    async def run() -> Any:
        return await function()

    assert asyncio.run(run()) == 3
    assert [record.name.rpartition(".")[2] for record in records if record.name] == ["answer"]
