"""The ClickHouse store, for when one machine is not enough: any number of servers can use the same database.

    clickhouse://user:password@host:8123/database

A record is a row, and a change is another row with a later version, the latest of which counts (`_schema`). Writes may
therefore be repeated without counting anything twice. Two servers that change the same record at the same moment see
each other's rows after their inserts, and merge them. ClickHouse has no transactions: changes are gathered and inserted
together at the end, and inside a transaction only `get`, `update` and `write` see its changes.

Sequence numbers are times (`_clock`), so `tail` waits until other servers' writes of the same moment have arrived.
"""

from __future__ import annotations

import copy
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import msgspec

from autolog._reading.pieces import join_pieces
from autolog._record.bodies import decode_object, encode_json
from autolog._record.record import Record, merge
from autolog._record.times import from_micros
from autolog.stores._texts import clean
from autolog.stores._zones import shifts
from autolog.stores.clickhouse import _hours as hours
from autolog.stores.clickhouse._aggregate import read_scores, read_summaries, read_sums
from autolog.stores.clickhouse._client import Database
from autolog.stores.clickhouse._clock import Clock, seq_at, time_of
from autolog.stores.clickhouse._commit import Changes, Commits, Key
from autolog.stores.clickhouse._media import Media
from autolog.stores.clickhouse._reader import FROM, Reader
from autolog.stores.clickhouse._rows import Kept
from autolog.stores.clickhouse._schema import MIGRATIONS, prepare
from autolog.stores.clickhouse._url import read_url
from autolog.stores.clickhouse._where import Values, expression, order_sql, where
from autolog.stores.clickhouse.reservations import Reservations
from autolog.stores.query import (
    TIME_GROUPS,
    Aggregate,
    Hour,
    Query,
    ScoreSum,
    Summary,
    Tokens,
    check_dimension,
    check_group,
    check_score_group,
    check_summarised,
)

#: Seconds by which the clocks and inserts of servers may differ, for which `tail` waits.
GRACE = 0.5


