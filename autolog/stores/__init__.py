"""Stores: where records are kept and found again. `open_store(url)` chooses one by its scheme.

A store is one narrow contract, `Store`; what each engine does for it is its own, for the good plans differ. The suite
`tests/stores/test_store.py` runs on all of them.
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
    """Import the libraries that the store at `url` needs, without opening it.

    Raises:
        ImportError: one is not installed.
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

    One that is not there is made; with `create=False` None is returned.

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
    raise StoreError(url, "there is no such kind of store; write for example sqlite:///.autolog/logs.db")


def ledger_path(store: str) -> str | None:
    """Return the ledger of the budgets that hold for a store, by its URL: a file beside SQLite's; None for others."""
    if not store.startswith("sqlite:"):
        return None
    from autolog.stores.sqlite._file import path_of

    return f"{path_of(store)}-budgets"


def shared_reservations(store: Store) -> Reservations | None:
    """Return what all servers on a store's database reserve of budgets; None for a store of one machine."""
    if not store.url.startswith("clickhouse:"):
        return None
    from autolog.stores.clickhouse.store import ClickHouseStore

    return store.reservations() if isinstance(store, ClickHouseStore) else None
