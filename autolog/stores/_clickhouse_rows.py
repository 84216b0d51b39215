"""Rows of the ClickHouse store and records: the same in two shapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import msgspec

from autolog._bodies import decode_json, decode_object, encode_json
from autolog._media import put_back, take_out
from autolog._record import DEFAULTS, FIELDS, Record

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The times that the engine calculates with; what lies beyond is kept in `rest`.
_LATEST = datetime(2262, 1, 1, tzinfo=UTC)
_MAX_INT = 2**63 - 1

_TIME = "DateTime64(6, 'UTC')"
_WORD = "LowCardinality(Nullable(String))"
_TEXT = "Nullable(String)"
_COUNT = "Nullable(Int64)"
_NUMBER = "Nullable(Float64)"
#: Columns of their own and their types: what lists show and queries compare. All else is in `rest`.
COLUMNS = {
    "project": "LowCardinality(String)", "created_at": _TIME, "id": "String", "kind": "LowCardinality(String)",
    "name": _TEXT, "dialect": "LowCardinality(String)", "trace_id": _TEXT, "span_id": _TEXT, "parent_span_id": _TEXT,
    "operation_name": _WORD, "provider_name": _WORD, "request_model": _WORD, "response_model": _WORD,
    "usage_input_tokens": _COUNT, "usage_output_tokens": _COUNT, "cost": _NUMBER, "cached": "UInt8",
    "status": "LowCardinality(String)", "status_code": _COUNT, "error_type": _TEXT, "error_message": _TEXT,
    "received_at": _TIME, "updated_at": _TIME, "duration": _NUMBER, "time_to_first_chunk": _NUMBER, "user": _TEXT,
    "session": _TEXT, "caller": _TEXT, "score": _NUMBER, "feedback": _COUNT, "prompt_name": _TEXT, "prompt_id": _TEXT,
    "prompt_version": _TEXT, "request_content_type": _WORD, "response_content_type": _WORD, "input_preview": _TEXT,
    "output_preview": _TEXT, "response_id": _TEXT,
}  # fmt: skip
#: And those that are made of a record's fields.
MADE = {
    "seq": "Int64", "version": "Int64", "gone": "UInt8", "tags": "Array(String)", "metadata": "Map(String, String)",
    "metadata_json": _TEXT, "rest": _TEXT, "media_hashes": "Array(String)",
}  # fmt: skip
BODIES = {"request_body": _TEXT, "response_body": _TEXT}
TYPES = COLUMNS | MADE | BODIES

_TIMES = tuple(place for place, kind in enumerate(COLUMNS.values()) if kind == _TIME)
_TEXTS = tuple(place for place, kind in enumerate(COLUMNS.values()) if "String" in kind)
_COUNTS = tuple(place for place, kind in enumerate(COLUMNS.values()) if "Int" in kind)
_REST = tuple(name for name in FIELDS if name not in TYPES)
_column_values, _rest_values = attrgetter(*COLUMNS), attrgetter(*_REST)
_DEFAULTS = tuple(DEFAULTS[name] for name in _REST)

#: What a list reads, in the order in which `from_row` takes it; the bodies come after it.
SELECT = ", ".join(
    f"toUnixTimestamp64Micro({name}) AS {name}_" if kind == _TIME else name for name, kind in COLUMNS.items()
) + ", seq, version, tags, metadata_json, rest"  # fmt: skip


@dataclass(slots=True)
class Kept:
    """A record as it is in the store, or will be: its place, and what it was read as."""

    record: Record
    seq: int
    version: int = 0
    gone: bool = False
    #: When it was made, by the row that it replaces: a part of that row's key.
    was_at: datetime | None = None
    #: What the media in its bodies are, by hash; to be written with it.
    media: dict[str, bytes] = field(default_factory=dict)


def micros(at: datetime) -> int:
    """A time as the store keeps it: microseconds since 1970, UTC."""
    return (min(max(at, _EPOCH), _LATEST) - _EPOCH) // timedelta(microseconds=1)


def from_micros(value: int) -> datetime:
    return _EPOCH + timedelta(microseconds=value)


def clean(text: str) -> str:
    """Text as UTF-8 can hold it: a lone surrogate has no form there."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def as_text(value: Any) -> str:
    return clean(value) if isinstance(value, str) else encode_json(value).decode()


