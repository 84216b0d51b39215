"""Read rows from Parquet files, written by `autolog._display.files` or by other programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autolog._display.files import ROWS, STRUCTURED
from autolog._record.bodies import decode_json
from autolog.errors import AutologError


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a Parquet file, numbered from 1; columns that we write as JSON text are parsed.

    Raises:
        AutologError: if the file is not a Parquet file, or pyarrow is not installed.
    """
    _, parquet = require_pyarrow()
    try:
        file = parquet.ParquetFile(path)
    except Exception as error:
        raise AutologError(f"{path} is not a Parquet file: {error}") from error
    number = 0
    for batch in file.iter_batches(ROWS):
        for row in batch.to_pylist():
            number += 1
            for name, value in row.items():
                row[name] = decode_json(value) if isinstance(value, str) and name in STRUCTURED else value
            yield number, row


def require_pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module.

    Raises:
        AutologError: if pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise AutologError("Parquet needs pyarrow: pip install 'autolog-llm[parquet]'") from error
    return pyarrow, parquet
