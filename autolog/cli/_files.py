"""Records out of files: JSON lines and Parquet, as `autolog._display.files` writes them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec

from autolog._display.files import ROWS, STRUCTURED, TIMES
from autolog._record.bodies import decode_json, decode_object, encode_json
from autolog._record.media import check_media
from autolog._record.record import FIELDS, Record
from autolog.errors import AutologError


def read_lines(file: Iterable[str]) -> Iterator[Record]:
    """Yield the records in JSON lines.

    Raises:
        AutologError: a line that is no record, with its number.
    """
    for number, line in enumerate(file, 1):
        if line.strip():
            yield _record(decode_object(line), f"line {number}")


def read_parquet(path: Path) -> Iterator[Record]:
    """Yield the records in a Parquet file of ours.

    Raises:
        AutologError: it is none, or a row is no record.
    """
    _, parquet = require_pyarrow()
    try:
        file = parquet.ParquetFile(path)
    except Exception as error:
        raise AutologError(f"{path} is no Parquet file: {error}") from error
    number = 0
    for batch in file.iter_batches(ROWS):
        for row in batch.to_pylist():
            number += 1
            for name, value in row.items():
                row[name] = decode_json(value) if isinstance(value, str) and name in STRUCTURED else value
            yield _record(row, f"row {number}")


def _record(data: dict[str, Any], where: str) -> Record:
    known = {name: value for name, value in data.items() if name in FIELDS and value is not None and name != "seq"}
    for side in ("request_body", "response_body"):
        if side in known:
            known[side] = _body(known[side])
    try:
        record = msgspec.convert(known, Record)
    except (msgspec.ValidationError, OverflowError) as error:
        raise AutologError(f"{where} is no record: {error}") from error
    for name in TIMES:
        at = getattr(record, name)
        if at is not None and at.tzinfo is None:
            setattr(record, name, at.replace(tzinfo=UTC))
    if record.status not in {"ok", "error"}:
        raise AutologError(f"{where} is no record: status is neither ok nor error")
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


def require_pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module.

    Raises:
        AutologError: it is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise AutologError("Parquet needs pyarrow: pip install 'autolog-llm[parquet]'") from error
    return pyarrow, parquet
