"""Stores: where records are kept and found again. `open_store(url)` chooses one by its scheme.

A store is one narrow contract, `Store`; what each engine does for it is its own, for the good plans differ. The suite
`tests/test_stores.py` runs on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, overload

from autolog._record.record import Record
from autolog.errors import StoreError

__all__ = ["DIMENSIONS", "Aggregate", "Condition", "Hour", "Query", "Store", "open_store"]

#: Fields that a query may compare for equality.
EQUAL_FIELDS = (
    "project", "id", "seq", "kind", "name", "dialect", "trace_id", "span_id", "parent_span_id", "operation_name",
    "provider_name", "request_model", "response_model", "status", "status_code", "error_type", "user", "session",
    "prompt_id", "prompt_version", "prompt_name", "feedback", "response_id",
)  # fmt: skip

#: Fields that a condition may compare and an order may be by: those above, and these. `model` is the model asked for,
#: else the one that answered; `provider` is `unknown` where nobody knows; `success` and `cached` are 0 or 1; times are
#: instants; `duration` is in seconds.
COMPARED_FIELDS = (
    *EQUAL_FIELDS, "model", "provider", "success", "cached", "cost", "tokens", "tokens_in", "tokens_out", "duration",
    "created_at", "request_content_type", "response_content_type", "score",
)  # fmt: skip

OPERATORS = ("eq", "neq", "contains", "lt", "gt", "le", "ge")

#: What `aggregate` can group by, besides nothing.
GROUPS = (
    "model",
    "provider",
    "name",
    "user",
    "session",
    "tag",
    "function",
    "day",
    "hour",
    "status",
    "kind",
    "error_type",
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison (OPERATORS) with any of the values; `neq` with none of them. A null matches no lt, gt, le, ge.

    `field` is one of COMPARED_FIELDS, `metadata.key` (the record has such a key), `metadata.value` (some value is
    this, as text) or `nothing`, which no record matches.
    """

    field: str
    operator: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """Which records: every condition must hold.

    Attributes:
        equal: values by field name (EQUAL_FIELDS), and `model`, which matches the model asked for or answering, and
            `caller`, the function or span that the call was made in.
        tags: all of them must be there. metadata: key and value, compared as text.
        text: found in the bodies, prompt variables, name, error message or model, whatever the case.
        metadata_text: found literally in the metadata's JSON, whatever the case.
        ids: the id contains one of these.
        since, until: on `created_at`, the first included, the second not.
        past: only what comes after this (created_at and seq) in an order by `created_at`: the next page.
        roots: only records without a parent. conditions: all must hold.
    """

    equal: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    metadata_text: str | None = None
    ids: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    past: tuple[datetime, int] | None = None
    roots: bool = False
    conditions: tuple[Condition, ...] = ()

    def where(self, *conditions: Condition, **equal: Any) -> Query:
        """This query with more that must hold."""
        return replace(self, equal={**self.equal, **equal}, conditions=(*self.conditions, *conditions))

    def before(self, at: datetime) -> Query:
        """This query for what came before a time."""
        return replace(self, until=at if self.until is None else min(at, self.until))


def check_group(group: str | None) -> None:
    """Raise a ValueError for what `aggregate` cannot group by."""
    if group is not None and group not in GROUPS:
        raise ValueError(f"cannot group by {group!r}; there are {', '.join(GROUPS)}")


