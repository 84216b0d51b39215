"""The client for HTTP: connections that are kept or closed, proxies, and unusual responses and addresses."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from autolog._delivery import http_client
from autolog._delivery.http_client import Response, open_client

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers each connection with scripted responses, and closes it after the last.

    Attributes:
        script: the responses for each connection to come.
        requests: the heads of the requests, by connection.
    """

    def __init__(self, script: list[list[bytes]]) -> None:
        self.script = script
        self.requests: list[list[str]] = []
        self.closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        for responses in self.script:
            connection, _ = self._listener.accept()
            heads: list[str] = []
            self.requests.append(heads)
            with connection, connection.makefile("rb") as incoming:
                for response in responses:
                    head = b"".join(iter(incoming.readline, b"\r\n"))
                    incoming.read(int(head.lower().partition(b"content-length: ")[2].split()[0]))
                    heads.append(head.decode())
                    connection.sendall(response)
            self.closed.set()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "getproxies", dict)


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    running: list[Server] = []
    yield running
    for server in running:
        server.close()


def post(client: http_client.HTTPClient) -> Response:
    return client.request("POST", "/a", b"body", {"x-one": "1"})


def test_requests_share_a_connection_until_it_has_been_idle(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server([[OK, OK], [OK]])
    servers.append(server)
    client = open_client(f"http://{server.address}", {"x-all": "2"})
    assert post(client) == post(client) == Response(200, {"content-length": "2"}, b"{}", 4)
    monkeypatch.setattr(http_client, "KEPT", 0)
    assert post(client).is_success
    assert [len(heads) for heads in server.requests] == [2, 1]
    assert "x-one: 1" in server.requests[0][0]
    assert "x-all: 2" in server.requests[0][0]


def test_a_connection_that_the_server_has_closed_is_opened_again(servers: list[Server]) -> None:
    server = Server([[OK], [OK]])
    servers.append(server)
    client = open_client(f"http://{server.address}", {})
    assert post(client).is_success
    assert server.closed.wait(10)
    assert post(client).is_success


def test_a_connection_that_is_closed_before_the_first_response_is_an_error(servers: list[Server]) -> None:
    server = Server([[b""]])
    servers.append(server)
    with pytest.raises(ConnectionError):
        post(open_client(f"http://{server.address}", {}))


@pytest.mark.parametrize(
    ("response", "content"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", b"{}"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"{}"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_the_forms_of_a_response(response: bytes, content: bytes, servers: list[Server]) -> None:
    server = Server([[response]])
    servers.append(server)
    assert post(open_client(f"http://{server.address}", {})).content == content


def test_a_path_outside_ascii_is_percent_encoded(servers: list[Server]) -> None:
    server = Server([[OK]])
    servers.append(server)
    post(open_client(f"http://{server.address}/für uns/%20", {}))
    assert server.requests[0][0].startswith("POST /f%C3%BCr%20uns/%20/a HTTP/1.1")


def test_a_large_request_is_sent_in_blocks_which_each_have_the_timeout(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server([[OK]])
    servers.append(server)
    sizes: list[int] = []
    send = HTTPConnection.send

    def noted(connection: HTTPConnection, data: bytes) -> None:
        sizes.append(len(data))
        send(connection, data)

    monkeypatch.setattr(HTTPConnection, "send", noted)
    content = b"x" * 200_000
    assert open_client(f"http://{server.address}", {}).request("POST", "/a", content, {}).sent == len(content)
    assert sum(sizes[1:]) == len(content)
    assert max(sizes) <= http_client.BLOCK
    assert "content-length: 200000" in server.requests[0][0].lower()


@pytest.mark.parametrize("name", ["http", "all"])
def test_a_proxy_of_the_environment_is_used(name: str, servers: list[Server], monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server([[OK]])
    servers.append(server)
    monkeypatch.setattr(http_client, "getproxies", lambda: {name: f"http://{server.address}"})
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv(f"{name}_proxy", f"http://{server.address}")
    assert post(open_client("http://logs.example", {})).is_success
    assert server.requests[0][0].startswith("POST http://logs.example/a HTTP/1.1")


def test_the_user_in_an_address_is_sent(servers: list[Server]) -> None:
    server = Server([[OK]])
    servers.append(server)
    post(open_client(f"http://ann:secret@{server.address}", {}))
    assert base64.b64encode(b"ann:secret").decode() in server.requests[0][0]
