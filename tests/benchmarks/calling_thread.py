"""What autolog costs the calling thread, beside the floor: two clock readings and an append.

    python tests/benchmarks/calling_thread.py [--rounds 30] [--json]

The provider is simulated inside the client's transport, so that only the SDK and autolog are measured. Calls without
anything, with the floor and with autolog take turns in small blocks; the figures are microseconds added per call over
the uninstrumented block beside it, as the median of all rounds. `autolog` is the calling thread's own part: the worker waits
until the block is over. With `autolog, worker busy` it works meanwhile, as it does in a program that never waits for
a network; the two then share one interpreter lock. Records go to a sink that forgets them; `off thread` is the CPU time
that the worker takes for each call.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx2
import openai
from openai._base_client import SyncAPIClient

from autolog import Recorder, _queue
from autolog._record import Record

CHUNKS = 200
BODY = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello there."}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}  # fmt: skip
CHUNK = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'


class Pieces(httpx2.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        for _ in range(CHUNKS):
            yield CHUNK
        yield b"data: [DONE]\n\n"


class Forget:
    def write(self, records: Sequence[Record]) -> None: ...

    def close(self) -> None: ...


def client() -> openai.OpenAI:
    data = json.dumps(BODY).encode()

    def answer(request: httpx2.Request) -> httpx2.Response:
        if b'"stream":true' in request.content:
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Pieces())
        return httpx2.Response(200, headers={"content-type": "application/json"}, content=data)

    return openai.OpenAI(api_key="k", http_client=httpx2.Client(transport=httpx2.MockTransport(answer)))


class Floor:
    """The leanest conceivable instrumentation of the same choke point."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, int]] = []

    def patch(self) -> None:
        original, kept, clock = SyncAPIClient.request, self.kept, time.perf_counter_ns

        @functools.wraps(original)
        def request(self: Any, *args: Any, **kwargs: Any) -> Any:
            start = clock()
            result = original(self, *args, **kwargs)
            kept.append((start, clock()))
            return result

        self.original = original
        SyncAPIClient.request = request  # type: ignore[method-assign]

    def unpatch(self) -> None:
        SyncAPIClient.request = self.original  # type: ignore[method-assign]
        self.kept.clear()


def block(call: Callable[[], Any], count: int) -> float:
    """Nanoseconds per call: the median of single calls, so that a busy neighbour does not count."""
    clock, times = time.perf_counter_ns, []
    for _ in range(count):
        start = clock()
        call()
        times.append(clock() - start)
    return statistics.median(times)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=30)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()

    openai_client, floor, recorder = client(), Floor(), Recorder()
    messages: list[Any] = [{"role": "user", "content": "Say hello"}]
    long: list[Any] = [{"role": "user", "content": "word " * 10_000}]

    def stream() -> None:
        for _ in openai_client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True):
            pass

    create = openai_client.chat.completions.create
    cases: dict[str, tuple[Callable[[], Any], int]] = {
        "chat": (lambda: create(model="gpt-4o-mini", messages=messages), 100),
        "chat, 50 kB prompt": (lambda: create(model="gpt-4o-mini", messages=long), 100),
        f"stream of {CHUNKS}": (stream, 5),
    }
    kinds = ("nothing", "floor", "autolog", "autolog, worker busy")
    linger = {"autolog": 10.0, "autolog, worker busy": _queue.LINGER}
    rows = []
    with recorder.diverted(Forget()):
        for name, (call, count) in cases.items():
            figures: dict[str, list[float]] = {kind: [] for kind in kinds}
            block(call, count)
            for number in range(given.rounds):
                turn = number % len(kinds)
                for kind in kinds[turn:] + kinds[:turn]:
                    patcher: Any = {"floor": floor}.get(kind)
                    if kind in linger:
                        _queue.LINGER = linger[kind]
                        recorder.patch_openai()
                    elif patcher:
                        patcher.patch()
                    figures[kind].append(block(call, count))
                    if kind in linger:
                        recorder.unpatch_openai()
                        recorder.flush()
                    elif patcher:
                        patcher.unpatch()
                gc.collect()
            added = {
                kind: statistics.median(a - b for a, b in zip(figures[kind], figures["nothing"], strict=True)) / 1000
                for kind in kinds[1:]
            }
            base = statistics.median(figures["nothing"]) / 1000
            rows.append({"case": name, "sdk alone": base, **{f"{kind} adds": added[kind] for kind in kinds[1:]}})

        recorder.patch_openai()
        spent, wall = time.process_time(), time.thread_time()
        for _ in range(500):
            create(model="gpt-4o-mini", messages=messages)
        recorder.flush()
        off_thread = ((time.process_time() - spent) - (time.thread_time() - wall)) / 500 * 1e6
        recorder.unpatch_openai()

        span_times = {}
        decorated = recorder(lambda question, depth=1: question)

        def span() -> None:
            with recorder.span("s"):
                pass

        for name, call in {"span": span, "decorator": lambda: decorated("why", depth=2)}.items():
            figures_ns = []
            for _ in range(given.rounds):
                figures_ns.append(block(call, 200))
                recorder.flush()
            span_times[name] = statistics.median(figures_ns) / 1000
    if given.json:
        print(json.dumps({"calls": rows, "off thread (us)": off_thread, **span_times}))
        return
    for row in rows:
        print(
            "  ".join(f"{key}: {value if isinstance(value, str) else f'{value:.2f}':<18}" for key, value in row.items())
        )
    print(f"off thread: {off_thread:.0f} us of CPU for each call")
    print("  ".join(f"{name}: {value:.2f} us" for name, value in span_times.items()))


if __name__ == "__main__":
    main()
