"""Capture the records of a block in a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import overload

import msgspec

from autolog._record.record import Record, merge
from autolog._recorder import Recorder

#: The lists that also get the records of nested `capture` blocks; see `tap`.
_taps: list[Records] = []


class Records(Sequence[Record]):
    """The records made so far, as a store would hold them, in the order in which their calls ended.

    A record that is completed later (by a background response or a score) is updated in place. Reading waits for the
    worker thread.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._kept: dict[str, Record] = {}

    def write(self, records: Sequence[Record]) -> None:
        """Keep records as a store does: a record with a known id is merged into the earlier one."""
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
        """Do nothing; the records are kept."""

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
    """Collect the records made inside the block in the list that the block yields, and deliver them nowhere else.

    SDKs must be patched as usual (`autolog.patch_openai()`). Nothing is written to any store inside the block.
    """
    if recorder is None:
        from autolog import autolog

        recorder = autolog
    records = Records(recorder)
    with recorder.diverted(records):
        yield records


@contextmanager
def tap(records: Records) -> Iterator[None]:
    """Add the records of all `capture` blocks that run inside this block to `records`, too."""
    _taps.append(records)
    try:
        yield
    finally:
        _taps.remove(records)
