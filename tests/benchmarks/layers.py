"""Measure the overhead on the calling thread of a call in each layer, and of other traffic of a patched HTTP library.

    python tests/benchmarks/layers.py [--rounds 60]

All variants take turns in one process, in short blocks, and neighbouring blocks are compared. A model call is one of
the openai SDK over a transport that answers immediately, recorded first at the SDK and then at the HTTP library below
it. Other traffic is a GET, over such a transport and from a loopback server.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent)]

import httpx  # noqa: E402
import httpx2  # noqa: E402
import openai  # noqa: E402
from client.worker import transport  # noqa: E402

import autolog  # noqa: E402

MESSAGES: Any = [{"role": "user", "content": "Say hello"}]
Turn = tuple[Callable[[], Any], Callable[[], Any]]

#: The functions that enter and leave each variant.
NOTHING: Turn = (lambda: None, lambda: None)
SDK: Turn = (lambda: autolog.patch_openai(), lambda: autolog.unpatch_openai())
HTTP: Turn = (lambda: autolog.patch_http(), lambda: autolog.unpatch_http())


def times(call: Callable[[], Any], count: int) -> list[int]:
    """Return how long each of `count` calls takes, in nanoseconds."""
    clock = time.perf_counter_ns
    durations = []
    gc.collect()
    gc.disable()
    for _ in range(count):
        start = clock()
        call()
        durations.append(clock() - start)
    gc.enable()
    return durations


def in_turns(call: Callable[[], Any], ways: dict[str, Turn], rounds: int, count: int) -> dict[str, list[float]]:
    """Return the fastest fifth of every block of each variant, nearest to the code's own time, in microseconds."""
    levels: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            enter, leave = ways[name]
            enter()
            found = sorted(times(call, count))[count // 5] / 1000
            assert autolog.flush(60), autolog.status()
            leave()
            if number:  # the first round is for warming up
                levels[name].append(found)
    return levels


def added(levels: dict[str, list[float]], name: str) -> float:
    """Return the overhead of a variant: the median difference between neighbouring blocks."""
    pairs = zip(levels[name], levels["nothing"], strict=True)
    return statistics.median(mine - bare for mine, bare in pairs)


def calls(rounds: int) -> Iterator[tuple[str, float, float]]:
    """Yield the overhead of a call in layer 1 and in layer 2, in microseconds."""
    sync, later = transport(httpx2)
    client = openai.OpenAI(api_key="sk-x", http_client=httpx2.Client(transport=sync))
    many = openai.AsyncOpenAI(api_key="sk-x", http_client=httpx2.AsyncClient(transport=later))
    loop = asyncio.new_event_loop()
    create, create_later = client.chat.completions.create, many.chat.completions.create
    cases: dict[str, tuple[Callable[[], Any], int]] = {
        "chat": (lambda: create(model="gpt-4o-mini", messages=MESSAGES), 60),
        "async chat": (lambda: loop.run_until_complete(create_later(model="gpt-4o-mini", messages=MESSAGES)), 60),
        "stream of 200": (lambda: list(create(model="gpt-4o-mini", messages=MESSAGES, stream=True)), 8),
    }
    for name, (call, count) in cases.items():
        levels = in_turns(call, {"nothing": NOTHING, "sdk": SDK, "http": HTTP}, rounds, count)
        yield name, added(levels, "sdk"), added(levels, "http")


def others(rounds: int, url: str) -> Iterator[tuple[str, float, float]]:
    """Yield the time of other traffic without autolog, and the overhead, in microseconds."""
    loop = asyncio.new_event_loop()
    for name, module in (("httpx", httpx), ("httpx2", httpx2)):
        answers = module.MockTransport(lambda _, module=module: module.Response(200, text="x"))
        at_once = module.Client(transport=answers)
        yield _other(f"{name}, answered at once", lambda client=at_once: client.get(url), rounds, 200)
        served = module.Client()
        yield _other(f"{name}, loopback", lambda client=served: client.get(url), rounds, 60)
    requests = _module("requests")
    if requests is not None:
        session = requests.Session()
        yield _other("requests, loopback", lambda: session.get(url), rounds, 60)
    aiohttp = _module("aiohttp")
    if aiohttp is not None:

        async def ask(session: Any) -> None:
            async with session.get(url) as response:
                await response.read()

        async def opened() -> Any:
            return aiohttp.ClientSession()

        connected = loop.run_until_complete(opened())
        yield _other("aiohttp, loopback", lambda: loop.run_until_complete(ask(connected)), rounds, 60)
        loop.run_until_complete(connected.close())
    boto3 = _module("boto3")
    if boto3 is not None:
        client = boto3.client("s3", "us-east-1", endpoint_url=url, aws_access_key_id="k", aws_secret_access_key="s")
        yield _other("botocore, loopback", lambda: client.head_bucket(Bucket="b"), rounds, 20)


def _other(name: str, call: Callable[[], Any], rounds: int, count: int) -> tuple[str, float, float]:
    levels = in_turns(call, {"nothing": NOTHING, "http": HTTP}, rounds, count)
    return name, statistics.median(levels["nothing"]), added(levels, "http")


def _module(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError:
        return None


class Answers(BaseHTTPRequestHandler):
    """A server that answers every GET and HEAD with a few bytes."""

    disable_nagle_algorithm = True

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0" if self.command == "HEAD" else "1")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"x")

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None: ...


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=60)
    options.add_argument("--only", choices=["calls", "others"])
    given = options.parse_args()
    os.environ["AUTOLOG_STORE"] = f"sqlite:///{tempfile.mkdtemp()}/logs.db"
    if given.only != "others":
        print(f"{'a call, us':28}{'at the SDK':>14}{'by HTTP':>14}{'ratio':>10}", flush=True)
        for name, sdk, http in calls(given.rounds):
            print(f"{name:28}{sdk:14.1f}{http:14.1f}{http / sdk:10.2f}", flush=True)
    if given.only == "calls":
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"{'other traffic, us':28}{'without us':>14}{'added':>14}{'percent':>10}", flush=True)
    for name, bare, more in others(given.rounds, f"http://127.0.0.1:{server.server_port}"):
        print(f"{name:28}{bare:14.1f}{more:14.2f}{more / bare * 100:10.2f}", flush=True)
    server.shutdown()


if __name__ == "__main__":
    main()
