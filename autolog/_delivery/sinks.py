"""The sinks that options name: a store, or a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autolog._delivery.delivery import Sink
from autolog._delivery.http_sink import HTTPSink
from autolog._record.record import Record
from autolog.stores import open_store
from autolog.stores._contract import Store


class StoreSink:
    """Writes to a store in this process: the default, a SQLite file."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def write(self, records: Sequence[Record]) -> None:
        self.store.write(records)

    def close(self) -> None:
        self.store.close()


def import_ahead(target: str | Mapping[str, Any]) -> None:
    """Import the libraries that the sink for a target and its journal use (see `_recorder`)."""
    import_module("sqlite3")
    if isinstance(target, str):
        load_store(target)
    else:
        http_sink.import_ahead(target.get("dialect", "native"))


def open_target(target: str | Mapping[str, Any]) -> Sink:
    """Open the sink of a store URL, or of a mapping with endpoint, api_key and dialect."""
    if isinstance(target, str):
        return StoreSink(open_store(target))
    return HTTPSink(target["endpoint"], target.get("api_key"), target.get("dialect", "native"))
