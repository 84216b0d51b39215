"""The store in one SQLite file.

`log` has a row for every record, with its fields as columns; fields that are never searched are JSON in `rest`. Bodies
are in `body`, compressed (`_bodies`), so that lists never read them. Their media are in `media`, each stored once,
however many bodies contain it. `facet` and `meta` have rows for tags, models and metadata, because a search in JSON
would read every record; `rollup_hour` and `rollup_day` hold sums (`_rollup`). Times are integer microseconds since
1970, UTC. A record's sequence number is its row's number, `n`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from autolog._record.bodies import decode_object, encode_json
from autolog._record.record import Record
from autolog._record.times import from_micros, to_micros
from autolog.stores._texts import clean
from autolog.stores._zones import shifts
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
from autolog.stores.sqlite import _aggregate, _rollup
from autolog.stores.sqlite._file import SQLiteFile, path_of
from autolog.stores.sqlite._records import RecordWriter, add_bodies, load
from autolog.stores.sqlite._rows import SELECT, from_row
from autolog.stores.sqlite._schema import MIGRATIONS
from autolog.stores.sqlite._where import expression, order_sql, source, where

#: The number of records that a scan reads at a time, without their bodies.
_SCAN = 200


class SQLiteStore:
    """Records in one SQLite file. `url`: `sqlite:///relative.db` or `sqlite:////absolute.db`."""

    writers = 1
    schema = len(MIGRATIONS)

    def __init__(self, url: str) -> None:
        self.url = url
        self._file = SQLiteFile(url)
        self.path = self._file.path

    @staticmethod
    def exists(url: str) -> bool:
        """Return whether the file exists."""
        return path_of(url).exists()

    # Writing

    def transaction(self) -> AbstractContextManager[None]:
        return self._file.transaction()

    def write(self, records: Sequence[Record], keep_seq: bool = False) -> list[int]:
        with self._file.changing():
            seqs = self._writer().write(records, keep_seq)
            self._file.newest = max((self._file.newest, *seqs))
            return seqs

    def update(self, record_id: str, project: str, change: Callable[[Record], None]) -> Record | None:
        with self._file.changing():
            return self._writer().update(project, clean(record_id), change)

    def delete(
        self, query: Query, limit: int | None = None, order_by: str = "created_at", descending: bool = True
    ) -> int:
        condition, values = where(query)
        order = order_sql(order_by, descending)
        with self._file.changing() as db:
            sql = f"SELECT n FROM log WHERE {condition} ORDER BY {order} LIMIT ?"  # noqa: S608
            seqs = [seq for (seq,) in db.execute(sql, (*values, -1 if limit is None else limit))]
            self._writer().delete(seqs)
        return len(seqs)

    def put_document(self, kind: str, key: str, data: dict[str, Any]) -> None:
        with self._file.changing() as db:
            db.execute(
                "INSERT INTO document VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET data = excluded.data",
                (kind, clean(key), encode_json(data).decode()),
            )

    def _writer(self) -> RecordWriter:
        return RecordWriter(self._file.writer, self._file.bodies, self._file.rollups)

    # Reading

    def reading(self) -> AbstractContextManager[Callable[[], None]]:
        return self._file.reading()

    def get(self, record_id: str, project: str | None = None, bodies: bool = True) -> Record | None:
        condition, values = ("", []) if project is None else ("project = ? AND ", [project])
        with self._file.translated():
            db = self._file.reader
            found = load(db, f"{condition}id = ? LIMIT 2", [*values, clean(record_id)])
            if len(found) != 1:
                return None
            return add_bodies(db, found[0], self._file.bodies) if bodies else found[0]

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
        if first:  # the facet's index yields the same order without a sort
            order = order.replace("created_at", "at").replace("n ", "place ")
        sql = f"SELECT {SELECT} FROM {table} WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
        with self._file.translated():
            rows = self._file.reader.execute(sql, (*first, *values, limit, offset))
            found = [from_row(row) for row in rows]
        return list(self.with_bodies(found)) if bodies else found

    def with_bodies(self, records: Iterable[Record]) -> Iterator[Record]:
        return map(self._with_bodies, records)  # which, unlike a loop, forgets a record once it has been given

    def _with_bodies(self, record: Record) -> Record:
        with self._file.translated():
            return add_bodies(self._file.reader, replace(record), self._file.bodies)

    def by_ids(self, project: str, ids: Collection[str]) -> list[Record]:
        names = json.dumps([clean(name) for name in ids])
        with self._file.translated():
            condition = "project = ? AND id IN (SELECT value FROM json_each(?))"
            return load(self._file.reader, condition, (clean(project), names))

    def by_response(self, project: str, response_ids: Sequence[str], native: bool | None, each: int) -> list[Record]:
        values = json.dumps([clean(name) for name in response_ids])
        existing = self._existing("kind = 'llm' AND response_id = value", "value", values)
        # An OR would use no index
        dialects = [*(["= 'native'"] if native is not False else []), *([] if native else ["< 'native'", "> 'native'"])]
        condition = "kind = 'llm' AND response_id = ? AND dialect "
        return [call for dialect in dialects for call in self._newest(condition + dialect, existing, project, each)]

    def by_usage(
        self, project: str, tokens: Sequence[Tokens], native: bool | None, since: datetime, until: datetime, each: int
    ) -> list[Record]:
        condition = (
            "kind = 'llm' AND usage_input_tokens IS {} AND usage_output_tokens IS {} AND created_at BETWEEN ? AND ?"
        )
        times = (to_micros(since), to_micros(until))  # as parameters, so that the statement is prepared only once
        kinds = [f" AND dialect {'=' if kind else '<>'} 'native'" for kind in (True, False) if native in (None, kind)]
        pair, either = ("value ->> 0", "value ->> 1"), condition + (kinds[0] if len(kinds) == 1 else "")
        existing = self._existing(either.format(*pair), ", ".join(pair), json.dumps(tokens), *times)
        newest, wanted = condition.format("?", "?"), [(*found, *times) for found in existing]
        return [call for kind in kinds for call in self._newest(newest + kind, wanted, project, each)]

    def _existing(self, condition: str, wanted: str, values: str, *others: Any) -> list[tuple[Any, ...]]:
        """Return the values in a JSON list for which there are records; usually there are none."""
        sql = f"SELECT {wanted} FROM json_each(?) WHERE EXISTS (SELECT 1 FROM log WHERE {condition})"  # noqa: S608
        with self._file.translated():
            return self._file.reader.execute(sql, (values, *others)).fetchall()

    def _newest(self, condition: str, values: Sequence[tuple[Any, ...]], project: str, each: int) -> list[Record]:
        """Return the newest records that meet a condition, `each` for every one of the values."""
        sql = f"{condition} AND +project = ? ORDER BY +created_at DESC, n DESC LIMIT ?"
        with self._file.translated():
            return [found for some in values for found in load(self._file.reader, sql, (*some, clean(project), each))]

    def count(self, query: Query) -> int:
        table, first, rest = source(query)
        condition, values = where(rest)
        with self._file.translated():
            sql = f"SELECT count(*) FROM {table} WHERE {condition}"  # noqa: S608
            (count,) = self._file.reader.execute(sql, (*first, *values)).fetchone()
        return int(count)

    def extremes(self, query: Query, fields: Sequence[str]) -> dict[str, tuple[Any, Any]]:
        condition, values = where(query)
        ends = [f"{end}({expression(name)})" for name in fields for end in ("min", "max")]
        sql = f"SELECT {', '.join(ends)} FROM log WHERE {condition}"  # noqa: S608
        if len(fields) == 1:  # each end apart is found in an index
            sql = f"SELECT {', '.join(f'(SELECT {end} FROM log WHERE {condition})' for end in ends)}"  # noqa: S608
            values = [*values, *values]
        with self._file.translated():
            row = self._file.reader.execute(sql, values).fetchone()
        return {name: (row[2 * index], row[2 * index + 1]) for index, name in enumerate(fields)}

    def tail(self, query: Query, after: int, limit: int = 100) -> list[Record]:
        condition, values = where(query)
        with self._file.translated():
            return load(self._file.reader, f"n > ? AND {condition} ORDER BY n LIMIT ?", (after, *values, limit))

    def last(self) -> int:
        with self._file.translated():
            (seq,) = self._file.reader.execute("SELECT coalesce(max(n), 0) FROM log").fetchone()
        return int(seq)

    def scan(self, query: Query, after: int = 0) -> Iterator[Record]:
        while found := self.tail(query, after, _SCAN):
            after = found[-1].seq or after
            yield from self.with_bodies(found)

    def aggregate(
        self, query: Query, group: str | None = None, zone: tzinfo | None = UTC, ranked: int | None = None
    ) -> list[Aggregate]:
        check_group(group)
        changes = shifts(self, query, zone) if group in TIME_GROUPS else []
        condition, values = where(query)
        with self._file.translated():
            return _aggregate.read_sums(self._file.reader, group, condition, values, changes, ranked)

    def summarise(
        self,
        query: Query,
        by: str | timedelta | None = None,
        limit: int | None = None,
        offset: int = 0,
        order_by: str = "last",
    ) -> list[Summary]:
        check_summarised(by, order_by)
        table, first, rest = source(query)
        condition, values = where(rest)
        with self._file.translated():
            page = (-1 if limit is None else limit, offset)
            return _aggregate.read_summaries(self._file.reader, by, table, condition, (*first, *values), page, order_by)

    def scores(self, query: Query, group: str | None = None) -> list[ScoreSum]:
        check_score_group(group)
        condition, values = where(query)
        with self._file.translated():
            return _aggregate.read_scores(self._file.reader, group, condition, values)

    def projects(self) -> list[str]:
        with self._file.translated():
            return _aggregate.read_projects(self._file.reader)

    def volumes(self) -> dict[str, tuple[int, datetime]]:
        with self._file.translated():
            rows = self._file.reader.execute("SELECT project, count(*), max(created_at) FROM log GROUP BY project")
            return {name: (count, from_micros(latest)) for name, count, latest in rows}

    def hours(
        self, project: str | None, dimension: str, since: datetime, until: datetime, value: str | None = None
    ) -> list[Hour]:
        check_dimension(dimension)
        with self._file.translated():
            return list(_rollup.read_hours(self._file.reader, project, dimension, since, until, value))

    def totals(self, project: str | None, dimension: str, since: datetime, until: datetime) -> list[Hour]:
        check_dimension(dimension)
        with self._file.translated():
            return list(_rollup.read_totals(self._file.reader, project, dimension, since, until))

    def media(self, sha256: str) -> bytes | None:
        with self._file.translated():
            row = self._file.reader.execute("SELECT content FROM media WHERE sha256 = ?", (sha256,)).fetchone()
        return row[0] if row else None

    def documents(self, kind: str, key: str | None = None) -> dict[str, dict[str, Any]]:
        with self._file.translated():
            sql, values = "SELECT key, data FROM document WHERE kind = ?", [kind]
            if key is not None:
                sql, values = f"{sql} AND key = ?", [kind, clean(key)]
            rows = self._file.reader.execute(f"{sql} ORDER BY rowid", values)
            return {name: decode_object(data) for name, data in rows}

    def document_kinds(self) -> list[str]:
        with self._file.translated():
            rows = self._file.reader.execute("SELECT DISTINCT kind FROM document ORDER BY kind")
            return [kind for (kind,) in rows]

    # The store as a whole

    def size(self) -> int:
        return self._file.size()

    def compact(self) -> None:
        self._file.compact()

    def backup(self, target: Path) -> None:
        self._file.backup(target)

    def damage(self, seconds: float) -> str | None:
        return self._file.damage(seconds)

    def close(self) -> None:
        self._file.close()
