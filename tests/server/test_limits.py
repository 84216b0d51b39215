"""The limits for a client with a key."""

from __future__ import annotations

import gzip
import json
import math
import socket
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from dialects.samples import Server
from live import KEY, live
from starlette.testclient import TestClient
from waiting import until

from autolog._record.record import Record
from autolog._record.zstd import zstd
from autolog.dialects._fault import Fault
from autolog.server import Limits, create_app
from autolog.server._keys import create_key
from autolog.server._readers import THREADS
from autolog.stores._contract import Store


def test_limits(server: Server) -> None:
    insert = "/api/logs/insert"
    large = json.dumps({"model": "m", "description": "x" * 50_000}).encode()
    assert server.call("POST", insert, large).status_code == 413
    bomb = gzip.compress(json.dumps({"model": "m", "description": "x" * 1_000_000}).encode())
    for coding, data, status in (
        ("gzip", bomb, 413), ("zstd", zstd.compress(b" " * 1_000_000), 413), ("gzip", b"junk", 400), ("zstd", b"junk", 400),
        ("gzip", gzip.compress(b'{"model":"m"}')[:-9], 400), ("br", b"x", 415), ("gzip", gzip.compress(b'{"model":"m"}'), 200),
        ("deflate", zlib.compress(b'{"model":"m"}'), 200), ("zstd", zstd.compress(b'{"model":"m"}'), 200),
    ):  # fmt: skip
        answer = server.call("POST", insert, data, headers={"content-encoding": coding})
        assert answer.status_code == status, (coding, answer.text)
    assert len(server.rows()) == 3
    assert server.call("POST", "/api/v1/records", [{}] * 11).status_code == 413
    assert server.call("POST", "/v1/logs", [{"request": {}, "response": {}}] * 11).status_code == 413
    assert server.call("POST", "/api/v1/records", b"x", headers={"content-type": "text/plain"}).status_code == 415
    assert (
        server.call("POST", "/v1/traces", b"x", headers={"content-type": "application/x-protobuf"}).status_code == 400
    )


@pytest.mark.parametrize("readers", [THREADS, 60])
def test_requests_that_read_do_not_keep_others_from_writing(tmp_path: Path, readers: int) -> None:
    """As long as they are served, whether they use all threads for reading or all places of requests that read."""
    going, done = threading.Semaphore(0), threading.Event()

    def slow(*_: Any) -> list[Record]:
        going.release()
        done.wait(60)
        return []

    with (
        live(tmp_path / "s.db", Limits(requests=100)) as server,
        httpx2.Client(base_url=server.url, timeout=60) as client,
    ):
        keys = [{"x-api-key": KEY}, {"x-api-key": create_key(server.store, "other")}]
        server.store.find = slow  # type: ignore[method-assign]
        with ThreadPoolExecutor(readers) as pool:
            reads = [pool.submit(client.get, "/api/v1/records", headers=keys[n % 2]) for n in range(readers)]
            try:
                for _ in range(THREADS):
                    assert going.acquire(timeout=30)
                services = server.services
                until(lambda: services.readers.requests == services.load.requests == min(readers, 50))
                until(lambda: sum(read.done() for read in reads) == readers - min(readers, 50))
                services.keyring._read_at = -math.inf  # to be read again before the next request
                with httpx2.Client(base_url=server.url, headers=keys[0], timeout=10) as writer:
                    assert writer.post("/api/v1/records", json=[{"id": "r", "name": "r"}]).status_code == 200
            finally:
                done.set()
            statuses = [read.result().status_code for read in reads]
        assert statuses.count(503) == max(0, readers - 50)
        assert services.load.requests == services.readers.requests == 0


def test_streams_leave_connections_to_those_who_write(tmp_path: Path) -> None:
    with live(tmp_path / "s.db", Limits(connections=20)) as server, ExitStack() as stack:
        headers, statuses = {"x-api-key": KEY}, list[int]()
        keys = [KEY, create_key(server.store, "second"), create_key(server.store, "third")]
        for number in range(20):
            given = {"x-api-key": keys[number % 3]}
            client = stack.enter_context(httpx2.Client(base_url=server.url, headers=given, timeout=30))
            statuses.append(stack.enter_context(client.stream("GET", "/api/v1/tail")).status_code)
        assert statuses == [200] * 5 + [503] * 15
        for _ in range(5):
            assert httpx2.post(f"{server.url}/api/v1/records", json=[{}], headers=headers).status_code == 200


def test_long_replies_of_readers_leave_memory_to_those_who_write(tmp_path: Path) -> None:
    """Of 40 MB a response of 15 MB is within the half that readers have; a second one is not, until that was taken."""
    large = [{"id": "large", "response_body": "x" * 15_000_000}]
    with live(tmp_path / "s.db", Limits(memory_bytes=40_000_000)) as server, ExitStack() as stack:
        client = stack.enter_context(httpx2.Client(base_url=server.url, headers={"x-api-key": KEY}, timeout=30))
        assert client.post("/api/v1/records", json=large).status_code == 200
        first = stack.enter_context(client.stream("GET", "/api/v1/records/large"))
        assert first.status_code == 200
        other = {"x-api-key": create_key(server.store, "other")}
        until(lambda: client.get("/api/v1/records/large", headers=other).status_code == 503)
        assert client.post("/api/v1/records", json=[{**large[0], "id": "other"}]).status_code == 200
        first.read()
        until(lambda: server.services.load.bytes == 0)
        assert client.get("/api/v1/records/large").status_code == 200


def test_rate_limit(store: Store) -> None:
    with TestClient(create_app(store, api_key=KEY, limits=Limits(requests_per_second=1))) as client:  # type: ignore[arg-type]
        server = Server(client, store)
        statuses = [server.call("POST", "/v1/logs", []).status_code for _ in range(5)]
        assert statuses[:2] == [200, 200]
        assert statuses[-1] == 429
        answer = server.call("POST", "/v5/prompts/log", {"path": "x"})
        assert (answer.status_code, int(answer.headers["retry-after"])) == (429, 1)


def test_requests_of_one_key_that_write_leave_room_for_others(tmp_path: Path) -> None:
    head = "POST {} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-length: 100\r\n\r\n "
    with live(tmp_path / "s.db", Limits(requests=8, memory_bytes=8_000)) as server, ExitStack() as stack:
        other = {"x-api-key": create_key(server.store, "other")}
        address = httpx2.URL(server.url)
        for path in ("/api/logs/insert", "/api/v1/records") * 5:  # their bodies never come
            slow = stack.enter_context(socket.create_connection((address.host, address.port)))
            slow.sendall(head.format(path, KEY).encode())
        load = server.services.load
        until(lambda: load.requests == 6)
        answer = httpx2.post(f"{server.url}/api/logs/insert", headers={"x-api-key": KEY}, json={"model": "m"})
        assert answer.status_code == 503
        body = {"model": "m", "description": "x" * 1_000}
        assert httpx2.post(f"{server.url}/api/logs/insert", headers=other, json=body).status_code == 200
    part = server.services.load_of_writer("one")
    part.check_alone(8_000)
    part.add(7_000)  # a body may be larger if it is the only one
    with pytest.raises(Fault):
        part.add(1)
    part.add(-7_000)
    assert server.services.load_of_writer("one") is part
