"""Records in the tables of a SQLite file: read, written, merged and deleted, with all that lies beside them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from autolog._record.media import give_media, take_media
from autolog._record.record import Record, merge
from autolog.stores._texts import as_text, clean
from autolog.stores.sqlite._bodies import Bodies
from autolog.stores.sqlite._rollup import Rollups
from autolog.stores.sqlite._rows import COLUMNS, EPOCH, INSERT, SELECT, facets, from_row, to_row
from autolog.stores.sqlite._where import micros


def load(db: sqlite3.Connection, condition: str, values: Sequence[Any]) -> list[Record]:
    """Return the records that a condition on `log` gives, without bodies."""
    rows = db.execute(f"SELECT {SELECT} FROM log WHERE {condition}", values)  # noqa: S608 - our own words
    return [from_row(row) for row in rows]


def add_bodies(db: sqlite3.Connection, record: Record, bodies: Bodies) -> Record:
    """Give a record its bodies, and them their media; returns it."""
    row = db.execute("SELECT request_body, response_body FROM body WHERE n = ?", (record.seq,)).fetchone()
    if row is None:
        return record

    def load_media(sha256: str) -> bytes | None:
        known = db.execute(
            "SELECT content FROM media JOIN media_use USING (sha256) WHERE n = ? AND sha256 = ?", (record.seq, sha256)
        ).fetchone()
        return known[0] if known else None

    record.request_body, record.response_body = (bodies.unpack(db, packed) for packed in row)
    give_media(record, load_media)
    return record


class RecordWriter:
    """Changes records inside a transaction, and notes in `rollups` what that does to the sums.

    What lies beside records that are written (bodies, what they are found by) is inserted together, by `flush`.
    """

    def __init__(self, db: sqlite3.Connection, bodies: Bodies, rollups: Rollups) -> None:
        self._db = db
        self._bodies = bodies
        self._rollups = rollups
        self._packed: list[tuple[int, bytes | None, bytes | None]] = []
        self._facets: list[tuple[str, str, int, int]] = []

    def flush(self) -> None:
        """Insert what lies beside the records that have been written."""
        self._db.executemany("INSERT INTO body VALUES (?, ?, ?)", self._packed)
        self._db.executemany(_ADD_FACET, self._facets)
        self._packed, self._facets = [], []

    def write(self, record: Record, seq: int | None = None) -> int:
        """Insert a record, or fill in the one with its id; returns its sequence number: `seq`, if that is free."""
        record.created_at = record.created_at or datetime.now(UTC)
        bodies, media = take_media(record)
        if seq is not None and self._db.execute("SELECT 1 FROM log WHERE n = ?", (seq,)).fetchone():
            seq = None
        cursor = self._db.execute(INSERT, (seq, *to_row(record)))
        if cursor.rowcount == 0:
            return self._merge(record)
        seq = int(cursor.lastrowid or 0)
        self._rollups.note(record, 1)
        self._write_beside(seq, record, bodies, media)
        return seq

    def update(self, project: str, record_id: str, change: Callable[[Record], None]) -> Record | None:
        """Let `change` alter a record; returns it, or None if there is none."""
        self.flush()
        found = load(self._db, "project = ? AND id = ?", (project, record_id))
        if not found:
            return None
        record = add_bodies(self._db, found[0], self._bodies)
        seq = record.seq
        change(record)
        record.id, record.project, record.seq, record.updated_at = record_id, project, seq, datetime.now(UTC)
        self._rewrite(record)
        self.flush()
        return record

    def delete(self, seqs: Sequence[int]) -> None:
        """Delete records, and all that lies beside them."""
        self.flush()
        for seq in seqs:
            self._delete_beside(seq)
        self._db.executemany("DELETE FROM log WHERE n = ?", [(seq,) for seq in seqs])

    def _merge(self, record: Record) -> int:
        """Lay what the newer record knows over what is there; it takes nothing away."""
        self.flush()
        (old,) = load(self._db, "project = ? AND id = ?", (clean(record.project), clean(record.id)))
        seq = old.seq or 0
        merge(add_bodies(self._db, old, self._bodies), record)
        old.seq, old.updated_at = seq, datetime.now(UTC)
        self._rewrite(old)
        return seq

    def _rewrite(self, record: Record) -> None:
        seq = record.seq or 0
        self._delete_beside(seq)
        self._rollups.note(record, 1)
        bodies, media = take_media(record)
        assignments = ", ".join(f'"{name}" = ?' for name in COLUMNS)
        self._db.execute(f"UPDATE log SET {assignments}, rest = ? WHERE n = ?", (*to_row(record), seq))  # noqa: S608
        self._write_beside(seq, record, bodies, media)

    def _write_beside(self, seq: int, record: Record, bodies: Sequence[bytes | None], media: dict[str, bytes]) -> None:
        request, response = bodies
        if request is not None or response is not None:
            self._packed.append((seq, self._bodies.pack(request), self._bodies.pack(response)))
        if media:
            self._db.executemany("INSERT OR IGNORE INTO media VALUES (?, ?)", media.items())
            self._db.executemany("INSERT OR IGNORE INTO media_use VALUES (?, ?)", [(seq, sha256) for sha256 in media])
        at = micros(record.created_at or EPOCH)
        self._facets += [(kind, value, at, seq) for kind, value in facets(record)]
        if record.metadata:
            self._db.executemany(_ADD_META, meta_rows(seq, at, record))

    def _delete_beside(self, seq: int) -> None:
        found = load(self._db, "n = ?", (seq,))
        if not found:
            return
        (old,) = found
        self._rollups.note(old, -1)
        db, at = self._db, micros(old.created_at or EPOCH)
        db.executemany(
            "DELETE FROM facet WHERE kind = ? AND value = ? AND at = ? AND n = ?",
            [(kind, value, at, seq) for kind, value in facets(old)],
        )
        db.executemany(
            "DELETE FROM meta WHERE key = ? AND value = ? AND at = ? AND n = ?",
            [(clean(key), as_text(value), at, seq) for key, value in old.metadata.items()],
        )
        db.execute("DELETE FROM body WHERE n = ?", (seq,))
        used = [sha256 for (sha256,) in db.execute("SELECT sha256 FROM media_use WHERE n = ?", (seq,))]
        if used:
            db.execute("DELETE FROM media_use WHERE n = ?", (seq,))
            sql = "DELETE FROM media WHERE sha256 = ?1 AND NOT EXISTS (SELECT 1 FROM media_use WHERE sha256 = ?1)"
            db.executemany(sql, [(sha256,) for sha256 in used])


_ADD_FACET = "INSERT OR IGNORE INTO facet VALUES (?, ?, ?, ?)"
_ADD_META = "INSERT OR IGNORE INTO meta VALUES (?, ?, ?, ?)"


def meta_rows(seq: int, at: int, record: Record) -> list[tuple[str, str, int, int]]:
    """Return the rows that a record is found by for its metadata; `at` is its time in microseconds."""
    return [(clean(key), as_text(value), at, seq) for key, value in record.metadata.items()]


def write_facets(db: sqlite3.Connection, seq: int, record: Record) -> None:
    """Insert the rows that a record is found by: its tags, models, caller and metadata."""
    at = micros(record.created_at or EPOCH)
    db.executemany(_ADD_FACET, [(kind, value, at, seq) for kind, value in facets(record)])
    db.executemany(_ADD_META, meta_rows(seq, at, record))
