"""The store on ClickHouse, for when one machine is not enough: any number of servers work on the same database.

    clickhouse://user:password@host:8123/database

A record is a row; a change is a row with a later version, and the latest stands (`_clickhouse_schema`). So a write may
be repeated, and nothing is counted twice. Two servers that change the same record at the same moment see each other's
rows after their inserts and merge them. There are no transactions in ClickHouse: changes are gathered and inserted
together at the end, and inside a transaction only `get`, `update` and `write` see what it has changed.

`tail` waits until the other servers' writes of the same moment have come, for places are times (`_clickhouse_clock`).
"""

from __future__ import annotations

import copy
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from autolog._record.bodies import decode_object, encode_json
from autolog._record.record import Record, merge
from autolog.errors import StoreError
from autolog.stores._texts import clean
from autolog.stores.clickhouse import _hours as hours
from autolog.stores.clickhouse._client import OLDEST, Database
from autolog.stores.clickhouse._clock import Clock, place_at, time_of
from autolog.stores.clickhouse._commit import IDS, Commits, Key
from autolog.stores.clickhouse._media import Media
from autolog.stores.clickhouse._rows import (
    BEYOND,
    RAW,
    SELECT,
    WITH_BODIES,
    Kept,
    from_micros,
    from_row,
)
from autolog.stores.clickhouse._schema import MIGRATIONS, schema_table, ttl
from autolog.stores.clickhouse._url import read_url
from autolog.stores.clickhouse._where import Values, expression, of_keys, order_sql, where
from autolog.stores.query import Aggregate, Hour, Query, check_dimension, check_group

_FROM = "FROM log FINAL"
#: How far apart the clocks and inserts of servers may be, in seconds: `tail` waits for so long.
GRACE = 0.5
#: The newest are looked for in windows that grow by this factor.
_FIRST_WINDOW, _GROWTH, _WIDEST = timedelta(hours=1), 8, timedelta(days=400)


@dataclass(slots=True)
class _Changes:
    """What a transaction has changed so far."""

    records: dict[Key, Kept] = field(default_factory=dict)
    documents: dict[Key, list[Any]] = field(default_factory=dict)


