"""Connections: request heads are bounded, and clients without a key yield to others."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
import uvicorn
from live import KEY, live
from waiting import until

from autolog.server import Limits, create_app
from autolog.server._connections import PIPELINED, config
from autolog.server._limits import HEADER_BYTES, HEADERS


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Run a server like `autolog serve`, for at most 30 connections, and return its port."""
    limits = Limits(connections=30, body_seconds=60)
    app = create_app(f"sqlite:///{tmp_path}/s.db", api_key=KEY, limits=limits)
    server = uvicorn.Server(config(app, limits, app.shortcuts, port=0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


def test_a_live_stream_ends_when_the_server_does(tmp_path: Path) -> None:
    limits = Limits()
    server = uvicorn.Server(config(create_app(f"sqlite:///{tmp_path}/s.db", api_key=KEY), limits, port=0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/api/v1/tail"
    with httpx2.stream("GET", url, headers={"x-api-key": KEY}, timeout=30) as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": live"
        server.should_exit = True
        assert set(lines) <= {""}  # whole: a stream that is cut off raises an error
    thread.join(30)
    assert not thread.is_alive()


def test_idle_connections_stay_open_as_long_as_the_limits_say() -> None:
    assert config(None, Limits()).timeout_keep_alive == Limits().idle_seconds  # uvicorn closes them, too: after 5 s


def answer(port: int, *pieces: bytes) -> bytes:
    """Return the response to the bytes of a request, read until the connection is closed or silent."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(2)
        got = b""
        try:
            for piece in pieces:
                client.sendall(piece)
            while part := client.recv(65_536):
                got += part
        except OSError:
            pass
        return got


HEAD = b"GET /health HTTP/1.1\r\nhost: x\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD, b"x: " + b"a" * (HEADER_BYTES + 1) + b"\r\n\r\n"],
        [HEAD, b"x: ", *[b"a" * 10_000] * 100],
        [b"GET /" + b"a" * 100_000],
        [HEAD, b"".join(b"x%d: a\r\n" % n for n in range(HEADERS + 1)), b"\r\n"],
        [HEAD, *[b"x%d: a\r\n" % n for n in range(HEADERS + 1)], b"\r\n"],
        [b"POST /ui/login HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ", *[b"a" * 10_000] * 20],
        [b"POST /ui/login HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;x=", *[b"a" * 10_000] * 20],
    ],
    ids=["one value", "without an end", "a path", "many", "many, one by one", "a trailer", "a chunk's extension"],
)
def test_a_head_without_bound_is_refused(port: int, pieces: list[bytes]) -> None:
    assert answer(port, *pieces)[:12] in {b"HTTP/1.1 431", b"HTTP/1.1 400", b""}
    assert httpx2.get(f"http://127.0.0.1:{port}/health").status_code == 200


def test_large_heads_that_are_within_bounds_pass(port: int) -> None:
    head = HEAD + b"x: " + b"a" * (HEADER_BYTES - 500) + b"\r\nconnection: close\r\n\r\n"
    assert answer(port, head).startswith(b"HTTP/1.1 200")
    many = HEAD + b"".join(b"x%d: a\r\n" % n for n in range(HEADERS - 3)) + b"connection: close\r\n\r\n"
    assert answer(port, many).startswith(b"HTTP/1.1 200")


def test_requests_in_a_row_and_large_bodies_pass(port: int) -> None:
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers={"x-api-key": KEY}) as client:
        for number in range(30):
            body = [{"id": f"r{number}", "metadata": {"x": "y" * 50_000}}]
            assert client.post("/api/v1/records", json=body).status_code == 200


def test_few_requests_wait_behind_another_on_one_connection(port: int) -> None:
    assert answer(port, HEAD + b"\r\n").count(b"HTTP/1.1 200") == 1
    assert (
        answer(port, (b"GET /ready HTTP/1.1\r\nhost: x\r\n\r\n") * (PIPELINED + 50)).count(b"200 OK") <= PIPELINED + 1
    )


def test_connections_whose_request_shows_no_key_give_way_to_others(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(60):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            slow.sendall(b"POST /ui/login HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nkey=")
        for number in range(5):
            body = [{"id": f"r{number}"}]
            headers = {"x-api-key": KEY}
            url = f"http://127.0.0.1:{port}/api/v1/records"
            assert httpx2.post(url, json=body, headers=headers, timeout=5).status_code == 200


def unread(port: int, request: bytes, stack: ExitStack) -> socket.socket:
    """Return a connection on which a request was sent whose response its client does not read."""
    client = stack.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.connect(("127.0.0.1", port))
    client.sendall(request)
    return client


def test_connections_whose_client_takes_no_response_give_way_to_others(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(30):
            unread(port, b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * (PIPELINED + 1), stack)
        for _ in range(5):
            assert httpx2.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200


def large_record(url: str) -> None:
    """Store a record whose body is much larger than what is held for a connection."""
    body = [{"id": "large", "response_body": "x" * 3_000_000}]
    assert httpx2.post(f"{url}/api/v1/records", json=body, headers={"x-api-key": KEY}, timeout=30).status_code == 200


LARGE = b"GET /api/v1/records/large HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\n\r\n" % KEY.encode()


def test_a_client_that_takes_nothing_is_disconnected(tmp_path: Path) -> None:
    with live(tmp_path / "s.db", Limits(idle_seconds=0.5)) as server, ExitStack() as stack:
        large_record(server.url)
        client = unread(int(server.url.rpartition(":")[2]), LARGE, stack)
        until(lambda: server.services.readers.bytes > 0)  # being sent
        until(lambda: server.services.readers.bytes == 0)
        with pytest.raises(ConnectionError):
            while client.recv(1_000_000):
                pass
            raise ConnectionError


def test_a_client_that_takes_a_response_slowly_gets_all_of_it(tmp_path: Path) -> None:
    with live(tmp_path / "s.db", Limits(idle_seconds=1)) as server, ExitStack() as stack:
        large_record(server.url)
        last = LARGE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
        client = unread(int(server.url.rpartition(":")[2]), last, stack)
        size, begun = 0, time.monotonic()
        while part := client.recv(100_000):
            size += len(part)
            time.sleep(max(0.0, begun + size / 1_000_000 - time.monotonic()))
        assert size > 3_000_000


HOSTS = {
    "one": (b"GET /health HTTP/1.1\r\nhost: x\r\n", 200),
    "two": (b"GET /health HTTP/1.1\r\nhost: x\r\nHost: y\r\n", 400),
    "the same twice": (b"GET /health HTTP/1.1\r\nhost: x\r\nhost: x\r\n", 400),
    "none": (b"GET /health HTTP/1.1\r\n", 400),
    "none in HTTP/1.0": (b"GET /health HTTP/1.0\r\n", 200),
    "the target's": (b"GET http://X/health HTTP/1.1\r\nhost: x\r\n", 200),
    "another than the target's": (b"GET http://y/health HTTP/1.1\r\nhost: x\r\n", 400),
}


@pytest.mark.parametrize("way", HOSTS)
def test_a_request_is_for_one_host(port: int, way: str) -> None:
    head, status = HOSTS[way]
    assert answer(port, head + b"connection: close\r\n\r\n")[9:12] == b"%d" % status


UPGRADES = [b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n",
            b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA==\r\n"]  # fmt: skip


@pytest.mark.parametrize("pieces", [1, 2, 40])
@pytest.mark.parametrize("upgrade", UPGRADES, ids=["h2c", "websocket"])
@pytest.mark.parametrize("path", [b"/api/v1/records", b"/api/v1/records?x=1", b"/v1/traces"])
def test_a_request_that_asks_for_another_protocol_is_read_whole(
    port: int, path: bytes, upgrade: bytes, pieces: int
) -> None:
    """Java's HTTP client asks for HTTP/2 with its first request; without its body, a POST of spans is a valid one."""
    span = {"traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1", "name": "s"}
    otlp = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    body = json.dumps(otlp if b"traces" in path else [{"id": "r"}]).encode()
    fields = b"host: x\r\nx-api-key: %s\r\ncontent-type: application/json\r\n" % KEY.encode()
    head = b"POST %s HTTP/1.1\r\n%s%scontent-length: %d\r\n\r\n" % (path, fields, upgrade, len(body))
    data = head + body + b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    size = len(head) if pieces == 2 else -(-len(data) // pieces)
    got = answer(port, *(data[at : at + size] for at in range(0, len(data), size)))
    assert got.count(b"HTTP/1.1 200") == 2
    kept = httpx2.get(f"http://127.0.0.1:{port}/api/v1/records", headers={"x-api-key": KEY}).json()
    assert len(kept["records"]) == 1


@pytest.mark.parametrize("path", [b"/api/v1/records", b"/api/v1/records?usual=way"])
def test_fields_behind_a_body_are_no_headers(port: int, path: bytes) -> None:
    """A proxy that sets or removes headers may pass on the client's trailers (RFC 9110, 6.5.1)."""
    head = b"POST %s HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n" % path
    key, body = b"x-api-key: %s\r\n" % KEY.encode(), b"\r\n4\r\n[{}]\r\n0\r\n"
    assert answer(port, head + key + body + b"x: y\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert answer(port, head + body + key + b"\r\n").startswith(b"HTTP/1.1 401")


def test_a_tunnel_is_refused(port: int) -> None:
    assert answer(port, b"CONNECT x:443 HTTP/1.1\r\nhost: x:443\r\n\r\n")[9:12] == b"400"
