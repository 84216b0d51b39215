"""ClickHouse specifics: layouts for clusters, records that expire, precomputed sums."""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clickhouse.running import start_front

from autolog._record.media import note_media
from autolog._record.record import Record
from autolog.errors import StoreUnavailable
from autolog.stores import open_store
from autolog.stores.clickhouse import _hours
from autolog.stores.clickhouse._schema import MIGRATIONS, ttl
from autolog.stores.clickhouse._url import read_url
from autolog.stores.clickhouse.store import ClickHouseStore
from autolog.stores.query import Query
from autolog.stores.retention import prune_store

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CLUSTER = """
<clickhouse>
  <tcp_port>9000</tcp_port>
  <remote_servers><one><shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard></one></remote_servers>
</clickhouse>"""


def record(number: int, **fields: Any) -> Record:
    return Record(**{"id": f"r{number}", "created_at": NOON + timedelta(minutes=number), "cost": 0.5, **fields})


def statements(url: str) -> list[str]:
    return [statement for migrate in MIGRATIONS for statement in migrate(read_url(url))]


def test_a_replicated_cluster() -> None:
    created = statements("clickhouse://h/logs?cluster=c&replicated=1&distributed=1")
    log, spread = created[0], created[1]
    assert log.startswith("CREATE TABLE IF NOT EXISTS `log_local` ON CLUSTER `c` (")
    assert (
        "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/logs/log_local', '{replica}', version, gone)" in log
    )
    assert spread == (
        "CREATE TABLE IF NOT EXISTS `log` ON CLUSTER `c` AS `log_local` "
        "ENGINE = Distributed('c', 'logs', 'log_local', cityHash64(project, id))"
    )
    (view,) = [statement for statement in created if "VIEW" in statement]
    assert "TO `place_local` AS SELECT" in view
    assert "FROM `log_local`" in view
    assert all("ON CLUSTER `c`" in statement for statement in created)
    assert next(ttl(read_url("clickhouse://h/logs?cluster=c&ttl_days=7"))).startswith(
        "ALTER TABLE `log` ON CLUSTER `c` MODIFY TTL toDateTime(created_at) + INTERVAL 7 DAY"
    )


def test_a_quorum_is_asked_for(clickhouse_url: str) -> None:
    store = ClickHouseStore(f"{clickhouse_url}?quorum=1")
    store.write([record(1)])
    assert store.count(Query()) == 1


@pytest.fixture
def sharded(tmp_path: Path, clickhouse_server: str) -> Iterator[ClickHouseStore]:
    """Return a store on tables distributed over the shards of a cluster, which has one shard here."""
    pytest.importorskip("chdb")
    (tmp_path / "cluster.xml").write_text(CLUSTER)
    process, address = start_front(tmp_path / "engine", 0, f"{tmp_path}/cluster.xml")
    yield ClickHouseStore(f"clickhouse://{address}/logs?cluster=one&distributed=1&on_cluster=0")
    process.kill()
    process.wait()


def test_a_store_over_shards(sharded: ClickHouseStore) -> None:
    store = sharded
    store.write([record(number, tags=["t"], metadata={"n": number}) for number in range(50)])
    store.write([Record(id="r7", user="ada")])
    assert store.update("r8", "default", lambda found: setattr(found, "user", "bob")) is not None
    assert store.delete(Query({"id": "r9"})) == 1
    assert store.count(Query()) == 49
    assert [found.id for found in store.find(Query(), 3)] == ["r49", "r48", "r47"]
    found = store.get("r7")
    assert found is not None
    assert (found.user, found.metadata) == ("ada", {"n": 7})
    assert sum(hour.calls for hour in store.hours(None, "tag", NOON, NOON + timedelta(days=20))) == 49
    assert store.aggregate(Query(tags=("t",)))[0].cost == 24.5
    store.put_document("key", "k", {"x": 1})
    assert store.documents("key") == {"k": {"x": 1}}
    store.compact()
    assert store.count(Query()) == 49


def test_records_that_are_too_old_delete_themselves(clickhouse_url: str) -> None:
    store = open_store(f"{clickhouse_url}?ttl_days=10")
    now = datetime.now(UTC)
    store.write([record(1, created_at=now - timedelta(days=11)), record(2, created_at=now - timedelta(days=9))])
    store.compact()
    assert [found.id for found in store.find(Query())] == ["r2"]
    assert store.get("r1") is None


