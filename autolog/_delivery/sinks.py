"""The sinks that options name: a store, or a server."""

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
    """Writes to a store in this process: the default, a SQLite file."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def write(self, records: Sequence[Record]) -> None:
        self.store.write(records)

    def close(self) -> None:
        self.store.close()


def import_ahead(target: str | Mapping[str, Any]) -> None:
    """Import the libraries that the sink for a target, and its journal, will use (see `_recorder`).

    One that is not installed is left for `open_target` to say.
    """
    import_module("sqlite3")  # the journal's
    with contextlib.suppress(ImportError):
        if isinstance(target, str):
            import_engine(target)
        else:
            for name in ("httpx2", "httpcore2", "truststore"):  # the latter two: httpx2 itself, for its first client
                import_module(name)
            dialects.get_binary(target.get("dialect", "native"))


def open_target(target: str | Mapping[str, Any]) -> Sink:
    """Open the sink of a store URL, or of a mapping with endpoint, api_key and dialect."""
    if isinstance(target, str):
        return StoreSink(open_store(target))
    return HTTPSink(target["endpoint"], target.get("api_key"), target.get("dialect", "native"))
