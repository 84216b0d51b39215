"""Open the sinks that the options name: stores and servers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from autolog import dialects
from autolog._delivery.delivery import Sink
from autolog._delivery.http_sink import HTTPSink
from autolog._record.record import Record
from autolog.stores import import_engine, ledger_path, open_store
from autolog.stores._contract import Store

__all__ = ["StoreSink", "import_ahead", "ledger_path", "open_target"]


class StoreSink:
    """Writes to a store from this process; by default, to a SQLite file."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def write(self, records: Sequence[Record]) -> None:
        self.store.write(records)

    def close(self) -> None:
        self.store.close()


def import_ahead(target: str | Mapping[str, Any]) -> None:
    """Import the libraries that a target's sink and journal will use, before the worker thread needs them.

    A missing library is ignored here; `open_target` reports it.
    """
    import_module("sqlite3")  # the journal's
    with contextlib.suppress(ImportError):
        if isinstance(target, str):
            import_engine(target)
        else:
            import_module("autolog._record.http_client")
            dialects.get_binary(target.get("dialect", "native"))


def open_target(target: str | Mapping[str, Any]) -> Sink:
    """Open the sink for a store URL, or for a mapping with endpoint, api_key, dialect and headers."""
    if isinstance(target, str):
        return StoreSink(open_store(target))
    return HTTPSink(
        target["endpoint"], target.get("api_key"), target.get("dialect", "native"), target.get("headers") or {}
    )
