"""Insert many rows with few statements.

Each step of a statement releases the interpreter's lock, and in a busy program it takes up to 5 ms to get it back. A
batch of 40 records, inserted row by row, would release it some 200 times.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from autolog.stores._texts import clean

#: The most rows that one statement inserts. There is one statement, prepared once, for each power of two up to this.
MOST_ROWS = 64


def insert(db: sqlite3.Connection, into: str, rows: Sequence[tuple[Any, ...]], conflict: str = "") -> int:
    """Insert rows of equal length, and return how many were inserted or changed.

    Must be called inside a transaction that is rolled back on an error: the rows before a failing one are not undone,
    because SQLite would have to copy every page beforehand.

    Args:
        db: the connection.
        into: the table, optionally with its columns.
        rows: the rows.
        conflict: an ON CONFLICT clause.
    """
    inserted = 0
    for part in _parts(rows):
        statement = _statement(into, len(part), len(part[0]), conflict)
        inserted += execute(db, statement, [value for row in part for value in row])
    return inserted


def _parts(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    at = 0
    while left := len(rows) - at:
        size = min(MOST_ROWS, 1 << (left.bit_length() - 1))
        yield rows[at : at + size]
        at += size


def execute(db: sqlite3.Connection, statement: str, values: Sequence[Any]) -> int:
    """Execute a statement, with lone surrogates in its texts replaced, and return how many rows it changed."""
    try:
        return db.execute(statement, values).rowcount
    except UnicodeEncodeError:  # too rare to check every text beforehand
        return db.execute(statement, [clean(value) if isinstance(value, str) else value for value in values]).rowcount


@functools.cache
def _statement(into: str, rows: int, columns: int, conflict: str) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT OR FAIL INTO {into} VALUES {', '.join([row] * rows)} {conflict}"  # noqa: S608 - our own words
