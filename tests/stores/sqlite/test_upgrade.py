"""Files of other versions are migrated, repaired, rebuilt from their contents, or refused with a clear message."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from autolog._record.record import Record
from autolog._record.zstd import zstd
from autolog.errors import StoreError
from autolog.stores import Query, open_store
from autolog.stores.sqlite import _rollup, _schema, _upgrade

BODY = b'{"messages": [{"role": "user", "content": "hello"}]}'


def a_file(path: Path, change: Callable[[sqlite3.Connection], object]) -> str:
    """Write a store with one record, apply `change` to its file, and return the store's URL."""
    url = f"sqlite:///{path}"
    store = open_store(url)
    store.write(
        [Record(id="one", request_model="gpt-4o", tags=["t"], metadata={"k": "v"}, cost=0.5, request_body=BODY)]
    )
    store.put_document("key", "k1", {"name": "a key"})
    store.close()
    db = sqlite3.connect(path)
    _rollup.prepare(db)
    change(db)
    db.commit()
    db.close()
    return url


def is_whole(url: str) -> bool:
    """Return whether the record can be found in every way and changed, and another one written."""
    store = open_store(url)
    queries = Query({"model": "gpt-4o"}), Query(tags=("t",)), Query(metadata={"k": "v"}), Query(text="hello")
    found = [[record.request_body for record in store.find(query, bodies=True)] for query in queries]
    (sums,) = store.aggregate(Query())
    store.write([Record(id="two")])
    store.update("one", "default", lambda record: record.tags.append("u"))
    documents, count = store.documents("key"), store.count(Query(tags=("u",)))
    store.close()
    return (found, sums.cost, documents, count) == ([[BODY]] * 4, 0.5, {"k1": {"name": "a key"}}, 1)


def test_the_fingerprint_is_that_of_the_migrations() -> None:
    db = sqlite3.connect(":memory:")
    _rollup.prepare(db)
    for migrate in _schema.MIGRATIONS:
        migrate(db)
    assert _upgrade._fingerprint(db) == _upgrade.FINGERPRINT


@pytest.mark.parametrize(
    "statement",
    [
        "DROP INDEX log_prompt",
        "DROP TABLE rollup_hour",
        "ALTER TABLE rollup_hour RENAME TO rollup",
        "ALTER TABLE log DROP COLUMN time_to_first_chunk",
        "ALTER TABLE log ADD COLUMN mood TEXT",
        "DROP TABLE facet",
        "CREATE INDEX mine ON log (duration, cost)",
        "CREATE TABLE mine (a)",
    ],
)
def test_tables_of_an_unknown_state_are_brought_forward(statement: str, tmp_path: Path) -> None:
    url = a_file(tmp_path / "s.db", lambda db: db.execute(statement))
    assert is_whole(url)
    db = sqlite3.connect(tmp_path / "s.db")
    assert _upgrade._is_whole(db)
    db.close()


def test_a_lower_number_with_tables_of_a_later_state_is_brought_forward(tmp_path: Path) -> None:
    assert is_whole(a_file(tmp_path / "s.db", lambda db: db.execute("PRAGMA user_version = 3")))


def test_the_first_tables_that_there_were_are_read(tmp_path: Path) -> None:
    """Ids were unique without projects, scores a column of their own, tags in a table."""
    path = tmp_path / "s.db"
    db = sqlite3.connect(path)
    db.execute("""
        CREATE TABLE log (
            n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, name TEXT, project TEXT NOT NULL,
            request_model TEXT, cost REAL, status TEXT NOT NULL, created_at INTEGER NOT NULL, tags TEXT, metadata TEXT,
            scores TEXT, rest TEXT)""")
    db.execute("CREATE TABLE body (n INTEGER PRIMARY KEY, request_body BLOB, response_body BLOB)")
    db.execute("CREATE INDEX log_created ON log (created_at)")
    db.execute(
        "INSERT INTO log VALUES (7, 'one', 'llm', 'chat', 'default', 'gpt-4o', 0.5, 'ok', 1795000000000000, '[\"t\"]', "
        '\'{"k": "v"}\', \'{"default": 1.0}\', \'{"caller": "main"}\')'
    )
    db.execute("INSERT INTO body VALUES (7, ?, NULL)", (zstd.compress(BODY),))
    db.execute(f"PRAGMA application_id = {_upgrade.APPLICATION_ID}")
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()
    store = open_store(f"sqlite:///{path}")
    record = store.get("one")
    assert record is not None
    assert (record.seq, record.scores, record.caller, record.request_body) == (7, {"default": 1.0}, "main", BODY)
    assert store.count(Query({"caller": "main"}, tags=("t",))) == 1


def test_what_cannot_be_read_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    url = a_file(tmp_path / "s.db", lambda db: db.execute("ALTER TABLE log RENAME COLUMN n TO number"))
    before = sqlite3.connect(tmp_path / "s.db").execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    with pytest.raises(StoreError, match="match no version of autolog, and cannot be read"):
        open_store(url)
    after = sqlite3.connect(tmp_path / "s.db").execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    assert before == after


def test_a_disk_that_fills_while_a_store_is_made_is_called_full(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    _rollup.prepare(db)
    db.execute("PRAGMA max_page_count = 5")
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        _upgrade.bring_up_to_date(db, "sqlite:///s.db")
    assert not db.in_transaction
