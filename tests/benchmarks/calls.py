"""Count the function calls, in Python and C, that processing a record takes off the calling thread.

    python tests/benchmarks/calls.py

Unlike times, counts are the same on every machine and under every load. The records are those of a chat and of a
streamed chat of 200 chunks, each read, redacted and priced with the default configuration. Delivery is not counted.
Every stream has a text of its own, and the padding that OpenAI adds. Calls a record by date:

| | chat | stream of 200 |
| --- | --- | --- |
| 2026-11-28 | 588, later 556 | 5,377, 2,204 since its events are folded together, and 1,373 since longer ones are folded once, too |
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from typing import Any

import httpx2
import openai

from autolog._capture.patch import make_patches
from autolog._capture.span import Span
from autolog._config import Config
from autolog._processing.pipeline import Pipeline

ROUNDS = 10
PIECES = 200
USAGE = {
    "prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}  # fmt: skip
HEAD = {"id": "chatcmpl-1", "created": 1793500000, "model": "gpt-4o-2024-08-06", "service_tier": "default"}


def whole() -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": " word" * PIECES}}
    return json.dumps({**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()


def stream(number: int) -> bytes:
    deltas = [{"role": "assistant", "content": ""}, *({"content": f" word{number + n}"} for n in range(PIECES))]
    choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"})
    chunks: list[dict[str, Any]] = [
        {**HEAD, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices
    ]
    chunks.append({**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": USAGE})
    padded = ({**chunk, "obfuscation": "abcdefghij"[: at % 10]} for at, chunk in enumerate(chunks))
    return b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in padded) + b"data: [DONE]\n\n"


def spans(streamed: bool) -> list[Span]:
    """Return the ended spans of a number of calls, as passed to the queue."""
    numbers = itertools.count()
    kind = "text/event-stream" if streamed else "application/json"

    def handler(request: httpx2.Request) -> httpx2.Response:
        content = stream(next(numbers)) if streamed else whole()
        return httpx2.Response(200, content=content, headers={"content-type": kind, "x-request-id": "req_1"})

    ended: list[Span] = []
    patch = make_patches(ended.append, lambda: None)["openai"]
    patch.apply()
    client = openai.OpenAI(api_key="k" * 20, http_client=httpx2.Client(transport=httpx2.MockTransport(handler)))
    messages: Any = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Say hello"}]
    for _ in range(ROUNDS + 1):
        answer: Any = client.chat.completions.create(model="gpt-4o", messages=messages, stream=streamed)
        if streamed:
            list(answer)
    patch.remove()
    return ended


def count_calls(work: Callable[[], object]) -> int:
    """Return the number of function calls that `work` makes."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def main() -> None:
    for name, streamed in (("chat", False), (f"stream of {PIECES}", True)):
        first, *others = spans(streamed)
        pipeline = Pipeline(Config(), None)
        pipeline(first)  # fills the caches

        def read(spans: list[Span] = others, pipeline: Pipeline = pipeline) -> None:
            pipeline.look_ahead(spans)
            for span in spans:
                pipeline(span)

        calls = count_calls(read)
        print(f"{name:>15}: {calls / len(others):8,.0f} calls a record")


if __name__ == "__main__":
    main()
