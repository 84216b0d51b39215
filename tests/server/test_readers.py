"""One key gets at most half of what requests that read may use."""

from __future__ import annotations

import contextlib
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from live import KEY, Live, live
from waiting import until

from autolog._record.record import Record
from autolog.dialects._fault import Fault
from autolog.errors import StoreError
from autolog.server import Limits
from autolog.server._keys import create_key
from autolog.server._limits import Load
from autolog.server._readers import THREADS, Readers
from autolog.stores._contract import Store


def test_one_key_gets_half(store: Store) -> None:
    limits = Limits(requests=16, streams=4, memory_bytes=1600)
    readers = Readers(limits, Load(limits), store)
    first, second = readers.of("first"), readers.of("second")
    assert readers.of("first") is first
    with ExitStack() as stack:
        for reader in (first, second):
            for _ in range(4):  # of the 8 that all requests that read have
                stack.enter_context(reader.request())
            with pytest.raises(Fault):
                reader.request()
            for _ in range(2):
                reader.check_streams()
                stack.enter_context(reader.stream())
            with pytest.raises(Fault):
                reader.check_streams()
            reader.add(400)
            with pytest.raises(Fault):
                reader.add(1)
        assert (readers.requests, readers.streams, readers.bytes) == (8, 4, 800)
    first.add(-400)
    with pytest.raises(Fault):
        first.add(401)  # for both keys
    second.add(-400)
    first.add(800)  # alone, a reply may take more than half
    with pytest.raises(Fault):
        first.add(1)
    first.add(-800)
    with pytest.raises(Fault):
        first.add(801)
    assert (readers.requests, readers.streams, readers.bytes) == (0, 0, 0)


@pytest.mark.parametrize("count", [THREADS, 60])
def test_slow_requests_of_one_key_do_not_keep_others_from_reading(tmp_path: Path, count: int) -> None:
    going, done = threading.Semaphore(0), threading.Event()

    def slow(*_: Any) -> list[Record]:
        going.release()
        done.wait(60)
        return []

    with live(tmp_path / "s.db", Limits(requests=100)) as server:
        other = create_key(server.store, "other")
        server.store.find = slow  # type: ignore[method-assign]
        with (
            httpx2.Client(base_url=server.url, headers={"x-api-key": KEY}, timeout=60) as client,
            ThreadPoolExecutor(count) as pool,
        ):
            reads = [pool.submit(client.get, "/api/v1/records") for _ in range(count)]
            try:
                for _ in range(THREADS // 2):
                    assert going.acquire(timeout=30)
                until(lambda: sum(read.done() for read in reads) == max(0, count - 25))
                for _ in range(3):
                    answer = httpx2.get(f"{server.url}/api/v1/aggregate", headers={"x-api-key": other}, timeout=10)
                    assert answer.status_code == 200
            finally:
                done.set()
            assert [read.result().status_code for read in reads].count(503) == max(0, count - 25)


def test_clients_that_take_a_list_slowly_keep_neither_memory_nor_streams_from_others(tmp_path: Path) -> None:
    """Each of six lists counts with the piece that its client is taking, and holds nothing else of its records."""
    body = b'{"messages": [{"role": "user", "content": "%s"}]}' % (b"x" * 3_000_000)
    large = [Record(id=f"r{n}", kind="llm", project="default", request_body=body) for n in range(6)]
    with live(tmp_path / "s.db", Limits(streams=12)) as server, ExitStack() as stack:
        server.store.write(large)
        other = {"x-api-key": create_key(server.store, "other")}
        page, readers = f"{server.url}/v5/logs?file_id=logs&size=6", server.services.readers
        assert httpx2.get(page, headers=other).status_code == 200
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        for _ in range(6):
            answer = stack.enter_context(httpx2.stream("GET", page, headers={"x-api-key": KEY}, timeout=30))
            assert answer.status_code == 200
        until(lambda: readers.bytes > 6 * 3_000_000)
        until(lambda: tracemalloc.get_traced_memory()[0] < readers.bytes + 3_000_000)
        assert httpx2.get(page, headers={"x-api-key": KEY}).status_code == 503
        assert len(httpx2.get(page, headers=other, timeout=30).json()["records"]) == 6


def test_a_long_reply_is_encoded_beside_other_requests(tmp_path: Path) -> None:
    answered = threading.Event()

    class Name:
        """A name that can be encoded only when another request has been answered."""

        def __deepcopy__(self, memo: object) -> Name:
            return self

        def __str__(self) -> str:
            return f"answered: {answered.wait(10)}"

    @dataclass
    class Group:
        name: Name

    with live(tmp_path / "s.db") as server, ThreadPoolExecutor(1) as pool:
        server.store.aggregate = lambda *_: [Group(Name())]  # type: ignore
        long = pool.submit(httpx2.get, f"{server.url}/api/v1/aggregate", headers={"x-api-key": KEY}, timeout=30)
        until(lambda: server.services.readers.requests or long.done())
        assert httpx2.get(f"{server.url}/api/v1/records", headers={"x-api-key": KEY}, timeout=30).status_code == 200
        answered.set()
        assert long.result().json() == {"groups": [{"name": "answered: True"}]}


FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.mark.parametrize("path", ["/api/v1/records", "/v5/logs?file_id=logs"])
def test_what_is_read_for_a_client_ends_when_it_leaves(tmp_path: Path, path: str) -> None:
    """One reply is complete, the other comes in pieces; each needs two statements without an end."""
    running = threading.Semaphore(0)

    def slow(*_: Any, **__: Any) -> list[Record]:
        running.release()
        with contextlib.suppress(StoreError):
            server.store._file.reader.execute(FOREVER).fetchall()
        return [*server.store._file.reader.execute(FOREVER)]

    with live(tmp_path / "s.db") as server, ThreadPoolExecutor(1) as pool:
        server.store.write([Record(id="r", kind="llm", request_body=b"{}")])
        found, server.store.find = server.store.find, slow  # type: ignore[method-assign]
        services = server.services
        for _ in range(3):
            with pytest.raises(httpx2.ReadTimeout):
                httpx2.get(f"{server.url}{path}", headers={"x-api-key": KEY}, timeout=1)
            assert running.acquire(timeout=30)
            until(lambda: not services.readers.requests and not services.readers.streams, seconds=20)
        server.store.find = found  # type: ignore[method-assign]
        reads = [pool.submit(httpx2.get, f"{server.url}/api/v1/records", headers={"x-api-key": KEY}) for _ in range(9)]
        assert {len(read.result().json()["records"]) for read in reads} == {1}


def test_what_a_read_is_refused_for_is_said(running: Live) -> None:
    answer = httpx2.get(f"{running.url}/api/v1/records?colour=red", headers={"x-api-key": KEY})
    assert (answer.status_code, "colour: there is no such filter" in answer.text) == (400, True)
