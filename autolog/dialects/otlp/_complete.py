"""Completes the records that were decoded from spans and log records."""

from __future__ import annotations

from collections.abc import Iterator

from autolog._reading.derive import derive_in_steps
from autolog._record.record import Record
from autolog.dialects._convert import fill_times


def complete(record: Record) -> None:
    """Fill in what follows from a record's fields: times, and for calls the bodies' contents and cost."""
    for _ in complete_in_steps(record):
        pass


def complete_in_steps(record: Record) -> Iterator[None]:
    """Complete a record in steps, of which one is taken each time."""
    fill_times(record)
    if record.kind == "llm":
        status, name = record.status, record.name
        yield from derive_in_steps(record)
        record.status, record.name = status, name or record.name
