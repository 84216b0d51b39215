"""Reading is bounded like writing: lists with bodies are sent piece by piece."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from live import KEY, live

from autolog._record.record import Record
from autolog.server import Limits
from autolog.server._reading import LOOK_UP, json_lines, json_object, read_whole
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.query import Query

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def store(store_url: str) -> Store:
    return open_store(store_url)


def fill(store: Store, count: int, size: int = 10) -> None:
    for begin in range(0, count, 100):
        store.write(
            [
                Record(
                    id=f"r{n:05}",
                    kind="llm",
                    created_at=NOON + timedelta(seconds=n),
                    request_body=b'"%s"' % (b"x" * size),
                )
                for n in range(begin, min(count, begin + 100))
            ]
        )


def test_it_reads_what_find_reads(store: Store) -> None:
    fill(store, 450)
    for limit, offset in ((1000, 0), (LOOK_UP, 3), (LOOK_UP + 1, 0), (7, 445), (5, 450)):
        for newest_first, order_by in ((True, "created_at"), (False, "created_at"), (True, "seq")):
            options = (limit, offset, newest_first, order_by)
            records = store.find(Query(), *options, bodies=True)
            assert list(read_whole(store, Query(), *options)) == records, options


def test_what_comes_meanwhile_shifts_nothing(store: Store) -> None:
    fill(store, 2 * LOOK_UP)
    seen = []
    for record in read_whole(store, Query(), 1000):
        if len(seen) == LOOK_UP // 2:
            store.write([Record(id=f"new{n}", created_at=NOON + timedelta(days=1)) for n in range(20)])
        seen.append(record.id)
    assert seen == [f"r{n:05}" for n in reversed(range(2 * LOOK_UP))]


def test_large_bodies_are_not_held_together(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    fill(store, 100, size=2_000_000)
    tracemalloc.start()
    size = sum(
        len(line)
        for line in json_lines({"body": str(record.request_body)} for record in read_whole(store, Query(), 100))
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 190_000_000
    assert peak < 120_000_000


@pytest.mark.parametrize("items", [[], [1], [{"a": "é"}, None, "x"]])
@pytest.mark.parametrize("others", [{}, {"total": 3, "more": False}])
def test_pieces_of_an_object_are_its_json(items: list[object], others: dict[str, object]) -> None:
    text = b"".join(json_object("records", iter(items), others))  # type: ignore[arg-type]
    assert json.loads(text) == {"records": items, **others}


def test_long_replies_are_few_at_once(tmp_path: Path) -> None:
    with live(tmp_path / "s.db", Limits(streams=2)) as running:
        client = httpx2.Client(base_url=running.url, headers={"x-api-key": KEY})
        with client.stream("GET", "/api/v1/tail") as first, client.stream("GET", "/ui/events") as second:
            assert (first.status_code, second.status_code) == (200, 200)
            third = client.get("/api/v1/tail")
            assert (third.status_code, third.headers["retry-after"]) == (503, "5")
            assert client.get("/v5/logs?file_id=logs").status_code == 503
            assert client.get("/api/v1/records").status_code == 200
