"""`@autolog`: what it records, and that the decorated function behaves as before."""

from __future__ import annotations

import array
import asyncio
import dataclasses
import enum
import functools
import gc
import inspect
import json
import pickle
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

from autolog import autolog
from autolog._record.record import Record
from autolog._recorder import Recorder
from autolog.testing import Records


def body(data: bytes | None) -> Any:
    return None if data is None else json.loads(data)


@autolog
def add(a: int, b: int = 2, *rest: int, scale: float = 1.0, **more: Any) -> float:
    """Adds."""
    return (a + b + sum(rest)) * scale


@autolog
async def add_later(a: int, b: int = 2) -> int:
    await asyncio.sleep(0)
    return a + b


@autolog
def count(to: int) -> Generator[int, str, str]:
    got = []
    for number in range(to):
        got.append((yield number))
    return ",".join(map(str, got))


@autolog
async def count_later(to: int) -> AsyncGenerator[int, str]:
    for number in range(to):
        await asyncio.sleep(0)
        got = yield number
        if got == "stop":
            return


class Shop:
    @autolog
    def sell(self, item: str) -> str:
        return item

    @autolog
    @classmethod
    def open(cls, name: str) -> str:
        return cls.__name__ + name

    @staticmethod
    @autolog
    def tax(price: float) -> float:
        return price * 0.2

    @autolog(name="shop.close", kind="tool", capture_input=False, capture_output=False)
    async def close(self, secret: str) -> str:
        return secret


def only(records: Records) -> Record:
    assert len(records) == 1
    return records[0]


def test_arguments_with_defaults_and_result(records: Records) -> None:
    assert add(1, 2, 3, scale=2.0, extra="x") == 12
    record = only(records)
    assert (record.kind, record.name, record.status) == ("function", "add", "ok")
    assert body(record.request_body) == {"a": 1, "b": 2, "rest": [3], "scale": 2.0, "more": {"extra": "x"}}
    assert body(record.response_body) == 12
    add(1)
    assert body(records[1].request_body) == {"a": 1, "b": 2, "rest": [], "scale": 1.0, "more": {}}


def test_arguments_as_they_were(records: Records) -> None:
    @autolog
    def spoil(items: list[Any], memory: list[int] = [1]) -> list[Any]:  # noqa: B006 - the very case
        items.append("late")
        memory.append(2)
        return items

    mine: list[Any] = [{"n": 1}]
    result = spoil(mine)
    result.append("later")
    assert body(records[0].request_body) == {"items": [{"n": 1}], "memory": [1]}
    assert body(records[0].response_body) == [{"n": 1}, "late"]
    spoil([])
    assert body(records[1].request_body) == {"items": [], "memory": [1, 2]}


def test_all_kinds_of_values(records: Records) -> None:
    class Colour(enum.Enum):
        RED = "red"

    @dataclasses.dataclass
    class Point:
        x: int
        y: Any

    class Odd:
        def __repr__(self) -> str:
            raise ValueError("no repr")

    circle: list[Any] = []
    circle.append(circle)

    @autolog
    def take(*values: Any) -> None: ...

    take(Colour.RED, Point(1, {2}), Odd(), b"\xff", float("nan"), 2**80, "\ud800", object(), circle, {(1, 2): 3})
    values = body(records[0].request_body)["values"]
    assert values[:2] == ["red", {"x": 1, "y": [2]}]
    assert "Odd: ValueError" in json.dumps(values)
    assert values[3:7] == ["base64:/w==", "nan", 2**80, "\ud800"]


def test_errors_pass_and_are_recorded(records: Records) -> None:
    class Broken(Exception):
        pass

    error = Broken("why")

    @autolog
    def fail() -> None:
        raise error

    with pytest.raises(Broken) as caught:
        fail()
    assert caught.value is error
    assert error.__context__ is None
    assert error.__cause__ is None
    record = only(records)
    assert (record.status, record.error_message, record.response_body) == ("error", "why", None)
    assert record.error_type is not None
    assert record.error_type.endswith("Broken")
    with pytest.raises(TypeError, match=r"add\(\) missing 1 required positional argument"):
        add()  # type: ignore[call-arg]
    assert body(records[1].request_body) == {"args": [], "kwargs": {}}


def test_async(records: Records) -> None:
    assert asyncio.run(add_later(1)) == 3
    assert body(only(records).request_body) == {"a": 1, "b": 2}
    assert body(records[0].response_body) == 3


def test_cancellation(records: Records) -> None:
    @autolog
    async def wait() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert only(records).error_type == "asyncio.exceptions.CancelledError"


