"""HTTPS that a server answers itself: when its certificate expires, and what clients may do before they have a key."""

from __future__ import annotations

import gc
import importlib.util
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from waiting import until

from autolog.server import Limits, create_app
from autolog.server._connections import AnnouncedServer, config
from autolog.server._tls import expiry_of


@contextmanager
def serving(folder: Path, loop: str, idle_seconds: float) -> Iterator[int]:
    """Run a server with a certificate, for at most 10 connections, and provide its port."""
    if not importlib.util.find_spec(loop):
        pytest.skip(f"{loop} is not installed")
    chain, key = f"{folder}/cert.pem", f"{folder}/key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    if subprocess.run([*command, "-out", chain, "-keyout", key], capture_output=True, check=False).returncode:
        pytest.skip("making a certificate needs openssl")
    limits = Limits(connections=10, idle_seconds=idle_seconds)
    app = create_app(f"sqlite:///{folder}/s.db", limits=limits)
    settings = config(app, limits, app.shortcuts, port=0, loop=loop, ssl_certfile=chain, ssl_keyfile=key)
    started, threshold = threading.Event(), gc.get_threshold()
    server = AnnouncedServer(settings, started.set)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(20)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(20)
    gc.set_threshold(*threshold)  # the server has set another one
    gc.unfreeze()
    assert not thread.is_alive()


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def port(loop: str, tmp_path: Path) -> Iterator[int]:
    with serving(tmp_path, loop, 60) as number:
        yield number


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def ended(client: socket.socket) -> bool:
    """Wait until the server has closed the connection."""
    try:
        return not client.recv(1000)
    except ConnectionError:
        return True


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def test_a_client_that_never_shakes_hands_is_disconnected(loop: str, tmp_path: Path) -> None:
    with serving(tmp_path, loop, 0.5) as port, connect(port) as silent, connect(port) as halfway:
        halfway.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a greeting
        assert ended(silent)
        assert ended(halfway)


def test_clients_that_do_not_shake_hands_give_way_to_others(port: int) -> None:
    clients = [connect(port) for _ in range(15)]
    with httpx2.Client(verify=False) as client:
        assert client.get(f"https://127.0.0.1:{port}/health").json() == {"status": "ok"}
    until(lambda: sum(map(is_open, clients)) == 9)
    for silent in clients:
        silent.close()


def test_a_request_in_one_packet_with_the_end_of_the_handshake_is_answered(port: int) -> None:
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    secured = unverified().wrap_bio(received, to_send)
    with connect(port) as client:
        while True:
            try:
                secured.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.sendall(to_send.read())
                received.write(client.recv(100_000))
        secured.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        client.sendall(to_send.read())
        while True:
            received.write(client.recv(100_000))
            try:
                assert secured.read().startswith(b"HTTP/1.1 200 ")
                break
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize(
    "words", [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\x00\x04\xff\x00\x00\x00", b"\0" * 5000]
)
def test_a_client_that_does_not_speak_tls_is_disconnected(
    port: int, words: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(port) as client:
        client.sendall(words)
        while not ended(client):  # an alert of TLS may come first
            pass
    assert not caplog.records


def test_many_requests_on_one_connection_and_an_end_by_the_client(port: int) -> None:
    with httpx2.Client(verify=False) as client:
        for _ in range(20):
            assert client.get(f"https://127.0.0.1:{port}/health").json() == {"status": "ok"}
    with unverified().wrap_socket(connect(port)) as secured:
        secured.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        with secured.makefile("rb") as answer:
            assert answer.read().endswith(b'{"status": "ok"}')


def der_time(at: datetime) -> bytes:
    """Return a time as certificates have it: without a century until 2049."""
    tag, form = (b"\x17\x0d", "%y%m%d%H%M%SZ") if at.year < 2050 else (b"\x18\x0f", "%Y%m%d%H%M%SZ")
    return tag + at.strftime(form).encode()


@pytest.mark.parametrize(
    "expiry",
    [datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)],
)
def test_an_expiry_is_read_in_both_forms_of_a_time(expiry: datetime) -> None:
    times = der_time(datetime(2019, 1, 1, tzinfo=UTC)) + der_time(expiry)
    issuer = b"\x30\x0f\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x0c\x04host"
    chain = ssl.DER_cert_to_PEM_cert(issuer + bytes([0x30, len(times)]) + times + issuer)
    assert expiry_of(f"a comment\n{chain}") == expiry


@pytest.mark.parametrize("words", ["-----BEGIN PRIVATE KEY-----", ssl.DER_cert_to_PEM_cert(b"\x30\x03\x02\x01\x01")])
def test_the_expiry_of_what_is_no_certificate_is_unknown(words: str) -> None:
    assert expiry_of(words) is None
