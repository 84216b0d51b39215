"""Fill in everything that follows from a record's bodies: its description, cost and media.

This is for logs from elsewhere: a vendor's client, a file, another process. Calls captured in this process go through
the same steps as stages of `_processing.pipeline`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter

from autolog._pricing.bill import price_record
from autolog._reading.describe import DERIVED, describe
from autolog._record.media import note_media
from autolog._record.record import Record
from autolog.providers import Format, format_of_sdk


def fill_in(record: Record, provider: Format | None = None) -> None:
    """Describe and price a record, and note its media. Fields that are already set are kept.

    The bodies are read in the format of `provider`, if given, else of the SDK that made the call, else as the URL and
    the shape of the bodies suggest.
    """
    for _ in _fill_in(record, provider or format_of_sdk(record.sdk)):
        pass


def fill_in_all(records: Iterable[Record]) -> None:
    """Fill in many records, each step for all of them before the next, which takes a tenth less."""
    unfinished = [_fill_in(record, format_of_sdk(record.sdk)) for record in records]
    while unfinished:
        unfinished = [steps for steps in unfinished if next(steps, _END) is not _END]


_END = object()


def _fill_in(record: Record, provider: Format | None) -> Iterator[None]:
    """Take one step each time."""
    facts = describe(record, provider)
    yield
    price_record(record, facts)
    yield
    if record.media is None:
        note_media(record)


def derive(record: Record) -> None:
    """Fill in a log sent by a vendor's client, and note in `extra["given"]` which fields the client had set."""
    for _ in derive_in_steps(record):
        pass


def derive_in_steps(record: Record) -> Iterator[None]:
    """Derive a record in steps, of which one is taken each time; for batches (see `dialects._steps`)."""
    given = [name for name, value in zip(_SORTED, _values_of(record), strict=True) if value is not None]
    failed = ["status"] if record.status == "error" else []
    if failed or "given" in record.extra:
        given = sorted({*given, *failed, *record.extra.get("given", ())})
    record.extra = {**record.extra, "given": given}
    yield from _fill_in(record, format_of_sdk(record.sdk))


_SORTED = tuple(sorted(DERIVED))
_values_of = attrgetter(*_SORTED)


def forget(record: Record) -> None:
    """Clear the fields derived from bodies that are about to be replaced; fields set by the client are kept."""
    given = record.extra.get("given", ())
    for name in DERIVED:
        if name not in given:
            setattr(record, name, None)
    if "status" not in given and not (record.status_code or 0) >= 400:
        record.status = "ok"
    if not record.custom_cost:
        record.cost = record.cost_details = None
    record.media = None
