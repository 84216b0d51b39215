"""Run one subject in one process: time calls of the real SDKs over a transport that answers immediately.

Exchanges JSON lines with `compare`: reads `{"case": ..., "count": ...}` and writes figures. Runs in the subject's
environment, so it does not import autolog unless the subject does.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import itertools
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai

CHUNKS = 200
CHAT = {
    "id": "chatcmpl-AbC123", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None,
                 "message": {"role": "assistant", "content": "Hello there, how can I help?", "refusal": None}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17},
}  # fmt: skip
RESPONSE = {
    "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-4o-mini-2024-07-18",
    "output": [{"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
                "content": [{"type": "output_text", "text": "Hello there.", "annotations": []}]}],
    "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
    "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12,
              "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}},
}  # fmt: skip
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "Hello there."}],
    "usage": {"input_tokens": 9, "output_tokens": 3},
}  # fmt: skip
_PIECE = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
CHAT_STREAM = [
    b"data: %s\n\n" % json.dumps({**_PIECE, "choices": [{"index": 0, "delta": {"content": f"w{n} "}}]}).encode()
    for n in range(CHUNKS)
] + [b"data: [DONE]\n\n"]
MESSAGE_STREAM = [
    b"event: %s\ndata: %s\n\n" % (event["type"].encode(), json.dumps(event).encode())
    for event in (
        {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"w{n} "}}
          for n in range(CHUNKS)),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
         "usage": {"output_tokens": 200}},
        {"type": "message_stop"},
    )
]  # fmt: skip


def http_of(sdk: Any) -> Any:
    return getattr(sdk._base_client, "httpx2", None) or sdk._base_client.httpx


def transport(http: Any) -> Any:
    """Return a transport that answers immediately: with JSON bodies, and with streams in pieces."""

    class Pieces(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, pieces: list[bytes]) -> None:
            self.pieces = pieces

        def __iter__(self) -> Iterator[bytes]:
            yield from self.pieces

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self.pieces:
                yield piece

    bodies = {"/chat/completions": CHAT, "/responses": RESPONSE, "/messages": MESSAGE}
    encoded = {path: json.dumps(body).encode() for path, body in bodies.items()}
    streams: dict[str, list[bytes]] = {"/chat/completions": CHAT_STREAM, "/messages": MESSAGE_STREAM}
    numbers = itertools.count()

    def answer(request: Any) -> Any:
        path = request.url.path.removeprefix("/v1")
        if b'"stream":true' in request.content:
            first, *others = streams[path]
            pieces = [b": %d\n" % next(numbers) + first, *others]  # a comment: no two streams are the same
            return http.Response(200, headers={"content-type": "text/event-stream"}, stream=Pieces(pieces))
        return http.Response(200, headers={"content-type": "application/json"}, content=encoded[path])

    async def answer_later(request: Any) -> Any:
        return answer(request)

    return http.MockTransport(answer), http.MockTransport(answer_later)


def cases(subject: Any) -> dict[str, Callable[[], Any]]:
    """Return the cases by name; each function returns the time at which its stream began, in nanoseconds, or None."""
    http, http_a = http_of(openai), http_of(anthropic)
    sync, later = transport(http)
    sync_a, _ = transport(http_a)
    client = openai.OpenAI(api_key="sk-x", http_client=http.Client(transport=sync))
    many = openai.AsyncOpenAI(api_key="sk-x", http_client=http.AsyncClient(transport=later))
    claude = anthropic.Anthropic(api_key="sk-x", http_client=http_a.Client(transport=sync_a))
    messages: list[Any] = [{"role": "user", "content": "Say hello"}]
    long: list[Any] = [{"role": "user", "content": "word " * 10_000}]
    clock = time.perf_counter_ns

    def chat() -> None:
        client.chat.completions.create(model="gpt-4o-mini", messages=messages)

    def chat_long() -> None:
        client.chat.completions.create(model="gpt-4o-mini", messages=long)

    def responses() -> None:
        client.responses.create(model="gpt-4o-mini", input="Say hello")

    def claude_messages() -> None:
        claude.messages.create(model="claude-sonnet-4-5", max_tokens=100, messages=messages)

    def chat_stream() -> int:
        first = 0
        for _ in client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True):
            first = first or clock()
        return first

    def claude_stream() -> int:
        first = 0
        for _ in claude.messages.create(model="claude-sonnet-4-5", max_tokens=100, messages=messages, stream=True):
            first = first or clock()
        return first

    async def fifty() -> None:
        await asyncio.gather(*(many.chat.completions.create(model="gpt-4o-mini", messages=messages) for _ in range(50)))

    loop = asyncio.new_event_loop()
    found: dict[str, Callable[[], Any]] = {
        "chat": chat, "chat, 50 kB prompt": chat_long, "responses": responses, "messages": claude_messages,
        "stream of 200 chunks": chat_stream, "messages, stream of 200": claude_stream,
        "async, 50 at once": lambda: loop.run_until_complete(fifty()),
    }  # fmt: skip
    if hasattr(subject, "decorate"):
        inner = subject.decorate(lambda text, number: text)
        middle = subject.decorate(lambda text, number: inner(text, number))
        outer = subject.decorate(lambda text, number: middle(text, number))
        found["decorator, 3 deep"] = lambda: outer("some text", 3)

        async def deepest(text: str, number: int) -> str:
            return text

        inner_a = subject.decorate(deepest)

        async def between(text: str, number: int) -> Any:
            return await inner_a(text, number)

        middle_a = subject.decorate(between)

        async def highest(text: str, number: int) -> Any:
            return await middle_a(text, number)

        outer_a = subject.decorate(highest)

        async def ten() -> None:
            for _ in range(10):
                await outer_a("some text", 3)

        found["async decorator, 3 deep"] = lambda: loop.run_until_complete(ten())
    if hasattr(subject, "span"):
        span = subject.span

        def spanned() -> None:
            with span("retrieve"):
                pass

        found["span"] = spanned
    return found


#: How many recorded calls one call of a case makes.
PARTS = {"async, 50 at once": 50, "async decorator, 3 deep": 10}


def load(path: str) -> Any:
    specification = importlib.util.spec_from_file_location("subject", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def resident() -> int:
    status = Path("/proc/self/statm")
    pages = int(status.read_text().split()[1]) if status.exists() else 0
    return pages * resource.getpagesize()


def block(call: Callable[[], Any], count: int, settle: Callable[[], None]) -> dict[str, Any]:
    """Return the times of single calls, and the CPU time of all threads until everything is delivered."""
    clock = time.perf_counter_ns
    times, firsts = [], []
    gc.collect()
    gc.disable()
    cpu, mine, started = time.process_time(), time.thread_time(), clock()
    for _ in range(count):
        start = clock()
        first = call()
        times.append(clock() - start)
        if type(first) is int:
            firsts.append(first - start)
    own = time.thread_time() - mine
    settle()
    wall, spent = clock() - started, time.process_time() - cpu
    gc.enable()
    return {"times": times, "firsts": firsts, "thread": own, "cpu": spent, "wall": wall, "memory": resident()}


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keep the subject's output out of the exchange with `compare`
    subject = load(sys.argv[1])
    started = time.perf_counter()
    subject.begin(sys.argv[2])
    ready = time.perf_counter() - started
    known = cases(subject)
    print(json.dumps({"cases": list(known), "begin": ready}), file=out, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            figures = block(known[order["case"]], order["count"], subject.settle)
        except Exception as error:
            print(json.dumps({"broken": f"{type(error).__name__}: {error}"}), file=out, flush=True)
            continue
        parts = PARTS.get(order["case"], 1)
        figures["times"] = [nanoseconds / parts for nanoseconds in figures["times"]]
        figures["calls"] = order["count"] * parts
        print(json.dumps(figures), file=out, flush=True)
    out.flush()
    os._exit(0)  # skip the subject's work at exit, which is not measured


if __name__ == "__main__":
    main()
