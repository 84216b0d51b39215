"""Request bodies: limits count the bytes received, and are low for clients without a key."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from live import KEY, Live, live

from autolog._record.zstd import zstd
from autolog.dialects._fault import Fault
from autolog.server import Limits
from autolog.server._bodies import MAX_MEMBERS, decompress
from autolog.server._limits import ANONYMOUS_BODIES, ANONYMOUS_BODY_BYTES, ANONYMOUS_BODY_SECONDS, Load, Share

TRACK = "/rest/track-score"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path / "s.db", Limits(body_seconds=3)) as server:
        yield server


def insert(running: Live, number: int) -> int:
    body = [{"id": f"r{number}"}]
    return httpx2.post(f"{running.url}/api/v1/records", json=body, headers={"x-api-key": KEY}, timeout=30).status_code


def half_sent(running: Live, stack: ExitStack, path: str, length: int) -> socket.socket:
    """Send a request with only the first byte of its body."""
    host, port = running.url.removeprefix("http://").split(":")
    connection = stack.enter_context(socket.create_connection((host, int(port))))
    connection.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{{".encode())
    return connection


@pytest.mark.parametrize("path", [TRACK, "/ui/login", "/ui/logout", "/log-request"])
def test_senders_without_a_key_that_do_not_go_on_keep_nobody_out(path: str, tmp_path: Path) -> None:
    with live(tmp_path / "s.db") as running, ExitStack() as stack:
        for _ in range(3 * ANONYMOUS_BODIES):
            half_sent(running, stack, path, 100_000)
        started = time.monotonic()
        assert [insert(running, number) for number in range(5)] == [200] * 5
        login = httpx2.post(f"{running.url}/ui/login", data={"key": KEY}, timeout=30)
        assert login.status_code == 303
        assert time.monotonic() - started < ANONYMOUS_BODY_SECONDS


def test_the_slowest_sender_without_a_key_gives_way_and_all_are_given_up_in_the_end(running: Live) -> None:
    with ExitStack() as stack:
        first = half_sent(running, stack, TRACK, 1000)
        time.sleep(0.1)
        others = [half_sent(running, stack, TRACK, 1000) for _ in range(ANONYMOUS_BODIES)]
        first.settimeout(2)
        assert first.recv(100).startswith(b"HTTP/1.1 408")
        others[-1].settimeout(8)
        assert others[-1].recv(100).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
def test_a_body_without_a_key_before_it_is_small_also_when_decompressed(running: Live, coding: str) -> None:
    plain = json.dumps({"api_key": KEY, "request_id": 1, "score": 1, "x": "y" * ANONYMOUS_BODY_BYTES}).encode()
    body = {"identity": plain, "gzip": gzip.compress(plain), "zstd": zstd.compress(plain)}[coding]
    headers = {"content-encoding": coding}
    assert httpx2.post(running.url + TRACK, content=body, headers=headers).status_code == 413
    assert httpx2.post(running.url + TRACK, content=body, headers={**headers, "x-api-key": KEY}).status_code != 413


def test_many_values_without_a_key_do_not_stop_the_event_loop(running: Live) -> None:
    body = gzip.compress(b'{"a":[' + b"[]," * 300_000 + b"[]]}", 9)
    slowest, done = 0.0, threading.Event()

    def ask() -> None:
        for _ in range(10):
            httpx2.post(running.url + TRACK, content=body, headers={"content-encoding": "gzip"}, timeout=60)
        done.set()

    thread = threading.Thread(target=ask)
    thread.start()
    while not done.is_set():
        started = time.monotonic()
        assert httpx2.get(f"{running.url}/health", timeout=30).status_code == 200
        slowest = max(slowest, time.monotonic() - started)
    thread.join()
    assert slowest < 1


def test_what_was_announced_takes_no_memory(tmp_path: Path) -> None:
    with live(tmp_path / "s.db", Limits(memory_bytes=3_000_000)) as running, ExitStack() as stack:
        host, port = running.url.removeprefix("http://").split(":")
        for _ in range(10):
            waiting = stack.enter_context(socket.create_connection((host, int(port))))
            head = f"POST /api/v1/records HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: 1000000\r\n\r\n["
            waiting.sendall(head.encode())
        time.sleep(0.2)
        assert insert(running, 1) == 200


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_decompression_counts_as_it_goes(coding: str) -> None:
    plain = bytes(200_000_000)
    data = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}[coding](plain)
    load = Load(Limits(memory_bytes=20_000_000))
    tracemalloc.start()
    with pytest.raises(Fault) as refused:
        decompress(data, coding, 10**9, Share(load))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.status == 413
    assert peak < 30_000_000


def test_a_body_that_can_never_fit_is_not_asked_for_again() -> None:
    load = Load(Limits(memory_bytes=1_000))
    statuses = []
    first = Share(load)
    first.hold(600)
    for size in (401, 1_001):
        with pytest.raises(Fault) as refused:
            Share(load).hold(size)
        statuses.append(refused.value.status)
    assert (statuses, load.bytes) == ([503, 413], 600)


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024 - 1, 1024 * 1024, 3_000_000])
def test_decompression_in_steps_gives_the_same(size: int) -> None:
    plain = bytes(range(256)) * (size // 256 + 1)
    plain = plain[:size]
    for coding, data in (
        ("gzip", gzip.compress(plain)),
        ("deflate", zlib.compress(plain)),
        ("zstd", zstd.compress(plain)),
    ):
        assert decompress(data, coding, size) == plain
        with pytest.raises(Fault):
            decompress(data[:-1], coding, size)


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_several_members_are_one_body_and_what_follows_them_is_refused(compress: Callable[[bytes], bytes]) -> None:
    coding = "gzip" if compress is gzip.compress else "zstd"
    assert decompress(compress(b"one, ") + compress(b"two"), coding, 1_000) == b"one, two"
    for wrong in (compress(b"one") + b"junk", compress(b"one") + compress(b"two")[:-5]):
        with pytest.raises(Fault, match="malformed"):
            decompress(wrong, coding, 1_000)


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_many_members_with_little_in_them_are_refused(compress: Callable[[bytes], bytes]) -> None:
    coding = "gzip" if compress is gzip.compress else "zstd"
    assert decompress(compress(b"x") * MAX_MEMBERS, coding, MAX_MEMBERS) == b"x" * MAX_MEMBERS
    for content in (b"x", b""):
        with pytest.raises(Fault, match="more than 1000 members") as refused:
            decompress(compress(content) * 100_000, coding, 10**9)
        assert refused.value.status == 400
