"""SQLite's errors as ours."""

from __future__ import annotations

import sqlite3

from autolog.errors import StoreError, StoreFull, StoreUnavailable


class translated:  # noqa: N801 - reads as a statement
    """A block whose SQLite errors come out as `StoreError`; `url` says of which store."""

    __slots__ = ("url",)

    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise _translate(self.url, error) from error


def _translate(url: str, error: sqlite3.Error) -> StoreError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_NOTADB"):
        return StoreError(url, "the file is not a SQLite database; choose another path")
    if name.startswith("SQLITE_CORRUPT"):
        return StoreError(url, f"the file is damaged ({error}); move it away and a new one will be made")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return StoreError(url, f"cannot be written ({error}); check the path and its permissions")
    if name.startswith("SQLITE_FULL"):
        return StoreFull(url, f"{error}")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR")):
        return StoreUnavailable(url, f"{error}")
    return StoreError(url, f"{error}")