def test_generators(records: Records) -> None:
    running = count(3)
    assert next(running) == 0
    assert running.send("a") == 1
    assert running.send("b") == 2
    with pytest.raises(StopIteration) as stopped:
        running.send("c")
    assert stopped.value.value == "a,b,c"
    record = only(records)
    assert body(record.response_body) == [0, 1, 2]
    assert record.status == "ok"


def test_generators_thrown_into(records: Records) -> None:
    @autolog
    def patient() -> Generator[str, None, None]:
        try:
            yield "first"
        except KeyError as error:
            yield f"caught {error}"

    running = patient()
    next(running)
    assert running.throw(KeyError("k")) == "caught 'k'"
    with pytest.raises(OSError, match="out"):
        running.throw(OSError("out"))
    assert only(records).error_type == "OSError"


def test_generators_closed_and_abandoned(records: Records) -> None:
    closed = []

    @autolog
    def tidy() -> Generator[int, None, None]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    running = tidy()
    next(running)
    running.close()
    for _ in tidy():
        break
    gc.collect()
    assert closed == [True, True]
    assert [(record.status, body(record.response_body)) for record in records] == [("ok", [1]), ("ok", [1])]


def test_async_generators(records: Records) -> None:
    async def main() -> None:
        assert [number async for number in count_later(2)] == [0, 1]
        running = count_later(5)
        assert await anext(running) == 0
        assert await running.asend("go") == 1
        await running.aclose()
        stopped = count_later(5)
        await anext(stopped)
        with pytest.raises(StopAsyncIteration):
            await stopped.asend("stop")
        async for _ in count_later(5):
            break
        gc.collect()
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert [body(record.response_body) for record in records] == [[0, 1], [0, 1], [0], [0]]
    assert {record.status for record in records} == {"ok"}


def test_a_generator_is_current_only_while_it_runs(records: Records) -> None:
    @autolog
    def outer() -> Generator[int, None, None]:
        add(1)
        yield 1
        add(2)

    for _ in outer():
        add(3)
    by_argument = {body(record.request_body)["a"]: record for record in records if record.name == "add"}
    parent = next(record for record in records if record.name != "add")
    assert by_argument[1].parent_span_id == parent.span_id
    assert by_argument[2].parent_span_id == parent.span_id
    assert by_argument[3].parent_span_id is None


def test_methods(records: Records) -> None:
    shop = Shop()
    assert shop.sell("tea") == "tea"
    assert Shop.open("!") == "Shop!"
    assert shop.open("?") == "Shop?"
    assert Shop.tax(10) == 2.0
    assert asyncio.run(shop.close("key")) == "key"
    assert [record.name for record in records] == ["Shop.sell", "Shop.open", "Shop.open", "Shop.tax", "shop.close"]
    assert [body(record.request_body) for record in records] == [
        {"item": "tea"}, {"name": "!"}, {"name": "?"}, {"price": 10}, None,
    ]  # fmt: skip
    assert records[4].response_body is None
    assert (records[4].kind, records[4].operation_name) == ("tool", "execute_tool")


def test_properties(records: Records) -> None:
    class Basket:
        @autolog
        @property
        def total(self) -> int:
            return 3

        @total.setter
        def total(self, value: int) -> None:
            self.paid = value

        @autolog
        @functools.cached_property
        def size(self) -> int:
            return 2

    basket = Basket()
    basket.total = 5
    assert (basket.total, basket.paid, basket.size, basket.size) == (3, 5, 2, 2)
    assert [record.name.rpartition(".")[2] for record in records if record.name] == ["total", "size"]


def test_methods_of_a_callable_object_stay_with_it(records: Records) -> None:
    @autolog
    @functools.lru_cache
    def square(number: int) -> int:
        return number * number

    assert square(2) == square(2) == 4
    assert len(records) == 2
    assert square.cache_info().hits == 1
    square.cache_clear()
    assert square.cache_info().hits == 0


def test_a_decorated_function_is_what_it_was() -> None:
    assert (
        str(inspect.signature(add))
        == "(a: 'int', b: 'int' = 2, *rest: 'int', scale: 'float' = 1.0, **more: 'Any') -> 'float'"
    )
    assert (add.__name__, add.__doc__, add.__module__) == ("add", "Adds.", __name__)
    assert add.__annotations__["a"] == "int"
    assert inspect.isfunction(add)
    assert inspect.iscoroutinefunction(add_later)
    assert inspect.isgeneratorfunction(count)
    assert inspect.isasyncgenfunction(count_later)
    assert inspect.iscoroutinefunction(Shop.close)
    assert isinstance(Shop.__dict__["open"], classmethod)
    assert isinstance(Shop.__dict__["tax"], staticmethod)
    assert pickle.loads(pickle.dumps(add)) is add
    assert pickle.loads(pickle.dumps(Shop().sell))("x") == "x"