class ClickHouseStore:
    """Records in a ClickHouse database; for the URL's options, see `_url`."""

    writers = 4  # a write mostly waits for replies; records that arrive meanwhile are written together
    schema = len(MIGRATIONS)

    def __init__(self, url: str) -> None:
        target = self._target = read_url(url)
        self.url = target.shown
        self._db = Database(target)
        self._local = threading.local()
        self._clock = Clock(self._db)
        self._media = Media(self._db, self._target)
        self._commits = Commits(self._db, self._target, self._clock, self._media)
        self._sums = hours.Sums(self._db)
        self._reader = Reader(self._db, self._clock, self._media)
        prepare(self._db, target)

    # Opening

    @staticmethod
    def exists(url: str) -> bool:
        """Return whether the database exists."""
        target = read_url(url)
        database = Database(target)
        try:
            return target.database in database.databases()
        finally:
            database.close()

    def reservations(self) -> Reservations:
        """Return the budget reservations and spending shared by all servers on the database."""
        return Reservations(self._db, self._target)

    # Writing

    @property
    def _layers(self) -> list[Changes]:
        """This thread's open transactions, the outermost first; a forked child has none."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid, self._local.layers = os.getpid(), []
            self._clock.start_over()
        layers: list[Changes] = self._local.layers
        return layers

    @contextmanager
    def transaction(self) -> Iterator[None]:
        layers = self._layers
        layers.append(Changes())
        try:
            yield
        except BaseException:
            layers.pop()
            if not layers:
                self._clock.written()
            raise
        changes = layers.pop()
        if layers:
            layers[-1].records |= changes.records
            layers[-1].absent |= changes.absent
            layers[-1].documents |= changes.documents
            return
        try:
            self._commit(changes)
        finally:
            self._clock.written()

    def _pending(self, key: Key) -> Kept | None:
        """Return a record as changed by this thread's transactions; None if they have not changed it."""
        return next((layer.records[key] for layer in reversed(self._layers) if key in layer.records), None)

    def _set(self, kept: Kept) -> None:
        self._layers[-1].records[(kept.record.project, kept.record.id)] = kept

    def write(self, records: Sequence[Record], keep_seq: bool = False) -> list[int]:
        with self.transaction():
            for record in records:
                record.created_at = record.created_at or datetime.now(UTC)
            keys = list(dict.fromkeys((clean(record.project), clean(record.id)) for record in records))
            known = self._reader.load([key for key in keys if not any(layer.knows(key) for layer in self._layers)])
            free = self._reader.free([record.seq for record in records]) if keep_seq else set()
            return [self._write_one(record, known, record.seq if record.seq in free else None) for record in records]

    def _write_one(self, record: Record, known: dict[Key, Kept], seq: int | None) -> int:
        key = clean(record.project), clean(record.id)
        old = self._pending(key) or known.get(key)
        new = msgspec.structs.replace(record, project=key[0], id=key[1])
        if old is None or old.gone:
            now = datetime.now(UTC)
            new.received_at, new.updated_at = new.received_at or now, new.updated_at or now
            kept = Kept(new, self._clock.next_seq() if seq is None else seq)
            if old is not None:
                kept.version, kept.was_at = old.version, old.was_at
        else:
            merged = msgspec.structs.replace(old.record)
            merge(merged, new)
            join_pieces(merged)
            merged.updated_at = datetime.now(UTC)
            kept = replace(old, record=merged)
        self._set(kept)
        return kept.seq

    def update(self, record_id: str, project: str, change: Callable[[Record], None]) -> Record | None:
        key = clean(project), clean(record_id)
        with self.transaction():
            old = self._pending(key) or self._reader.load([key]).get(key)
            if old is None or old.gone:
                return None
            record = old.copied()  # keep the original, in case the transaction fails
            change(record)
            record.project, record.id, record.updated_at = *key, datetime.now(UTC)
            record.created_at = record.created_at or record.updated_at
            self._set(replace(old, record=record))
            return copy.deepcopy(record)

    def delete(
        self, query: Query, limit: int | None = None, order_by: str = "created_at", descending: bool = True
    ) -> int:
        values = Values()
        condition, order = where(query, values), order_sql(order_by, descending)
        most = "" if limit is None else f" LIMIT {int(limit)}"
        with self.transaction():
            rows = self._db.query(
                f"SELECT project, id, toUnixTimestamp64Micro(created_at), version, seq, media_hashes "
                f"{FROM} WHERE {condition} ORDER BY {order}{most}", values,
            )  # fmt: skip
            for project, record_id, at, version, seq, hashes in rows:
                pending = self._pending((project, record_id))
                tombstone = Record(id=record_id, project=project, media=[{"sha256": sha256} for sha256 in hashes])
                was_at = pending.was_at if pending else from_micros(at)
                self._set(Kept(tombstone, seq, version, gone=True, was_at=was_at))
            key = clean(str(query.equal.get("project", "default"))), clean(str(query.equal.get("id")))
            pending = self._pending(key)
            if not rows and pending is not None and not pending.gone and not query.equal.keys() - {"project", "id"}:
                self._set(replace(pending, gone=True))  # the record is not in the database yet
                return 1
        return len(rows)

    def put_document(self, kind: str, key: str, data: dict[str, Any]) -> None:
        with self.transaction():
            self._layers[-1].documents[(clean(kind), clean(key))] = [encode_json(data).decode()]

    def _commit(self, changes: Changes) -> None:
        if changes.records:
            self._commits.records(list(changes.records.values()))
        if changes.documents:
            self._commits.documents(changes.documents)

    # Reading

    def reading(self) -> AbstractContextManager[Callable[[], None]]:
        return nullcontext(lambda: None)  # the engine ends queries after the target's `timeout`

    def get(self, record_id: str, project: str | None = None, bodies: bool = True) -> Record | None:
        record_id = clean(record_id)
        changed = {key for layer in self._layers for key in layer.records if key[1] == record_id}
        pending = {key: kept for key in changed if (kept := self._pending(key)) is not None}
        if project is not None and (kept := pending.get((clean(project), record_id))) is not None:
            return None if kept.gone else kept.copied()
        times = self._reader.times_of(record_id, project)
        kept_here = [kept for kept in pending.values() if not kept.gone]
        times = {key: at for key, at in times.items() if key not in pending}
        if len(times) + len(kept_here) != 1:
            return None
        if kept_here:
            return kept_here[0].copied()
        return next((kept.record for kept in self._reader.load_at(times, bodies).values()), None)

    def find(
        self,
        query: Query,
        limit: int = 50,
        offset: int = 0,
        newest_first: bool = True,
        order_by: str = "created_at",
        bodies: bool = False,
    ) -> list[Record]:
        found = self._reader.find(query, limit, offset, newest_first, order_by, bodies)
        return [kept.record for kept in found]

    def with_bodies(self, records: Iterable[Record]) -> Iterator[Record]:
        return self._reader.with_bodies(records)

    def by_ids(self, project: str, ids: Collection[str]) -> list[Record]:
        keys = {(clean(project), clean(name)) for name in ids}
        pending = {key: kept for key in keys if (kept := self._pending(key)) is not None}
        stored = self._reader.load(list(keys - pending.keys()), bodies=False)
        if self._layers:
            self._layers[-1].absent |= keys - pending.keys() - stored.keys()
        changed = [kept.copied() for kept in pending.values() if not kept.gone]
        return changed + [kept.record for kept in stored.values() if not kept.gone]

    def by_response(self, project: str, response_ids: Sequence[str], native: bool | None, each: int) -> list[Record]:
        values = Values()
        marks = values.marks(clean(name) for name in response_ids)
        return self._reader.newest(f"response_id IN ({marks})", "response_id", values, project, native, each)

    def by_usage(
        self, project: str, tokens: Sequence[Tokens], native: bool | None, since: datetime, until: datetime, each: int
    ) -> list[Record]:
        values = Values()
        counts = [tuple(-1 if count is None else count for count in pair) for pair in tokens]
        pairs = ", ".join(f"({values.mark(one)}, {values.mark(other)})" for one, other in counts)
        used = "(ifNull(usage_input_tokens, -1), ifNull(usage_output_tokens, -1))"
        condition = f"created_at BETWEEN {values.at(since)} AND {values.at(until)} AND {used} IN ({pairs})"
        return self._reader.newest(condition, "usage_input_tokens, usage_output_tokens", values, project, native, each)

    def count(self, query: Query) -> int:
        ((count,),) = self._db.query(f"SELECT count() {FROM} WHERE {where(query, values := Values())}", values)
        return int(count)

    def extremes(self, query: Query, fields: Sequence[str]) -> dict[str, tuple[Any, Any]]:
        values = Values()
        columns = ", ".join(f"min({expression(name)}), max({expression(name)})" for name in fields)
        # The count tells whether to return None instead of the type's zero
        rows = self._db.query(f"SELECT count(), {columns} {FROM} WHERE {where(query, values)}", values)
        count, *row = rows[0]
        return {
            name: (row[2 * index], row[2 * index + 1]) if count else (None, None) for index, name in enumerate(fields)
        }

    def tail(self, query: Query, after: int, limit: int = 100) -> list[Record]:
        found = self._written(query, after, limit)
        early = self._clock.now() - GRACE
        if found and found[-1].seq >= seq_at(early):  # earlier records of other servers may be on their way
            time.sleep(max(0.0, time_of(found[-1].seq) - early))
            found = self._written(query, after, limit)
        return [kept.record for kept in found]

    def _written(self, query: Query, after: int, limit: int) -> list[Kept]:
        """Return the records after a number, up to the first that is still being written."""
        pending = self._clock.first_pending()  # asked before the records: a write may end between the two questions
        return [kept for kept in self._reader.after(query, after, limit) if kept.seq < pending]

    def last(self) -> int:
        return int(self._db.query("SELECT max(seq) FROM log")[0][0])

    def scan(self, query: Query, after: int = 0) -> Iterator[Record]:
        while found := self._reader.after(query, after, 500):
            after = found[-1].seq
            yield from self.with_bodies([kept.record for kept in found])

    def aggregate(
        self,
        query: Query,
        group: str | None = None,
        zone: tzinfo | None = UTC,
        ranked: int | None = None,  # noqa: ARG002 - all are, at once
    ) -> list[Aggregate]:
        check_group(group)
        changes = shifts(self, query, zone) if group in TIME_GROUPS else []
        return read_sums(self._db, group, where(query, values := Values()), values, changes)

    def summarise(
        self,
        query: Query,
        by: str | timedelta | None = None,
        limit: int | None = None,
        offset: int = 0,
        order_by: str = "last",
    ) -> list[Summary]:
        check_summarised(by, order_by)
        return read_summaries(self._db, by, where(query, values := Values()), values, (limit, offset), order_by)

    def scores(self, query: Query, group: str | None = None) -> list[ScoreSum]:
        check_score_group(group)
        return read_scores(self._db, group, where(query, values := Values()), values)

    def projects(self) -> list[str]:
        return [name for (name,) in self._db.query(f"SELECT DISTINCT project {FROM} ORDER BY project")]

    def volumes(self) -> dict[str, tuple[int, datetime]]:
        latest = "toUnixTimestamp64Micro(max(created_at))"
        rows = self._db.query(f"SELECT project, count(), {latest} {FROM} GROUP BY project")
        return {name: (count, from_micros(at)) for name, count, at in rows}

    def hours(
        self, project: str | None, dimension: str, since: datetime, until: datetime, value: str | None = None
    ) -> list[Hour]:
        check_dimension(dimension)
        project, value = (None if given is None else clean(given) for given in (project, value))
        return list(self._sums.read(project, dimension, since, until, value, self._clock.moment()))

    def totals(self, project: str | None, dimension: str, since: datetime, until: datetime) -> list[Hour]:
        return hours.added(self.hours(project, dimension, since, until))

    def media(self, sha256: str) -> bytes | None:
        return self._media.contents({clean(sha256)}).get(clean(sha256))

    def documents(self, kind: str, key: str | None = None) -> dict[str, dict[str, Any]]:
        values, only = Values(), None if key is None else clean(key)
        where = f"kind = {values.mark(clean(kind))}" + ("" if only is None else f" AND key = {values.mark(only)}")
        found: dict[str, str] = dict(
            self._db.query(f"SELECT key, data FROM document FINAL WHERE {where} ORDER BY first, key", values)
        )
        for layer in self._layers:
            for (of_kind, name), (data,) in layer.documents.items():
                found |= {name: data} if of_kind == kind and only in (None, name) else {}
        return {name: decode_object(data) for name, data in found.items()}

    def document_kinds(self) -> list[str]:
        return [kind for (kind,) in self._db.query("SELECT DISTINCT kind FROM document ORDER BY kind")]

    def size(self) -> int:
        """Return the size of the store in bytes, excluding old versions that have not been merged away yet."""
        taken: dict[str, int] = dict(
            self._db.query(
                "SELECT table, sum(bytes_on_disk) FROM system.parts "
                "WHERE active AND database = currentDatabase() GROUP BY table"
            )
        )
        logs = taken.pop(self._target.local("log"), 0)
        taken.pop(self._target.local("change"), 0)  # its rows expire by themselves
        ((versions,),) = self._db.query("SELECT count() FROM log WHERE NOT gone")
        share = min(1.0, self.count(Query()) / versions) if versions else 0.0
        return int(sum(taken.values()) + logs * share)

    def compact(self) -> None:
        """Merge all versions of each record into one, and remove deleted records."""
        for name, more in (("log", " CLEANUP"), ("document", ""), ("hour", ""), ("sealed", "")):
            self._db.command(f"OPTIMIZE TABLE `{self._target.local(name)}`{self._target.on} FINAL{more}")

    def backup(self, target: Path) -> None:
        from autolog.stores.copy import copy as copy_store
        from autolog.stores.sqlite.store import SQLiteStore

        kept = SQLiteStore(f"sqlite:///{target.absolute()}")
        try:
            copy_store(self, kept)
        finally:
            kept.close()

    def damage(self, seconds: float) -> str | None:  # noqa: ARG002 - it has checksums, and tells by itself
        return None

    def close(self) -> None:
        self._db.close()
