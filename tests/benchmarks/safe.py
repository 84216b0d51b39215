"""Measure how soon after its call a record is safe: written to the store, or accepted by a server.

One program on one core calls a stand-in provider from several threads without a pause; the stand-in and the backend run
in their own processes on another core. On a busy machine, give the program its own share of the CPU
(`echo -20 > /proc/self/autogroup` in its session); otherwise the figures are those of the machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from client.worker import CHAT

HERE = Path(__file__).parent


def measure(core: int | None, seconds: float = 3.0) -> list[dict[str, Any]]:
    """Return a row for each target and number of threads: milliseconds from a call's end until its record was safe."""
    others = (
        {} if core is None else {"preexec_fn": lambda: os.sched_setaffinity(0, {*os.sched_getaffinity(0)} - {core})}
    )
    servers = [
        subprocess.Popen([sys.executable, *program], stdout=subprocess.PIPE, text=True, **others)
        for program in ([str(HERE / "client" / "sink.py")], [__file__, "provider"])
    ]
    try:
        sink, provider = (server.stdout.readline().strip() for server in servers if server.stdout is not None)
        return [
            run(core, [str(threads), str(seconds), provider, target], f"{name}, {threads} threads")
            for name, target in (("local file", "store"), ("server", sink))
            for threads in (1, 8)
        ]
    finally:
        for server in servers:
            server.kill()
            server.wait()


def run(core: int | None, arguments: list[str], name: str) -> dict[str, Any]:
    pinned = {} if core is None else {"preexec_fn": lambda: os.sched_setaffinity(0, {core})}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "program", *arguments],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
            stdout=subprocess.PIPE, check=True, text=True, **pinned,
        )  # fmt: skip
    waits = sorted(json.loads(done.stdout)["waits"])
    first = json.loads(done.stdout)["waits"][0]
    at = {f"p{percent}": waits[len(waits) * percent // 100] for percent in (50, 99)}
    return {"case": "safe after, ms", "subject": name, "first": first, **at, "latest": waits[-1], "records": len(waits)}


def program(threads: int, seconds: float, provider: str, target: str) -> None:
    """Call the provider, and print the milliseconds from each call's end until its record was safe, as written."""
    import openai

    import autolog
    from autolog._delivery.http_sink import HTTPSink
    from autolog._delivery.sinks import StoreSink

    waits: list[float] = []

    def timed(write: Any) -> Any:
        def timed_write(sink: Any, records: Any) -> Any:
            done, now = write(sink, records), time.time()
            waits.extend((now - record.created_at.timestamp() - (record.duration or 0)) * 1000 for record in records)
            return done

        return timed_write

    for kind in (HTTPSink, StoreSink):
        kind.write = timed(kind.write)  # type: ignore[method-assign]
    autolog.configure(**({} if target == "store" else {"endpoint": target}))  # type: ignore[arg-type]
    autolog.patch()
    client = openai.OpenAI(api_key="sk-x", base_url=provider, max_retries=0)
    end = time.monotonic() + seconds

    def call() -> None:
        while time.monotonic() < end:
            client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Say hello"}])

    callers = [threading.Thread(target=call) for _ in range(threads)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert autolog.flush(60), autolog.status()
    print(json.dumps({"waits": waits}))


class Provider(asyncio.Protocol):
    """A server that answers every request with one chat completion, as fast as Python can."""

    BODY = json.dumps(CHAT).encode()
    ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY

    def connection_made(self, transport: Any) -> None:
        self.transport, self.read = transport, b""

    def data_received(self, data: bytes) -> None:
        self.read += data
        while (end := self.read.find(b"\r\n\r\n") + 4) > 3:
            length = self.read[:end].lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            if len(self.read) < end + int(length or 0):
                return
            self.read = self.read[end + int(length or 0) :]
            self.transport.write(self.ANSWER)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "provider":
        asyncio.run(serve())
    else:
        program(int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:])