def test_sums_are_kept_and_made_anew(clickhouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = _hours.marks
    short = timedelta(seconds=0.5)
    monkeypatch.setattr(_hours, "marks", lambda hours, now, writing: marks(hours, now, short))
    store = ClickHouseStore(clickhouse_url)
    days = (NOON - timedelta(days=1), NOON + timedelta(days=1))

    def calls() -> int:
        return sum(hour.calls for hour in store.hours(None, "model", *days))

    def kept() -> int:
        return int(store._db.query("SELECT count() FROM hour FINAL")[0][0])

    store.write([record(number, request_model="m", user=f"u{number % 5}") for number in range(100)])
    assert calls() == 100
    assert kept() == 0  # it may be that others are writing, too
    time.sleep(0.7)
    assert calls() == 100
    assert kept() > 0
    store.write([record(200, created_at=NOON, request_model="m"), record(7, request_model="m")])
    assert calls() == 101
    store.delete(Query({"user": "u1"}))
    assert calls() == 81
    time.sleep(0.7)
    assert calls() == 81
    statements: list[str] = []
    query = store._db.query
    monkeypatch.setattr(store._sums, "_query", lambda text, *more: statements.append(text) or query(text, *more))
    assert calls() == 81
    assert not any("FROM log FINAL" in statement and "created_at >=" in statement and "IN (494" in statement
                   for statement in statements)  # fmt: skip
    other = ClickHouseStore(clickhouse_url)
    assert sum(hour.calls for hour in other.hours(None, "user", *days)) == 80
    assert store.aggregate(Query())[0].calls == 81


def test_a_slow_write_is_not_missed_by_tail(clickhouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ClickHouseStore(clickhouse_url)
    store.write([record(0)])
    place, insert, read = store.last(), store._db.insert, store._reader.after
    begun, tailed = threading.Event(), threading.Event()

    def insert_later(table: str, types: Any, rows: Any) -> None:
        if table == "log" and any("slow" in row for row in rows):
            begun.set()
            tailed.wait(30)
        insert(table, types, rows)

    def read_before_it_ends(*args: Any) -> Any:
        records = read(*args)
        tailed.set()
        writing.join()
        return records

    monkeypatch.setattr(store._db, "insert", insert_later)
    monkeypatch.setattr(store._reader, "after", read_before_it_ends)
    writing = threading.Thread(target=lambda: store.write([record(1, id="slow")]))
    writing.start()
    begun.wait(30)
    store.write([record(2, id="fast")])
    assert store.tail(Query(), place) == []
    assert [stored.id for stored in store.tail(Query(), place)] == ["slow", "fast"]


def test_media_go_with_the_last_body_that_has_them(clickhouse_url: str) -> None:
    store = ClickHouseStore(clickhouse_url)
    picture = b"\x89PNG\r\n" + os.urandom(600)
    body = b'{"image": "data:image/png;base64,' + base64.b64encode(picture) + b'"}'
    for name in ("a", "b"):
        given = record(1, id=name, request_body=body, request_content_type="application/json")
        note_media(given)
        store.write([given])
    assert given.media is not None
    sha256 = given.media[0]["sha256"]
    assert store.media(sha256) == picture
    for name in ("a", "b"):
        found = store.get(name)
        assert found is not None
        assert found.request_body == body
    store.update("a", "default", lambda kept: (setattr(kept, "request_body", None), setattr(kept, "media", None)))
    assert store.media(sha256) == picture
    store.delete(Query({"id": "b"}))
    assert store.media(sha256) is None


def test_a_bound_on_the_size_deletes_the_oldest_only(clickhouse_url: str) -> None:
    store = ClickHouseStore(clickhouse_url)
    for start in range(0, 200, 50):
        store.write([record(number, request_body=os.urandom(10_000)) for number in range(start, start + 50)])
    whole = store.size()
    done = prune_store(store, Query(), whole // 2, compact=False)
    left = store.find(Query(), 1_000)
    assert 40 <= len(left) <= 110
    assert done["deleted"] == 200 - len(left)
    assert left[-1].id == f"r{200 - len(left)}"
    store.compact()
    assert store.size() <= whole // 2


def test_old_versions_are_let_go(clickhouse_url: str) -> None:
    store = ClickHouseStore(clickhouse_url)
    store.write([record(1, request_body=b"secret words")])
    store.delete(Query({"id": "r1"}))
    store.write([record(2)])
    store.compact()
    assert store._db.query("SELECT count(), countIf(request_body IS NOT NULL) FROM log") == [(1, 0)]


def test_a_record_whose_time_changes_stays_one(clickhouse_url: str) -> None:
    store = ClickHouseStore(clickhouse_url)
    store.write([record(1)])
    store.update("r1", "default", lambda found: setattr(found, "created_at", NOON - timedelta(days=60)))
    assert [found.created_at for found in store.find(Query())] == [NOON - timedelta(days=60)]
    store.write([Record(id="r1", user="u")])
    found = store.get("r1")
    assert found is not None
    assert (found.user, found.created_at) == ("u", NOON - timedelta(days=60))
    assert store.count(Query()) == 1


def test_times_beyond_what_the_engine_calculates_with(clickhouse_url: str) -> None:
    store = ClickHouseStore(clickhouse_url)
    far = datetime(9998, 12, 31, tzinfo=UTC)
    store.write([record(1, created_at=far), record(2)])
    newest = store.find(Query())[0]
    assert (newest.id, newest.created_at) == ("r1", far)
    assert store.delete(Query()) == 2
    assert store.count(Query()) == 0


@pytest.mark.parametrize(
    ("statement", "raw"),
    [
        ("SELECT count() FROM numbers(10000000000000) WHERE cityHash64(number) = 1", "TIMEOUT_EXCEEDED"),
        ("SELECT length(groupArray(number)) FROM numbers(30000000)", "MEMORY_LIMIT_EXCEEDED"),
    ],
)
def test_a_statement_that_reads_too_much_is_stopped(clickhouse_url: str, statement: str, raw: str) -> None:
    """Whoever may read must not take the time and memory of all, and is told why there is no answer."""
    store = ClickHouseStore(f"{clickhouse_url}?timeout=2&memory=64")
    store.write([record(1)])
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match=rf"too many logs .* 2 s or 64 MiB .*{raw}"):
        store._db.query(statement)
    assert time.monotonic() - began < 30
    assert store.count(Query()) == 1
