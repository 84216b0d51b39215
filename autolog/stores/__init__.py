"""Stores: where records are kept and found again. `open_store(url)` chooses one by its scheme.

A store is one narrow contract, `Store`; what each engine does for it is its own, for the good plans differ. The suite
`tests/test_stores.py` runs on all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, overload

from autolog._record import Record
from autolog.errors import StoreError

__all__ = ["Aggregate", "Query", "Store", "Stored", "open_store"]

#: Fields that a query may compare for equality.
EQUAL_FIELDS = (
    "project", "id", "kind", "name", "trace_id", "parent_span_id", "operation_name", "provider_name", "request_model",
    "response_model", "status", "status_code", "error_type", "user", "session",
)  # fmt: skip

#: What `aggregate` can group by, besides nothing.
GROUPS = ("model", "provider", "name", "user", "session", "day", "hour", "status", "kind", "error_type")


@dataclass(frozen=True, slots=True)
class Query:
    """Which records: every condition must hold.

    Attributes:
        equal: values by field name (EQUAL_FIELDS), and `model`, which matches the model asked for or answering.
        tags: all of them must be there. metadata: key and value, compared as text.
        text: found in the previews, name, error message or model, whatever the case.
        since, until: on `created_at`, the first included, the second not.
    """

    equal: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    roots: bool = False

    def where(self, **equal: Any) -> Query:
        """This query with more fields that must be equal."""
        return replace(self, equal={**self.equal, **equal})


@dataclass(frozen=True, slots=True)
class Stored:
    """A record and its place in the order of arrival, counted from 1."""

    n: int
    record: Record


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


class Store(Protocol):
    """The contract. Every method may be called from any thread."""

    url: str

    def write(self, records: Sequence[Record]) -> None:
        """Keep records; when it returns they are on disk. A record whose id is known fills that one's gaps."""
        ...

    def get(self, record_id: str, bodies: bool = True) -> Record | None:
        """One record by its id, or by a beginning of it that only one has."""
        ...

    def find(self, query: Query, limit: int = 50, offset: int = 0, newest_first: bool = True) -> list[Record]:
        """Records without their bodies, by `created_at`."""
        ...

    def tail(self, query: Query, after: int, limit: int = 100) -> list[Stored]:
        """Records in the order of their arrival, after the given place."""
        ...

    def last(self) -> int:
        """The place of the newest arrival, 0 in an empty store."""
        ...

    def aggregate(self, query: Query, group: str | None = None) -> list[Aggregate]:
        """Sums over the provider calls that match, by group (GROUPS), most calls first."""
        ...

    def scan(self, query: Query) -> Iterator[Record]:
        """All matching records with their bodies, oldest first, without holding them all."""
        ...

    def delete(self, query: Query) -> int:
        """Delete what matches; returns how many there were."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


@overload
def open_store(url: str) -> Store: ...


@overload
def open_store(url: str, *, create: bool) -> Store | None: ...


def open_store(url: str, *, create: bool = True) -> Store | None:
    """The store at `url`: `sqlite:///relative.db`, `sqlite:////absolute.db`.

    One that is not there is made; with `create=False` the answer is None.

    Raises:
        StoreError: an unknown scheme, or a store that cannot be opened.
    """
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        from autolog.stores.sqlite import SQLiteStore

        return SQLiteStore(url) if create or SQLiteStore.exists(url) else None
    raise StoreError(url, f"no store is called {scheme!r}; write for example sqlite:///.autolog/logs.db")
