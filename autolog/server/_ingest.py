"""Ingestion of records: they are deduplicated, written and, once on disk, counted and charged to budgets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from autolog._record.record import Record
from autolog.server._budgets import Spending
from autolog.server._duplicates import Deduplicator, Folded
from autolog.server._metrics import Metrics
from autolog.server._owners import inherit_owners
from autolog.server._raw_requests import join_requests
from autolog.server._second_look import SecondLook
from autolog.stores._contract import Store


class Written(NamedTuple):
    """The result of writing one record.

    Attributes:
        seq: its sequence number.
        added_cost: the dollars by which it raised the known costs.
        new: whether its call was unknown before.
    """

    seq: int
    added_cost: float
    new: bool


class Ingest:
    """Writes records and accounts for them. `write` runs inside a transaction, `acknowledged` after its commit.

    Everything that a write finds out is part of its result, so that a failed transaction leaves no trace here.
    """

    def __init__(self, duplicates: Deduplicator, spending: Spending, metrics: Metrics, second_look: SecondLook) -> None:
        self._second_look = second_look
        self._duplicates = duplicates
        self._spending = spending
        self._metrics = metrics
        self._newest: int | None = None
        """The highest sequence number before the current write."""

    def write(self, store: Store, records: Sequence[Record]) -> list[Written]:
        """Write records, possibly those of several requests, and return a result for each, in the same order."""
        join_requests(store, records)
        inherit_owners(store, records)
        folded = self._duplicates.fold(store, records)
        costs = _added_costs(store, folded) if self._spending.active else [0.0] * len(records)
        if self._newest is None:
            self._newest = store.last()
        newest = self._newest
        seqs = folded.write(store)
        return [Written(seq, cost, seq > newest) for seq, cost in zip(seqs, costs, strict=True)]

    def acknowledged(self, records: Sequence[Record], written: Iterable[Written]) -> None:
        """Count one request's records, which are now on disk, and charge the costs that they added."""
        results = list(written)
        self._second_look.note(records)
        if records:
            self._metrics.written(records[0].dialect, len(records))
        for record, result in zip(records, results, strict=True):
            self._metrics.calls.count(record, result.seq, result.new)
        self._newest = max([self._newest or 0, *(result.seq for result in results)])
        if self._spending.active:
            self._spending.spend(
                [
                    msgspec.structs.replace(record, cost=result.added_cost)
                    for record, result in zip(records, results, strict=True)
                    if result.added_cost > 0
                ]
            )


def _added_costs(store: Store, folded: Folded) -> list[float]:
    """Return the dollars that each record adds to the known costs: logs may come twice, in parts, or by two layers."""
    records, added = folded.records, [-freed for freed in folded.freed]
    known: dict[tuple[str, str], float] = {}
    for project in {record.project for record in records}:
        ids = {record.id for record in records if record.project == project}
        known |= {(project, old.id): old.cost or 0.0 for old in store.by_ids(project, ids)}
    for position in folded.order:
        record = records[position]
        key = (record.project, record.id)
        added[position] += (record.cost or 0.0) - known.get(key, 0.0)
        known[key] = record.cost or known.get(key, 0.0)
    return added
