"""A queue with its delivery to an in-memory sink that fails or blocks on command."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from autolog._capture.span import Span
from autolog._delivery.delivery import Delivery
from autolog._delivery.journal import Journal
from autolog._delivery.queue import DurableQueue, Queue
from autolog._record.record import Record
from autolog.errors import StoreUnavailable


class Sink:
    """Keeps records; fails or blocks on command.

    Attributes:
        records: the records written.
        failures: how many of the next writes fail.
        gate: writes wait while it is cleared.
    """

    def __init__(self, failures: int = 0, blocked: bool = False) -> None:
        self.records: list[Record] = []
        self.failures = failures
        self.gate = threading.Event()
        if not blocked:
            self.gate.set()

    def write(self, records: Sequence[Record]) -> None:
        self.gate.wait(10)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("memory:", "away")
        self.records.extend(records)

    def close(self) -> None: ...


class Line(Queue):
    """A queue with one delivery, set up as in the recorder."""

    delivery: Delivery

    def flush(self, timeout: float) -> bool:
        return super().flush(timeout) and self.delivery.flush(timeout)

    def close(self, timeout: float) -> bool:
        return super().close(timeout) & self.delivery.close(timeout)

    @property
    def lost(self) -> dict[str, int]:
        return dict(self.dropped + self.delivery.dropped)


class DurableLine(DurableQueue, Line):
    """A `Line` that writes every record to disk first."""


def make(
    sink: Sink,
    max_records: int = 5000,
    max_bytes: int = 10_000_000,
    journal: Journal | None = None,
    kind: type[Line] = Line,
    look_ahead: Callable[[Sequence[Span]], None] | None = None,
) -> Line:
    delivery = Delivery(lambda: sink, max_records, max_bytes, journal)
    line = kind(lambda span: [Record(id=span.name)], [delivery], max_records, max_bytes, None, look_ahead)
    line.delivery = delivery
    return line


def journal_in(folder: Path, max_bytes: int = 10_000_000, max_age: float = 1000) -> Journal:
    return Journal(folder / "journal.db", "somewhere", max_bytes, max_age)


def put(queue: Queue, *names: str) -> None:
    for name in names:
        Span(queue.put, name, "span").end()
