"""Commit a transaction of the ClickHouse store: turn changed records into rows.

All rows go into one insert, after which they are stored. Then follows a check whether others have changed the same
records at the same moment; if so, the merged result is inserted as a further version (`_merge`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from autolog._guard import logger
from autolog._record.record import Record
from autolog._record.times import from_micros
from autolog.errors import StoreError
from autolog.stores.clickhouse import _hours as hours
from autolog.stores.clickhouse._client import Database
from autolog.stores.clickhouse._clock import Clock
from autolog.stores.clickhouse._media import Media, released_media
from autolog.stores.clickhouse._merge import merged
from autolog.stores.clickhouse._rows import (
    CHANGE,
    RAW,
    TYPES,
    WITH_BODIES,
    Kept,
    change_of,
    from_row,
    micros,
    to_row,
    tombstone,
)
from autolog.stores.clickhouse._url import Target
from autolog.stores.clickhouse._where import Values, of_keys

Key = tuple[str, str]
#: The most ids in one statement.
IDS = 1_000
#: New records in commits of up to this size are announced in `change`, as others may create the same ones; larger
#: commits are one client's batch.
FEW = 50
#: How many times a record is merged again if others keep changing it.
ROUNDS = 4


@dataclass(slots=True)
class Changes:
    """The changes of a transaction so far.

    Attributes:
        records: the changed records.
        documents: the changed documents, by kind and key.
        absent: the keys of records that were looked up and not found, so that writing them asks no second time. Others
            may write them meanwhile, as at any time before the commit.
    """

    records: dict[Key, Kept] = field(default_factory=dict)
    documents: dict[Key, list[Any]] = field(default_factory=dict)
    absent: set[Key] = field(default_factory=set)

    def knows(self, key: Key) -> bool:
        """Return whether the transaction has changed a record, or knows that it does not exist."""
        return key in self.records or key in self.absent


class Commits:
    """Writes the changes of transactions."""

    def __init__(self, db: Database, target: Target, clock: Clock, media: Media) -> None:
        self._db = db
        self._target = target
        self._clock = clock
        self._media = media

    def records(self, changed: list[Kept], round_: int = 0) -> None:
        """Insert changed records, which are stored when this returns."""
        rows, media, changed_rows = list[list[Any]](), dict[str, bytes](), list[list[Any]]()
        bases = [kept.version for kept in changed]
        own_versions: set[int] = set()
        for kept in changed:
            before = len(rows)
            elsewhere = {micros(at): at for at in (*kept.also_at, kept.was_at) if at is not None}
            if not kept.gone:
                elsewhere.pop(micros(creation_time(kept)), None)  # a row with the same time has the same key
            for at in elsewhere.values():
                kept.version = self._clock.next_version(kept.version)
                rows.append(tombstone(kept, at))
                own_versions.add(kept.version)
            if not kept.gone:
                kept.version = self._clock.next_version(kept.version)
                own_versions.add(kept.version)
                whole = msgspec.structs.replace(kept.record)
                rows.append(to_row(kept))
                kept.record, media = whole, media | kept.media
            if kept.gone or kept.base is not None or len(changed) <= FEW:
                changed_rows += rows[before:]
        self._mark_hours(changed)
        self._media.insert(media)
        self._db.insert("change", CHANGE, [change_of(row) for row in changed_rows])
        self._db.insert("log", TYPES, rows)
        try:  # everything is stored, so the following must not fail the commit
            if media:
                self._media.insert({key: media[key] for key in media.keys() - self._media.known(media.keys())})
            if round_ < ROUNDS:
                self._merge_with_others(changed, bases, own_versions, round_)
            self._media.drop(set().union(*(released_media(kept) for kept in changed)) - media.keys())
        except StoreError as error:
            logger.warning("autolog could not check for changes by other servers: %s", error)

    def _mark_hours(self, changed: Sequence[Kept]) -> None:
        """Invalidate the sums of the hours that are about to change."""
        times = {
            at
            for kept in changed
            for at in (kept.was_at, *kept.also_at, None if kept.gone else creation_time(kept))
            if at is not None
        }
        of_hours = (hours.hour_of(from_micros(micros(at))) for at in times)
        outdated = hours.marks(of_hours, self._clock.moment(), timedelta(seconds=2 * self._target.timeout))
        hours.seal(self._db, outdated)

    def _merge_with_others(
        self, changed: Sequence[Kept], bases: Sequence[int], own_versions: set[int], round_: int
    ) -> None:
        """Merge records that other servers or threads have changed at the same time; the others do the same."""
        by_key = {
            (kept.record.project, kept.record.id): (kept, base) for kept, base in zip(changed, bases, strict=True)
        }
        found: dict[Key, set[int]] = {}
        keys = list(by_key)
        for start in range(0, len(keys), IDS):
            part, values = keys[start : start + IDS], Values()
            rows = self._db.ask(
                f"SELECT project, id, version FROM place WHERE {of_keys(part, values)} "
                f"AND version > {min(by_key[key][1] for key in part)}", values,
            )  # fmt: skip
            for project, record_id, version in rows:
                if version > by_key[project, record_id][1] and version not in own_versions:
                    found.setdefault((project, record_id), set()).add(version)
        to_merge: list[Kept] = []
        for key, versions in found.items():
            kept = by_key[key][0]
            outcome = merged(kept, self._versions(key, versions))
            if outcome is None:
                continue
            record = outcome.record or Record(id=key[1], project=key[0], media=kept.record.media)
            is_deleted = outcome.record is None
            to_merge.append(
                Kept(record, outcome.seq, outcome.version, is_deleted, None, outcome.gone_at, base=kept.base)
            )
        if to_merge:
            self.records(to_merge, round_ + 1)

    def _versions(self, key: Key, versions: set[int]) -> list[Kept]:
        """Return the given versions of one record, including tombstones."""
        values = Values()
        rows = self._db.query(
            f"SELECT gone, {WITH_BODIES} FROM change WHERE {of_keys([key], values)} "
            f"AND version IN ({', '.join(map(str, versions))})", values, raw=RAW,
        )  # fmt: skip
        kept_versions = []
        for gone, *row in rows:
            kept = from_row(row)
            kept.gone = bool(gone)
            kept_versions.append(kept)
        self._media.restore([kept.record for kept in kept_versions])
        return kept_versions

    def documents(self, changed: dict[Key, list[Any]]) -> None:
        """Insert changed documents, by kind and key."""
        values = Values()
        known = self._db.query(
            f"SELECT kind, key, first, version FROM document FINAL WHERE {of_keys(changed, values, 'kind, key')}",
            values,
        )
        first = {(kind, key): (at, version) for kind, key, at, version in known}
        rows = []
        for (kind, key), (data,) in changed.items():
            at, version = first.get((kind, key), (0, 0))
            version = self._clock.next_version(version)
            rows.append([kind, key, data, at or version, version])
        types = {"kind": "String", "key": "String", "data": "String", "first": "Int64", "version": "Int64"}
        self._db.insert("document", types, rows)


def creation_time(kept: Kept) -> datetime:
    return kept.record.created_at or from_micros(0)
