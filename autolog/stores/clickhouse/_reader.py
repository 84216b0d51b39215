"""Read records from ClickHouse: by key, in order, and with their bodies a few at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from autolog._record.record import Record
from autolog._record.times import from_micros
from autolog.stores._batches import batches
from autolog.stores._texts import clean
from autolog.stores.clickhouse._client import Database
from autolog.stores.clickhouse._clock import Clock
from autolog.stores.clickhouse._commit import IDS, Key
from autolog.stores.clickhouse._media import Media
from autolog.stores.clickhouse._rows import BEYOND, BODIES, RAW, SELECT, WITH_BODIES, Kept, from_row
from autolog.stores.clickhouse._where import Values, of_keys, order_sql, where
from autolog.stores.query import Query

#: Reads the latest version of each record.
FROM = "FROM log FINAL"
#: The newest records are sought in windows of time: the first, the factor by which they grow, and the largest.
_FIRST_WINDOW, _GROWTH, _WIDEST = timedelta(hours=1), 8, timedelta(days=400)
#: How often a record is looked up again if its time changes while it is loaded.
_MOVES = 3
#: The most records, and the most bytes of bodies, that one statement reads.
_AT_ONCE, _BYTES = 200, 16 * 1024 * 1024


class Reader:
    """Reads records, for any thread."""

    def __init__(self, db: Database, clock: Clock, media: Media) -> None:
        self._db = db
        self._clock = clock
        self._media = media

    # By key

    def load(self, keys: Sequence[Key], bodies: bool = True) -> dict[Key, Kept]:
        """Return the records with these keys; deleted ones only have their version."""
        found: dict[Key, Kept] = {}
        for part in batches(keys, IDS):
            found |= self._load(part, bodies, _MOVES)
        return found

    def _load(self, keys: Sequence[Key], bodies: bool, moves: int) -> dict[Key, Kept]:
        """Load up to IDS records; look `moves` times again for those that another server moves to another time."""
        values = Values()
        rows = self._db.ask(
            "SELECT project, id, toUnixTimestamp64Micro(created_at), version, gone FROM place "
            f"WHERE {of_keys(keys, values)} ORDER BY version DESC LIMIT 1 BY project, id", values,
        )  # fmt: skip
        live = {(project, name): from_micros(at) for project, name, at, _, gone in rows if not gone}
        found = self.load_at(live, bodies) if live else {}
        moved = [key for key in live if key not in found]  # between the two questions
        if moved and moves:
            found |= self._load(moved, bodies, moves - 1)
        for project, name, _, version, gone in rows:
            if gone:
                found[project, name] = Kept(Record(id=name, project=project), 0, version, gone=True)
        return found

    def load_at(self, times: dict[Key, datetime], bodies: bool = True) -> dict[Key, Kept]:
        """Return the records with these keys, whose creation times are known."""
        values = Values()
        marks = ", ".join(values.at(at) for at in sorted(set(times.values())))
        found = self.fetch(f"WHERE {of_keys(times, values)} AND created_at IN ({marks})", values, bodies)
        for kept in found:
            kept.base = kept.record
        return {(kept.record.project, kept.record.id): kept for kept in found}

    def times_of(self, record_id: str, project: str | None) -> dict[Key, datetime]:
        """Return the keys with this id, and the creation times of their records."""
        values = Values()
        of_project = "" if project is None else f" AND project = {values.mark(clean(project))}"
        rows = self._db.ask(
            "SELECT project, id, toUnixTimestamp64Micro(created_at), gone FROM place "
            f"WHERE id = {values.mark(record_id)}{of_project} ORDER BY version DESC LIMIT 1 BY project, id", values,
        )  # fmt: skip
        return {(of, name): from_micros(at) for of, name, at, gone in rows if not gone}

    def free(self, seqs: Iterable[int | None]) -> set[int]:
        """Return the sequence numbers that no record has."""
        wanted, values = {seq for seq in seqs if seq is not None}, Values()
        if not wanted:
            return set()
        taken = self._db.query(f"SELECT seq FROM log WHERE seq IN ({values.marks(wanted)})", values)
        return wanted - {seq for (seq,) in taken}

    # In an order

    def find(
        self, query: Query, limit: int, offset: int, newest_first: bool, order_by: str, bodies: bool
    ) -> list[Kept]:
        """Return matching records ordered by a field."""
        found: list[Kept] = []
        for window in self._windows(query, order_by == "created_at" and newest_first and not offset):
            values = Values()
            rest = f"ORDER BY {order_sql(order_by, newest_first)} LIMIT {limit - len(found)} OFFSET {int(offset)}"
            found += self.fetch(f"WHERE {where(window, values)} {rest}", values, bodies)
            if len(found) >= limit:
                break
        return found

    def after(self, query: Query, seq: int, limit: int) -> list[Kept]:
        """Return matching records after a sequence number, and all that share the last number, as two servers' may."""
        values = Values()
        rest = f"ORDER BY seq ASC LIMIT {int(limit)} WITH TIES"
        return self.fetch(f"WHERE {where(query, values)} AND seq > {int(seq)} {rest}", values, bodies=False)

    def newest(
        self, condition: str, by: str, values: Values, project: str, native: bool | None, each: int
    ) -> list[Record]:
        """Return the newest matching provider calls, without bodies, `each` for every combination of values `by`.

        `native` is as for `Store.by_response`.
        """
        condition += f" AND project = {values.mark(clean(project))}"
        if native is None:
            by += ", dialect = 'native'"
        else:
            condition += f" AND dialect {'=' if native else '!='} 'native'"
        if not self._db.ask(f"SELECT 1 FROM log WHERE {condition} LIMIT 1", values):
            return []  # usually there are none, and finding that out takes a tenth of the time
        order = f"ORDER BY created_at DESC, seq DESC LIMIT {int(each)} BY {by}"
        found = self.fetch(f"WHERE {condition} AND kind = 'llm' {order}", values, bodies=False)
        return [kept.record for kept in found]

    def fetch(self, rest: str, values: Values, bodies: bool) -> list[Kept]:
        """Return the records that a SELECT with this rest finds."""
        rows = self._db.query(f"SELECT {WITH_BODIES if bodies else SELECT} {FROM} {rest}", values, raw=RAW)
        found = [from_row(row) for row in rows]
        if bodies:
            self._media.restore([kept.record for kept in found])
        return found

    def _windows(self, query: Query, newest: bool) -> Iterator[Query]:
        """Yield the query for ever longer windows of time, the newest first; or just the query itself."""
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

    # With bodies

    def with_bodies(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield copies of records with their bodies, limiting how much each statement reads."""
        for part in batches(records, _AT_ONCE):
            waiting: dict[Key, Record] = {}
            size = 0
            for record, length in self._lengths(part):
                if waiting and size + length > _BYTES:
                    yield from self._give_bodies(waiting)
                    waiting, size = {}, 0
                waiting[record.project, record.id] = record
                size += length
            yield from self._give_bodies(waiting)

    def _lengths(self, records: Sequence[Record]) -> Iterator[tuple[Record, int]]:
        """Yield records with the size of their bodies, in bytes."""
        values, times = Values(), {(row.project, row.id): row.created_at for row in records if row.created_at}
        marks = ", ".join(values.at(at) for at in sorted(set(times.values())))
        sizes = " + ".join(f"ifNull(length({name}), 0)" for name in BODIES)
        rows = self._db.query(
            f"SELECT project, id, {sizes} {FROM} WHERE {of_keys(times, values)} AND created_at IN ({marks})", values
        )
        lengths = {(project, name): size for project, name, size in rows}
        for record in records:
            yield record, lengths.get((record.project, record.id), 0)

    def _give_bodies(self, records: dict[Key, Record]) -> Iterator[Record]:
        times = {key: record.created_at for key, record in records.items() if record.created_at is not None}
        found = self.load_at(times) if times else {}
        for key, record in records.items():
            kept = found.pop(key, None)
            bodies = {} if kept is None else {name: getattr(kept.record, name) for name in BODIES}
            del kept  # it may be large: do not keep it while the caller works
            yield msgspec.structs.replace(record, **bodies)
