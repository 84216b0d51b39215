"""Convert records to rows of the SQLite store and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import attrgetter
from typing import Any

import msgspec

from autolog._record.bodies import decode_json, decode_object, encode_json
from autolog._record.record import DEFAULTS, FIELDS, Record
from autolog._record.scores import values_of
from autolog._record.times import EPOCH, to_micros
from autolog.stores._texts import as_text, clean

TIMES = frozenset({"created_at", "received_at", "updated_at"})
_JSON = frozenset({"tags", "metadata"})
#: By how many of its tags, of its scores and of its metadata's names a record is found and counted; further ones are
#: only kept in it. Each takes a writer some 30 us, during which no other record is written.
INDEXED = 1_000
_FLAGS = frozenset({"cached"})
_BODIES = ("request_body", "response_body")
#: The fields with their own column: those that lists show and queries compare. All others are in `rest`.
COLUMNS = (
    "id", "kind", "name", "project", "dialect", "trace_id", "span_id", "parent_span_id", "operation_name",
    "provider_name", "request_model", "response_model", "usage_input_tokens", "usage_output_tokens", "cost", "cached",
    "status", "status_code", "error_type", "error_message", "created_at", "received_at", "updated_at", "duration",
    "time_to_first_chunk", "user", "session", "tags", "metadata", "score", "feedback", "prompt_name", "prompt_id",
    "prompt_version", "request_content_type", "response_content_type", "input_preview", "output_preview",
    "response_id",
)  # fmt: skip
_TIME_INDEXES = tuple(COLUMNS.index(name) for name in TIMES)
_JSON_INDEXES = tuple(COLUMNS.index(name) for name in _JSON)
_REST = tuple(name for name in FIELDS if name not in COLUMNS and name not in _BODIES and name != "seq")

_QUOTED = ", ".join(f'"{name}"' for name in COLUMNS)
#: The target of an insert: the row's number, then the values returned by `to_row`.
INTO_LOG = f"log (n, {_QUOTED}, rest)"
#: The columns of a record, in the order expected by `from_row`.
SELECT = f"n, {_QUOTED}, rest"


_column_values = attrgetter(*COLUMNS)
_rest_values = attrgetter(*_REST)
_REST_DEFAULTS = tuple(DEFAULTS[name] for name in _REST)


def to_row(record: Record) -> tuple[Any, ...]:
    """Return the values of COLUMNS, followed by all other fields as JSON."""
    now = datetime.now(UTC)
    values = list(_column_values(record))
    for index in _TIME_INDEXES:
        values[index] = to_micros(values[index] or now)
    for index in _JSON_INDEXES:
        values[index] = encode_json(values[index]).decode() if values[index] else None
    rest = {
        name: value
        for name, value, default in zip(_REST, _rest_values(record), _REST_DEFAULTS, strict=True)
        if value is not None and value != default
    }
    return (*values, encode_json(rest).decode() if rest else None)


def from_row(row: Sequence[Any]) -> Record:
    """Return the record in the columns of SELECT, with its sequence number and without bodies."""
    fields = decode_object(row[-1])
    for name, value in zip(COLUMNS, row[1:-1], strict=True):
        if value is None:
            continue
        if name in TIMES:
            fields[name] = EPOCH + timedelta(microseconds=value)
        elif name in _JSON:
            fields[name] = decode_json(value)
        elif name in _FLAGS:
            fields[name] = bool(value)
        else:
            fields[name] = value
    fields["seq"] = row[0]
    return msgspec.convert(fields, Record)


def facets(record: Record) -> list[tuple[str, str]]:
    """Return the pairs of kind and value by which a record is found in `facet`."""
    found = [("tag", tag) for tag in record.tags[:INDEXED]]
    found += [("model", model) for model in (record.request_model, record.response_model) if model is not None]
    if record.caller is not None:
        found.append(("caller", record.caller))
    found += [("score", name) for name in islice(values_of(record), INDEXED)]
    return found


def described(record: Record) -> list[tuple[str, str]]:
    """Return the names and values of metadata by which a record is found in `meta`."""
    return [(clean(key), as_text(value)) for key, value in islice(record.metadata.items(), INDEXED)]
