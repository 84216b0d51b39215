"""Functions patched in place: a call is recorded once, even if other code wraps, keeps or restores the function."""

from __future__ import annotations

import asyncio
import functools
import inspect
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any
from unittest import mock

import openai
import pytest
from openai._base_client import SyncAPIClient
from sdk_http import openai_http as http

import autolog
from autolog._capture.graft import Graft, Watched, copy_function, innermost
from autolog.testing import Records


class Base:
    def __init__(self, size: int) -> None:
        self.size = size

    def area(self, height: int, *, times: int = 1) -> int:
        return self.size * height * times

    async def wait(self, value: int = 2) -> int:
        await asyncio.sleep(0)
        return value


class Derived(Base):
    def __init__(self, size: int, *, name: str = "d") -> None:
        super().__init__(size)  # a function with a closure, for its `super()`
        self.name = name


def graft(function: Any, seen: list[Any]) -> Graft:
    original = copy_function(function)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        seen.append((args[1:], kwargs))
        return original(*args, **kwargs)

    return Graft(function, wrapper)


def test_whoever_holds_the_function_calls_the_wrapper() -> None:
    seen: list[Any] = []
    held, bound, signature = Base.area, Base(3).area, inspect.signature(Base.area)
    source = inspect.getsource(Base.area)
    grafted = graft(Base.area, seen)
    assert (held(Base(2), 5), bound(5, times=2), Base(1).area(height=4)) == (10, 30, 4)
    assert seen == [((5,), {"times": 1}), ((5,), {"times": 2}), ((4,), {"times": 1})]
    assert Base.area is held
    assert inspect.signature(held) == signature
    assert inspect.getsource(held) == source
    grafted.remove()
    assert bound(1) == 3
    assert len(seen) == 3
    assert not vars(held)
    assert inspect.signature(held) == signature


def test_a_traceback_shows_the_definition_of_the_function_where_it_enters_the_wrapper() -> None:
    grafted = graft(Base.area, [])
    try:
        Base(2).area(1, times=None)  # type: ignore[arg-type]
    except TypeError:
        shown = traceback.format_exc().splitlines()
    finally:
        grafted.remove()
    first = inspect.getsourcelines(Base.area)[1]
    entered = shown.index(f'  File "{__file__}", line {first}, in area')
    assert shown[entered + 1].strip() == "def area(self, height: int, *, times: int = 1) -> int:"
    assert shown[entered + 2].lstrip().startswith("File ")  # no marks under it


def test_a_constructor_that_calls_super() -> None:
    seen: list[Any] = []
    grafted = graft(Derived.__init__, seen)
    assert (Derived(2).size, Derived(2, name="x").name) == (2, "x")
    grafted.remove()
    assert Derived(4).name == "d"
    assert seen == [((2,), {"name": "d"}), ((2,), {"name": "x"})]


def test_a_coroutine_function_stays_one() -> None:
    seen: list[Any] = []
    grafted = graft(Base.wait, seen)
    assert inspect.iscoroutinefunction(Base.wait)
    assert asyncio.run(Base(1).wait()) == 2
    grafted.remove()
    assert asyncio.run(Base(1).wait(value=3)) == 3
    assert seen == [((2,), {})]


@pytest.mark.parametrize("passes", [None, lambda *_: True, Watched()], ids=["not asked", "asked", "looked at"])
def test_nothing_of_it_is_among_what_others_copy(passes: Any) -> None:
    """Check this because mocks copy a function's defaults, and tracers use its code as a key."""
    original = copy_function(Base.area)
    defaults = Base.area.__kwdefaults__
    grafted = Graft(Base.area, lambda *args, **kwargs: original(*args, **kwargs), passes)
    assert Base.area.__kwdefaults__ == defaults
    assert isinstance(hash(Base.area.__code__), int)
    assert mock.create_autospec(Base.area, return_value=7)(Base(2), 5) == 7
    assert Base(2).area(5) == 10
    grafted.remove()


MANY = ", ".join(f"k{number}={number}" for number in range(12))