class ClickHouseStore:
    """Records in a ClickHouse database; for options in the URL see `_clickhouse_url`."""

    writers = 4  # most of a write is waiting for answers, and what comes meanwhile is written together

    def __init__(self, url: str) -> None:
        self._place = read_url(url)
        self.url = self._place.shown
        self._db = Database(self._place)
        self._local = threading.local()
        self._clock = Clock(self._db)
        self._media = Media(self._db, self._place)
        self._commits = Commits(self._db, self._place, self._clock, self._media)
        self._sums = hours.Sums(self._db)
        self._prepare()

    # Opening

    @staticmethod
    def exists(url: str) -> bool:
        """Whether there is such a database already."""
        place = read_url(url)
        database = Database(place)
        try:
            return place.database in database.databases()
        finally:
            database.close()

    def _prepare(self) -> None:
        db, place = self._db, self._place
        if db.version < OLDEST:
            known = ".".join(map(str, db.version))
            raise StoreError(self.url, f"ClickHouse {known} is too old; {'.'.join(map(str, OLDEST))} is the oldest")
        if place.database not in db.databases():
            db.command(f"CREATE DATABASE IF NOT EXISTS `{place.database}`{place.on}", database=False)
        tables = {name for (name,) in db.query("SELECT name FROM system.tables WHERE database = currentDatabase()")}
        if "autolog_schema" not in tables:
            if tables & {"log", "place", "hour", "media", "document"}:
                raise StoreError(self.url, "this database holds another program's tables; choose another database")
            version = 0
        else:
            ((version,),) = db.query("SELECT max(version) FROM autolog_schema")
        if version > len(MIGRATIONS):
            raise StoreError(self.url, "this database was written by a newer autolog: pip install -U autolog-llm")
        if version < len(MIGRATIONS):  # each statement may be run twice: another server may be doing so
            for statement in schema_table(place):
                db.command(statement)
            for number, migrate in enumerate(MIGRATIONS[version:], version + 1):
                for statement in migrate(place):
                    db.command(statement)
                db.insert("autolog_schema", {"version": "UInt32"}, [[number]])
        for statement in ttl(place):
            db.command(statement)

    # Writing

    @property
    def _layers(self) -> list[_Changes]:
        """This thread's transactions, the outermost first. A forked child has none."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid, self._local.layers = os.getpid(), []
            self._clock.start_over()
        layers: list[_Changes] = self._local.layers
        return layers

    @contextmanager
    def transaction(self) -> Iterator[None]:
        layers = self._layers
        layers.append(_Changes())
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
            layers[-1].documents |= changes.documents
            return
        try:
            self._commit(changes)
        finally:
            self._clock.written()

    def _pending(self, key: Key) -> Kept | None:
        """What this transaction has made of a record, if it has changed it."""
        return next((layer.records[key] for layer in reversed(self._layers) if key in layer.records), None)

    def _set(self, kept: Kept) -> None:
        self._layers[-1].records[(kept.record.project, kept.record.id)] = kept

    def write(self, records: Sequence[Record], places: bool = False) -> list[int]:
        with self.transaction():
            for record in records:
                record.created_at = record.created_at or datetime.now(UTC)
            keys = list(dict.fromkeys((clean(record.project), clean(record.id)) for record in records))
            known = self._load([key for key in keys if self._pending(key) is None])
            free = self._free([record.seq for record in records]) if places else set()
            return [self._write_one(record, known, record.seq if record.seq in free else None) for record in records]

    def _free(self, places: Sequence[int | None]) -> set[int]:
        """Those of some places that no record has."""
        wanted, values = {place for place in places if place is not None}, Values()
        if not wanted:
            return set()
        taken = self._db.query(f"SELECT seq FROM log WHERE seq IN ({values.marks(wanted)})", values)
        return wanted - {seq for (seq,) in taken}

    def _write_one(self, record: Record, known: dict[Key, Kept], place: int | None) -> int:
        key = clean(record.project), clean(record.id)
        old = self._pending(key) or known.get(key)
        new = msgspec.structs.replace(record, project=key[0], id=key[1])
        if old is None or old.gone:
            now = datetime.now(UTC)
            new.received_at, new.updated_at = new.received_at or now, new.updated_at or now
            made = Kept(new, self._clock.next_seq() if place is None else place)
            if old is not None:
                made.version, made.was_at = old.version, old.was_at
        else:
            merged = msgspec.structs.replace(old.record)
            merge(merged, new)
            merged.updated_at = datetime.now(UTC)
            made = replace(old, record=merged)
        self._set(made)
        return made.seq

    def update(self, record_id: str, project: str, change: Callable[[Record], None]) -> Record | None:
        key = clean(project), clean(record_id)
        with self.transaction():
            old = self._pending(key) or self._load([key]).get(key)
            if old is None or old.gone:
                return None
            record = _copied(old)  # what was read stays what it was, if this is taken back
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
                f"{_FROM} WHERE {condition} ORDER BY {order}{most}", values,
            )  # fmt: skip
            for project, record_id, at, version, seq, hashes in rows:
                pending = self._pending((project, record_id))
                gone = Record(id=record_id, project=project, media=[{"sha256": sha256} for sha256 in hashes])
                was_at = pending.was_at if pending else from_micros(at)
                self._set(Kept(gone, seq, version, gone=True, was_at=was_at))
            key = clean(str(query.equal.get("project", "default"))), clean(str(query.equal.get("id")))
            pending = self._pending(key)
            if not rows and pending is not None and not pending.gone and not query.equal.keys() - {"project", "id"}:
                self._set(replace(pending, gone=True))  # one that is not in the database yet
                return 1
        return len(rows)

    def put_document(self, kind: str, key: str, data: dict[str, Any]) -> None:
        with self.transaction():
            self._layers[-1].documents[(clean(kind), clean(key))] = [encode_json(data).decode()]

    def _commit(self, changes: _Changes) -> None:
        if changes.records:
            self._commits.records(list(changes.records.values()))
        if changes.documents:
            self._commits.documents(changes.documents)

    # Reading

    def _load(self, keys: Sequence[Key]) -> dict[Key, Kept]:
        """The records of these keys, whole; of those that are gone, under which version."""
        found: dict[Key, Kept] = {}
        for start in range(0, len(keys), IDS):
            values = Values()
            places = self._db.query(
                "SELECT project, id, toUnixTimestamp64Micro(created_at), version, gone FROM place "
                f"WHERE {of_keys(keys[start : start + IDS], values)} ORDER BY version DESC LIMIT 1 BY project, id",
                values,
            )  # fmt: skip
            live = [(project, name, at) for project, name, at, _, gone in places if not gone]
            found |= self._load_places(live, bodies=True) if live else {}
            for project, name, _, version, gone in places:
                if gone:
                    found[project, name] = Kept(Record(id=name, project=project), 0, version, gone=True)
        return found

    def _load_places(self, places: Sequence[tuple[str, str, int]], bodies: bool) -> dict[Key, Kept]:
        values = Values()
        times = sorted({at for _, _, at in places})
        marks = ", ".join(values.at(from_micros(at)) for at in times)
        keys = of_keys([(project, one) for project, one, _ in places], values)
        found = self._fetch(f"WHERE {keys} AND created_at IN ({marks})", values, bodies)
        for kept in found:
            kept.base = kept.record
        return {(kept.record.project, kept.record.id): kept for kept in found}

    def get(self, record_id: str, project: str | None = None, bodies: bool = True) -> Record | None:
        record_id = clean(record_id)
        changed = {key for layer in self._layers for key in layer.records if key[1] == record_id}
        pending = {key: kept for key in changed if (kept := self._pending(key)) is not None}
        if project is not None and (kept := pending.get((clean(project), record_id))) is not None:
            return None if kept.gone else _copied(kept)
        values = Values()
        of_project = "" if project is None else f" AND project = {values.mark(clean(project))}"
        places = self._db.query(
            "SELECT project, id, toUnixTimestamp64Micro(created_at), gone FROM place "
            f"WHERE id = {values.mark(record_id)}{of_project} ORDER BY version DESC LIMIT 1 BY project, id", values,
        )  # fmt: skip
        kept_here = [kept for kept in pending.values() if not kept.gone]
        places = [(of, name, at) for of, name, at, gone in places if not gone and (of, name) not in pending]
        if len(places) + len(kept_here) != 1:
            return None
        if kept_here:
            return _copied(kept_here[0])
        return next((kept.record for kept in self._load_places(places, bodies).values()), None)

    def find(
        self,
        query: Query,
        limit: int = 50,
        offset: int = 0,
        newest_first: bool = True,
        order_by: str = "created_at",
        bodies: bool = False,
    ) -> list[Record]:
        found: list[Kept] = []
        for window in self._windows(query, order_by == "created_at" and newest_first and not offset):
            found += self._rows(window, order_sql(order_by, newest_first), limit - len(found), offset, bodies)
            if len(found) >= limit:
                break
        return [kept.record for kept in found]

    def _windows(self, query: Query, newest: bool) -> Iterator[Query]:
        """The query in pieces of time, newest first, each longer than the one before; or in one."""
        if not newest or query.equal.keys() & {"id", "trace_id", "seq"}:
            yield query
            return
        past = None if query.past is None else min(query.past[0], BEYOND) + timedelta(microseconds=1)
        bounds = [query.until, past]
        until = min((max(bound, from_micros(0)) for bound in bounds if bound is not None), default=None)
        since, width = query.since or from_micros(0), _FIRST_WINDOW
        while True:
            begin = (until or self._clock.moment()) - width
            if width > _WIDEST or begin <= since:
                yield replace(query, since=since, until=until)
                return
            yield replace(query, since=begin, until=until)
            until, width = begin, width * _GROWTH

    def _rows(
        self, query: Query, order: str, limit: int, offset: int, bodies: bool, after: int | None = None
    ) -> list[Kept]:
        """Rows in an order; after a place, with all those that share the last one's: two servers' may."""
        values = Values()
        more, ties = ("", f" OFFSET {int(offset)}") if after is None else (f" AND seq > {int(after)}", " WITH TIES")
        rest = f"WHERE {where(query, values)}{more} ORDER BY {order} LIMIT {int(limit)}{ties}"
        return self._fetch(rest, values, bodies)

    def _fetch(self, rest: str, values: Values, bodies: bool) -> list[Kept]:
        """The records that the rest of a SELECT gives."""
        rows = self._db.query(f"SELECT {WITH_BODIES if bodies else SELECT} {_FROM} {rest}", values, raw=RAW)
        found = [from_row(row) for row in rows]
        if bodies:
            self._media.give([kept.record for kept in found])
        return found

    def by_response(self, project: str, response_ids: Sequence[str], dialect: str, each: int) -> list[Record]:
        values = Values()
        marks = values.marks(clean(name) for name in response_ids)
        condition = (
            f"project = {values.mark(clean(project))} AND dialect = {values.mark(dialect)} AND response_id IN ({marks})"
        )
        if not self._db.query(f"SELECT 1 FROM log WHERE {condition} LIMIT 1", values):
            return []  # as a rule there are none, and to know that costs a tenth
        order = f"ORDER BY created_at DESC, seq DESC LIMIT {int(each)} BY response_id"
        found = self._fetch(f"WHERE {condition} AND kind = 'llm' {order}", values, bodies=False)
        return [kept.record for kept in found]

    def count(self, query: Query) -> int:
        values = Values()
        ((count,),) = self._db.query(f"SELECT count() {_FROM} WHERE {where(query, values)}", values)
        return int(count)

    def extremes(self, query: Query, fields: Sequence[str]) -> dict[str, tuple[Any, Any]]:
        values = Values()
        columns = ", ".join(f"min({expression(name)}), max({expression(name)})" for name in fields)
        # None, and not the type's zero, where nothing matches
        rows = self._db.query(f"SELECT count(), {columns} {_FROM} WHERE {where(query, values)}", values)
        count, *row = rows[0]
        return {
            name: (row[2 * place], row[2 * place + 1]) if count else (None, None) for place, name in enumerate(fields)
        }

    def tail(self, query: Query, after: int, limit: int = 100) -> list[Record]:
        def look() -> list[Kept]:
            return self._rows(query, "seq ASC", limit, 0, bodies=False, after=after)

        found = look()
        early = self._clock.now() - GRACE
        if found and found[-1].seq >= place_at(early):  # another server's, before these, may be on their way
            time.sleep(max(0.0, time_of(found[-1].seq) - early))
            found = look()
        held = self._clock.oldest_open  # before one that is still being written, others of this process wait
        return [kept.record for kept in found if held is None or kept.seq < held]

    def last(self) -> int:
        ((last,),) = self._db.query("SELECT max(seq) FROM log")
        return int(last)

    def scan(self, query: Query, after: int = 0) -> Iterator[Record]:
        while True:
            found = self._rows(query, "seq ASC", 500, 0, bodies=True, after=after)
            yield from (kept.record for kept in found)
            if not found:
                return
            after = found[-1].seq

    def aggregate(self, query: Query, group: str | None = None) -> list[Aggregate]:
        check_group(group)
        values = Values()
        key = _GROUP_SQL.get(group, group) if group else "NULL"
        # Of so many the least that is not below the share: just below it, for the engine takes the place after
        rows = self._db.query(
            f"""SELECT {key} AS grouped, count() AS calls, countIf(status = 'error'),
                {_known_sum("usage_input_tokens")}, {_known_sum("usage_output_tokens")}, {_known_sum("cost")},
                countIf(cost IS NULL),
                quantilesExact(0.4999999999, 0.9499999999, 0.9899999999)(duration), count(duration)
            {_FROM} WHERE {where(query, values)} AND kind = 'llm' GROUP BY grouped ORDER BY calls DESC, grouped""",
            values,
        )  # fmt: skip
        return [
            Aggregate(None if name is None else str(name), *row, *(percentiles if known else (None, None, None)))
            for name, *row, percentiles, known in rows
        ]

    def hours(
        self, project: str | None, dimension: str, since: datetime, until: datetime, value: str | None = None
    ) -> list[Hour]:
        check_dimension(dimension)
        project, value = (None if given is None else clean(given) for given in (project, value))
        return list(self._sums.read(project, dimension, since, until, value, self._clock.moment()))

    def media(self, sha256: str) -> bytes | None:
        return self._media.contents({clean(sha256)}).get(clean(sha256))

    def documents(self, kind: str) -> dict[str, dict[str, Any]]:
        values = Values()
        rows = self._db.query(
            f"SELECT key, data FROM document FINAL WHERE kind = {values.mark(clean(kind))} ORDER BY first, key", values
        )
        found: dict[str, str] = dict(rows)
        for layer in self._layers:
            found |= {key: data for (of_kind, key), (data,) in layer.documents.items() if of_kind == kind}
        return {key: decode_object(data) for key, data in found.items()}

    def document_kinds(self) -> list[str]:
        return [kind for (kind,) in self._db.query("SELECT DISTINCT kind FROM document ORDER BY kind")]

    def size(self) -> int:
        """How many bytes the store takes, without what is deleted and has not been merged away yet."""
        taken: dict[str, int] = dict(
            self._db.query(
                "SELECT table, sum(bytes_on_disk) FROM system.parts "
                "WHERE active AND database = currentDatabase() GROUP BY table"
            )
        )
        logs = taken.pop(self._place.local("log"), 0)
        taken.pop(self._place.local("change"), 0)  # passes by itself
        ((versions,),) = self._db.query("SELECT count() FROM log WHERE NOT gone")
        share = min(1.0, self.count(Query()) / versions) if versions else 0.0
        return int(sum(taken.values()) + logs * share)

    def compact(self) -> None:
        """Merge all versions of all records into one, and let go of those that are gone."""
        for name, more in (("log", " CLEANUP"), ("document", ""), ("hour", ""), ("sealed", "")):
            self._db.command(f"OPTIMIZE TABLE `{self._place.local(name)}`{self._place.on} FINAL{more}")

    def backup(self, target: Path) -> None:
        from autolog.stores.copy import copy as copy_store
        from autolog.stores.sqlite.store import SQLiteStore

        kept = SQLiteStore(f"sqlite:///{target.absolute()}")
        try:
            copy_store(self, kept)
        finally:
            kept.close()

    def close(self) -> None:
        self._db.close()


def _copied(kept: Kept) -> Record:
    record = copy.deepcopy(kept.record)
    record.seq = kept.seq
    return record


def _known_sum(column: str) -> str:
    """A sum that is NULL, and not 0, where nothing is known."""
    return f"if(count({column}) = 0, NULL, sum({column}))"


_GROUP_SQL = {
    "model": "coalesce(response_model, request_model)",
    "provider": "provider_name",
    "tag": "arrayJoin(tags)",
    "function": "caller",
    "day": "toString(toDate32(created_at))",
    "hour": "concat(toString(toDate32(created_at)), 'T', leftPad(toString(toHour(created_at)), 2, '0'), ':00')",
}
