"""The records of a block, in a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import overload

import msgspec

from autolog._record.record import Record, merge
from autolog._recorder import Recorder

#: What gets the records of `capture` blocks inside of it, too; see `tap`.
_taps: list[Records] = []


class Records(Sequence[Record]):
    """The records made so far, as a store would hold them, in the order in which their calls ended.

    What a later call completes (a background response, a score) is one record. Reading waits for the worker thread.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._kept: dict[str, Record] = {}

    def write(self, records: Sequence[Record]) -> None:
        """Keep records as a store does: one that is there already gets what the new one adds."""
        self._keep(records)
        for other in _taps:
            if other is not self:
                other._keep([msgspec.structs.replace(record) for record in records])

    def _keep(self, records: Sequence[Record]) -> None:
        for record in records:
            kept = self._kept.setdefault(record.id, record)
            if kept is not record:
                merge(kept, record)

    def close(self) -> None:
        """Do nothing: the records stay."""

    def _read(self) -> list[Record]:
        self._recorder.flush()
        return list(self._kept.values())

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        return self._read()[index]

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return repr(self._read())


@contextmanager
def capture(recorder: Recorder | None = None) -> Iterator[Records]:
    """Collect the records made inside the block in the list that it gives; they go nowhere else.

    SDKs must be patched as usual (`autolog.patch_openai()`); nothing is written to any store meanwhile.
    """
    if recorder is None:
        from autolog import autolog

        recorder = autolog
    records = Records(recorder)
    with recorder.diverted(records):
        yield records


@contextmanager
def tap(records: Records) -> Iterator[None]:
    """Hand the records of all blocks of `capture` that run inside this one to `records`, too."""
    _taps.append(records)
    try:
        yield
    finally:
        _taps.remove(records)