@pytest.mark.parametrize("passes_through", [None, True, False], ids=["not asked", "passes", "does not pass"])
@pytest.mark.parametrize(
    "parameters",
    ["a", "a, /, b", "a, /, b=2, *, c", "a, b=2, *args", "a, *args, original=3, **kwargs", "a, *, b=2, c=3",
     f"a, *, {MANY}", f"a, *wrapper, {MANY}, **passes", "*, a", "**kwargs", "a=1, /", "a=[]"],
)  # fmt: skip
def test_a_call_and_its_error_are_those_of_the_function_itself(parameters: str, passes_through: bool | None) -> None:
    """Also where its parameters have names as of ours, for all ways to give them, right or wrong."""
    namespace: dict[str, Any] = {}
    exec(f"def function({parameters}): return sorted(locals().items())", namespace)
    function = namespace["function"]
    calls: list[Any] = [((), {}), ((1,), {}), ((1, 2), {}), ((1, 2, 3), {}), ((), {"a": 1}), ((1,), {"c": 2}),
                        ((1,), {"k3": 2}), ((1,), {"unknown": 1}), ((1,), {"a": 1})]  # fmt: skip

    def outcomes() -> list[Any]:
        results = []
        for args, kwargs in calls:
            try:
                results.append(function(*args, **kwargs))
            except TypeError as error:
                results.append(str(error))
        return results

    before, signature = outcomes(), str(inspect.signature(function))
    original = copy_function(function)
    entered: list[Any] = []

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        entered.append(args)
        return original(*args, **kwargs)

    applied = Graft(function, wrapper, None if passes_through is None else lambda *args: bool(passes_through))
    assert outcomes() == before
    assert str(inspect.signature(function)) == signature
    assert bool(entered) == (not passes_through)
    applied.remove()
    assert outcomes() == before


@pytest.mark.parametrize("kind", ["coroutine", "generator", "async generator"])
def test_what_a_function_returns_is_told_and_is_its_own(kind: str) -> None:
    async def coroutine() -> int:
        return 1

    def generator() -> Iterator[int]:
        yield 1

    async def async_generator() -> Any:
        yield 1

    function: Any = {"coroutine": coroutine, "generator": generator, "async generator": async_generator}[kind]
    tells = [inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction]
    bare = function()
    before = [tell(function) for tell in tells], type(bare), bare.__qualname__
    applied = Graft(function, copy_function(function), lambda: True)
    grafted = function()
    assert ([tell(function) for tell in tells], type(grafted), grafted.__qualname__) == before
    applied.remove()
    for variant in (bare, grafted):
        if kind == "coroutine":
            variant.close()


def test_grafts_on_one_function_nest_and_the_inner_one_may_go_first() -> None:
    first: list[Any] = []
    second: list[Any] = []
    inner, outer = graft(Base.area, first), graft(Base.area, second)
    assert Base(2).area(2) == 4
    inner.remove()
    assert Base(2).area(2) == 4
    outer.remove()
    inner.remove()
    assert Base(2).area(2) == 4
    assert len(second) == 2


def wrapped(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def hidden(function: Any) -> Any:
    return lambda *args, **kwargs: function(*args, **kwargs)


def in_an_object(function: Any) -> Any:
    from wrapt import FunctionWrapper

    return FunctionWrapper(function, lambda called, _, args, kwargs: called(*args, **kwargs))


WRAPPERS = [wrapped, hidden, in_an_object]


@pytest.mark.parametrize("outer", WRAPPERS)
@pytest.mark.parametrize("inner", WRAPPERS)
def test_the_innermost_function_is_found_under_wrappers(inner: Any, outer: Any) -> None:
    request = vars(SyncAPIClient)["request"]
    assert isinstance(request, FunctionType)
    file = inspect.getfile(SyncAPIClient)
    assert innermost(outer(inner(request)), file) is request
    assert innermost(request, file) is request
    assert innermost(wrapped, file) is wrapped
    assert innermost(len, file) is None
    assert innermost(None, file) is None


# Other code that changes the SDK


def call() -> None:
    transport = http.MockTransport(lambda _: http.Response(200, json={"id": "x", "model": "m", "choices": []}))
    client = openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))
    client.chat.completions.create(model="m", messages=[])


