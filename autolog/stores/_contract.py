"""The contract of a store: the methods that every engine implements, and their guarantees."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Protocol

from autolog._record.record import Record
from autolog.stores.query import Aggregate, Hour, Query, ScoreSum, Summary, Tokens


class Store(Protocol):
    """The contract of a store. Every method may be called from any thread.

    A record is identified by its project and id. Changes are on disk when a method returns or, inside `transaction()`,
    when that block ends.
    """

    url: str
    #: The version of the store's tables, which is the number of migrations.
    schema: int
    #: The number of threads from which writing concurrently is worthwhile.
    writers: int

    def transaction(self) -> AbstractContextManager[None]:
        """Return a block whose changes are kept together or not at all. A nested block can fail on its own."""
        ...

    def write(self, records: Sequence[Record], keep_seq: bool = False) -> list[int]:
        """Write records, and return their sequence numbers. A record with a known id is merged into the existing one.

        With `keep_seq`, a new record keeps its own number (`seq`) if that is free.
        """
        ...

    def update(self, record_id: str, project: str, change: Callable[[Record], None]) -> Record | None:
        """Let `change` modify a record, and write it; return None if there is none. Id and sequence number are kept."""
        ...

    def delete(
        self, query: Query, limit: int | None = None, order_by: str = "created_at", descending: bool = True
    ) -> int:
        """Delete the matching records, or the first `limit` of them in order; return how many were deleted."""
        ...

    def reading(self) -> AbstractContextManager[Callable[[], None]]:
        """Return a block in which this thread reads, with a function by which any thread ends its queries.

        A query that is ended raises `StoreError`. An engine may instead end queries that take long by itself.
        """
        ...

    def get(self, record_id: str, project: str | None = None, bodies: bool = True) -> Record | None:
        """Return a record by its id; None if there is none or, without a project, more than one."""
        ...

    def find(
        self,
        query: Query,
        limit: int = 50,
        offset: int = 0,
        newest_first: bool = True,
        order_by: str = "created_at",
        bodies: bool = False,
    ) -> list[Record]:
        """Return matching records ordered by a field, and by arrival where that is equal."""
        ...

    def with_bodies(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield copies of records with their bodies, which are read a few at a time to limit memory."""
        ...

    def by_ids(self, project: str, ids: Collection[str]) -> list[Record]:
        """Return the records with these ids, in any order and without bodies."""
        ...

    def by_response(self, project: str, response_ids: Sequence[str], native: bool | None, each: int) -> list[Record]:
        """Return up to `each` of the newest provider calls with each of the response ids, without bodies.

        With `native`, only calls of the native dialect are returned; if it is false, only those of all other dialects;
        if it is None, up to `each` of either.
        """
        ...

    def by_usage(
        self, project: str, tokens: Sequence[Tokens], native: bool | None, since: datetime, until: datetime, each: int
    ) -> list[Record]:
        """Return up to `each` of the newest provider calls with each of the token counts, without bodies.

        The calls were created from `since` to `until`, inclusive; `native` is as for `by_response`.
        """
        ...

    def count(self, query: Query) -> int:
        """Return the number of matching records."""
        ...

    def extremes(self, query: Query, fields: Sequence[str]) -> dict[str, tuple[Any, Any]]:
        """Return the least and the greatest value of each field (COMPARED_FIELDS) over the matching records.

        Times are in microseconds since 1970; both values are None if no record has the field.
        """
        ...

    def tail(self, query: Query, after: int, limit: int = 100) -> list[Record]:
        """Return matching records with sequence numbers above `after`, in order of arrival, without bodies."""
        ...

    def last(self) -> int:
        """Return the sequence number of the latest arrival; 0 in an empty store."""
        ...

    def aggregate(
        self, query: Query, group: str | None = None, zone: tzinfo | None = UTC, ranked: int | None = None
    ) -> list[Aggregate]:
        """Sum up the matching provider calls by one of GROUPS: times in order, other groups by number of calls.

        `zone` is the time zone of hours, days, weeks and months; None for this machine's. `ranked` is the number of
        groups, from the first, whose percentiles are needed; those of the others may be None.
        """
        ...

    def summarise(
        self,
        query: Query,
        by: str | timedelta | None = None,
        limit: int | None = None,
        offset: int = 0,
        order_by: str = "last",
    ) -> list[Summary]:
        """Sum up the matching records: all together, by the values of a field (SUMMARISED), or by steps of time.

        Values are ordered by `order_by` (SUMMARY_ORDERS), the greatest first; records without a value are left out.
        Steps are counted from 1970 UTC and come in order, without those that have no records.
        """
        ...

    def scores(self, query: Query, group: str | None = None) -> list[ScoreSum]:
        """Sum up the scores of matching records by name and by one of SCORE_GROUPS; most scores first."""
        ...

    def projects(self) -> list[str]:
        """Return the names of all projects that have records."""
        ...

    def volumes(self) -> dict[str, tuple[int, datetime]]:
        """Return each project's number of records, and when its latest record was created."""
        ...

    def hours(
        self,
        project: str | None,
        dimension: str,
        since: datetime,
        until: datetime,
        value: str | None = None,
    ) -> list[Hour]:
        """Return sums of provider calls by hour and by a dimension (DIMENSIONS), for one project or all.

        For ranges of more than ten days, the sums are by day.
        """
        ...

    def totals(self, project: str | None, dimension: str, since: datetime, until: datetime) -> list[Hour]:
        """Return one sum for each value of a dimension: those of `hours` for the same range, added up."""
        ...

    def scan(self, query: Query, after: int = 0) -> Iterator[Record]:
        """Yield all matching records with their bodies in order of arrival, reading a few at a time."""
        ...

    def media(self, sha256: str) -> bytes | None:
        """Return an image, audio or file from the bodies by its hash (SHA-256, hexadecimal); None if there is none."""
        ...

    def put_document(self, kind: str, key: str, data: dict[str, Any]) -> None:
        """Write a small JSON object that is not a record, such as a key or an export."""
        ...

    def documents(self, kind: str, key: str | None = None) -> dict[str, dict[str, Any]]:
        """Return all documents of a kind, or the one with a key, by key, in the order in which they were first written.

        Of kinds that programs may write any number of, only single documents are read while a log is written.
        """
        ...

    def document_kinds(self) -> list[str]:
        """Return the kinds of the existing documents."""
        ...

    def size(self) -> int:
        """Return the size of the store, in bytes."""
        ...

    def compact(self) -> None:
        """Free the space of deleted records, if the engine does not do so by itself."""
        ...

    def backup(self, target: Path) -> None:
        """Write a copy of everything committed to a new file, without blocking other writers.

        Raises:
            StoreError: if the copy cannot be written, or is damaged.
        """
        ...

    def damage(self, seconds: float) -> str | None:
        """Return what is damaged, as far as it is found within `seconds`; None if nothing is, or the engine checks it.

        Raises:
            StoreError: if the store cannot be checked.
        """
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...
