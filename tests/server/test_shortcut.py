"""The short way of requests that carry logs: the same replies as through the application, in the same order."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import uvicorn
from live import KEY
from waiting import until

from autolog._record.zstd import zstd
from autolog.server import Limits, create_app
from autolog.server._connections import config
from autolog.server._httptools import ShortcutProtocol
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.query import Query

JSON = b"content-type: application/json\r\n"
OWN_KEY = f"x-api-key: {KEY}\r\n".encode()


@dataclass
class Served:
    """A running server: its port and store, and the paths of the requests that went through the application."""

    port: int
    store: Store
    usual: list[str]

    def names(self) -> list[str | None]:
        return [record.name for record in self.store.find(Query(), newest_first=False, order_by="seq")]

    def send(self, *pieces: bytes, replies: int = 1) -> list[tuple[int, bytes]]:
        """Send the pieces one after the other on one connection; return the status and body of each reply."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number, piece in enumerate(pieces):
                client.sendall(piece)
                if number + 1 < len(pieces):
                    threading.Event().wait(0.02)
            with client.makefile("rb") as answers:
                return [_reply(answers) for _ in range(replies)]

    def turns(self, *turns: Sequence[bytes]) -> list[tuple[int, object]]:
        """Send the pieces of each request once the one before is answered; return the replies' statuses and bodies."""
        replies = []
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client.makefile("rb") as answers:
                for pieces in turns:
                    for number, piece in enumerate(pieces):
                        client.sendall(piece)
                        threading.Event().wait(0.02 if number + 1 < len(pieces) else 0)
                    status, body = _reply(answers)
                    replies.append((status, json.loads(body) if body[:1] == b"{" else body))
        return replies


