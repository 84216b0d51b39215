"""What becomes of one record that several changed at the same moment, each without knowing of the others.

Who took it away wins, for what is erased must not come back. Else all changes count: fields that one left alone are as
another made them, and where two changed the same, the later one stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from autolog._record.record import FIELDS, MERGED, Record, merge
from autolog.stores.clickhouse._rows import MOVED, Kept, micros

_NO_CHANGE = frozenset({"seq", "updated_at", "received_at"})


@dataclass(slots=True)
class Outcome:
    """What is to stand: a record, or none; and the times under which other rows of it lie, which must go."""

    record: Record | None
    seq: int
    version: int
    gone_at: list[datetime]


def together(mine: Kept, others: Sequence[Kept]) -> Outcome | None:
    """Return what a change of ours and the changes of others amount to; None if the latest row has it all already."""
    rows = sorted((mine, *others), key=lambda kept: kept.version)
    latest = rows[-1]
    live = [kept for kept in rows if not kept.gone]
    times = {micros(at): at for kept in live if (at := kept.record.created_at) is not None}
    if any(kept.gone and kept.record.kind != MOVED for kept in rows):
        return Outcome(None, mine.seq, latest.version, list(times.values())) if live else None
    if not live:
        return None
    result = msgspec.structs.replace(live[0].record)
    for kept in live[1:]:
        if mine.base is None:
            merge(result, kept.record)
        else:
            _lay(result, mine.base, kept.record)
    made = result.created_at
    gone_at = [at for key, at in times.items() if made is None or key != micros(made)]
    if not gone_at and not latest.gone and _same(result, latest.record):
        return None
    return Outcome(result, live[0].seq, latest.version, gone_at)


def _lay(result: Record, base: Record, changed: Record) -> None:
    """Bring the changes from `base` to `changed` into another record."""
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
