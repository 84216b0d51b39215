"""Testing support for programs that use autolog: the records of a block, in a list.

with autolog.testing.capture() as records:
    answer("What is 2 + 2?")
assert records[0].usage_output_tokens < 100
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import overload

from autolog._record.record import Record, merge
from autolog._recorder import Recorder

__all__ = ["Records", "capture"]


class Records(Sequence[Record]):
    """The records made so far, as a store would hold them, in the order in which their calls ended.

    What a later call completes (a background response, a score) is one record. Reading waits for the worker thread.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._kept: dict[str, Record] = {}

    def write(self, records: Sequence[Record]) -> None:
        """Keep records as a store does: one that is there already gets what the new one adds."""
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
