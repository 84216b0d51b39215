"""No server can hold the client up: replies that drip, that have no end, or that decompress to too much."""

from __future__ import annotations

import gzip
import http.server
import itertools
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpcore2
import httpx2
import pytest
from endless import OK, SLOW, answering, dripping
from waiting import until

from autolog._record.http_client import HTTPClient, Reply, _Stream

#: The two ways to ask: for anyone, and for those who ask one server often.
WAYS: dict[str, Callable[[HTTPClient, str], httpx2.Response | Reply]] = {
    "request": lambda client, address: client.post(address, content=b"{}"),
    "exchange": lambda client, address: client.exchange("POST", address, {}, b"{}"),
}
either = pytest.mark.parametrize("ask", WAYS.values(), ids=WAYS)


@either
@pytest.mark.parametrize("reply", SLOW)
def test_a_reply_that_drips_is_given_up(reply: str, ask: Callable[[HTTPClient, str], object]) -> None:
    with dripping(reply) as port, HTTPClient(30, reply_timeout=0.1) as client, pytest.raises(httpx2.ReadTimeout):
        ask(client, f"http://127.0.0.1:{port}/")


@either
@pytest.mark.parametrize("reply", ["headers", "body"])
def test_a_reply_that_drips_over_tls_is_given_up(
    reply: str, ask: Callable[[HTTPClient, str], object], tmp_path: Path
) -> None:
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("making a certificate needs openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = "req -x509 -nodes -days 1 -subj /CN=localhost -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -keyout"
    subprocess.run([openssl, *options.split(), key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with (
        dripping(reply, lambda sock: context.wrap_socket(sock, server_side=True)) as port,
        HTTPClient(30, reply_timeout=0.1, verify=False) as client,
        pytest.raises(httpx2.ReadTimeout),
    ):
        ask(client, f"https://127.0.0.1:{port}/")


@either
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_whose_reply_drips_is_given_up(
    scheme: str, ask: Callable[[HTTPClient, str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with dripping("headers") as port:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{port}")
        with HTTPClient(30, reply_timeout=0.1) as client, pytest.raises(httpx2.ReadTimeout):
            ask(client, f"{scheme}://logs.example/")


@either
def test_a_reply_without_an_end_is_given_up(ask: Callable[[HTTPClient, str], object]) -> None:
    parts = itertools.repeat(b"1000\r\n" + b"x" * 4096 + b"\r\n", 100_000)
    begin = OK + b"transfer-encoding: chunked\r\n\r\n"
    with (
        answering(begin, parts) as port,
        HTTPClient(30, max_bytes=1_000_000) as client,
        pytest.raises(httpx2.ReadError, match="more than 1000000 bytes"),
    ):
        ask(client, f"http://127.0.0.1:{port}/")


def reply_of(content: bytes, *headers: str) -> bytes:
    return (
        OK + "".join(f"{header}\r\n" for header in (*headers, f"content-length: {len(content)}", "")).encode() + content
    )


@either
def test_a_reply_that_decompresses_to_too_much_is_given_up(ask: Callable[[HTTPClient, str], object]) -> None:
    bomb = reply_of(gzip.compress(bytes(3_000_000)), "content-encoding: gzip")
    with (
        answering(bomb) as port,
        HTTPClient(30, max_bytes=1_000_000) as client,
        pytest.raises(httpx2.DecodingError, match="when decompressed"),
    ):
        ask(client, f"http://127.0.0.1:{port}/")


def test_a_compressed_reply_is_read_as_if_it_were_not() -> None:
    plain = b'{"name": "' + b"x" * 10_000 + b'"}'
    reply = reply_of(gzip.compress(plain), "content-encoding: gzip", "content-type: application/json", "location: /a")
    with answering(reply.replace(b"200 OK", b"302 Found")) as port, HTTPClient(30) as client:
        for _ in range(2):  # the connection remains usable
            response = client.get(f"http://127.0.0.1:{port}/")
            assert (response.status_code, response.content) == (302, plain)
            assert response.json()["name"] == "x" * 10_000
            assert response.next_request is not None
            assert response.next_request.url.path == "/a"
            again = client.exchange("GET", f"http://127.0.0.1:{port}/", {}, b"")
            assert (again.status, again.headers["location"], again.content) == (302, "/a", plain)


@either
def test_the_limits_are_those_of_each_reply_and_not_of_the_connection(
    ask: Callable[[HTTPClient, str], httpx2.Response | Reply],
) -> None:
    with answering(reply_of(bytes(600_000))) as port, HTTPClient(30, max_bytes=1_000_000) as client:
        for _ in range(3):
            assert len(ask(client, f"http://127.0.0.1:{port}/").content) == 600_000


@contextmanager
def noting(replies: int = 100) -> Iterator[tuple[int, list[list[bytes]]]]:
    """Yield a port and what arrives on each of its connections, which end, noted as b"", after that many replies."""
    arrived: list[list[bytes]] = []

    def serve(peer: socket.socket) -> None:
        requests = arrived[-1]
        with peer:
            for _ in range(replies):
                if not (part := peer.recv(1_000_000)):
                    return
                requests.append(part)
                peer.sendall(reply_of(b"{}"))
        requests.append(b"")

    def accept() -> None:
        while True:
            try:
                peer = listener.accept()[0]
            except OSError:
                return
            arrived.append([])
            threading.Thread(target=serve, args=[peer], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], arrived
        listener.shutdown(socket.SHUT_RDWR)


@either
def test_a_small_request_is_sent_at_once_and_over_one_connection(ask: Callable[[HTTPClient, str], object]) -> None:
    with noting() as (port, arrived), HTTPClient(30) as client:
        for _ in range(3):
            ask(client, f"http://127.0.0.1:{port}/logs")
    (requests,) = arrived
    assert len(requests) == 3
    for request in requests:
        head, _, body = request.partition(b"\r\n\r\n")
        assert head.startswith(b"POST /logs HTTP/1.1\r\n")
        assert body == b"{}"


def test_a_connection_that_the_server_has_closed_is_replaced() -> None:
    with noting(replies=1) as (port, arrived), HTTPClient(30) as client:
        for number in range(3):
            assert client.exchange("POST", f"http://127.0.0.1:{port}/", {}, b"{}").content == b"{}"
            until(lambda: arrived[-1][-1:] == [b""])
            assert len(arrived) == number + 1


def test_what_an_exchange_sends_besides_what_it_is_told() -> None:
    with noting() as (port, arrived), HTTPClient(30) as client:
        client.exchange(
            "PUT", f"http://me:secret@127.0.0.1:{port}/a?b=c", {"user-agent": "autolog", "x-one": "1"}, b"12"
        )
    head = arrived[0][0].decode().partition("\r\n\r\n")[0].split("\r\n")
    assert head[0] == "PUT /a?b=c HTTP/1.1"
    assert sorted(head[1:]) == sorted([
        f"host: 127.0.0.1:{port}", "user-agent: autolog", "x-one: 1", "authorization: Basic bWU6c2VjcmV0",
        "content-length: 2",
    ])  # fmt: skip


def test_an_exchange_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with noting() as (port, arrived):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        with HTTPClient(30) as client:
            assert client.exchange("POST", "http://logs.example/a", {}, b"{}").status == 200
    assert arrived[0][0].startswith(b"POST http://logs.example/a HTTP/1.1\r\n")


def test_an_exchange_with_an_httpx2_that_names_its_connections_otherwise() -> None:
    class Transport(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            return transport.handle_request(request)

    with noting() as (port, arrived), httpx2.HTTPTransport() as transport, HTTPClient(30) as client:
        client._transport = Transport()
        reply = client.exchange("POST", f"http://127.0.0.1:{port}/a", {"x-one": "1"}, b"12")
    assert (reply.status, reply.headers["content-length"], reply.content) == (200, "2", b"{}")
    assert arrived[0][0].startswith(b"POST /a HTTP/1.1\r\n")
    until(lambda: b"".join(arrived[0]).endswith(b"\r\n\r\n12"))
    assert b"\r\nx-one: 1\r\n" in arrived[0][0].lower()


def test_an_address_of_another_kind_is_no_connection() -> None:
    with HTTPClient(30) as client, pytest.raises(httpx2.UnsupportedProtocol):
        client.exchange("POST", "ftp://127.0.0.1/", {}, b"{}")


class Refusing(httpcore2.NetworkStream):
    """A connection to a server that has replied, and reads no more."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return b"HTTP/1.1 413"

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        raise httpcore2.WriteError("closed")


def test_a_reply_that_comes_before_the_request_was_sent_is_read() -> None:
    stream = _Stream(Refusing(), 30, 1_000_000)
    stream.write(b"POST / HTTP/1.1", 30)
    assert stream.read(100, 30) == b"HTTP/1.1 413"
    with pytest.raises(httpcore2.WriteError):
        stream.write(bytes(100_000), 30)  # httpcore2 then reads the reply
    assert stream.read(100, 30) == b"HTTP/1.1 413"


class Kept(http.server.BaseHTTPRequestHandler):
    """Answers, and keeps the connection open."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def descriptors_to(port: int) -> list[int]:
    """Return the descriptors of this process's connections to a port."""
    found = []
    for number in range(3, 1024):
        with suppress(OSError), socket.socket(fileno=os.dup(number)) as copy:
            if copy.getpeername()[1] == port:
                found.append(number)
    return found


@either
def test_a_program_that_closes_all_descriptors_keeps_those_that_it_opens_then(
    ask: Callable[[HTTPClient, str], object],
) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kept) as server, HTTPClient(30) as client:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ask(client, f"http://127.0.0.1:{server.server_port}/")
        (number,) = descriptors_to(server.server_port)
        os.closerange(number, number + 1)
        reading, writing = os.pipe()
        own = writing if reading != number else reading
        os.dup2(own, number)  # unless it has that number already
        before = os.fstat(number)
        ask(client, f"http://127.0.0.1:{server.server_port}/")
        assert os.path.samestat(os.fstat(number), before)
        for descriptor in {reading, writing, number}:
            os.close(descriptor)
        server.shutdown()
