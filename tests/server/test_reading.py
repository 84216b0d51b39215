"""Reading is bounded like writing: lists with bodies are sent piece by piece."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from live import KEY, Live, live

from autolog._record.record import Record
from autolog.server import Limits
from autolog.server._keys import create_key
from autolog.server._reading import LOOK_UP, REPLY_BYTES, encode_json, json_lines, json_object, read_whole
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


@pytest.mark.parametrize("data", [
    {}, [], {"a": []}, {"groups": [{"by": "é", "n": 1.5}, None, "x"], "more": False, "of": {"b": [1, {"c": NOON}]}}, [1, [2]], None,
    "x", {1: [2], None: 3},
])  # fmt: skip
def test_json_is_that_of_the_standard_library(data: object) -> None:
    assert encode_json(data) == json.dumps(data, default=str).encode()


def test_json_of_an_iterator_is_a_list() -> None:
    assert encode_json({"groups": iter([1, 2])}) == b'{"groups": [1, 2]}'


def test_long_replies_are_few_at_once(tmp_path: Path) -> None:
    with live(tmp_path / "s.db", Limits(streams=2)) as running:
        client, other = (
            httpx2.Client(base_url=running.url, headers={"x-api-key": key})
            for key in (KEY, create_key(running.store, "other"))
        )
        with client.stream("GET", "/api/v1/tail") as first, other.stream("GET", "/ui/events") as second:
            assert (first.status_code, second.status_code) == (200, 200)
            third = client.get("/api/v1/tail")
            assert (third.status_code, third.headers["retry-after"]) == (503, "5")
            assert client.get("/v5/logs?file_id=logs").status_code == 503
            assert client.get("/api/v1/records").status_code == 200


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Run a server whose store has twelve runs of a trace, with bodies of 96 MB together, and no list of bodies."""
    with live(tmp_path_factory.mktemp("large") / "s.db") as server:
        for number in range(12):
            body = b'{"input": "%s"}' % (b"x" * 8_000_000)
            server.store.write([
                Record(id=f"r{number}", dialect="langsmith", kind="llm", trace_id="t", span_id=f"s{number}", project="default",
                       session="c", metadata={"thread_id": "c"}, parent_span_id="s0" if number else None, start_time=datetime.now(UTC),
                       created_at=datetime.now(UTC), request_body=body, extra={"run": {"run_type": "llm"}})
            ])  # fmt: skip
        find = server.store.find

        def find_few(query: Query, limit: int, *args: Any, bodies: bool = False, **options: Any) -> list[Record]:
            assert limit <= 1 or not bodies, "all of these bodies would be in memory at once"
            return find(query, limit, *args, bodies=bodies, **options)

        server.store.find = find_few  # type: ignore[method-assign]
        yield server


def ask(server: Live, method: str, path: str, **options: Any) -> httpx2.Response:
    return httpx2.request(method, server.url + path, headers={"x-api-key": KEY}, timeout=60, **options)


def test_pages_with_a_cursor_end_where_bodies_become_too_many(large: Live) -> None:
    def runs(cursor: str | None) -> tuple[httpx2.Response, list[Any], str | None]:
        answer = ask(large, "POST", "/runs/query", json={"cursor": cursor})
        return answer, answer.json()["runs"], answer.json()["cursors"]["next"]

    def observations(cursor: str | None) -> tuple[httpx2.Response, list[Any], str | None]:
        given = {"limit": "100", **({"cursor": cursor} if cursor else {})}
        answer = ask(large, "GET", "/api/public/v2/observations", params=given)
        return answer, answer.json()["data"], answer.json()["meta"].get("cursor")

    for page in (runs, observations):
        found, cursor = set[str](), None
        for _ in range(2):
            answer, items, cursor = page(cursor)
            assert len(answer.content) < REPLY_BYTES + 10_000_000
            found |= {item["id"] for item in items}
        assert cursor is None
        assert len(found) == 12


@pytest.mark.parametrize("path", ["observations", "traces/t", "observations?filter=[]", "sessions/c"])
def test_a_reply_with_too_many_bodies_is_refused(large: Live, path: str) -> None:
    answer = ask(large, "GET", f"/api/public/{path}")
    few = path == "sessions/c"  # the session's traces, of which there is one
    assert answer.status_code == (200 if few else 413)
    assert few or "64 MiB of bodies" in answer.text
    if path.startswith("observations"):
        assert len(ask(large, "GET", "/api/public/observations?limit=5&page=2").json()["data"]) == 5


def test_figures_are_of_all_runs_however_large(large: Live) -> None:
    assert ask(large, "POST", "/runs/stats", json={}).json()["run_count"] == 12
    (thread,) = ask(large, "POST", "/api/v2/threads/query", json={}).json()["items"]
    assert thread["first_inputs"].startswith('{"input": "xxx')
    assert len(ask(large, "GET", "/api/v2/traces/t/runs?selects=NAME").json()["items"]) == 12
    assert ask(large, "GET", "/api/v2/traces/t/runs?selects=INPUTS").status_code == 413
    wanted = {"filter": "eq(is_root, true)", "tree_filter": 'search("xxx")'}
    assert len(ask(large, "POST", "/api/v2/runs/query", json=wanted).json()["items"]) == 1
    query = {"view": "observations", "metrics": [{"measure": "count", "aggregation": "count"}], "filters": [
        {"type": "string", "column": "input", "operator": "contains", "value": "xxx"}]}  # fmt: skip
    answer = ask(large, "GET", "/api/public/metrics", params={"query": json.dumps(query)})
    assert answer.json()["data"] == [{"count_count": 12}]
