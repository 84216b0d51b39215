"""Fill in everything that follows from a record's bodies: its description, its cost and its media.

For logs that come from elsewhere (a vendor's client, a file, another process). What is captured in this process takes
the same steps as stages of `_processing.pipeline`.
"""

from __future__ import annotations

from autolog._pricing.bill import price_record
from autolog._reading.describe import DERIVED, describe
from autolog._record.media import note_media
from autolog._record.record import Record
from autolog.providers import Format, format_of_sdk


def fill_in(record: Record, provider: Format | None = None) -> None:
    """Describe and price a record and note its media. Fields that are set already stay.

    The bodies are read as `provider` has them, else the SDK that made the call, else by their address and shape.
    """
    price_record(record, describe(record, provider or format_of_sdk(record.sdk)))
    if record.media is None:
        note_media(record)


def derive(record: Record) -> None:
    """Fill in a log as a vendor's client sent it, and note in `extra["given"]` which fields the client gave."""
    given = {name for name in DERIVED if getattr(record, name) is not None} | set(record.extra.get("given", ()))
    if record.status == "error":
        given.add("status")
    record.extra = {**record.extra, "given": sorted(given)}
    fill_in(record)


def forget(record: Record) -> None:
    """Clear what was derived from bodies that are being replaced; fields that the client gave stay."""
    given = record.extra.get("given", ())
    for name in DERIVED:
        if name not in given:
            setattr(record, name, None)
    if "status" not in given and not (record.status_code or 0) >= 400:
        record.status = "ok"
    if not record.custom_cost:
        record.cost = record.cost_details = None
    record.media = None
