"""Helpers shared by our SQLite files (stores and journals): errors, transactions, and detection of replaced files."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, TypeAlias

from autolog._lifecycle import after_fork_in_child, before_closing_range, in_c_library, start_over_if_forked
from autolog._native import sleep
from autolog.errors import StoreError, StoreFull, StoreUnavailable

#: The device and inode number of a file, which tell it from a later file of the same name; None if there is no file.
Identity: TypeAlias = "tuple[int, int] | None"


class Connection(sqlite3.Connection):
    """A connection that is closed with its last reference, such as that of a thread; Python 3.13 would warn.

    It supports weak references, so that its own SQL functions can refer to it without a cycle.
    """

    def __init__(self, database: str | os.PathLike[str], *args: Any, **options: Any) -> None:
        start_over_if_forked()  # which closes the parent's connections, before this one counts their locks as its own
        super().__init__(database, *args, **options)
        if database != ":memory:":
            before_closing_range(_close_before_the_program)
            for known in [known for known in _to_files if known() is None]:
                with contextlib.suppress(ValueError):  # another thread has removed it
                    _to_files.remove(known)
            _to_files.append(weakref.ref(self))

    if sys.version_info >= (3, 13):  # an exception that a signal handler raises in here is lost

        def __del__(self) -> None:
            with contextlib.suppress(sqlite3.Error):  # it was not opened at all
                self.close()


#: The connections to files. They have no callbacks, in which an exception that a signal handler raises would be lost.
_to_files: list[weakref.ref[Connection]] = []
#: The inherited connections that could not be closed, and must not be closed later either.
_inherited: list[Connection] = []


@after_fork_in_child
def _close_inherited() -> None:
    """Close the parent's connections in a forked child, so that the child's own ones get locks.

    SQLite counts the locks of a process on a file in memory, which a child inherits, unlike the locks themselves. While
    it has a connection of its parent's, those that it opens take the parent's locks for theirs. Once the parent has
    ended, the next process to open the file would believe itself alone, empty the index that the child has mapped into
    its memory (which kills it), and delete the log that the child goes on writing to.
    """
    for db in [db for known in _to_files if (db := known()) is not None]:
        with contextlib.suppress(sqlite3.ProgrammingError):  # it has been closed already
            if db.in_transaction or not in_c_library.was_empty:  # closing it would change the file, or wait for ever
                _inherited.append(db)
            else:
                forgo_last_checkpoint(db)
                db.close()


#: How often our connections have been closed because the program was about to close their descriptors.
_closings = 0


def age() -> tuple[int, int]:
    """Return what changes when connections must be opened anew: in a forked child, and once they are closed."""
    return os.getpid(), _closings


def _close_before_the_program() -> None:
    """Close all connections before the program closes a range of descriptors, as it does to become a daemon.

    SQLite would not notice, and would go on writing to whichever files of the program get the same numbers.
    """
    global _closings
    _closings += 1
    for db in [db for known in _to_files if (db := known()) is not None]:
        with contextlib.suppress(sqlite3.Error):
            db.close()


def forgo_last_checkpoint(db: sqlite3.Connection) -> None:
    """Let a connection's closing copy nothing from the write-ahead log into the file.

    The next connection reads the log from its beginning up to any damage.
    """
    if sys.version_info >= (3, 12):
        db.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE)
    else:
        db.interrupt()  # nothing runs now, so this concerns the checkpoint


class Damaged(StoreError):  # noqa: N818 - it says what the file is
    """A file that is partly unreadable."""


class Replaced(StoreUnavailable):
    """A file that was deleted or replaced while it was open; a retry writes to the new file."""


class translated:  # noqa: N801 - reads as a statement
    """A block that turns SQLite errors into `StoreError`, and during which this process does not fork.

    `url` is the store's, for the error message.
    """

    __slots__ = ("url",)

    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> None:
        in_c_library.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        in_c_library.__exit__()
        if isinstance(error, sqlite3.Error) and not _is_of_values(error):
            raise _translate(self.url, error) from error


def _is_of_values(error: sqlite3.Error) -> bool:
    """Return whether an error is about the values to be written, and not about the file: they will be refused again."""
    name = getattr(error, "sqlite_errorname", "") or ""
    return "binding parameter" in str(error) or name.startswith(("SQLITE_TOOBIG", "SQLITE_CONSTRAINT_NOTNULL"))


def _translate(url: str, error: sqlite3.Error) -> StoreError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_NOTADB"):
        return StoreError(url, "the file is not a SQLite database; choose another path")
    if name.startswith("SQLITE_CORRUPT"):
        return Damaged(url, f"the file is damaged ({error}); move it away and a new one will be created")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return StoreError(url, f"cannot be written ({error}); check the path and its permissions")
    if name.startswith("SQLITE_FULL"):
        return StoreFull(url, f"{error}")
    if name == "SQLITE_IOERR_SHMSIZE":  # the index of the write-ahead log, without which nothing can be read either
        return StoreFull(url, f"database or disk is full ({error})")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR")):
        return StoreUnavailable(url, f"{error}")
    return StoreError(url, f"{error}")


class Trace(NamedTuple):
    """What shows that a file has been changed, and by whom: its identity, size in bytes and time of change in ns."""

    identity: tuple[int, int]
    size: int
    changed_at: int


class Traces(NamedTuple):
    """The traces of a database and of its write-ahead log; None if there is no such file.

    SQLite does not look at its files again while it has their pages in memory: it goes on writing to a log that has
    been deleted, and after pages that are no longer there.
    """

    database: Trace | None
    log: Trace | None

    @classmethod
    def of(cls, path: Path) -> Traces:
        """Return the traces of the files that are there now."""
        name = os.fspath(path)
        return cls(_trace_of(name), _trace_of(name + "-wal"))

    @property
    def identity(self) -> Identity:
        """The identity of the database, as of `identity_of`."""
        return self.database.identity if self.database is not None and self.database.size else None

    def keep_log_of(self, earlier: Traces) -> bool:
        """Return whether the log is still the same file, and no shorter: SQLite itself shortens it very rarely."""
        if self.log is None or earlier.log is None:
            return earlier.log is None
        return self.log.identity == earlier.log.identity and self.log.size >= earlier.log.size


def _trace_of(name: str) -> Trace | None:
    try:
        found = os.stat(name)  # noqa: PTH116 - takes half as long, and runs four times in each transaction
    except OSError:
        return None
    return Trace((found.st_dev, found.st_ino), found.st_size, found.st_mtime_ns)


def identity_of(path: Path) -> Identity:
    """Return the identity of the file that is at `path` now; None if there is none, or if it has been emptied.

    A database of SQLite's is never empty once it has been opened for writing: its first page is in the file itself.
    """
    found = _trace_of(os.fspath(path))
    return found.identity if found is not None and found.size else None


def remove_emptied(path: Path, identity: Identity) -> None:
    """Remove a database that was opened, with this identity, and has been emptied since, and what belongs to it.

    Connections of other threads and processes hold locks on it for as long as they are open, which keep SQLite from
    making a database of it. A new file takes its place instead, and they find that theirs has been deleted.
    """
    found = _trace_of(os.fspath(path))
    if found is None or found.size or found.identity != identity:
        return
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            os.unlink(f"{path}{suffix}")  # noqa: PTH108 - the suffix follows the whole name


def check_is_file(path: Path, url: str) -> None:
    """Check that nothing but a file is at `path`: opening a pipe would wait for its reader.

    Raises:
        StoreError: if there is a folder, pipe, socket or device.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # there is nothing yet, or opening it will say why it cannot be reached
    if not stat.S_ISREG(mode):
        raise StoreError(url, "this is not a file; choose another path")


def use_write_ahead_log(db: sqlite3.Connection, patience: float = 10.0) -> None:
    """Switch a database to a write-ahead log, which it keeps.

    While several connections open a new file, each may find it locked, and SQLite does not wait then, whatever the
    connection's timeout: it would be a deadlock if the others waited too.

    Args:
        patience: how long to try, in seconds.

    Raises:
        sqlite3.OperationalError: if the file stays locked, or cannot be written.
    """
    deadline = monotonic() + patience
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or monotonic() > deadline:
                raise
            sleep(0.002)
        else:
            return


@contextlib.contextmanager
def immediate(db: sqlite3.Connection) -> Iterator[None]:
    """Run the block in one write transaction: all of its changes are kept, or none. Waits for other writers first."""
    if db.in_transaction:  # a signal handler raised between BEGIN and the block below
        db.execute("ROLLBACK")
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
