"""Export of a list as a file: JSON lines, CSV, Parquet or a vcrpy cassette."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autolog._display import cassettes, files
from autolog._record.record import Record
from autolog.dialects._fault import Fault
from autolog.server._call import Reply
from autolog.server.dashboard._page import HEADERS, PageRequest
from autolog.server.dashboard.filters import LOGS, TRACES, read_filters
from autolog.stores.query import Query

#: The file formats: extension, media type and label.
FORMS = {
    "csv": ("csv", "text/csv; charset=utf-8", "CSV for a spreadsheet"),
    "jsonl": ("jsonl", "application/jsonl", "JSON lines with everything"),
    "parquet": ("parquet", "application/vnd.apache.parquet", "Parquet with everything"),
    "vcr": ("yaml", "application/yaml", "VCR cassette"),
}
_WRITERS: dict[str, Callable[..., Any]] = {
    "csv": files.write_csv, "jsonl": files.write_lines, "vcr": cassettes.write_cassette,
}  # fmt: skip
#: The size of the pieces in which a file is sent, in bytes.
PIECE = 256 * 1024
#: What exports leave free of the disk with the temporary files: this many bytes, of a small disk only this share.
RESERVE, RESERVED_SHARE = 1024**3, 0.05


def offered_forms() -> dict[str, tuple[str, str, str]]:
    """Return the formats that this server can write: Parquet only with pyarrow."""
    return {form: of for form, of in FORMS.items() if form != "parquet" or find_spec("pyarrow") is not None}


def export(request: PageRequest) -> Reply:
    """Send all records that match the filters as a file, oldest first, without a limit.

    The export is written to a temporary file first, so that an error results in an error page, not a truncated file.
    """
    form = request.parameter("form")
    if form not in FORMS:
        raise Fault(400, f"form: {form[:50]!r} is not one of {', '.join(FORMS)}")
    pairs = [pair for pair in request.call.query if pair[0] != "form"]
    roots = request.parameter("step") == "traces"
    path = TRACES if roots else LOGS
    filters = read_filters(pairs, request.project, request.frame.zone_name, path, request.store)
    folder, file = _export(request, replace(filters.query, past=None), form)
    ending, kind, _ = FORMS[form]
    headers = {**HEADERS, "content-disposition": f'attachment; filename="autolog.{ending}"'}
    return Reply(200, _pieces(folder, file), kind, headers)


def _export(request: PageRequest, query: Query, form: str) -> tuple[tempfile.TemporaryDirectory[str], Path]:
    """Write the export; return it with its temporary folder.

    Raises:
        Fault: 501, if pyarrow is missing; 507, if the server cannot write temporary files.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="autolog-")
        try:
            _write(request, query, form, file := Path(folder.name) / "export")
        except BaseException:
            folder.cleanup()
            raise
    except ImportError as error:
        raise Fault(501, "Parquet needs pyarrow on the server: pip install 'autolog-llm[parquet]'") from error
    except OSError as error:
        raise Fault(
            507,
            f"the server cannot write the export: {error.strerror}; its TMPDIR has to name a folder with room for it",
        ) from error
    return folder, file


def _write(request: PageRequest, query: Query, form: str, path: Path) -> None:
    records = _while_there_is_room(request.store.scan(query), path.parent)
    if form == "parquet":
        files.write_parquet(records, path)
        return
    with path.open("w", encoding="utf-8", newline="" if form == "csv" else None) as file:
        _WRITERS[form](records, file)


def _while_there_is_room(records: Iterator[Record], folder: Path) -> Iterator[Record]:
    """Yield records until the disk is nearly full, because the store, which may be on it, needs the rest.

    Raises:
        OSError: ENOSPC, when that is so.
    """
    for record in records:
        usage = shutil.disk_usage(folder)
        if usage.free < min(RESERVE, usage.total * RESERVED_SHARE):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield record


def _pieces(folder: tempfile.TemporaryDirectory[str], path: Path) -> Iterator[bytes]:
    with folder, path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
