"""Stores keep records and find them again. `open_store(url)` chooses the engine by the URL's scheme.

All engines implement one narrow contract, `Store`, and share little code, because the best query plans differ. The
suite `tests/stores/test_store.py` runs on all of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, overload

from autolog.errors import StoreError
from autolog.stores._contract import Store
from autolog.stores.query import DIMENSIONS, Aggregate, Condition, Hour, Query

if TYPE_CHECKING:
    from autolog.stores.clickhouse.reservations import Reservations

__all__ = ["DIMENSIONS", "Aggregate", "Condition", "Hour", "Query", "Store", "open_store"]


def import_engine(url: str) -> None:
    """Import the libraries that the store at `url` needs, without opening the store.

    Raises:
        ImportError: if one of them is not installed.
    """
    if url.startswith("clickhouse://"):
        from autolog.stores.clickhouse import _client

        _client.import_driver()
    else:
        importlib.import_module("autolog.stores.sqlite.store")


@overload
def open_store(url: str) -> Store: ...


@overload
def open_store(url: str, *, create: bool) -> Store | None: ...


def open_store(url: str, *, create: bool = True) -> Store | None:
    """Open the store at `url`: `sqlite:///relative.db`, `sqlite:////absolute.db`, `clickhouse://user:key@host:8123/database`.

    A store that does not exist is created; with `create=False`, None is returned instead.

    Raises:
        StoreError: if the scheme is unknown, or the store cannot be opened.
    """
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        from autolog.stores.sqlite.store import SQLiteStore

        return SQLiteStore(url) if create or SQLiteStore.exists(url) else None
    if scheme == "clickhouse":
        from autolog.stores.clickhouse.store import ClickHouseStore

        return ClickHouseStore(url) if create or ClickHouseStore.exists(url) else None
    example = f"sqlite:///{url}" if "://" not in url and url else "sqlite:///.autolog/logs.db"
    raise StoreError(url, f"there is no such kind of store; write for example {example}")


def ledger_path(store: str) -> str | None:
    """Return the path of the budget ledger for a store's URL: a file next to a SQLite store; None for other engines."""
    if not store.startswith("sqlite:"):
        return None
    from autolog.stores.sqlite._file import path_of

    return f"{path_of(store)}-budgets"


def shared_reservations(store: Store) -> Reservations | None:
    """Return the budget reservations shared by all servers on a store's database; None for a SQLite store."""
    if not store.url.startswith("clickhouse:"):
        return None
    from autolog.stores.clickhouse.store import ClickHouseStore

    return store.reservations() if isinstance(store, ClickHouseStore) else None