def to_row(kept: Kept) -> list[Any]:
    """The values of TYPES. Takes the media out of the bodies, into `kept.media`."""
    record, now = kept.record, datetime.now(UTC)
    bodies = _take_media(kept)
    values = list(_column_values(record))
    rest = {
        name: value
        for name, value, default in zip(_REST, _rest_values(record), _DEFAULTS, strict=True)
        if value is not None and value != default
    }
    for place in _TIMES:
        at = values[place] or now
        if not _EPOCH <= at <= _LATEST:
            rest["at"] = {**rest.get("at", {}), _NAMES[place]: at}
        values[place] = micros(at)
    for place in _TEXTS:
        if values[place] is not None:
            values[place] = clean(values[place])
    for place in _COUNTS:
        if values[place] is not None:
            values[place] = min(max(int(values[place]), -_MAX_INT), _MAX_INT)
    hashes = sorted({entry["sha256"] for entry in record.media or () if entry.get("kept") is not False})
    return [
        *values, kept.seq, kept.version, int(kept.gone), [clean(tag) for tag in record.tags],
        {clean(key): as_text(value) for key, value in record.metadata.items()},
        encode_json(record.metadata).decode(errors="replace") if record.metadata else None,
        encode_json(rest).decode(errors="replace") if rest else None,
        hashes, *bodies,
    ]  # fmt: skip


def tombstone(kept: Kept) -> list[Any]:
    """The row that takes a record away: its key, a later version, and nothing that was said."""
    empty = Record(id=kept.record.id, project=kept.record.project, created_at=kept.was_at)
    return to_row(Kept(empty, kept.seq, kept.version, gone=True))


_NAMES = tuple(COLUMNS)


def from_row(row: Sequence[Any]) -> Kept:
    """A record from the columns of SELECT, and its bodies if they follow."""
    width = len(COLUMNS)
    seq, version, tags, metadata, rest = row[width : width + 5]
    fields = decode_object(rest)
    exact = fields.pop("at", {})
    fields["tags"] = list(tags)
    for name, kind, value in zip(COLUMNS, COLUMNS.values(), row, strict=False):
        if value is None:
            continue
        if kind == _TIME:
            fields[name] = exact.get(name) or from_micros(value)
        elif kind == "UInt8":
            fields[name] = bool(value)
        elif isinstance(value, bytes):
            fields[name] = value.decode(errors="replace")
        else:
            fields[name] = value
    if metadata is not None:
        fields["metadata"] = decode_json(metadata)
    fields["seq"] = seq
    record = msgspec.convert(fields, Record)
    if len(row) > width + 5:
        record.request_body, record.response_body = row[width + 5 :]
    return Kept(record, seq, version, was_at=from_micros(row[1]))


def _take_media(kept: Kept) -> list[bytes | None]:
    """The bodies without their media, which `kept` gets. Entries that do not fit are taken from the record."""
    record, bodies = kept.record, list[bytes | None]()
    for side in ("request", "response"):
        body: bytes | None = getattr(record, f"{side}_body")
        mine = [entry for entry in record.media or () if entry["body"] == side]
        if body is not None and mine:
            body, taken = take_out(body, mine)
            kept.media |= taken
            if not taken and any(entry.get("kept") is not False for entry in mine):
                record.media = [entry for entry in record.media or () if entry["body"] != side] or None
        bodies.append(body)
    return bodies


def give_media(record: Record, contents: dict[str, bytes]) -> None:
    """Put the media back into a record's bodies."""
    for side in ("request", "response"):
        body: bytes | None = getattr(record, f"{side}_body")
        if body is not None and record.media:
            mine = [entry for entry in record.media if entry["body"] == side]
            setattr(record, f"{side}_body", put_back(body, mine, contents.get))


def hashes_of(records: Iterable[Record]) -> set[str]:
    """The media that records need."""
    return {entry["sha256"] for record in records for entry in record.media or () if entry.get("kept") is not False}
