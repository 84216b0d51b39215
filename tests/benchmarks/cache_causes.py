"""Measure the search for causes of cache misses, off the calling thread: `python tests/benchmarks/cache_causes.py`.

The records, in memory, are those of an agent with ten conversations, whose instructions break the cache now and then.
Prints the milliseconds per call, and the megabytes of requests per second, of reading, comparing and explaining.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

from prompts import anthropic_body, call, openai_body, prompt_tokens, words  # noqa: E402

from autolog._reading.caching.report import report  # noqa: E402
from autolog._record.record import Record  # noqa: E402


def agent(provider: str, turns: int) -> list[Record]:
    """Return the calls of ten conversations, of which every seventh breaks its prefix."""
    records = []
    for turn in range(turns):
        body = (anthropic_body if provider == "anthropic" else openai_body)(turn // 10 + 1)
        if turn % 7 == 6:
            body["messages"][0]["content"] = words(200, f"x{turn}")
        read = 0 if turn % 7 == 6 else prompt_tokens(body) * 9 // 10
        records.append(call(body, read, at=turn * 10.0, provider=provider, id=f"{turn:05}", session=f"s{turn % 10}"))
    return records


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--turns", type=int, default=500)
    given = options.parse_args()
    for provider in ("anthropic", "openai"):
        records = agent(provider, given.turns)
        size = sum(len(record.request_body or b"") for record in records) / 1e6
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            misses = sum(cause.misses for cause in report(records).causes())
            best = min(best, time.process_time() - started)
        per_call = 1e3 * best / len(records)
        print(f"{provider:10} {len(records)} calls, {misses} misses: {per_call:.2f} ms a call, {size / best:.0f} MB/s")


if __name__ == "__main__":
    main()
