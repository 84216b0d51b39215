"""No server can hold the client up: replies that drip, that have no end, or that decompress to too much."""

from __future__ import annotations

import gzip
import itertools
import shutil
import ssl
import subprocess
from pathlib import Path

import httpx2
import pytest
from endless import OK, SLOW, answering, dripping

from autolog._record.http_client import HTTPClient


@pytest.mark.parametrize("reply", SLOW)
def test_a_reply_that_drips_is_given_up(reply: str) -> None:
    with dripping(reply) as port, HTTPClient(30, reply_timeout=0.1) as client, pytest.raises(httpx2.ReadTimeout):
        client.post(f"http://127.0.0.1:{port}/", content=b"{}")


@pytest.mark.parametrize("reply", ["headers", "body"])
def test_a_reply_that_drips_over_tls_is_given_up(reply: str, tmp_path: Path) -> None:
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
        client.get(f"https://127.0.0.1:{port}/")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_whose_reply_drips_is_given_up(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with dripping("headers") as port:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{port}")
        with HTTPClient(30, reply_timeout=0.1) as client, pytest.raises(httpx2.ReadTimeout):
            client.get(f"{scheme}://logs.example/")


def test_a_reply_without_an_end_is_given_up() -> None:
    parts = itertools.repeat(b"1000\r\n" + b"x" * 4096 + b"\r\n", 100_000)
    begin = OK + b"transfer-encoding: chunked\r\n\r\n"
    with (
        answering(begin, parts) as port,
        HTTPClient(30, max_bytes=1_000_000) as client,
        pytest.raises(httpx2.ReadError, match="more than 1000000 bytes"),
    ):
        client.get(f"http://127.0.0.1:{port}/")


def reply_of(content: bytes, *headers: str) -> bytes:
    return (
        OK + "".join(f"{header}\r\n" for header in (*headers, f"content-length: {len(content)}", "")).encode() + content
    )


def test_a_reply_that_decompresses_to_too_much_is_given_up() -> None:
    bomb = reply_of(gzip.compress(bytes(3_000_000)), "content-encoding: gzip")
    with (
        answering(bomb) as port,
        HTTPClient(30, max_bytes=1_000_000) as client,
        pytest.raises(httpx2.DecodingError, match="when decompressed"),
    ):
        client.get(f"http://127.0.0.1:{port}/")


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


def test_the_limits_are_those_of_each_reply_and_not_of_the_connection() -> None:
    with answering(reply_of(bytes(600_000))) as port, HTTPClient(30, max_bytes=1_000_000) as client:
        for _ in range(3):
            assert len(client.get(f"http://127.0.0.1:{port}/").content) == 600_000
