"""Completes records that were decoded from attributes: times, and for calls the bodies' contents and cost."""

from __future__ import annotations

from typing import NamedTuple

from autolog._reading import derive
from autolog._record.record import Record
from autolog.dialects._convert import fill_times
from autolog.providers import Facts


class Begun(NamedTuple):
    """A record that has been described, with its facts if it is a call, and with what its span says itself."""

    record: Record
    facts: Facts | None
    status: str
    name: str | None


def complete(record: Record) -> Record:
    """Complete a record and return it."""
    return finish(begin(record))


def begin(record: Record) -> Begun:
    """Take the first of two steps, which are quicker for a batch if each is taken for all records (see `derive`)."""
    fill_times(record)
    status, name = record.status, record.name
    return Begun(record, derive.begin(record) if record.kind == "llm" else None, status, name)


def finish(begun: Begun) -> Record:
    """Take the second step, and return the record."""
    record, facts, status, name = begun
    if facts is not None:
        derive.finish(record, facts)
        record.status, record.name = status, name or record.name
    return record
