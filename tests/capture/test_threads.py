"""Threads and pools inherit the span and context in which they were started."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from autolog import autolog
from autolog.testing import Records


def body(data: bytes | None) -> Any:
    return None if data is None else json.loads(data)


@autolog
def add(a: int, b: int = 2) -> int:
    return a + b


@autolog
async def add_later(a: int) -> int:
    await asyncio.sleep(0)
    return a


@pytest.mark.parametrize(
    "way", ["gather", "to_thread", "run_in_executor", "pool", "map", "thread", "subclass", "timer"]
)
def test_parents_across_tasks_and_threads(records: Records, way: str) -> None:
    class Worker(threading.Thread):
        def run(self) -> None:
            add(1)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with autolog.span("parent"), autolog.context(user="u"):
            if way == "gather":
                await asyncio.gather(add_later(1), add_later(1))
            elif way == "to_thread":
                await asyncio.to_thread(add, 1)
            elif way == "run_in_executor":
                await loop.run_in_executor(None, add, 1)
            elif way in {"pool", "map"}:
                with ThreadPoolExecutor(1) as pool:
                    list(pool.map(add, [1, 2])) if way == "map" else pool.submit(add, 1).result()
            else:
                thread = {"thread": threading.Thread(target=add, args=(1,)), "subclass": Worker()}.get(way)
                thread = thread or threading.Timer(0.01, add, args=(1,))
                thread.start()
                thread.join()

    asyncio.run(main())
    parent = next(record for record in records if record.name == "parent")
    children = [record for record in records if record.name != "parent"]
    assert children
    assert {(child.parent_span_id, child.trace_id, child.user) for child in children} == {
        (parent.span_id, parent.trace_id, "u")
    }


def test_a_pools_thread_does_not_keep_the_first_parent(records: Records) -> None:
    with ThreadPoolExecutor(1) as pool:
        with autolog.span("first"):
            pool.submit(add, 1).result()
        pool.submit(add, 2).result()
    later = next(record for record in records if record.name == "add" and body(record.request_body)["a"] == 2)
    assert later.parent_span_id is None


def test_a_threads_own_run_is_called_once_and_put_back(records: Records) -> None:
    ran = []
    thread = threading.Thread()
    thread.run = lambda: ran.append(autolog.current_span())  # type: ignore[method-assign]
    mine = thread.run
    with autolog.span("s") as span:
        thread.start()
        thread.join()
    assert ran == [span]
    assert thread.run is mine


def test_an_error_in_a_pool_reaches_whoever_waits(records: Records) -> None:
    with ThreadPoolExecutor(1) as pool, autolog.span("s"), pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 1, 0).result()
