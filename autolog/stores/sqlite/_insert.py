"""Insert many rows with few statements.

Each step of a statement gives up the interpreter's lock, and in a busy program it takes up to 5 ms to get it back: a
batch of 40 records, inserted row by row, let go of it some 200 times.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from autolog.stores._texts import clean

#: How many rows a statement inserts at most. Each power of two below has a statement, which is prepared once.
MOST_ROWS = 64


def insert(db: sqlite3.Connection, into: str, rows: Sequence[tuple[Any, ...]], conflict: str = "") -> int:
    """Insert rows of equal length; `into` is the table with or without its columns, `conflict` an ON CONFLICT clause.

    Inside a transaction, which an error must end: SQLite then keeps the rows before the one that fails, for it would
    copy every page first to take them back. Returns how many rows were inserted or changed.
    """
    inserted = 0
    for some in _parts(rows):
        statement = _statement(into, len(some), len(some[0]), conflict)
        inserted += execute(db, statement, [value for row in some for value in row])
    return inserted


def _parts(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    at = 0
    while left := len(rows) - at:
        size = min(MOST_ROWS, 1 << (left.bit_length() - 1))
        yield rows[at : at + size]
        at += size


def execute(db: sqlite3.Connection, statement: str, values: Sequence[Any]) -> int:
    """Execute a statement; lone surrogates in its texts are replaced. Returns how many rows it changed."""
    try:
        return db.execute(statement, values).rowcount
    except UnicodeEncodeError:  # so rare that no text is looked at before
        return db.execute(statement, [clean(value) if isinstance(value, str) else value for value in values]).rowcount


@functools.cache
def _statement(into: str, rows: int, columns: int, conflict: str) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT OR FAIL INTO {into} VALUES {', '.join([row] * rows)} {conflict}"  # noqa: S608 - our own words
