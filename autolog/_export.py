"""Sinks: where the queue's records go."""

from __future__ import annotations

from collections.abc import Sequence

from autolog._record import Record
from autolog.stores import Store


class StoreSink:
    """Writes to a store in this process: the default, a SQLite file."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, records: Sequence[Record]) -> None:
        self._store.write(records)

    def close(self) -> None:
        self._store.close()