@pytest.mark.parametrize("function", [add, add_later, count, count_later])
def test_a_decorated_function_can_be_sent_to_another_process_with_all_that_it_holds(function: Any) -> None:
    """As cloudpickle sends functions of the main module, for joblib, Dask and Ray."""
    held = [cell.cell_contents for cell in function.__closure__ if not inspect.isfunction(cell.cell_contents)]
    assert len(held) == 2
    for value in held:
        pickle.loads(pickle.dumps(value))
    assert pickle.loads(pickle.dumps(autolog.span)) == autolog.span
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(Recorder())


@pytest.mark.parametrize("target", [3, "text", Shop])
def test_only_functions_can_be_decorated(target: Any) -> None:
    with pytest.raises(TypeError, match="decorates functions"):
        autolog(target)


def test_shared_cyclic_deep_and_huge_values(records: Records) -> None:
    @autolog
    def take(value: Any) -> None: ...

    tree: dict[str, Any] = {"children": []}
    for _ in range(3):
        tree["children"].append({"parent": tree})
    shared: Any = ["leaf"]
    for _ in range(60):
        shared = [shared, shared]
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    for value in (tree, shared, deep, 10**5000, array.array("d", [1.0]), Shop):
        take(value)
    assert len(records) == 6
    itself = {"parent": "<dict: contains itself>"}
    assert body(records[0].request_body) == {"value": {"children": [itself, itself, itself]}}
    assert "<list: left out>" in (records[1].request_body or b"").decode()
    assert "<list: left out>" in (records[2].request_body or b"").decode()
    assert body(records[3].request_body)["value"].startswith("0x")
    assert body(records[4].request_body) == {"value": "<array d 1>"}


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, ZeroDivisionError])
def test_values_whose_own_code_raises(records: Records, kind: type[BaseException]) -> None:
    class Rude(Exception):
        def __repr__(self) -> str:
            raise kind

        __str__ = __repr__

    @autolog
    def take(value: Any) -> None:
        raise value

    with pytest.raises(Rude):
        take(Rude())
    with autolog.context(metadata={"rude": Rude(), "list": (mine := [1])}):
        mine.append(2)
        add(1)
    assert records[0].status == "error"
    assert records[1].metadata["list"] == [1]


class Unreadable(type):
    def __getattribute__(cls, name: str) -> Any:
        raise ValueError


class Unhashable(type):
    def __eq__(cls, other: object) -> bool:
        raise ValueError

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("meta", [Unreadable, Unhashable])
def test_values_whose_type_raises(records: Records, meta: type[type]) -> None:
    @autolog
    def give(value: Any) -> Any:
        return value

    @autolog
    def yield_it(value: Any) -> Generator[Any, None, None]:
        yield value

    odd = type.__call__(type.__call__(meta, "Odd", (), {}))
    assert give(odd) is odd
    assert give((odd, 200))[0] is odd
    assert next(yield_it(odd)) is odd
    with autolog.context(metadata={"odd": odd}):
        add(1)
    assert [record.status for record in records] == ["ok"] * 4
    assert "Odd" in records[3].metadata["odd"]


def test_callable_objects(records: Records) -> None:
    class Later:
        async def __call__(self, x: int) -> int:
            add(x)
            return x

    assert asyncio.run(autolog(Later())(5)) == 5
    inner, outer = records
    assert body(outer.response_body) == 5
    assert inner.parent_span_id == outer.span_id


def test_the_input_that_a_function_sets_on_its_span_stands_for_its_arguments(records: Records) -> None:
    @autolog
    def answer(question: str) -> str:
        span = autolog.current_span()
        assert span is not None
        span.set(input={"asked": question})
        return "42"

    answer("why?")
    (record,) = records
    assert body(record.request_body) == {"asked": "why?"}
    assert body(record.response_body) == "42"


def test_a_result_that_does_not_let_itself_be_looked_at_is_returned(records: Records) -> None:
    class Unbound:
        """A proxy outside of its context."""

        def __getattribute__(self, name: str) -> object:
            raise RuntimeError("working outside of request context")

    proxy = Unbound()

    @autolog
    def current() -> Unbound:
        return proxy

    assert current() is proxy
    assert len(records) == 1
