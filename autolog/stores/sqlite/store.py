"""The store in one SQLite file.

`log` has a row for every record, its fields as columns; what is never searched is JSON in `rest`. Bodies lie beside
it in `body`, compressed (`_sqlite_bodies`), so that lists never read them; their media lie in `media`, each once,
however many bodies it stands in. `facet` and `meta` turn tags, models and metadata into rows of their own, for a search
in JSON reads every record. Times are integer microseconds since 1970, UTC.

One connection writes, under a lock, in WAL mode; every reading thread has its own. Several processes may share the
file: SQLite's lock is waited for. The connection is opened again if the process has forked.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autolog._folders import make_folder
from autolog._lifecycle import after_fork_in_child
from autolog._record.bodies import decode_object, encode_json
from autolog._record.media import give_media, take_media
from autolog._record.record import Record, merge
from autolog._sqlite import translated
from autolog.errors import StoreError, StoreUnavailable
from autolog.stores._texts import as_text, clean
from autolog.stores.query import Aggregate, Hour, Query, check_dimension, check_group
from autolog.stores.sqlite import _rollup
from autolog.stores.sqlite._bodies import Bodies
from autolog.stores.sqlite._rollup import Rollups
from autolog.stores.sqlite._rows import (
    COLUMNS,
    EPOCH,
    INSERT,
    QUOTED,
    SELECT,
    facets,
    from_row,
    to_row,
)
from autolog.stores.sqlite._schema import MIGRATIONS
from autolog.stores.sqlite._where import expression, micros, order_sql, source, text_has, where

#: Marks a file as ours ("alog"), so that no other program's database is taken for one.
APPLICATION_ID = 0x616C6F67
BUSY_TIMEOUT = 10.0

_MODEL = "coalesce(response_model, request_model)"


@after_fork_in_child
def _free_locks() -> None:
    for store in _open_stores:
        store._lock = threading.RLock()  # whoever held it is not in this process


#: For a fork.
_open_stores: weakref.WeakSet[SQLiteStore] = weakref.WeakSet()


class _Connection(sqlite3.Connection):
    """One that its own functions can refer to without keeping it open."""


class SQLiteStore:
    """Records in one SQLite file. `url`: `sqlite:///relative.db` or `sqlite:////absolute.db`."""

    writers = 1

    def __init__(self, url: str) -> None:
        self.url = url
        self.path = _path(url)
        self._lock = threading.RLock()
        self._local = threading.local()
        _open_stores.add(self)
        self._pid = os.getpid()
        self._depth = self._owner = 0
        self._rollups = Rollups()
        self._bodies = Bodies()
        self._last = 0
        self._make_folder()
        self._writer = self._connect()
        with self._translated():
            self._migrate()
            self._bodies.load(self._writer)

    @staticmethod
    def exists(url: str) -> bool:
        """Whether there is a file already."""
        return _path(url).exists()

    # Opening

    def _make_folder(self) -> None:
        try:
            make_folder(self.path.parent)
        except OSError as error:
            raise StoreError(self.url, f"cannot make the folder {self.path.parent}: {error.strerror}") from error

    def _connect(self) -> sqlite3.Connection:
        with self._translated():
            db = sqlite3.connect(
                self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, factory=_Connection
            )
            db.execute("PRAGMA synchronous = NORMAL")
            db.create_function("body_has", 3, functools.partial(self._bodies.has, weakref.ref(db)), deterministic=True)
            _rollup.prepare(db)
            db.create_function("text_has", 2, text_has, deterministic=True)
        return db

    def _migrate(self) -> None:
        db = self._writer
        db.execute("BEGIN")  # so that all three are of one moment: another process may be making the tables
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        db.execute("COMMIT")
        if application != APPLICATION_ID and (application or tables):
            raise StoreError(self.url, "this file is another program's database; choose another path")
        if version > len(MIGRATIONS):
            raise StoreError(self.url, "this file was written by a newer autolog: pip install -U autolog-llm")
        db.execute("PRAGMA journal_mode = WAL")
        if version == len(MIGRATIONS):
            return
        db.execute("BEGIN IMMEDIATE")
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()  # another process may have been first
            for migrate in MIGRATIONS[version:]:
                migrate(db)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise

    @property
    def _inside(self) -> bool:
        """Whether this thread is in a transaction."""
        return self._depth > 0 and self._owner == threading.get_ident()

    @property
    def _reader(self) -> sqlite3.Connection:
        if self._inside:
            return self._writer  # inside a transaction one sees what it has changed
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid = os.getpid()
            self._local.db = self._connect()
        db: sqlite3.Connection = self._local.db
        return db

    def _translated(self) -> translated:
        return translated(self.url)

    # Writing

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock, self._translated():
            if self._pid != os.getpid():
                self._pid, self._writer, self._depth = os.getpid(), self._connect(), 0
                self._rollups = Rollups()
            db, inner = self._writer, self._depth > 0
            if inner and not db.in_transaction:  # a full disk: SQLite has taken back all of it
                raise StoreUnavailable(self.url, "the transaction that this was a part of has failed")
            if not inner:
                self._bodies.train(db, self._last)
            db.execute("SAVEPOINT change" if inner else "BEGIN IMMEDIATE")
            self._depth += 1
            self._owner = threading.get_ident()
            self._rollups.begin()
            ended = False
            try:
                yield
                ended = True
                if not db.in_transaction:
                    self._rollups.abandon()
                    raise StoreUnavailable(self.url, "a part of the transaction has failed, and all of it with that")
                self._rollups.end(db)
                db.execute("RELEASE change" if inner else "COMMIT")
            except BaseException:
                if not ended:
                    self._rollups.abandon()
                if db.in_transaction:
                    db.execute("ROLLBACK TO change" if inner else "ROLLBACK")
                    if inner:
                        db.execute("RELEASE change")
                raise
            finally:
                self._depth -= 1

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """A change of its own, or a part of the transaction that it is made in."""
        if self._inside:
            with self._translated():
                yield
        else:
            with self.transaction():
                yield

    def write(self, records: Sequence[Record], places: bool = False) -> list[int]:
        with self._changing():
            return [self._write_one(self._writer, record, record.seq if places else None) for record in records]

    def update(self, record_id: str, project: str, change: Callable[[Record], None]) -> Record | None:
        with self._changing():
            db = self._writer
            record_id = clean(record_id)
            found = self._load(db, "project = ? AND id = ?", (project, record_id))
            if not found:
                return None
            n, record = found[0]
            self._add_bodies(db, n, record)
            change(record)
            record.id, record.project, record.updated_at = record_id, project, datetime.now(UTC)
            self._rewrite(db, n, record)
            return record

    def put_document(self, kind: str, key: str, data: dict[str, Any]) -> None:
        with self._changing():
            self._writer.execute(
                "INSERT INTO document VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET data = excluded.data",
                (kind, key, encode_json(data).decode()),
            )

    def _write_one(self, db: sqlite3.Connection, record: Record, place: int | None = None) -> int:
        record.created_at = record.created_at or datetime.now(UTC)
        taken = take_media(record)
        cursor = db.execute(INSERT, (self._free(db, place), *to_row(record)))
        if cursor.rowcount == 0:
            return self._merge(db, record)
        n = self._last = int(cursor.lastrowid or 0)
        self._rollups.note(record, 1)
        self._write_beside(db, n, record, *taken)
        return n

    def _free(self, db: sqlite3.Connection, place: int | None) -> int | None:
        """A place, if nobody has it; else the next one is taken."""
        taken = place is not None and db.execute("SELECT 1 FROM log WHERE n = ?", (place,)).fetchone()
        return None if taken else place

    def _write_beside(
        self,
        db: sqlite3.Connection,
        n: int,
        record: Record,
        bodies: Sequence[bytes | None],
        contents: dict[str, bytes],
    ) -> None:
        if any(body is not None for body in bodies):
            db.execute("INSERT INTO body VALUES (?, ?, ?)", (n, *map(self._bodies.pack, bodies)))
        db.executemany("INSERT OR IGNORE INTO media VALUES (?, ?)", contents.items())
        db.executemany("INSERT OR IGNORE INTO media_use VALUES (?, ?)", [(n, sha256) for sha256 in contents])
        at = micros(record.created_at or EPOCH)
        db.executemany(
            "INSERT OR IGNORE INTO facet VALUES (?, ?, ?, ?)", [(kind, value, at, n) for kind, value in facets(record)]
        )
        if record.metadata:
            db.executemany(
                "INSERT OR IGNORE INTO meta VALUES (?, ?, ?, ?)",
                [(clean(key), as_text(value), at, n) for key, value in record.metadata.items()],
            )

    def _merge(self, db: sqlite3.Connection, record: Record) -> int:
        """What the newer record knows is laid over what is there; it takes nothing away."""
        n, old = self._load(db, "project = ? AND id = ?", (record.project, record.id))[0]
        self._add_bodies(db, n, old)
        merge(old, record)
        old.updated_at = datetime.now(UTC)
        self._rewrite(db, n, old)
        return n

    def _rewrite(self, db: sqlite3.Connection, n: int, record: Record) -> None:
        self._delete_beside(db, [n])
        self._rollups.note(record, 1)
        taken = take_media(record)
        assignments = ", ".join(f'"{name}" = ?' for name in COLUMNS)
        db.execute(f"UPDATE log SET {assignments}, rest = ? WHERE n = ?", (*to_row(record), n))  # noqa: S608
        self._write_beside(db, n, record, *taken)

    def _delete_beside(self, db: sqlite3.Connection, places: Sequence[int]) -> None:
        for n in places:
            found = self._load(db, "n = ?", (n,))
            if not found:
                continue
            old = found[0][1]
            self._rollups.note(old, -1)
            at = micros(old.created_at or EPOCH)
            db.executemany(
                "DELETE FROM facet WHERE kind = ? AND value = ? AND at = ? AND n = ?",
                [(kind, value, at, n) for kind, value in facets(old)],
            )
            db.executemany(
                "DELETE FROM meta WHERE key = ? AND value = ? AND at = ? AND n = ?",
                [(clean(key), as_text(value), at, n) for key, value in old.metadata.items()],
            )
            db.execute("DELETE FROM body WHERE n = ?", (n,))
            used = [sha256 for (sha256,) in db.execute("SELECT sha256 FROM media_use WHERE n = ?", (n,))]
            if used:
                db.execute("DELETE FROM media_use WHERE n = ?", (n,))
                sql = "DELETE FROM media WHERE sha256 = ?1 AND NOT EXISTS (SELECT 1 FROM media_use WHERE sha256 = ?1)"
                db.executemany(sql, [(sha256,) for sha256 in used])

    def delete(
        self, query: Query, limit: int | None = None, order_by: str = "created_at", descending: bool = True
    ) -> int:
        condition, values = where(query)
        order = order_sql(order_by, descending)
        with self._changing():
            db = self._writer
            sql = f"SELECT n FROM log WHERE {condition} ORDER BY {order} LIMIT ?"  # noqa: S608
            places = [n for (n,) in db.execute(sql, (*values, -1 if limit is None else limit))]
            self._delete_beside(db, places)
            db.executemany("DELETE FROM log WHERE n = ?", [(n,) for n in places])
        return len(places)

    # Reading

    def get(self, record_id: str, project: str | None = None, bodies: bool = True) -> Record | None:
        record_id = clean(record_id)
        with self._translated():
            condition, values = (
                ("id = ?", (record_id,)) if project is None else ("project = ? AND id = ?", (project, record_id))
            )
            found = self._load(self._reader, f"{condition} LIMIT 2", values)
            return self._with_bodies(found, bodies)[0] if len(found) == 1 else None

    def find(
        self,
        query: Query,
        limit: int = 50,
        offset: int = 0,
        newest_first: bool = True,
        order_by: str = "created_at",
        bodies: bool = False,
    ) -> list[Record]:
        table, first, rest = source(query) if order_by == "created_at" else ("log", [], query)
        condition, values = where(rest, "facet" if first else order_by)
        order = order_sql(order_by, newest_first)
        if first:  # the facet's own order is the same, and its index gives it without a sort
            order = order.replace("created_at", "at").replace("n ", "place ")
        sql = f"SELECT n, {QUOTED}, rest FROM {table} WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
        with self._translated():
            rows = self._reader.execute(sql, (*first, *values, limit, offset))
            return self._with_bodies([from_row(row) for row in rows], bodies)

    def by_response(self, project: str, response_ids: Sequence[str], dialect: str, each: int) -> list[Record]:
        calls = Query({"project": project, "kind": "llm", "dialect": dialect})
        return [found for name in response_ids for found in self.find(calls.where(response_id=name), each)]

    def count(self, query: Query) -> int:
        table, first, rest = source(query)
        condition, values = where(rest)
        with self._translated():
            sql = f"SELECT count(*) FROM {table} WHERE {condition}"  # noqa: S608
            (count,) = self._reader.execute(sql, (*first, *values)).fetchone()
        return int(count)

    def hours(
        self, project: str | None, dimension: str, since: datetime, until: datetime, value: str | None = None
    ) -> list[Hour]:
        check_dimension(dimension)
        with self._translated():
            return list(_rollup.read_hours(self._reader, project, dimension, since, until, value))

    def extremes(self, query: Query, fields: Sequence[str]) -> dict[str, tuple[Any, Any]]:
        condition, values = where(query)
        columns = ", ".join(f"min({expression(name)}), max({expression(name)})" for name in fields)
        with self._translated():
            row = self._reader.execute(f"SELECT {columns} FROM log WHERE {condition}", values).fetchone()  # noqa: S608
        return {name: (row[2 * index], row[2 * index + 1]) for index, name in enumerate(fields)}

    def tail(self, query: Query, after: int, limit: int = 100) -> list[Record]:
        condition, values = where(query)
        with self._translated():
            found = self._load(self._reader, f"n > ? AND {condition} ORDER BY n LIMIT ?", (after, *values, limit))
        return [record for _, record in found]

    def last(self) -> int:
        with self._translated():
            (n,) = self._reader.execute("SELECT coalesce(max(n), 0) FROM log").fetchone()
        return int(n)

    def scan(self, query: Query, after: int = 0) -> Iterator[Record]:
        condition, values = where(query)
        while True:
            with self._translated():
                found = self._load(self._reader, f"n > ? AND {condition} ORDER BY n LIMIT 200", (after, *values))
                records = self._with_bodies(found, bodies=True)
            yield from records
            if not found:
                return
            after = found[-1][0]

    def documents(self, kind: str) -> dict[str, dict[str, Any]]:
        with self._translated():
            rows = self._reader.execute("SELECT key, data FROM document WHERE kind = ? ORDER BY rowid", (kind,))
            return {key: decode_object(data) for key, data in rows}

    def document_kinds(self) -> list[str]:
        with self._translated():
            return [kind for (kind,) in self._reader.execute("SELECT DISTINCT kind FROM document ORDER BY kind")]

    def _with_bodies(self, found: list[tuple[int, Record]], bodies: bool) -> list[Record]:
        if bodies:
            for n, record in found:
                self._add_bodies(self._reader, n, record)
        return [record for _, record in found]

    def aggregate(self, query: Query, group: str | None = None) -> list[Aggregate]:
        check_group(group)
        condition, values = where(query)
        key = _GROUP_SQL.get(group or "", f'"{group}"') if group else "NULL"
        table = "facet JOIN log ON facet.kind = 'tag' AND log.n = facet.n" if group == "tag" else "log"
        sql = f"""
            WITH calls AS (
                SELECT {key} AS "group", status, usage_input_tokens, usage_output_tokens, cost, duration,
                    row_number() OVER (PARTITION BY {key} ORDER BY duration) AS place,
                    count(duration) OVER (PARTITION BY {key}) AS known
                FROM {table} WHERE {condition} AND log.kind = 'llm')
            SELECT "group", count(*), sum(status = 'error'), sum(usage_input_tokens), sum(usage_output_tokens),
                sum(cost), sum(cost IS NULL),
                min(CASE WHEN duration IS NOT NULL AND place - (count_all - known) >= known * 0.50 THEN duration END),
                min(CASE WHEN duration IS NOT NULL AND place - (count_all - known) >= known * 0.95 THEN duration END),
                min(CASE WHEN duration IS NOT NULL AND place - (count_all - known) >= known * 0.99 THEN duration END)
            FROM (SELECT *, count(*) OVER (PARTITION BY "group") AS count_all FROM calls)
            GROUP BY "group" ORDER BY count(*) DESC, "group" """  # noqa: S608 - key and where are our own words
        with self._translated():
            rows = self._reader.execute(sql, values).fetchall()
        return [Aggregate(None if row[0] is None else str(row[0]), *row[1:]) for row in rows]

    def size(self) -> int:
        with self._translated():
            (pages,) = self._reader.execute("PRAGMA page_count").fetchone()
            (free,) = self._reader.execute("PRAGMA freelist_count").fetchone()
            (page,) = self._reader.execute("PRAGMA page_size").fetchone()
        return (int(pages) - int(free)) * int(page)

    def compact(self) -> None:
        """The file gets smaller; meanwhile nobody writes."""
        with self._lock, self._translated():
            self._writer.execute("VACUUM")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def backup(self, target: Path) -> None:
        with translated(str(target)), contextlib.closing(sqlite3.connect(target)) as copy:
            with self._translated():
                self._reader.backup(copy)  # in one step: a step on its own would begin anew after every write
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        if found != "ok":
            raise StoreError(self.url, f"the copy is damaged, and so is the store: {found}")

    def close(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                self._writer.close()
            reader = getattr(self._local, "db", None)
            if reader is not None and self._local.pid == os.getpid():
                reader.close()
                self._local.pid = None

    def _load(self, db: sqlite3.Connection, condition: str, values: Sequence[Any]) -> list[tuple[int, Record]]:
        return [from_row(row) for row in db.execute(f"{SELECT} WHERE {condition}", values)]

    def _add_bodies(self, db: sqlite3.Connection, n: int, record: Record) -> None:
        row = db.execute("SELECT request_body, response_body FROM body WHERE n = ?", (n,)).fetchone()
        if row is None:
            return

        def load(sha256: str) -> bytes | None:
            known = db.execute(
                "SELECT content FROM media JOIN media_use USING (sha256) WHERE n = ? AND sha256 = ?", (n, sha256)
            ).fetchone()
            return known[0] if known else None

        record.request_body, record.response_body = (self._bodies.unpack(db, packed) for packed in row)
        give_media(record, load)

    def media(self, sha256: str) -> bytes | None:
        with self._translated():
            row = self._reader.execute("SELECT content FROM media WHERE sha256 = ?", (sha256,)).fetchone()
        return row[0] if row else None


def _path(url: str) -> Path:
    name = url.removeprefix("sqlite:///")
    if not url.startswith("sqlite:///") or not name:
        raise StoreError(url, "write sqlite:///relative.db or sqlite:////absolute.db")
    return Path(name).absolute()


# Rows and records

_GROUP_SQL = {
    "model": _MODEL,
    "provider": "provider_name",
    "tag": "facet.value",
    "function": "json_extract(rest, '$.caller')",
    "day": "strftime('%Y-%m-%d', created_at / 1000000, 'unixepoch')",
    "hour": "strftime('%Y-%m-%dT%H:00', created_at / 1000000, 'unixepoch')",
}
