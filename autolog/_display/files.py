"""Write records to files as a stream (JSON lines, CSV, Parquet), and read JSON lines.

JSON lines and Parquet contain all of a record; bodies are unchanged text, or `base64:` followed by their base64 form.
Parquet needs `pip install 'autolog-llm[parquet]'`.
"""

from __future__ import annotations

import base64
import binascii
import csv
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC
from pathlib import Path
from typing import IO, Any

import msgspec

from autolog._display.figures import safe, safe_json
from autolog._reading.describe import bodies
from autolog._reading.messages import plain_text, request_messages, response_messages
from autolog._record.bodies import decode_object, decode_text, encode_json
from autolog._record.media import check_media
from autolog._record.record import FIELDS, Record, to_dict
from autolog.errors import AutologError

FORMATS = ("jsonl", "csv", "parquet", "vcr", "dataset")
#: The columns of CSV files; only JSON lines and Parquet contain the other fields.
CSV_FIELDS = (
    "id", "created_at", "kind", "name", "project", "trace_id", "span_id", "parent_span_id", "operation_name",
    "provider_name", "request_model", "response_model", "status", "status_code", "error_type", "error_message",
    "usage_input_tokens", "usage_output_tokens", "usage_cache_read_input_tokens", "usage_cache_creation_input_tokens",
    "usage_reasoning_output_tokens", "cost", "duration", "time_to_first_chunk", "user", "session", "tags", "metadata",
    "score", "input_preview", "output_preview",
)  # fmt: skip
ROWS = 2_000

_NUMBERS = {"cost", "duration", "time_to_first_chunk", "score"}
TIMES = {"created_at", "start_time", "end_time", "received_at", "updated_at"}
_FLAGS = {"request_stream", "custom_cost", "cached", "truncated"}


def as_line(record: Record) -> dict[str, Any]:
    """Return all of a record as JSON data, with its bodies as text."""
    data = to_dict(record)
    for side in ("request_body", "response_body"):
        body = getattr(record, side)
        data[side] = None if body is None else _body_text(body)
    return data


def _body_text(body: bytes) -> str:
    """Return a body as text; as base64 if it is not text, or if it could be mistaken for a base64 body."""
    return "base64:" + base64.b64encode(body).decode() if body.startswith(b"base64:") else decode_text(body)


def write_lines(records: Iterable[Record], file: IO[str]) -> int:
    """Write one JSON object per line, each with all of a record; return their number."""
    count = 0
    for record in records:
        count += 1
        file.write(safe_json(json.dumps(as_line(record))) + "\n")
    return count


def write_dataset(records: Iterable[Record], file: IO[str]) -> int:
    """Write one JSON object per call, with its input, output, tool calls and scores; return the number of calls."""
    count = 0
    for record in records:
        if record.kind == "llm":
            count += 1
            file.write(safe_json(json.dumps(_example(record), ensure_ascii=False, default=str)) + "\n")
    return count


def _example(record: Record) -> dict[str, Any]:
    request, response = bodies(record)
    return {
        "id": record.id,
        "model": record.request_model,
        "input": [{"role": message.role, "content": plain_text(message)} for message in request_messages(request)],
        "output": "\n".join(filter(None, map(plain_text, response_messages(response)))),
        "tool_calls": record.tool_calls or [],
        "score": record.score,
        "scores": record.scores,
    }


def write_csv(records: Iterable[Record], file: IO[str]) -> int:
    """Write one row per record, with cells safe in spreadsheets and terminals; return the number of records."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CSV_FIELDS)
    count = 0
    for record in records:
        count += 1
        data = to_dict(record)
        writer.writerow([safe_cell(data[name]) for name in CSV_FIELDS])
    return count


#: Text that a spreadsheet takes for a formula, including full-width forms; a leading quote prevents that.
_FORMULA = re.compile(r"[\s'\"]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\n]")


def safe_cell(value: Any) -> Any:
    """Return a CSV cell that a spreadsheet does not take for a formula, and a terminal does not act on."""
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        value = safe(value.replace("\r\n", "\n"))
        return "'" + value if _FORMULA.match(value) else value
    return value


def write_parquet(records: Iterable[Record], path: Path) -> int:
    """Write one row per record, and return their number.

    Numbers, times and booleans are written as such, structures as JSON, everything else as text.

    Raises:
        ImportError: if pyarrow is not installed.
    """
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([(name, _arrow_type(pyarrow, name)) for name in FIELDS])
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        rows: list[dict[str, Any]] = []
        count = 0
        for record in records:
            count += 1
            rows.append(_arrow_row(record))
            if len(rows) == ROWS:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema))
                rows = []
        if rows:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))
    return count


def _arrow_type(pyarrow: Any, name: str) -> Any:
    if name in _NUMBERS:
        return pyarrow.float64()
    if name in TIMES:
        return pyarrow.timestamp("us", tz="UTC")
    if name in _FLAGS:
        return pyarrow.bool_()
    whole = name in {"seq", "status_code", "retries", "feedback"} or (name.startswith("usage_"))
    return pyarrow.int64() if whole else pyarrow.string()


def _arrow_row(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in FIELDS:
        value = getattr(record, name)
        if isinstance(value, bytes):
            value = _body_text(value)
        elif name in STRUCTURED:
            value = None if value is None or value in ({}, []) else encode_json(value).decode()
        elif isinstance(value, str):
            value = value.encode(errors="replace").decode()
        row[name] = value
    return row


#: The fields that are structures, which tables contain as JSON.
STRUCTURED = {
    item.name
    for item in msgspec.structs.fields(Record)
    if item.type not in {str, int, float} and any(word in str(item.type) for word in ("dict", "list", "Any"))
}


# Reading


def read_lines(file: Iterable[str]) -> Iterator[Record]:
    """Yield the records in JSON lines.

    Raises:
        AutologError: if a line is not a record; the message contains its number.
    """
    for number, line in enumerate(file, 1):
        if line.strip():
            yield read_record(decode_object(line), f"line {number}")


def read_record(data: dict[str, Any], where: str) -> Record:
    """Return the record with these values; `where` is their place in the file, for the error message.

    Raises:
        AutologError: if the values do not form a record.
    """
    known = {name: value for name, value in data.items() if name in FIELDS and value is not None and name != "seq"}
    for side in ("request_body", "response_body"):
        if side in known:
            known[side] = _body(known[side])
    try:
        record = msgspec.convert(known, Record)
    except (msgspec.ValidationError, OverflowError) as error:
        raise AutologError(f"{where} is not a record: {error}") from error
    for name in TIMES:
        at = getattr(record, name)
        if at is not None and at.tzinfo is None:
            setattr(record, name, at.replace(tzinfo=UTC))
    if record.status not in {"ok", "error"}:
        raise AutologError(f"{where} is not a record: status is neither ok nor error")
    check_media(record)
    return record


def _body(value: Any) -> bytes:
    if not isinstance(value, str):
        return encode_json(value)
    if value.startswith("base64:"):
        try:
            return base64.b64decode(value[7:], validate=True)
        except binascii.Error:
            pass
    return value.encode(errors="surrogatepass")
