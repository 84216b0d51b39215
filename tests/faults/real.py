"""Real processes for the fault tests: a server that can be killed, a faulty backend, and programs that use autolog."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
from live import KEY, Live
from waiting import until

import autolog
from autolog.stores import open_store
from autolog.stores.query import Query

HEADERS = {"authorization": f"Bearer {KEY}"}
ROOT = Path(autolog.__file__).parents[1]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Server:
    """`autolog serve` on its own port, which can be killed and started again over the same file or database."""

    def __init__(self, place: Path | str, *options: str) -> None:
        self.store = place if isinstance(place, str) else f"sqlite:///{place}"
        self.port, self.options = free_port(), options
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start the server, and return the seconds until it accepted logs."""
        started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "autolog", "serve", "--port", str(self.port),
             "--store", self.store, *self.options],
            env=environment(AUTOLOG_SERVER_API_KEY=KEY), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(lambda: self.get("/ready") == 200, 120)
        return time.monotonic() - started

    def get(self, path: str) -> int | None:
        try:
            return httpx2.get(self.url + path, headers=HEADERS, timeout=10).status_code
        except httpx2.HTTPError:
            return None

    def end(self, how: int = 9) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(30)

    def names(self) -> list[str]:
        return names_in(self.store)

    def memory(self) -> int:
        """Return the resident memory in bytes."""
        assert self.process is not None
        return resident(self.process.pid)


def resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) * 1024


def names_in(place: Path | str) -> list[str]:
    store = open_store(place if isinstance(place, str) else f"sqlite:///{place}", create=False)
    if store is None:
        return []
    try:
        return sorted(str(record.name) for record in store.find(Query(), 1_000_000))
    finally:
        store.close()


@contextlib.contextmanager
def running(place: Path | str, *options: str) -> Iterator[Server]:
    server = Server(place, *options)
    try:
        server.start()
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.end()


class Moody:
    """A proxy in front of a real server, which treats requests according to `mood`.

    `well` forwards them; `500`, `429` and `503` answer with that status; `garbage` answers with an unrelated page, and
    `noise` with bytes that are not HTTP; `hang` does not answer; `cut` closes the connection without an answer; `deaf`
    forwards requests but not the answers; `refuse` does not listen.
    """

    def __init__(self, behind: str) -> None:
        self.behind, self.mood, self.port = behind, "well", free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests = 0
        self._listening: ThreadingHTTPServer | None = None
        self._awake = threading.Event()

    def feel(self, mood: str) -> None:
        self._awake.set()
        self._awake = threading.Event()
        self.mood = mood
        if mood == "refuse":
            self.close()
        elif self._listening is None:
            self._listen()

    def close(self) -> None:
        self._awake.set()
        if self._listening is not None:
            self._listening.shutdown()
            self._listening.server_close()
            self._listening = None

    def _listen(self) -> None:
        moody = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                moody.requests += 1
                moody._answer(self, body)

            def log_message(self, *_: Any) -> None: ...

        class Listening(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_: Any) -> None: ...

        self._listening = Listening(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._listening.serve_forever, args=(0.05,), daemon=True).start()

    def _answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        mood = self.mood
        if mood in {"well", "deaf"}:
            kept = {"authorization", "content-type", "content-encoding", "x-api-key"}
            headers = {name: value for name, value in handler.headers.items() if name.lower() in kept}
            answer = httpx2.post(self.behind + handler.path, content=body, headers=headers, timeout=30)
            if mood == "well":
                self._say(handler, answer.status_code, answer.content, "application/json")
                return
        if mood == "hang":
            self._awake.wait(60)
        if mood in {"hang", "cut", "deaf"}:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif mood == "garbage":
            self._say(handler, 200, b"<html>Welcome to the airport's network</html>", "text/html")
        elif mood == "noise":
            handler.wfile.write(os.urandom(200))
            handler.close_connection = True
        else:
            self._say(handler, int(mood), b'{"error": "mood"}', "application/json")

    def _say(self, handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str) -> None:
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


MOODS = ("refuse", "hang", "500", "429", "503", "garbage", "noise", "cut", "deaf")


@contextlib.contextmanager
def moody(server: Server | Live, mood: str = "well") -> Iterator[Moody]:
    backend = Moody(server.url)
    backend.feel(mood)
    try:
        yield backend
    finally:
        backend.close()


def environment(**given: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AUTOLOG_", "COV_"))}
    return {**clean, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **given}


def program(text: str, folder: Path, **given: str) -> subprocess.Popen[str]:
    """Start a program in its own working directory."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text)],
        cwd=folder, env=environment(**given), text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(text: str, folder: Path, timeout: float = 180, **given: str) -> subprocess.CompletedProcess[str]:
    """Run a program in its own working directory to its end."""
    process = program(text, folder, **given)
    out, err = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess([], process.returncode, out, err)
