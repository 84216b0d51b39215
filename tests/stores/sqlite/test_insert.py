"""Inserting many rows with few statements."""

from __future__ import annotations

import sqlite3

import pytest

from autolog.stores.sqlite._insert import MOST_ROWS, insert


@pytest.mark.parametrize("count", [0, 1, 3, MOST_ROWS - 1, MOST_ROWS, MOST_ROWS * 2 + 5])
def test_all_rows_are_inserted_in_their_order_with_few_statements(count: int) -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT UNIQUE)")
    statements: list[str] = []
    db.set_trace_callback(statements.append)
    rows = [(n, f"text {n}") for n in range(count)]
    assert insert(db, "t", rows) == count
    assert len(statements) <= count // MOST_ROWS + MOST_ROWS.bit_length()
    assert db.execute("SELECT n, text FROM t ORDER BY rowid").fetchall() == rows


def test_rows_that_are_there_are_counted_out() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT UNIQUE)")
    assert insert(db, "t", [(1, "a"), (2, "b"), (3, "a")], "ON CONFLICT (text) DO NOTHING") == 2
    assert db.execute("SELECT n FROM t").fetchall() == [(1,), (2,)]


def test_lone_surrogates_are_replaced() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE t (text TEXT, data BLOB)")
    assert insert(db, "t", [("fine", b"\xff"), ("bad \ud800", None)]) == 2
    assert db.execute("SELECT * FROM t").fetchall() == [("fine", b"\xff"), ("bad ?", None)]
