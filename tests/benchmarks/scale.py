"""Measure how the cost of a log grows with the size of the store and the number of servers, for the plan for scale.

    python tests/benchmarks/scale.py [--store chdb] [--logs 1000000] [--servers 3]

First, logs of 4 kB are written to an empty store in equal steps. Each step prints the cost of a log: CPU seconds here
and in the engine, bytes on disk, and the times of a query for the newest 50 logs and of an overview of 30 days. Then
the same load goes to one server, to two, and so on, all on that store. The plan relies on these figures staying level.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import msgspec  # noqa: E402
from databases import engine  # noqa: E402
from faults.real import free_port  # noqa: E402
from live import KEY  # noqa: E402
from server.compare import Running, chunks, cpu_of, records  # noqa: E402

from autolog._record.record import Record  # noqa: E402
from autolog._record.zstd import zstd  # noqa: E402
from autolog.dialects import native  # noqa: E402
from autolog.stores import open_store  # noqa: E402
from autolog.stores._contract import Store  # noqa: E402
from autolog.stores.query import Query  # noqa: E402

DAYS = 30
STEPS = 5


def logs(count: int) -> Iterator[Record]:
    """Yield logs over thirty days, in order, made from a thousand bodies."""
    pool, end = list(records(1_000, "scale")), datetime.now(UTC)
    for number, given in zip(range(count), itertools.cycle(pool), strict=False):
        at = end - timedelta(days=DAYS) * (1 - number / count)
        name = f"log-{number}"
        yield msgspec.structs.replace(given, id=name, created_at=at, start_time=at, response_id=name, seq=None)


def took(ask: Callable[[], object]) -> float:
    """Return the median time of a few runs, in milliseconds."""
    times = []
    for _ in range(7):
        started = time.perf_counter()
        ask()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def volume(store: Store, count: int, engine_cpu: Callable[[], float]) -> None:
    print(f"{'logs':>12} {'us here':>10} {'us engine':>10} {'bytes each':>11} {'newest 50':>10} {'overview':>10}")
    pending, kept = logs(count), 0
    for _ in range(STEPS):
        batches = chunks(list(itertools.islice(pending, count // STEPS)))
        here, there = time.process_time(), engine_cpu()
        for batch in batches:
            store.write(batch)
        number = sum(map(len, batches))
        here, there = time.process_time() - here, engine_cpu() - there
        kept += number
        now = datetime.now(UTC)
        store.hours(None, "model", now - timedelta(days=DAYS), now)
        newest = took(lambda: store.find(Query({"project": "default"})))
        overview = took(lambda: store.hours(None, "model", datetime.now(UTC) - timedelta(days=DAYS), datetime.now(UTC)))
        print(f"{kept:12,} {here / number * 1e6:10.0f} {there / number * 1e6:10.0f} {store.size() / kept:11,.0f} "
              f"{newest:7.1f} ms {overview:7.1f} ms", flush=True)  # fmt: skip
    time.sleep(65)  # by then the sums of what was written are final
    now = datetime.now(UTC)
    store.hours(None, "model", now - timedelta(days=DAYS), now)
    overview = took(lambda: store.hours(None, "model", now - timedelta(days=DAYS), now))
    newest = took(lambda: store.find(Query({"project": "default"})))
    print(f"{'a minute on':>12} {'':>10} {'':>10} {'':>11} {newest:7.1f} ms {overview:7.1f} ms", flush=True)


def servers(url: str, most: int, count: int, engine_cpu: Callable[[], float]) -> None:
    print(f"\n{'servers':>12} {'logs / s':>10} {'us servers':>10} {'us engine':>10}")
    headers = {"authorization": f"Bearer {KEY}", "content-type": native.MSGPACK, "content-encoding": "zstd"}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, most + 1):
            running = []
            for _ in range(number):
                port = free_port()
                command = [sys.executable, "-m", "autolog", "serve", "--port", str(port), "--store", url]
                running.append(Running(command, port, "/ready", Path(folder), AUTOLOG_SERVER_API_KEY=KEY))
            batches = [
                zstd.compress(native.encode_batch(batch), 3) for batch in chunks(list(records(count, f"s{number}")))
            ]
            client = httpx2.Client(timeout=120)

            def send(place: int, client=client, running=running, batches=batches) -> None:
                target = running[place % len(running)].url
                client.post(f"{target}/api/v1/records", content=batches[place], headers=headers).raise_for_status()

            before = sum(cpu_of(server.process.pid) for server in running)
            there, started = engine_cpu(), time.perf_counter()
            with ThreadPoolExecutor(16) as pool:
                list(pool.map(send, range(len(batches))))
            rate = count / (time.perf_counter() - started)
            here = sum(cpu_of(server.process.pid) for server in running) - before
            there = engine_cpu() - there
            print(f"{number:12} {rate:10,.0f} {here / count * 1e6:10.0f} {there / count * 1e6:10.0f}", flush=True)
            for server in running:
                server.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="chdb", help="chdb (ClickHouse's engine), clickhouse://host:8123, or sqlite")
    parser.add_argument("--logs", type=int, default=1_000_000)
    parser.add_argument("--servers", type=int, default=3)
    given = parser.parse_args()
    with engine(given.store) as under:
        url = under.url("scale")
        store = open_store(url)
        volume(store, given.logs, under.cpu)
        store.close()
        servers(url, given.servers, min(50_000, given.logs), under.cpu)


if __name__ == "__main__":
    main()
