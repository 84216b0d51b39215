"""Measure the response times of the dashboard and the read API, on a small and a large store in one run.

    python tests/benchmarks/dashboard.py [--logs 1000000] [--store chdb]

Prints the median milliseconds over HTTP for both stores, and their ratio, which should be about 1.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from databases import engine  # noqa: E402
from live import KEY, live  # noqa: E402

from autolog._record.record import Record  # noqa: E402
from autolog.stores import open_store  # noqa: E402
from autolog.stores._contract import Store  # noqa: E402

MODELS = ["gpt-4o", "gpt-4o-mini", "gpt-5", "claude-sonnet-5", "claude-haiku-4-5", "rare-model"]
DAYS = 30
BODY = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "%s"}]}' % (b"word " * 40)


def fill(store: Store, logs: int) -> float:
    """Write logs over thirty days, and return the logs per second."""
    chance = random.Random(1)
    end = datetime.now(UTC)
    started = time.perf_counter()
    for start in range(0, logs, 1000):
        batch = []
        for number in range(start, min(logs, start + 1000)):
            model = chance.choices(MODELS, [50, 30, 10, 8, 2, 0.01])[0]
            at = end - timedelta(days=DAYS) * (1 - number / logs)
            batch.append(Record(
                id=f"log-{number}", name="answer", created_at=at, start_time=at, duration=chance.lognormvariate(0, 1),
                provider_name="openai" if model.startswith("gpt") else "anthropic", operation_name="chat", request_model=model,
                response_model=model, usage_input_tokens=chance.randrange(2000), usage_output_tokens=chance.randrange(500),
                cost=chance.random() / 100, status="error" if chance.random() < 0.01 else "ok", user=f"user-{chance.randrange(2000)}",
                session=f"s-{number // 10}", tags=[chance.choice(["prod", "beta", "eu"])], metadata={"tenant": f"t{chance.randrange(200)}"},
                request_body=BODY, response_body=BODY, input_preview="word word", output_preview="word word",
            ))  # fmt: skip
        store.write(batch)
    return logs / (time.perf_counter() - started)


PATHS = {
    "logs, first page": "/ui/",
    "overview, 30 days": "/ui/overview?since=30d",
    "one log": "/ui/log/log-17",
    "newest 50": "/api/v1/records?limit=50",
    **{
        f"newest 50, {name}": f"/ui/?{query}"
        for name, query in {
            "common model": "model=gpt-4o", "rare model": "model=rare-model", "provider": "provider=anthropic", "user": "user=user-7",
            "tag": "tag=beta", "metadata": "metadata=tenant%3Dt7", "errors": "status=error", "since 7d": "since=7d",
            "user and model": "user=user-7&model=gpt-4o", "by cost": "sort=-cost",
        }.items()
    },
}  # fmt: skip


def medians(url: str, repeat: int) -> dict[str, float]:
    with live(url) as running:
        client = httpx2.Client(base_url=running.url, headers={"x-api-key": KEY}, timeout=600)
        client.get(PATHS["overview, 30 days"])  # the first request fills the caches
        found = {}
        for name, address in PATHS.items():
            taken = []
            for _ in range(repeat):
                started = time.perf_counter()
                answer = client.get(address)
                taken.append((time.perf_counter() - started) * 1000)
                assert answer.status_code == 200, answer.text
            found[name] = statistics.median(taken)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--logs", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument(
        "--store", default="sqlite", help="sqlite, chdb (ClickHouse's engine), or clickhouse://host:8123"
    )
    given = parser.parse_args()
    results = []
    with engine(given.store) as under:
        for logs in (given.logs // 20, given.logs):
            url = under.url(f"of_{logs}")
            store = open_store(url)
            rate = fill(store, logs)
            print(f"{logs:,} logs written, {rate:,.0f} a second, {store.size() / logs:,.0f} bytes each", flush=True)
            store.close()
            results.append(medians(url, given.repeat))
        print(f"\n{'median over HTTP, ms':32} {given.logs // 20:>10,} {given.logs:>12,} {'ratio':>8}")
        for name in PATHS:
            small, large = results[0][name], results[1][name]
            print(f"{name:32} {small:10.1f} {large:12.1f} {large / small:8.2f}")


if __name__ == "__main__":
    main()
