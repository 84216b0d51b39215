"""Bodies in the SQLite store: dictionaries change, and every body stays readable by every process."""

from __future__ import annotations

import gc
import json
import sqlite3
import weakref
from pathlib import Path
from typing import Any

import pytest

from autolog._record.record import Record
from autolog.stores import open_store
from autolog.stores.query import Query
from autolog.stores.sqlite import _bodies
from autolog.stores.sqlite.store import SQLiteStore

FIRST = _bodies.FIRST


def record(number: int) -> Record:
    text = f"In the old harbour, wizard {number} says: no fox jumps over {number * 7} lazy dogs while seven sleep. " * 3
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "temperature": 0.5}
    return Record(id=f"r{number}", request_body=json.dumps(body).encode(), response_body=b'{"n": %d}' % number)


def dictionaries(store: SQLiteStore) -> list[tuple[Any, ...]]:
    with sqlite3.connect(store.path) as db:
        return db.execute("SELECT id, n, length(data) FROM dictionary ORDER BY n").fetchall()


def packed(store: SQLiteStore, number: int) -> int:
    with sqlite3.connect(store.path) as db:
        (size,) = db.execute("SELECT length(request_body) FROM body WHERE n = ?", (number,)).fetchone()
        return int(size)


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    return SQLiteStore(f"sqlite:///{tmp_path}/logs.db")


def test_what_came_before_and_after_a_dictionary_is_read_and_searched(store: SQLiteStore) -> None:
    other = open_store(store.url)  # open before there is one, as another process would be
    for number in range(1, FIRST + 51):
        store.write([record(number)])
    assert len(dictionaries(store)) == 1
    assert packed(store, FIRST + 50) < packed(store, 1) / 2
    for reader in (store, other, open_store(store.url)):
        for number in (1, FIRST, FIRST + 1, FIRST + 50):
            found = reader.get(f"r{number}")
            assert found is not None
            assert found.request_body == record(number).request_body
        assert reader.count(Query(text="wizard")) == FIRST + 50
        assert [found.id for found in reader.find(Query(text=f"wizard {FIRST + 7} says"))] == [f"r{FIRST + 7}"]
    other.write([record(1_000)])  # and it writes with the dictionary of the first
    assert len(dictionaries(store)) == 1
    assert packed(store, FIRST + 51) < packed(store, 1) / 2


def test_a_search_finds_a_dictionary_that_its_connection_has_not_seen(store: SQLiteStore) -> None:
    other = open_store(store.url)
    assert other.count(Query(text="wizard")) == 0
    for start in range(1, FIRST + 100, 50):
        store.write([record(number) for number in range(start, start + 50)])
    assert other.count(Query(text="wizard")) == store.count(Query())


def test_a_change_that_is_taken_back_leaves_nothing_that_needs_a_lost_dictionary(store: SQLiteStore) -> None:
    def fail() -> None:
        with store.transaction():
            store.write([record(number) for number in range(2_000, 2_100)])
            raise ZeroDivisionError

    for number in range(1, FIRST + 1):
        store.write([record(number)])
    with pytest.raises(ZeroDivisionError):
        fail()
    store.write([record(1_000)])
    again = open_store(store.url).get("r1000")
    assert again is not None
    assert again.request_body == record(1_000).request_body


def test_a_larger_store_trains_another(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bodies, "FACTOR", 2)
    for start in range(1, 4 * FIRST, 50):
        store.write([record(number) for number in range(start, start + 50)])
    assert len(dictionaries(store)) >= 2
    assert all(
        found.request_body == record(int(found.id[1:])).request_body for found in open_store(store.url).scan(Query())
    )


def test_bodies_that_train_nothing_are_kept_without(store: SQLiteStore) -> None:
    for number in range(FIRST + 20):
        store.write([Record(id=f"bare{number}")])
    for number in range(20 * FIRST + 20):
        store.write([Record(id=f"r{number}", request_body=b"{}", response_body=None)])
    store.write([Record(id="last", request_body=b"[1]")])
    found = store.get("last")
    assert found is not None
    assert found.request_body == b"[1]"


def test_a_store_that_is_let_go_is_let_go(tmp_path: Path) -> None:
    store = SQLiteStore(f"sqlite:///{tmp_path}/logs.db")
    store.write([record(1)])
    store.count(Query(text="wizard"))
    connection = weakref.ref(store._file.writer)
    del store
    gc.collect()
    assert connection() is None
