"""Helpers for the tests of shipping: a recorded call, and a backend with scripted replies."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import openai

import autolog
from autolog._record.zstd import zstd
from autolog.cli._standin import standin


def call_openai(metadata: dict[str, Any] | None = None) -> None:
    """Record one call, by the user `u` with the plan `gold`."""
    autolog.patch_openai()
    with standin() as address, autolog.context(user="u", metadata=metadata or {"plan": "gold"}):
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="k", max_retries=0)
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello"}])


class Backend(ThreadingHTTPServer):
    """A backend of any dialect, which sends the replies in `answers`, then `otherwise` or that it stored all records.

    Attributes:
        answers: the next replies, each a status, headers and a body.
        request_times: the monotonic time of each request.
        request_headers: the headers of each request, by their names in lower case.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.answers: list[tuple[int, dict[str, str], bytes | None]] = []
        self.otherwise: tuple[int, dict[str, str], bytes | None] = (200, {}, None)
        self.request_times: list[float] = []
        self.request_headers: list[dict[str, str]] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["content-length"]))
        server.request_times.append(time.monotonic())
        server.request_headers.append({name.lower(): value for name, value in self.headers.items()})
        status, headers, reply = server.answers.pop(0) if server.answers else server.otherwise
        if reply is None:
            reply = stored(body) if self.path == "/api/v1/records" else b'{"id": "1", "success": true}'
        self.send_response(status)
        given = {"content-type": "application/json", "content-length": str(len(reply)), **headers}
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: Any) -> None: ...


def stored(batch: bytes) -> bytes:
    """Return the reply that says that all records of a native batch were stored."""
    count = len(msgspec.msgpack.decode(zstd.decompress(batch), type=list[msgspec.Raw]))
    return json.dumps({"accepted": count, "rejected": 0}).encode()


@contextlib.contextmanager
def backend() -> Iterator[Backend]:
    """Run a backend for the block."""
    server = Backend()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