def _reply(answers: socket.SocketIO) -> tuple[int, bytes]:  # type: ignore[name-defined]
    status = int(answers.readline().split()[1])
    length = 0
    while (line := answers.readline().strip().lower()) != b"":
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return status, answers.read(length)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(ShortcutProtocol, "patience", 30.0)
    url = f"sqlite:///{tmp_path}/s.db"
    limits = Limits(body_bytes=100_000)
    app = create_app(url, api_key=KEY, limits=limits)
    usual: list[str] = []

    async def seen(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["type"] == "http":
            usual.append(scope["path"])
        await app(scope, receive, send)

    server = uvicorn.Server(config(seen, limits, app.shortcuts, port=0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    running = Served(server.servers[0].sockets[0].getsockname()[1], open_store(url), usual)
    running.send(post("first"))  # reads the keys
    usual.clear()
    yield running
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


def post(name: str, head: bytes = OWN_KEY + JSON, path: str = "/api/v1/records", version: str = "1.1") -> bytes:
    """Return the bytes of a request that stores a log of this name."""
    return request(json.dumps([{"id": name, "name": name}]).encode(), head, path, version)


def request(body: bytes, head: bytes = OWN_KEY + JSON, path: str = "/api/v1/records", version: str = "1.1") -> bytes:
    start = f"POST {path} HTTP/{version}\r\nhost: x\r\ncontent-length: {len(body)}\r\n".encode()
    return start + head + b"\r\n" + body


def accepted(name: str) -> dict[str, object]:
    return {"accepted": 1, "rejected": 0, "results": [{"status": 200, "id": name}]}


CHUNKED = b'1a\r\n[{"id": "a", "name": "a"}]\r\n0\r\n\r\n'
WHOLE = {
    "plain": [post("a")],
    "chunked": [
        b"POST /api/v1/records HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n" + OWN_KEY + b"\r\n" + CHUNKED
    ],
    "head in pieces": [post("a")[:30], post("a")[30:]],
    "body apart": [post("a")[:-9], post("a")[-9:]],
    "closing": [post("a", OWN_KEY + b"connection: close\r\n")],
    "compressed": [request(zstd.compress(b'[{"id": "a", "name": "a"}]'), OWN_KEY + b"content-encoding: zstd\r\n")],
}
USUAL = {
    "body in three": [post("a")[:-9], post("a")[-9:-4], post("a")[-4:]],
    "slash before the path": [post("a", path="//api/v1/records")],
    "a query": [post("a", path="/api/v1/records?x=1")],
    "HTTP/1.0": [post("a", version="1.0")],
    "large when decompressed": [
        request(
            zstd.compress(b'[{"id": "a", "name": "a", "request_body": "' + b"x" * 70_000 + b'"}]'),
            OWN_KEY + b"content-encoding: zstd\r\n",
        )
    ],
}


@pytest.mark.parametrize("way", WHOLE)
def test_a_whole_request_takes_the_short_way(served: Served, way: str) -> None:
    ((status, body),) = served.send(*WHOLE[way])
    assert (status, json.loads(body)) == (200, accepted("a"))
    assert served.names() == ["first", "a"]
    assert served.usual == []


@pytest.mark.parametrize("way", USUAL)
def test_any_other_request_goes_through_the_application(served: Served, way: str) -> None:
    ((status, body),) = served.send(*USUAL[way])
    assert (status, json.loads(body)) == (200, accepted("a"))
    assert served.names() == ["first", "a"]
    assert len(served.usual) == 1 or "body" in way  # on a slow machine the pieces may arrive together


def test_requests_that_wait_behind_each_other_are_answered_in_order(served: Served) -> None:
    names = [f"log-{number}" for number in range(6)]
    replies = served.send(b"".join(map(post, names)), replies=6)
    assert [json.loads(body) for _, body in replies] == [accepted(name) for name in names]
    assert served.names() == ["first", *names]


def test_what_is_no_request_behind_a_whole_one_closes_the_connection(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(post("a") + b"\0no request" + post("b"))
        while client.recv(65536):
            pass
    assert served.send(post("c"))[0][0] == 200
    until(lambda: sorted(map(str, served.names())) == ["a", "c", "first"])


def test_a_request_cut_off_stores_nothing_and_the_next_ones_are_served(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(post("a")[:-3])
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(post("b"))  # and leaves without waiting for the answer
    assert served.send(post("c"))[0][0] == 200
    until(lambda: sorted(map(str, served.names())) == ["b", "c", "first"])


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the parser saw: an item for each request."""
    seen: list[str] = []
    begin = ShortcutProtocol.on_message_begin

    def on_message_begin(connection: ShortcutProtocol) -> None:
        seen.append("request")
        begin(connection)

    monkeypatch.setattr(ShortcutProtocol, "on_message_begin", on_message_begin)
    return seen


def halves(data: bytes) -> tuple[bytes, bytes]:
    """Return the head and the body of a request."""
    head, blank, body = data.partition(b"\r\n\r\n")
    return head + blank, body


def test_a_request_that_repeats_the_head_before_is_not_parsed_again(served: Served, begun: list[str]) -> None:
    names = ["a", "bb", "c" * 100, "d"]
    assert served.turns(*[(post(name),) for name in names]) == [(200, accepted(name)) for name in names]
    assert served.turns(*[halves(post(name * 2)) for name in names]) == [(200, accepted(name * 2)) for name in names]
    assert served.names() == ["first", *names, *[name * 2 for name in names]]
    assert served.usual == []
    assert begun == ["request"] * 2


OTHER = {
    "another key": (request(b"[]", b"x-api-key: no\r\n" + JSON), 401),
    "no batch": (request(b"{"), 400),
    "another path": (request(b"[]", path="/api/v1/other"), 404),
    "too large": (request(b"[" + b" " * 100_000 + b"]"), 413),
    "a wrong length": (request(b"[]").replace(b"length: 2", b"length: x"), 400),
    "two requests": (request(b"[]") + request(b"[]"), 200),
    "a letter before": (b"P" + request(b"[]"), 400),
    "a sign before the length": (request(b"[]").replace(b"length: 2", b"length: +2"), 400),
    "two numbers": (request(b"[]").replace(b"length: 2", b"length: 2, 2"), 400),
    "zeros before the length": (request(b"[]").replace(b"length: 2", b"length: 002"), 200),
    "a length too short": (request(b"[]").replace(b"length: 2", b"length: 1"), 400),
    "two lengths": (request(b"[]", OWN_KEY + JSON + b"content-length: 2\r\n"), 400),
    "a length, and in chunks": (request(b"[]", OWN_KEY + JSON + b"transfer-encoding: chunked\r\n"), 400),
    "capitals": (request(b"[]").replace(b"content-length", b"CONTENT-LENGTH"), 200),
    "two hosts": (request(b"[]", OWN_KEY + JSON + b"host: x\r\n"), 400),
    "no host": (request(b"[]").replace(b"host: x\r\n", b""), 400),
    "another host's target": (request(b"[]", path="http://y/api/v1/records"), 400),
}


@pytest.mark.parametrize("way", OTHER)
def test_a_request_behind_another_is_answered_as_if_it_came_alone(served: Served, way: str) -> None:
    data, status = OTHER[way]
    (alone, *_), (_, behind, *_) = served.turns((data,)), served.turns((post("a"),), (data,))
    assert behind == alone
    assert alone[0] == status


def test_a_head_that_began_earlier_is_not_taken_for_a_whole_one(served: Served, begun: list[str]) -> None:
    first = b"POST /api/v1/records HTTP/1.1\r\nx-first: "
    assert served.turns((first, post("a")), (post("b"),)) == [(200, accepted("a")), (200, accepted("b"))]
    assert served.turns((post("c") + b"P",), (post("d"),))[1][0] == 400
    assert begun == ["request"] * 4
    assert sorted(map(str, served.names())) == ["a", "b", "c", "first"]


def test_a_request_inside_a_body_is_not_served(served: Served) -> None:
    hidden = request(post("hidden"))
    assert [status for status, _ in served.turns((post("a"),), (hidden,), halves(hidden), (post("b"),))] == [
        200,
        400,
        400,
        200,
    ]
    assert served.names() == ["first", "a", "b"]


def test_a_key_revoked_between_two_requests_with_the_same_head_is_refused(served: Served) -> None:
    with httpx2.Client(base_url=f"http://127.0.0.1:{served.port}", headers={"x-api-key": KEY}) as admin:
        given = {"name": "k", "project": "default", "scopes": ["ingest"]}
        made = admin.post("/api/v1/keys", json=given).raise_for_status().json()
        head = f"x-api-key: {made['key']}\r\n".encode() + JSON
        with (
            socket.create_connection(("127.0.0.1", served.port), timeout=30) as client,
            client.makefile("rb") as answers,
        ):
            client.sendall(post("a", head))
            assert _reply(answers)[0] == 200
            client.sendall(post("b", head))
            assert _reply(answers)[0] == 200
            admin.delete(f"/api/v1/keys/{made['id']}").raise_for_status()
            client.sendall(post("c", head))
            assert _reply(answers)[0] == 401
    assert served.names() == ["first", "a", "b"]


@pytest.mark.parametrize("before", [[], [post("a")]])
def test_the_application_waits_for_a_body_that_is_late(
    served: Served, before: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ShortcutProtocol, "patience", 0.0)
    assert served.turns(*[(data,) for data in before], halves(post("b")))[-1] == (200, accepted("b"))
    assert served.usual == ["/api/v1/records"]


REFUSED = {
    "no key": (request(b"[]", JSON), 401),
    "an unknown key": (request(b"[]", b"x-api-key: no\r\n"), 401),
    "not a batch": (request(b"[1"), 400),
    "another protocol": (request(b"[]", OWN_KEY + b"x-autolog-protocol: 2.0\r\n"), 501),
    "another type": (request(b"[]", OWN_KEY + b"content-type: text/html\r\n"), 415),
    "an unknown coding": (request(b"[]", OWN_KEY + b"content-encoding: br\r\n"), 415),
    "damaged data": (request(b"[]", OWN_KEY + b"content-encoding: zstd\r\n"), 400),
    "a body too large": (request(b"[" + b" " * 100_000 + b"]"), 413),
    "too many values": (request(b"[" + b"{}," * 10_001 + b"{}]"), 413),
    "GET": (b"GET /v1/logs HTTP/1.1\r\nhost: x\r\n\r\n", 405),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_refused_request_gets_the_same_reply_on_both_ways(served: Served, why: str) -> None:
    whole, expected = REFUSED[why]
    head, _, body = whole.partition(b"\r\n\r\n")
    pieces = (head + b"\r\n\r\n", body[:1], body[1:]) if body else (head, b"\r\n\r\n")
    short, usual = served.send(whole), served.send(*pieces)
    assert short == usual
    assert short[0][0] == expected
    assert served.names() == ["first"]


def test_the_rate_of_a_key_is_limited_on_the_short_way(tmp_path: Path) -> None:
    limits = Limits(requests_per_second=1)
    app = create_app(f"sqlite:///{tmp_path}/s.db", api_key=KEY, limits=limits)
    server = uvicorn.Server(config(app, limits, app.shortcuts, port=0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    running = Served(server.servers[0].sockets[0].getsockname()[1], app.state.services.store, [])
    replies = running.send(*[post(f"log-{number}") for number in range(8)], replies=8)
    assert [status for status, _ in replies].count(429) >= 4
    server.should_exit = True
    thread.join(30)
