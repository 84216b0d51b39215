"""Read, write, merge and delete records in the tables of a SQLite file, along with their rows in other tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeAlias

from autolog._reading.pieces import join_pieces
from autolog._record.bodies import encode_json
from autolog._record.media import give_media, take_media
from autolog._record.record import Record, merge
from autolog._record.times import EPOCH, to_micros
from autolog.stores._texts import clean
from autolog.stores.sqlite._bodies import Bodies
from autolog.stores.sqlite._insert import execute, insert
from autolog.stores.sqlite._rollup import Rollups
from autolog.stores.sqlite._rows import COLUMNS, INTO_LOG, SELECT, described, facets, from_row, to_row

#: Bodies larger than this, in bytes, are inserted one by one, because SQLite copies the values of a statement and keeps
#: them until its next use.
LARGE = 32 * 1024

#: The type that `take_media` returns.
Taken: TypeAlias = "tuple[list[bytes | None], dict[str, bytes]]"

_LAST_NUMBER = """
    SELECT max(seq) FROM (
        SELECT 0 AS seq UNION ALL SELECT seq FROM sqlite_sequence WHERE name = 'log'
        UNION ALL SELECT max(n) FROM log)"""
_MISSING = "SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM log WHERE n = value)"


def load(db: sqlite3.Connection, condition: str, values: Sequence[Any]) -> list[Record]:
    """Return the records that meet a condition on `log`, without bodies."""
    rows = db.execute(f"SELECT {SELECT} FROM log WHERE {condition}", values)  # noqa: S608 - our own words
    return [from_row(row) for row in rows]


def add_bodies(db: sqlite3.Connection, record: Record, bodies: Bodies) -> Record:
    """Add its bodies, including their media, to a record, and return the record."""
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
    """Changes records inside a transaction, and notes the effect on the sums in `rollups`."""

    def __init__(self, db: sqlite3.Connection, bodies: Bodies, rollups: Rollups) -> None:
        self._db = db
        self._bodies = bodies
        self._rollups = rollups

    def write(self, records: Sequence[Record], keep_seq: bool = False) -> list[int]:
        """Insert records, or merge them into those with the same ids; return sequence numbers (see `Store.write`)."""
        if not records:
            return []
        for record in records:
            record.created_at = record.created_at or datetime.now(UTC)
        taken = [take_media(record) for record in records]
        seqs = self._free_numbers(records, keep_seq)
        rows = [(seq, *to_row(record)) for seq, record in zip(seqs, records, strict=True)]
        inserted = insert(self._db, INTO_LOG, rows, "ON CONFLICT (project, id) DO NOTHING")
        known = self._missing(seqs) if inserted < len(rows) else set()
        new = [found for found in zip(seqs, records, taken, strict=True) if found[0] not in known]
        for _, record, _ in new:
            self._rollups.note(record, 1)
        self._write_beside(new)
        if not known:
            return seqs
        merged: dict[tuple[str, str], list[Record]] = {}
        for seq, record in zip(seqs, records, strict=True):
            if seq in known:
                merged.setdefault((clean(record.project), clean(record.id)), []).append(record)
        numbers = {key: self._merge(key, parts) for key, parts in merged.items()}
        return [
            numbers[clean(record.project), clean(record.id)] if seq in known else seq
            for seq, record in zip(seqs, records, strict=True)
        ]

    def _free_numbers(self, records: Sequence[Record], keep_seq: bool) -> list[int]:
        """Return a sequence number for each record: with `keep_seq`, its own if that is free; else the next one."""
        (last,) = self._db.execute(_LAST_NUMBER).fetchone()
        if not keep_seq:
            return list(range(last + 1, last + 1 + len(records)))
        wanted = [record.seq for record in records if record.seq is not None]
        free = self._missing(wanted)
        numbers = count(max(last, *free, 0) + 1)
        found = []
        for record in records:
            seq = record.seq if record.seq in free else None
            found.append(next(numbers) if seq is None else seq)
            free.discard(found[-1])
        return found

    def _missing(self, seqs: Sequence[int]) -> set[int]:
        """Return the sequence numbers that no record has."""
        return {seq for (seq,) in self._db.execute(_MISSING, (encode_json(seqs).decode(),))}

    def update(self, project: str, record_id: str, change: Callable[[Record], None]) -> Record | None:
        """Let `change` modify a record; return the record, or None if there is none."""
        found = load(self._db, "project = ? AND id = ?", (project, record_id))
        if not found:
            return None
        record = add_bodies(self._db, found[0], self._bodies)
        seq = record.seq
        change(record)
        record.id, record.project, record.seq, record.updated_at = record_id, project, seq, datetime.now(UTC)
        self._rewrite(record)
        return record

    def delete(self, seqs: Sequence[int]) -> None:
        """Delete records and their rows in other tables."""
        for seq in seqs:
            self._delete_beside(seq)
        self._db.executemany("DELETE FROM log WHERE n = ?", [(seq,) for seq in seqs])

    def _merge(self, key: tuple[str, str], records: Sequence[Record]) -> int:
        """Merge records into the existing one, which is read and written once; return its sequence number."""
        (old,) = load(self._db, "project = ? AND id = ?", key)
        seq = old.seq or 0
        add_bodies(self._db, old, self._bodies)
        for record in records:
            merge(old, record)
            join_pieces(old)
        old.seq, old.updated_at = seq, datetime.now(UTC)
        self._rewrite(old)
        return seq

    def _rewrite(self, record: Record) -> None:
        seq = record.seq or 0
        self._delete_beside(seq)
        self._rollups.note(record, 1)
        taken = take_media(record)
        assignments = ", ".join(f'"{name}" = ?' for name in COLUMNS)
        execute(self._db, f"UPDATE log SET {assignments}, rest = ? WHERE n = ?", (*to_row(record), seq))  # noqa: S608
        self._write_beside([(seq, record, taken)])

    def _write_beside(self, written: Sequence[tuple[int, Record, Taken]]) -> None:
        """Insert the records' rows in other tables: bodies, media, and facets."""
        pack = self._bodies.pack
        packed = [
            (seq, pack(request), pack(response))
            for seq, _, ((request, response), _) in written
            if request is not None or response is not None
        ]
        insert(self._db, "body", [row for row in packed if _size(row) <= LARGE])
        self._db.executemany("INSERT INTO body VALUES (?, ?, ?)", [row for row in packed if _size(row) > LARGE])
        for seq, _, (_, media) in written:
            if media:
                self._db.executemany("INSERT OR IGNORE INTO media VALUES (?, ?)", media.items())
                uses = [(seq, sha256) for sha256 in media]
                self._db.executemany("INSERT OR IGNORE INTO media_use VALUES (?, ?)", uses)
        write_facets(self._db, [(seq, record) for seq, record, _ in written])

    def _delete_beside(self, seq: int) -> None:
        found = load(self._db, "n = ?", (seq,))
        if not found:
            return
        (old,) = found
        self._rollups.note(old, -1)
        db, at = self._db, to_micros(old.created_at or EPOCH)
        db.executemany(
            "DELETE FROM facet WHERE kind = ? AND value = ? AND at = ? AND n = ?",
            [(kind, clean(value), at, seq) for kind, value in facets(old)],
        )
        db.executemany(
            "DELETE FROM meta WHERE key = ? AND value = ? AND at = ? AND n = ?",
            [(key, value, at, seq) for key, value in described(old)],
        )
        db.execute("DELETE FROM body WHERE n = ?", (seq,))
        used = [sha256 for (sha256,) in db.execute("SELECT sha256 FROM media_use WHERE n = ?", (seq,))]
        if used:
            db.execute("DELETE FROM media_use WHERE n = ?", (seq,))
            sql = "DELETE FROM media WHERE sha256 = ?1 AND NOT EXISTS (SELECT 1 FROM media_use WHERE sha256 = ?1)"
            db.executemany(sql, [(sha256,) for sha256 in used])


def _size(packed: tuple[int, bytes | None, bytes | None]) -> int:
    return len(packed[1] or b"") + len(packed[2] or b"")


def write_facets(db: sqlite3.Connection, records: Iterable[tuple[int, Record]]) -> None:
    """Insert the rows by which records are found: their tags, models, callers, scores and metadata."""
    found: list[tuple[Any, ...]] = []
    meta: list[tuple[Any, ...]] = []
    for seq, record in records:
        at = to_micros(record.created_at or EPOCH)
        found += [(kind, value, at, seq) for kind, value in facets(record)]
        meta += [(key, value, at, seq) for key, value in described(record)]
    insert(db, "facet", found, "ON CONFLICT DO NOTHING")
    insert(db, "meta", meta, "ON CONFLICT DO NOTHING")