@pytest.fixture
def unchanged() -> Iterator[None]:
    """Restore the SDK's classes after the test."""
    yield
    autolog.unpatch()
    for owner in (openai.OpenAI, SyncAPIClient):
        for name in ("request", "_build_request", "_process_response"):
            if owner is openai.OpenAI and name in vars(owner):
                delattr(owner, name)
    SyncAPIClient.request = KEPT  # type: ignore[method-assign]


KEPT = vars(SyncAPIClient)["request"]


@pytest.mark.parametrize("owner", [openai.OpenAI, SyncAPIClient], ids=["subclass", "base class"])
@pytest.mark.parametrize("wrap", WRAPPERS)
def test_every_call_is_recorded_once_in_whatever_order_others_come_and_go(
    wrap: Callable[[Any], Any], owner: type, records: Records, unchanged: None
) -> None:
    """Interleave other instrumentors' steps with ours; they wrap with `getattr` and restore what they found."""
    steps: dict[str, Callable[[], Any]] = {
        "patch": autolog.patch_openai,
        "unpatch": autolog.unpatch_openai,
        "come": lambda: (found.append(owner.request), setattr(owner, "request", wrap(owner.request))),  # type: ignore[attr-defined]
        "go": lambda: setattr(owner, "request", found.pop()),
    }
    for order in (
        "come patch go",
        "patch come go",
        "patch come unpatch go patch",
        "patch come unpatch patch go",
        "come patch come go go",
        "come patch unpatch go patch come patch go",
    ):
        found: list[Any] = []
        patched = False
        for step in order.split():
            steps[step]()
            patched = {"patch": True, "unpatch": False}.get(step, patched)
            before = len(records)
            call()
            assert len(records) - before == patched, f"after {step!r} in {order!r}"
        autolog.unpatch_openai()
        call()
        assert autolog.status()["unrecorded"] == {}


def test_a_request_that_passes_by_is_counted_and_said(
    records: Records, unchanged: None, caplog: pytest.LogCaptureFixture
) -> None:
    autolog.patch_openai()
    openai.OpenAI.request = copy_function(vars(SyncAPIClient)["request"])  # type: ignore[method-assign]
    code, defaults = KEPT_CODE
    openai.OpenAI.request.__code__, openai.OpenAI.request.__kwdefaults__ = code, defaults  # type: ignore[attr-defined]
    call()
    call()
    assert len(records) == 0
    assert autolog.status()["unrecorded"] == {"openai": 2}
    assert caplog.text.count("does not record calls of openai") == 1
    openai.OpenAI(
        api_key="k", http_client=http.Client(transport=http.MockTransport(lambda _: http.Response(200, json={})))
    ).models.list()
    assert autolog.status()["unrecorded"] == {"openai": 2}, "a free call is none that is missed"


KEPT_CODE = KEPT.__code__, KEPT.__kwdefaults__


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_the_variables_of_a_grafted_closure_can_be_looked_at(kind: str) -> None:
    """Read them like a debugger, in a separate process, because the interpreter itself could crash."""
    code = f"""
import asyncio, sys
from autolog._capture.graft import Graft, copy_function
def outer():
    number, items = 1, [2]
    {"async " if kind == "async" else ""}def inner(more): return number + len(items) + more
    return inner
inner = outer()
original = copy_function(inner)
def wrapper(*args, **kwargs): raise ValueError("seen")
{"async def later(*args, **kwargs): wrapper()" if kind == "async" else "later = wrapper"}
graft = Graft(inner, later)
for run in (lambda: inner(1), lambda: asyncio.run(inner(1))):
    try:
        run()
    except (ValueError, RuntimeWarning, TypeError) as error:
        step = error.__traceback__
        while step:
            print(step.tb_frame.f_code.co_name, sorted(map(str, step.tb_frame.f_locals))[:3])
            step = step.tb_next
graft.remove()
print(inner(1) if {kind == "plain"} else asyncio.run(inner(1)))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    if kind == "plain":  # an asynchronous stub has returned long before
        assert "inner ['__autolog__', 'items', 'more']" in done.stdout
    assert done.stdout.splitlines()[-1] == "3"
