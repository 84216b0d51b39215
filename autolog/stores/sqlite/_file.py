"""The file of a SQLite store: its connections, and the transactions on them.

One connection writes, under a lock, in WAL mode; every reading thread has its own. Several processes may share the
file, and wait for SQLite's lock. Connections are reopened after a fork, and if the file has been deleted or replaced;
later writes then go into the new file. The writing connection is also reopened if the file or its write-ahead log was
changed by anything but a transaction, so that it finds damage and does not write after pages that are gone.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autolog._folders import absolute, make_folder, make_private
from autolog._lifecycle import lock_for
from autolog._native import RLock, get_ident
from autolog._sqlite import (
    Connection,
    Damaged,
    Traces,
    age,
    check_is_file,
    forgo_last_checkpoint,
    identity_of,
    remove_emptied,
    translated,
)
from autolog.errors import StoreError, StoreFull, StoreUnavailable
from autolog.stores.sqlite import _rollup, _upgrade
from autolog.stores.sqlite._bodies import Bodies
from autolog.stores.sqlite._rollup import Rollups
from autolog.stores.sqlite._where import text_has

#: Seconds to wait for another process to finish writing.
BUSY_TIMEOUT = 10.0
#: The number of pages (16 MB) at which the write-ahead log is copied into the file. A page changed by many transactions
#: is then copied once, which makes a transaction of 32 records a tenth cheaper than with SQLite's default of 1,000.
CHECKPOINT_PAGES = 4_000


class SQLiteFile:
    """The connections to the file of a store, for any thread and across forks.

    Attributes:
        bodies: compresses and decompresses bodies.
        rollups: gathers a transaction's changes to the sums.
        newest: the sequence number of the last record written.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.path = path_of(url)
        self.bodies = Bodies()
        self.rollups = Rollups()
        self.newest = 0
        self._lock = lock_for(self, RLock)
        self._local = threading.local()
        self._depth = self._owner = 0
        self._opened = False
        self._open()

    # Opening

    def _open(self) -> None:
        """Open the writing connection, creating the file or bringing it up to date."""
        try:
            make_folder(self.path.parent)
        except OSError as error:
            raise StoreError(self.url, f"cannot create the folder {self.path.parent}: {error.strerror}") from error
        check_is_file(self.path, self.url)
        with contextlib.suppress(OSError):  # if that fails, SQLite reports why
            make_private(self.path)
        self._age, self._depth, self._opened = age(), 0, False
        self._writer = self._connect()
        try:
            with self.translated():
                _upgrade.bring_up_to_date(self._writer, self.url)
                self.bodies.load(self._writer)
                self._version = _version_of(self._writer)
        except BaseException:  # also a signal handler's: an open transaction would lock the file for the next attempt
            self._writer.close()
            raise
        self._traces, self._opened = Traces.of(self.path), True
        self._identity = self._traces.identity

    def _connect(self) -> sqlite3.Connection:
        with self.translated():
            db = sqlite3.connect(
                self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, factory=Connection
            )
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            db.create_function("body_has", 3, functools.partial(self.bodies.has, weakref.ref(db)), deterministic=True)
            _rollup.prepare(db)
            db.create_function("text_has", 2, text_has, deterministic=True)
        return db

    def _follow(self) -> None:
        """Reopen the file if it has been replaced or deleted, or could not be opened the last time."""
        if self._is_elsewhere():
            with self._lock:
                if self._depth == 0 and self._is_elsewhere():
                    self._reopen()

    def _is_elsewhere(self) -> bool:
        return not self._opened or identity_of(self.path) != self._identity

    def _reopen(self) -> None:
        self._opened = False
        self._writer.close()  # the last connection saves what is in the write-ahead log
        remove_emptied(self.path, self._identity)
        self.rollups, self.newest = Rollups(), 0
        self.bodies.start_over()
        self._open()

    def _begin(self) -> sqlite3.Connection:
        """Begin a transaction; return its connection, which is a new one if the files were changed from outside."""
        self._follow()
        if self._writer.in_transaction:  # a signal handler raised after the last BEGIN
            self._writer.execute("ROLLBACK")
        self._writer.execute("BEGIN IMMEDIATE")
        if self._is_changed_from_outside():
            self._writer.execute("ROLLBACK")
            if self._traces.log is not None and Traces.of(self.path).log is None:
                with contextlib.suppress(sqlite3.Error):  # save what only the deleted log contains
                    self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
            forgo_last_checkpoint(self._writer)  # the log may be damaged
            self._reopen()
            self._writer.execute("BEGIN IMMEDIATE")
        return self._writer

    def _is_changed_from_outside(self) -> bool:
        """Return whether the files have changed since the last transaction otherwise than by one of another connection.

        That includes the checkpoint of another process, after which the file is reopened in vain.
        """
        now = Traces.of(self.path)
        if now == self._traces:
            return False
        version = _version_of(self._writer)
        if now.database != self._traces.database or not now.keep_log_of(self._traces) or version == self._version:
            return True
        self._traces, self._version = now, version
        return False

    def _check_kept(self) -> None:
        """Check that the files are those to which a transaction has been written.

        Raises:
            StoreUnavailable: if they are not, so that it is written again.
        """
        now = Traces.of(self.path)
        if now.identity != self._identity or not now.keep_log_of(self._traces):
            raise StoreUnavailable(self.url, "the file was deleted or replaced while it was being written")
        self._traces = now

    def translated(self) -> translated:
        """Return a block that turns SQLite errors into `StoreError`."""
        return translated(self.url)

    # Connections

    @property
    def writer(self) -> sqlite3.Connection:
        """The connection for changes, for use inside a transaction only."""
        return self._writer

    @property
    def reader(self) -> sqlite3.Connection:
        """This thread's connection; inside a transaction, the one that sees the transaction's changes."""
        if self.inside:
            return self._writer
        self._follow()
        if getattr(self._local, "opened", None) != (age(), self._identity):
            self._local.opened = age(), self._identity
            self._local.db = self._connect()
        db: sqlite3.Connection = self._local.db
        return db

    @contextmanager
    def reading(self) -> Iterator[Callable[[], None]]:
        """Provide a function by which another thread ends what this one reads in the block."""
        own, lock = vars(self._local), threading.Lock()  # this thread's connection, also if it is opened again
        reads, ended = True, False

        def end() -> None:
            nonlocal ended
            with lock, contextlib.suppress(sqlite3.ProgrammingError):  # it has been closed
                if reads and "db" in own:
                    ended = True
                    own["db"].interrupt()

        try:
            yield end
        finally:
            with lock:
                reads = False
            if ended:  # the next statement would be ended, too, if one of those before has not been closed
                own.pop("db").close()
                own["opened"] = None

    @property
    def inside(self) -> bool:
        """Whether this thread is in a transaction."""
        return self._depth > 0 and self._owner == get_ident()

    # Changes

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction: all of its changes are kept, or none. A nested one can fail on its own."""
        with self._lock, self.translated():
            if self._age != age():
                self._age, self._writer, self._depth = age(), self._connect(), 0
                self._traces, self._version = Traces.of(self.path), _version_of(self._writer)
                self.rollups = Rollups()
            inner = self._depth > 0
            if inner and not self._writer.in_transaction:  # SQLite rolled everything back, for a full disk
                raise StoreUnavailable(self.url, "the transaction that this was part of has failed")
            db = self._writer if inner else self._begin()
            if inner:
                db.execute("SAVEPOINT change")
            self._depth += 1
            self._owner = get_ident()
            try:
                yield from self._keep_or_take_back(db, inner)
            finally:
                self._depth -= 1
            if not inner:
                self.bodies.make_dictionary(db, self.newest)  # after the commit, which need not wait for it
                self._check_kept()

    def _keep_or_take_back(self, db: sqlite3.Connection, inner: bool) -> Iterator[None]:
        self.rollups.begin()
        ended = False
        try:
            yield
            ended = True
            if not db.in_transaction:
                self.rollups.abandon()
                raise StoreUnavailable(
                    self.url, "part of the transaction has failed, and with it the whole transaction"
                )
            self.rollups.end(db)
            db.execute("RELEASE change" if inner else "COMMIT")
        except BaseException:
            if not ended:
                self.rollups.abandon()
            if db.in_transaction:
                db.execute("ROLLBACK TO change" if inner else "ROLLBACK")
                if inner:
                    db.execute("RELEASE change")
            raise

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Provide the connection for a change, in the current transaction or else in one of its own."""
        if self.inside:
            with self.translated():
                yield self._writer
        else:
            with self.transaction():
                yield self._writer

    # The file as a whole

    def size(self) -> int:
        """Return the size of the file's content, in bytes."""
        with self.translated():
            db = self.reader
            pages, free, page = (
                int(db.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_count", "freelist_count", "page_size")
            )
        return (pages - free) * page

    def compact(self) -> None:
        """Shrink the file, during which writers wait."""
        with self._lock, self.translated():
            self._writer.execute("VACUUM")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def backup(self, target: Path) -> None:
        """Write a copy of everything committed to a new file.

        Raises:
            StoreError: if the copy cannot be written, or is damaged.
        """
        try:
            make_private(target)
        except OSError as error:
            raise StoreError(str(target), f"cannot be written: {error.strerror}") from error
        with translated(str(target)), contextlib.closing(sqlite3.connect(target)) as copy:
            try:
                with self.translated():
                    self.reader.backup(copy)  # in one step, as several would start over after every write
            except StoreFull as error:  # the copy's disk: nothing else is written
                raise StoreFull(str(target), error.problem) from error
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            copy.execute("PRAGMA journal_mode = DELETE")  # a single file, without a log next to it
        if found != "ok":
            raise StoreError(self.url, f"the copy is damaged, and so is the store: {found}")

    def damage(self, seconds: float) -> str | None:
        """Return the first damage of the file's structure that is found within `seconds`; None if there is none.

        Raises:
            StoreError: if the file cannot be checked.
        """
        try:
            with self.translated(), contextlib.closing(self._connect()) as db:
                return _damage(db, seconds)
        except Damaged as error:
            return str(error.__cause__)

    def close(self) -> None:
        """Close this thread's connections."""
        with self._lock:
            if self._age == age():
                self._writer.close()
            reader = getattr(self._local, "db", None)
            if reader is not None and self._local.opened[0] == age():
                reader.close()
                self._local.opened = None


def _damage(db: sqlite3.Connection, seconds: float) -> str | None:
    timer = threading.Timer(seconds, db.interrupt)
    timer.daemon = True
    timer.start()
    try:
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_INTERRUPT":
            raise
        return None
    finally:
        timer.cancel()
        timer.join()  # before the connection is closed
    return None if found == "ok" else str(found)


def _version_of(db: sqlite3.Connection) -> int:
    """Return a number that changes with each transaction of another connection."""
    (version,) = db.execute("PRAGMA data_version").fetchone()
    return int(version)


def path_of(url: str) -> Path:
    """Return the path in a store's URL.

    Raises:
        StoreError: if the URL is not of the form sqlite:///PATH.
    """
    name = url.removeprefix("sqlite:///")
    if not url.startswith("sqlite:///") or not name:
        raise StoreError(url, "write sqlite:///relative.db or sqlite:////absolute.db")
    return absolute(Path(name))
