"""Convert records to rows of the ClickHouse store and back: a packed record, and columns for comparisons and sums."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import msgspec

from autolog._record.bodies import encode_json
from autolog._record.media import take_media
from autolog._record.record import Record, pack
from autolog._record.scores import values_of
from autolog._record.times import EPOCH, from_micros, to_micros
from autolog.stores._texts import as_text, clean

#: The latest time that the engine can calculate with.
_LATEST = datetime(2262, 1, 1, tzinfo=UTC)
#: A bound above all stored times.
BEYOND = _LATEST + timedelta(days=1)
_MAX_INT = 2**63 - 1

_TIME = "DateTime64(6, 'UTC')"
_WORD = "LowCardinality(Nullable(String))"
_TEXT = "Nullable(String)"
_COUNT = "Nullable(Int64)"
_NUMBER = "Nullable(Float64)"
#: Fields with their own column, and its type.
COLUMNS = {
    "project": "LowCardinality(String)", "created_at": _TIME, "id": "String", "kind": "LowCardinality(String)",
    "name": _TEXT, "dialect": "LowCardinality(String)", "trace_id": _TEXT, "span_id": _TEXT, "parent_span_id": _TEXT,
    "operation_name": _WORD, "provider_name": _WORD, "request_model": _WORD, "response_model": _WORD,
    "usage_input_tokens": _COUNT, "usage_output_tokens": _COUNT, "cost": _NUMBER, "cached": "UInt8",
    "status": "LowCardinality(String)", "status_code": _COUNT, "error_type": _TEXT, "error_message": _TEXT,
    "duration": _NUMBER, "user": _TEXT, "session": _TEXT, "caller": _TEXT, "score": _NUMBER, "feedback": _COUNT,
    "prompt_name": _TEXT, "prompt_id": _TEXT, "prompt_version": _TEXT, "request_content_type": _WORD,
    "response_content_type": _WORD, "input_preview": _TEXT, "output_preview": _TEXT, "response_id": _TEXT,
}  # fmt: skip
#: Columns derived from several fields: `record` contains all fields except the bodies, as MessagePack; `texts` contains
#: further texts for searches.
MADE = {
    "seq": "Int64", "version": "Int64", "gone": "UInt8", "tags": "Array(String)", "metadata": "Map(String, String)",
    "scores": "Map(String, Float64)",
    "metadata_json": _TEXT, "texts": _TEXT, "media_hashes": "Array(String)", "record": "String",
}  # fmt: skip
BODIES = {"request_body": _TEXT, "response_body": _TEXT}
TYPES = COLUMNS | MADE | BODIES
#: The columns of a change, kept for others who change the same record at the same moment.
CHANGE = {name: TYPES[name] for name in ("project", "id", "version", "gone", "created_at", "seq", "record", *BODIES)}
#: The columns that contain bytes, not text.
RAW = ("record", *BODIES)

_TIMES = tuple(index for index, kind in enumerate(COLUMNS.values()) if kind == _TIME)
_TEXTS = tuple(index for index, kind in enumerate(COLUMNS.values()) if "String" in kind)
_COUNTS = tuple(index for index, kind in enumerate(COLUMNS.values()) if "Int" in kind)
_CHANGES = tuple(list(TYPES).index(name) for name in CHANGE)
_column_values = attrgetter(*COLUMNS)
_decoder = msgspec.msgpack.Decoder(Record)

#: The columns that lists read, in the order expected by `from_row`; bodies follow them.
SELECT = "record, seq, version, toUnixTimestamp64Micro(created_at)"
WITH_BODIES = f"{SELECT}, {', '.join(BODIES)}"


@dataclass(slots=True)
class Kept:
    """A record as it is, or will be, in the store, with its sequence number and version."""

    record: Record
    seq: int
    version: int = 0
    gone: bool = False
    #: The creation time in the row that this one replaces, and in further rows: it is part of their keys.
    was_at: datetime | None = None
    also_at: Sequence[datetime] = ()
    #: The record as it was read, before it was changed; None for a new record.
    base: Record | None = None
    #: The media of its bodies by hash, to be written with it.
    media: dict[str, bytes] = field(default_factory=dict)

    def copied(self) -> Record:
        """Return a copy of the record, to be changed without affecting this one."""
        record = copy.deepcopy(self.record)
        record.seq = self.seq
        return record


def micros(at: datetime, latest: datetime = _LATEST) -> int:
    """Return a time in the store's form: microseconds since 1970, UTC."""
    return to_micros(min(max(at, EPOCH), latest))


def to_row(kept: Kept) -> list[Any]:
    """Return the values of the columns TYPES. Moves the media from the bodies to `kept.media`."""
    record = kept.record
    for name in ("cost", "duration", "time_to_first_chunk", "score"):
        if (number := getattr(record, name)) is not None and number != number:
            setattr(record, name, None)  # NaN means unknown
    bodies, kept.media = take_media(record)
    values = list(_column_values(record))
    for index in _TIMES:
        values[index] = micros(values[index])
    for index in _TEXTS:
        if values[index] is not None:
            values[index] = clean(values[index])
    for index in _COUNTS:
        if values[index] is not None:
            values[index] = min(max(int(values[index]), -_MAX_INT), _MAX_INT)
    texts = [text for text in (record.prompt_variables, record.extra.get("output")) if text]
    whole = msgspec.structs.replace(record, request_body=None, response_body=None, seq=None)
    return [
        *values, kept.seq, kept.version, int(kept.gone), [clean(tag) for tag in record.tags],
        {clean(key): as_text(value) for key, value in record.metadata.items()},
        {clean(name): value for name, value in values_of(record).items()},
        encode_json(record.metadata).decode(errors="replace") if record.metadata else None,
        encode_json(texts).decode(errors="replace") if texts else None,
        sorted(hashes_of([record])), pack([whole])[1:], *bodies,  # without the list's own byte
    ]  # fmt: skip


def change_of(row: Sequence[Any]) -> list[Any]:
    """Return the values of the columns CHANGE, given those of TYPES."""
    return [row[index] for index in _CHANGES]


#: The kind of a tombstone for a record that now has another creation time, and therefore another key.
MOVED = "moved"


def tombstone(kept: Kept, at: datetime) -> list[Any]:
    """Return a row that deletes a record: its key and a later version, without any content."""
    kind = "gone" if kept.gone else MOVED
    empty = Record(id=kept.record.id, project=kept.record.project, created_at=at, kind=kind)
    return to_row(Kept(empty, kept.seq, kept.version, gone=True))


def from_row(row: Sequence[Any]) -> Kept:
    """Return the record in the columns of SELECT, with its bodies if they follow."""
    packed, seq, version, at, *bodies = row
    record = _decoder.decode(packed)
    record.seq = seq
    if bodies:
        record.request_body, record.response_body = bodies
    return Kept(record, seq, version, was_at=from_micros(at))


def hashes_of(records: Iterable[Record]) -> set[str]:
    """Return the hashes of the media to which records refer."""
    return {entry["sha256"] for record in records for entry in record.media or () if entry.get("kept") is not False}
