"""Merge concurrent changes of one record, each made without knowledge of the others.

A deletion wins, because deleted data must not reappear. Otherwise all changes count: each changed field gets its new
value, and where two changes set the same field, the later one wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from autolog._reading.pieces import join_pieces
from autolog._record.record import FIELDS, MERGED, Record, merge
from autolog.stores.clickhouse._rows import MOVED, Kept, micros

_NO_CHANGE = frozenset({"seq", "updated_at", "received_at"})


@dataclass(slots=True)
class Outcome:
    """The result of a merge.

    Attributes:
        record: the merged record; None if it is deleted.
        seq: its sequence number.
        version: the latest version merged.
        gone_at: the times of other rows of the record, which must be deleted.
    """

    record: Record | None
    seq: int
    version: int
    gone_at: list[datetime]


def merged(ours: Kept, others: Sequence[Kept]) -> Outcome | None:
    """Merge our change with those of others; return None if the latest row already contains all of them."""
    rows = sorted((ours, *others), key=lambda kept: kept.version)
    latest = rows[-1]
    live = [kept for kept in rows if not kept.gone]
    times = {micros(at): at for kept in live if (at := kept.record.created_at) is not None}
    if any(kept.gone and kept.record.kind != MOVED for kept in rows):
        return Outcome(None, ours.seq, latest.version, list(times.values())) if live else None
    if not live:
        return None
    result = msgspec.structs.replace(live[0].record)
    for kept in live[1:]:
        if ours.base is None:
            merge(result, kept.record)
        else:
            _apply_changes(result, ours.base, kept.record)
    join_pieces(result)
    created_at = result.created_at
    gone_at = [at for key, at in times.items() if created_at is None or key != micros(created_at)]
    if not gone_at and not latest.gone and _same(result, latest.record):
        return None
    return Outcome(result, live[0].seq, latest.version, gone_at)


def _apply_changes(result: Record, base: Record, changed: Record) -> None:
    """Apply the changes from `base` to `changed` to another record."""
    for name in FIELDS:
        before, after = getattr(base, name), getattr(changed, name)
        if after == before or name == "seq":
            continue
        if name in MERGED:
            kept = {key: value for key, value in getattr(result, name).items() if key in after or key not in before}
            news = {key: value for key, value in after.items() if key not in before or before[key] != value}
            setattr(result, name, {**kept, **news})
        else:
            setattr(result, name, after)


def _same(one: Record, other: Record) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in FIELDS if name not in _NO_CHANGE)
