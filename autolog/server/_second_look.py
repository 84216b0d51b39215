"""Checks again for reports of the same call that two servers wrote at the same moment, without seeing each other's.

A report is folded, when it is written, with the reports that the store has at that moment. If several servers write to
one store, each may write a report before the other's becomes visible. Therefore every report of a layer above autolog
that found no other one is checked once more a little later, when everything written before it is visible.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import partial
from time import monotonic

from autolog._record.record import Record
from autolog.server._background import Background
from autolog.server._duplicates import Deduplicator
from autolog.server._reports import is_call
from autolog.server._writer import Writer
from autolog.stores._contract import Store

#: How long after its write a report is checked again, and the interval between checks, in seconds.
AFTER, EVERY = 2.0, 1.0
#: The most reports that wait to be checked, and the most that are checked together.
MOST, TOGETHER = 10_000, 200


class SecondLook:
    """Remembers which reports to check again. `shared` is whether several servers may write to the store."""

    def __init__(self, store: Store, writer: Writer, duplicates: Deduplicator) -> None:
        self.duplicates = duplicates
        self.shared = store.writers > 1
        self._writer = writer
        self._waiting: deque[tuple[float, str, str]] = deque(maxlen=MOST)
        self.background = Background("second check", EVERY, self.check)

    def note(self, records: Iterable[Record]) -> None:
        """Note records that were written; autolog's own need no check, as the reports of other layers find them."""
        if self.shared:
            now = monotonic()
            self._waiting += [
                (now, record.project, record.id) for record in records if record.dialect != "native" and is_call(record)
            ]

    def check(self, after: float = AFTER) -> None:
        """Check the reports that were written at least `after` seconds ago."""
        while self._waiting and self._waiting[0][0] <= monotonic() - after:
            found: dict[str, list[str]] = {}
            for _ in range(TOGETHER):
                if not self._waiting or self._waiting[0][0] > monotonic() - after:
                    break
                _, project, record_id = self._waiting.popleft()
                found.setdefault(project, []).append(record_id)
            for project, ids in found.items():
                if self.background.ended:  # the writer may have been closed, and would start again
                    return
                self._writer.run(partial(self.duplicates.look_again, project=project, ids=ids))
