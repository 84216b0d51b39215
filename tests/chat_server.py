"""A local server that answers chat requests like OpenAI's: whole, streamed, compressed, with errors, or slowly."""

from __future__ import annotations

import gzip
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Tagus, Douro."}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}  # fmt: skip
WORDS = ("Tagus", ", ", "Douro", ".")


def chunks() -> Iterator[bytes]:
    """Yield the events of a streamed response."""
    for word in WORDS:
        delta = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-4o-mini",
                 "choices": [{"index": 0, "delta": {"content": word}}]}  # fmt: skip
        yield b"data: %s\n\n" % json.dumps(delta).encode()
    last = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-4o-mini", "choices": [],
            "usage": ANSWER["usage"]}  # fmt: skip
    yield b"data: %s\n\ndata: [DONE]\n\n" % json.dumps(last).encode()


class ChatServer:
    """A running server, and the requests that it has received.

    Attributes:
        host: the server's address and port.
        url: its base URL, for an OpenAI client.
        bodies: the request bodies, in order.
        heads: the request headers, in order.
        failures: the error statuses with which to answer the next requests.
        answers: the bodies with which to answer the next requests, instead of the usual one.
    """

    def __init__(self, port: int) -> None:
        self.host = f"127.0.0.1:{port}"
        self.url = f"http://{self.host}/v1"
        self.bodies: list[bytes] = []
        self.heads: list[list[tuple[str, str]]] = []
        self.failures: list[int] = []
        self.answers: list[dict[str, Any]] = []

    def forget(self) -> None:
        """Drop the requests received, and the failures and answers not yet sent."""
        self.bodies.clear()
        self.heads.clear()
        self.failures.clear()
        self.answers.clear()


def receive(connection: socket.socket) -> bytes:
    """Return a whole request with a `content-length`: closing a connection with unread bytes resets it."""
    received = b""
    while part := connection.recv(65_536):
        received += part
        head, end, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if end and len(body) >= int(length[1] if length else 0):
            break
    return received


def request(**extra: Any) -> bytes:
    """Return the body of a chat request."""
    return json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Rivers?"}], **extra}).encode()


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """Run the server for a block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            self._whole(200, b"{}", "application/json")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            server.bodies.append(body)
            server.heads.append(self.headers.items())
            if server.failures:
                failure = json.dumps({"error": {"type": "server_error", "message": "try again"}}).encode()
                self._whole(server.failures.pop(0), failure, "application/json")
            elif json.loads(body or b"{}").get("stream"):
                self._streamed()
            else:
                self._whole(
                    200, json.dumps(server.answers.pop(0) if server.answers else ANSWER).encode(), "application/json"
                )

        def _whole(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            if "gzip" in self.headers.get("x-encode", ""):
                body = gzip.compress(body)
                self.send_header("content-encoding", "gzip")
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.send_header("x-request-id", "req-1")
            self.end_headers()
            self.wfile.write(body)

        def _streamed(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for chunk in chunks():
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server = ChatServer(http.server_port)
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    http.shutdown()
    http.server_close()
