"""The contract of a store: the methods that every engine has, and what they promise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Protocol

from autolog._record.record import Record
from autolog.stores.query import Aggregate, Hour, Query, ScoreSum, Summary, Tokens


class Store(Protocol):
    """The contract. Every method may be called from any thread.

    A record is known by its project and id. Methods that change something are on disk when they return; inside
    `transaction()` they are when that ends.
    """

    url: str
    #: The version of its tables: how many migrations they have had.
    schema: int
    #: How many threads may write to it at once with profit.
    writers: int

    def transaction(self) -> AbstractContextManager[None]:
        """Return a block whose changes are kept together or not at all. Inside another one it can fail by itself."""
        ...

    def write(self, records: Sequence[Record], keep_seq: bool = False) -> list[int]:
        """Write records; returns their sequence numbers. A record whose id is known fills that one's gaps.

        With `keep_seq`, a new record gets the number that it has (`seq`), as long as that is free.
        """
        ...

    def update(self, record_id: str, project: str, change: Callable[[Record], None]) -> Record | None:
        """Let `change` alter a record, and write it; None if there is none. Its id and sequence number stay."""
        ...

    def delete(
        self, query: Query, limit: int | None = None, order_by: str = "created_at", descending: bool = True
    ) -> int:
        """Delete what matches, the first `limit` in that order; returns how many there were."""
        ...

    def get(self, record_id: str, project: str | None = None, bodies: bool = True) -> Record | None:
        """Return a record by its id; None if there is none, or, without a project, several."""
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
        """Return records in order; those that are equal in it by their arrival."""
        ...

    def with_bodies(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield copies of records with their bodies, which are read a few at a time: all may be more than fits."""
        ...

    def by_response(self, project: str, response_ids: Sequence[str], native: bool, each: int) -> list[Record]:
        """Return the newest provider calls with each of these ids of responses, without bodies.

        `native`: those of the native dialect, else those of all others; so in the next one.
        """
        ...

    def by_usage(
        self, project: str, tokens: Sequence[Tokens], native: bool, since: datetime, until: datetime, each: int
    ) -> list[Record]:
        """Return the newest provider calls with each of these counts of tokens in a time, its end included."""
        ...

    def count(self, query: Query) -> int:
        """Return how many match."""
        ...

    def extremes(self, query: Query, fields: Sequence[str]) -> dict[str, tuple[Any, Any]]:
        """Return the least and the greatest value of fields (COMPARED_FIELDS) over what matches."""
        ...

    def tail(self, query: Query, after: int, limit: int = 100) -> list[Record]:
        """Return records in the order of their arrival, after a sequence number; without bodies."""
        ...

    def last(self) -> int:
        """Return the sequence number of the newest arrival, 0 in an empty store."""
        ...

    def aggregate(self, query: Query, group: str | None = None, zone: tzinfo | None = UTC) -> list[Aggregate]:
        """Sum up the provider calls that match, by a group of GROUPS: times in their order, else most calls first.

        `zone`: whose hours, days, weeks and months; None is this machine's.
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
        """Sum up the records that match: all, those of each value of a field of SUMMARISED, or of each step of time.

        Values come by `order_by` (SUMMARY_ORDERS), the greatest first; records without one are left out. Steps are
        counted from 1970 UTC and come in order, without those that have no record.
        """
        ...

    def scores(self, query: Query, group: str | None = None) -> list[ScoreSum]:
        """Sum up the scores of records that match, by name and by a group of SCORE_GROUPS; most scores first."""
        ...

    def projects(self) -> list[str]:
        """Return the names of all projects that have records."""
        ...

    def volumes(self) -> dict[str, tuple[int, datetime]]:
        """Return how many records each project has, and when its latest was created."""
        ...

    def hours(
        self,
        project: str | None,
        dimension: str,
        since: datetime,
        until: datetime,
        value: str | None = None,
    ) -> list[Hour]:
        """Return sums of provider calls by the hour and by a dimension (DIMENSIONS), for one project or all.

        Over more than ten days they are by the day.
        """
        ...

    def scan(self, query: Query, after: int = 0) -> Iterator[Record]:
        """Yield all matching records with their bodies in the order of their arrival, a few at a time."""
        ...

    def media(self, sha256: str) -> bytes | None:
        """Return an image, audio or file from the bodies by its hash; None if there is none."""
        ...

    def put_document(self, kind: str, key: str, data: dict[str, Any]) -> None:
        """Write a small JSON object that is no record: a key, an export."""
        ...

    def documents(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return all documents of a kind, by key, in the order in which they were first kept."""
        ...

    def document_kinds(self) -> list[str]:
        """Return the kinds of which there are documents."""
        ...

    def size(self) -> int:
        """Return how many bytes the store takes."""
        ...

    def compact(self) -> None:
        """Give back the space of what was deleted, if the engine does not do so by itself."""
        ...

    def backup(self, target: Path) -> None:
        """Write a copy of all that is committed to a new file, while others go on writing.

        Raises:
            StoreError: it cannot be written, or is not whole.
        """
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...
