"""Responses of urllib3 are kept whole, however they are encoded, framed and read."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from chat_server import ANSWER, receive, request

import autolog
from autolog.testing import Records

requests = pytest.importorskip("requests")
#: Compressed, it arrives at once; decompressed, it is read in many pieces.
BODY = json.dumps({**ANSWER, "padding": "words " * 10_000}).encode()
READERS: dict[str, Callable[[Any], bytes]] = {
    "content": lambda response: bytes(response.content),
    "lines": lambda response: b"".join(response.iter_lines()),
    "small pieces": lambda response: b"".join(response.iter_content(100)),
    "pieces as they arrive": lambda response: b"".join(response.iter_content(None)),
    "raw": lambda response: bytes(response.raw.read(decode_content=True)),
    "raw pieces": lambda response: b"".join(iter(lambda: response.raw.read(1000, decode_content=True), b"")),
}


def answer(listening: socket.socket, framing: str) -> None:
    connection, _ = listening.accept()
    body = gzip.compress(BODY)
    with connection:
        receive(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n")
        if framing == "chunked":
            connection.sendall(b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        elif framing == "length":
            connection.sendall(b"content-length: %d\r\n\r\n%s" % (len(body), body))
        else:
            connection.sendall(b"connection: close\r\n\r\n" + body)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("reader", READERS)
def test_a_compressed_body_is_kept_whole(reader: str, framing: str, records: Records) -> None:
    autolog.patch_http()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answer, args=(listening, framing), daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1/chat/completions"
        response = requests.post(url, data=request(), stream=reader != "content")
        assert READERS[reader](response) == BODY
        (record,) = records  # at once, although the response has not been closed
    assert record.response_body == BODY
    assert record.usage_input_tokens == 9