def check_dimension(dimension: str) -> None:
    """Raise a ValueError for what there are no sums by."""
    if dimension not in DIMENSIONS:
        raise ValueError(f"there are no sums by {dimension!r}, only by {', '.join(DIMENSIONS)}")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Sums over a group of provider calls. Durations are seconds; cost is US dollars; None where nothing is known."""

    group: str | None
    calls: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    unpriced: int
    p50: float | None
    p95: float | None
    p99: float | None


#: By what the sums of each hour are kept.
DIMENSIONS = ("all", "model", "provider", "function", "user", "tag")


@dataclass(frozen=True, slots=True)
class Hour:
    """The provider calls of one hour with one value of a dimension. `durations`: how many calls took about so long."""

    start: datetime
    value: str
    calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost: float
    priced: int
    durations: dict[float, int]


class Store(Protocol):
    """The contract. Every method may be called from any thread.

    A record is known by its project and id. Methods that change something are on disk when they return; inside
    `transaction()` they are when that ends.
    """

    url: str
    #: By how many threads it likes to be written to at once.
    writers: int

    def transaction(self) -> AbstractContextManager[None]:
        """A block whose changes are kept together or not at all. Inside another one it can fail by itself."""
        ...

    def write(self, records: Sequence[Record], places: bool = False) -> list[int]:
        """Keep records; returns their places. A record whose id is known fills that one's gaps.

        With `places`, a new record gets the place that it says (`seq`), as long as it is free.
        """
        ...

    def update(self, record_id: str, project: str, change: Callable[[Record], None]) -> Record | None:
        """Let `change` alter a record, and keep it; None if there is no such record. Its id and place stay."""
        ...

    def delete(
        self, query: Query, limit: int | None = None, order_by: str = "created_at", descending: bool = True
    ) -> int:
        """Delete what matches, the first `limit` in that order; returns how many there were."""
        ...

    def get(self, record_id: str, project: str | None = None, bodies: bool = True) -> Record | None:
        """One record by its id."""
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
        """Records in order; those that are equal in it by their arrival."""
        ...

    def by_response(self, project: str, response_ids: Sequence[str], dialect: str, each: int) -> list[Record]:
        """The newest provider calls with each of these ids of responses, that came in a dialect; without bodies."""
        ...

    def count(self, query: Query) -> int:
        """How many match."""
        ...

    def extremes(self, query: Query, fields: Sequence[str]) -> dict[str, tuple[Any, Any]]:
        """The least and the greatest value of fields (COMPARED_FIELDS) over what matches."""
        ...

    def tail(self, query: Query, after: int, limit: int = 100) -> list[Record]:
        """Records in the order of their arrival, after the given place."""
        ...

    def last(self) -> int:
        """The place of the newest arrival, 0 in an empty store."""
        ...

    def aggregate(self, query: Query, group: str | None = None) -> list[Aggregate]:
        """Sums over the provider calls that match, by group (GROUPS), most calls first."""
        ...

    def hours(
        self,
        project: str | None,
        dimension: str,
        since: datetime,
        until: datetime,
        value: str | None = None,
    ) -> list[Hour]:
        """Sums of provider calls by the hour and by a dimension (DIMENSIONS), for one project or all.

        Over more than ten days they are by the day.
        """
        ...

    def scan(self, query: Query, after: int = 0) -> Iterator[Record]:
        """All matching records with their bodies in the order of their arrival, without holding them all."""
        ...

    def media(self, sha256: str) -> bytes | None:
        """An image, audio or file from the bodies, by its hash."""
        ...

    def put_document(self, kind: str, key: str, data: dict[str, Any]) -> None:
        """Keep a small JSON object that is no record: a key, an export."""
        ...

    def documents(self, kind: str) -> dict[str, dict[str, Any]]:
        """All documents of a kind, by key, in the order in which they were first kept."""
        ...

    def document_kinds(self) -> list[str]:
        """The kinds of which there are documents."""
        ...

    def size(self) -> int:
        """How many bytes the store takes."""
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
        """Let go of files and connections."""
        ...


@overload
def open_store(url: str) -> Store: ...


@overload
def open_store(url: str, *, create: bool) -> Store | None: ...


def open_store(url: str, *, create: bool = True) -> Store | None:
    """The store at `url`: `sqlite:///relative.db`, `sqlite:////absolute.db`, `clickhouse://user:key@host:8123/database`.

    One that is not there is made; with `create=False` the answer is None.

    Raises:
        StoreError: an unknown scheme, or a store that cannot be opened.
    """
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        from autolog.stores.sqlite.store import SQLiteStore

        return SQLiteStore(url) if create or SQLiteStore.exists(url) else None
    if scheme == "clickhouse":
        from autolog.stores.clickhouse.store import ClickHouseStore

        return ClickHouseStore(url) if create or ClickHouseStore.exists(url) else None
    raise StoreError(url, f"no store is called {scheme!r}; write for example sqlite:///.autolog/logs.db")
