"""Read records from files to import, in our own format or a vendor's, and collect what could not be read."""

from __future__ import annotations

import csv
import gzip
import io
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from autolog._display.files import read_record
from autolog._record.bodies import decode_json
from autolog._record.record import FIELDS, Record
from autolog.cli import _files
from autolog.dialects import exports
from autolog.dialects._fault import Fault
from autolog.errors import AutologError, shown

#: The name of our own format; those of `autolog.dialects.exports` are the others.
OWN = "autolog"
FORMATS = (OWN, *exports.NAMES)
#: Keys under which APIs return lists of rows.
_LISTS = ("data", "runs", "traces", "items", "spans", "requests", "logs", "observations")
#: The largest cell of a CSV file, in characters; conversations are long.
_MAX_CELL = 256 * 1024 * 1024

Row = dict[str, Any]


@dataclass(slots=True)
class Source:
    """A file read row by row; a row that cannot be read is left out, and reported in `problems` with its position."""

    path: Path | None
    form: str | None = None
    """The format of the file; None until the first row has been recognised."""
    problems: list[str] = field(default_factory=list)
    skipped: int = 0

    #: How many problems are kept.
    MOST = 20

    def records(self) -> Iterator[Record]:
        """Yield the records of all rows that can be read.

        Raises:
            AutologError: if the file cannot be read at all.
        """
        for place, row in self._rows():
            try:
                if not isinstance(row, dict):
                    raise Fault(400, "it is not a JSON object")
                if self.form is None:
                    self.form = _form_of(row)
                yield from self._decode(row, place)
            except (Fault, AutologError) as error:
                self._skip(place, error)

    def _decode(self, row: Row, place: str) -> Iterable[Record]:
        if self.form == OWN:
            return [read_record(row, place)]
        return exports.get(str(self.form)).decode(plain(row))

    def _skip(self, place: str, error: Exception) -> None:
        self.skipped += 1
        if len(self.problems) < self.MOST:
            problem = error.message if isinstance(error, Fault) else str(error)
            own = f"{place} is not a record"
            self.problems.append(problem if problem.startswith(own) else f"{own}: {problem}")

    # Rows

    def _rows(self) -> Iterator[tuple[str, Any]]:
        if self.path is None:
            yield from _json_rows(sys.stdin)
            return
        if not self.path.is_file():
            raise AutologError(f"there is no file {shown(str(self.path))}")
        suffixes = self.path.suffixes[-2:]
        if self.path.suffix == ".parquet":
            yield from ((f"row {number}", row) for number, row in _files.read_rows(self.path))
            return
        with _open(self.path) as file:
            yield from _csv_rows(file) if ".csv" in suffixes else _json_rows(file)


def _form_of(row: Row) -> str:
    """Return the format of a row. A row of ours has a dialect, unless somebody wrote it by hand.

    Raises:
        Fault: 400, if the row has no known format.
    """
    form = exports.detect(row)
    unknown = row.keys() - set(FIELDS)
    if form is None and "dialect" not in row and unknown:
        fields = ", ".join(sorted(map(str, unknown))[:3])
        raise Fault(400, f"its format is not recognised, and ours has no {fields}; --from names the format")
    return form or OWN


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8")
    return path.open(encoding="utf-8-sig", newline="" if path.suffix == ".csv" else None)


def _csv_rows(file: IO[str]) -> Iterator[tuple[str, Any]]:
    csv.field_size_limit(_MAX_CELL)
    reader = csv.DictReader(file)
    try:
        for row in reader:
            filled = {key: value for key, value in row.items() if key is not None and value not in (None, "")}
            yield f"line {reader.line_num}", filled
    except csv.Error as error:
        raise AutologError(f"line {reader.line_num}: {error}") from error


def _json_rows(file: IO[str]) -> Iterator[tuple[str, Any]]:
    """Yield the rows, with their positions, of JSON lines or of one JSON value: a list, an API's reply, or one row."""
    lines: Iterator[tuple[int, str]] = ((number, line) for number, line in enumerate(file, 1) if line.strip())
    number, first = next(lines, (0, ""))
    row = decode_json(first)
    if row is None and first.lstrip()[:1] in {"[", "{"}:
        rest = list(lines)
        row = decode_json(first + "".join(line for _, line in rest))
        lines = iter(rest if row is None else ())
    items = _unwrapped(row)
    if number and items == [row]:
        yield f"line {number}", row
    elif number:
        yield from ((f"item {place}", item) for place, item in enumerate(items, 1))
    yield from ((f"line {place}", decode_json(line)) for place, line in lines)


def _unwrapped(value: Any) -> list[Any]:
    """Return the rows in a JSON value: the items of a list or those that an API's reply lists, else the value."""
    if isinstance(value, dict) and "id" not in value and exports.detect(value) is None:
        for key in _LISTS:
            if isinstance(value.get(key), list):
                return list(value[key])
    return value if isinstance(value, list) else [value]


def plain(value: Any) -> Any:
    """Return a Parquet value as JSON: times as strings, and without empty values."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if isinstance(value, float) and math.isnan(value) else value
