"""The SQLite file of a journal: private to the user, shared by threads and processes, and repaired when damaged."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from time import time

from autolog._folders import NAME, absolute, fallback_folder, make_folder, make_private
from autolog._native import RLock
from autolog._sqlite import (
    Connection,
    Damaged,
    Identity,
    Replaced,
    age,
    check_is_file,
    identity_of,
    immediate,
    remove_emptied,
    translated,
    use_write_ahead_log,
)
from autolog.errors import StoreError

#: Seconds to wait for another process to finish writing.
BUSY_TIMEOUT = 1.0
#: The schema version, and SQLite's application id of our files. Other programs' files, and newer ones, are left alone.
VERSION, APPLICATION_ID = 1, 0x616C6F6A  # "aloj"


class JournalFile:
    """The connections to a journal's file: one per thread, reopened after a fork and when the file is replaced.

    Args:
        path: the file.
        spare: use a file in the temporary folder while the path's folder cannot be written, and move its entries home
            once it can be.
    """

    def __init__(self, path: Path, spare: bool) -> None:
        self.path = self._wanted = absolute(path)
        self._spare = spare
        self._local = threading.local()
        self._busy_timeout = BUSY_TIMEOUT
        self._repairing = RLock()
        self._damaged: Identity = None

    def exists(self) -> bool:
        """Return whether there is a file, at the requested path or in the temporary folder."""
        return self.path.exists() or (self._spare and (path := self._fallback("journal")) is not None and path.exists())

    def _fallback(self, kind: str, make: bool = False) -> Path | None:
        """Return a file's path in the temporary folder, used if its own folder cannot be written; None if unusable.

        It is not shared with programs that use another journal: neither its losses nor its entries for a store concern
        them. With `make`, the folder is created.
        """
        digest = hashlib.sha256(os.fsencode(self._wanted)).hexdigest()[:12]
        try:
            return fallback_folder(make) / f"{kind}-{digest}.db"
        except OSError:
            return None

    def loss_files(self, make: bool = False) -> Iterator[JournalFile]:
        """Yield the files for losses: this one, and one in the temporary folder for when this one cannot be written."""
        yield self._for_losses(self._wanted)
        if spare := self._fallback("losses", make):
            yield self._for_losses(spare)

    def _for_losses(self, path: Path) -> JournalFile:
        file = JournalFile(path, spare=False)
        file._busy_timeout = self._busy_timeout
        return file

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Provide this thread's connection.

        Raises:
            StoreError: if the file cannot be opened or read; `Damaged` if `repair` may help.
        """
        found = identity_of(self.path)
        try:
            with _translated(self.path):
                yield self._connection()
        except Damaged:
            self._damaged = found
            raise

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Provide this thread's connection in a write transaction, which is rolled back if the block raises.

        Raises:
            StoreError: if the file cannot be opened or written; `Damaged` if `repair` may help, `Replaced` if a retry
                may.
        """
        with self.reading() as db:
            with immediate(db):
                yield db
            if identity_of(self.path) != self._local.opened[1]:
                raise Replaced(str(self.path), "the file was deleted or replaced while it was being written")

    def wait_up_to(self, seconds: float) -> None:
        """Set how many seconds each operation waits for other processes to finish writing."""
        self._busy_timeout = seconds
        with contextlib.suppress(StoreError), self.reading() as db:
            db.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    def shrink(self) -> None:
        """Return free space to the file system."""
        with self.reading() as db:
            db.execute("PRAGMA incremental_vacuum")
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    # Opening

    def _connection(self) -> sqlite3.Connection:
        opened = getattr(self._local, "opened", (None, None))
        if opened != (age(), identity_of(self.path)):
            before = getattr(self._local, "db", None)
            if before is not None and opened[0] == age():
                before.close()
            else:
                self._local.inherited = before  # must not be closed in a forked child
            self._local.opened = (None, None)
            remove_emptied(self.path, opened[1])
            self._local.db = self._open()
            self._local.opened = (age(), identity_of(self.path))
        db: sqlite3.Connection = self._local.db
        return db

    def _open(self) -> sqlite3.Connection:
        waited = self._repairing.acquire(timeout=self._busy_timeout)  # in vain, if a fork took the thread holding it
        try:
            return self._connect_somewhere()
        finally:
            if waited:
                self._repairing.release()

    def _connect_somewhere(self) -> sqlite3.Connection:
        try:
            db = self._connect(self.path)
        except Damaged:
            raise
        except (OSError, StoreError) as error:
            if getattr(error.__cause__, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                raise  # another process is writing: the next attempt will succeed
            spare = self._fallback("journal", make=True) if self._spare else None
            if spare is None:
                raise error if isinstance(error, StoreError) else StoreError(str(self.path), str(error)) from error
            self.path, self._spare = spare, False
            return self._connect(spare)
        if self._spare and (spare := self._fallback("journal")) is not None and spare.exists():
            with contextlib.suppress(StoreError):  # the entries stay there until this file is opened again
                _move(JournalFile(spare, spare=False), db)
        return db

    def _connect(self, path: Path) -> sqlite3.Connection:
        make_folder(path.parent)
        check_is_file(path, str(path))
        make_private(path)
        with _translated(path):
            return self._prepared(path)

    def _prepared(self, path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(
            path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False, factory=Connection
        )
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            use_write_ahead_log(db, self._busy_timeout)
            with immediate(db):
                if db.execute("PRAGMA user_version").fetchone()[0] == 0:  # unless another process was faster
                    _create_tables(db)
        if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise StoreError(str(path), "this file is another program's database; choose another path")
        if db.execute("PRAGMA user_version").fetchone()[0] > VERSION:
            raise StoreError(str(path), "this journal was written by a newer autolog: pip install -U autolog-llm")
        db.execute("PRAGMA synchronous = NORMAL")
        return db

    # Repair

    def repair(self) -> int | None:
        """Rename the damaged file to `*.damaged`, and copy the entries that can still be read into a new file.

        Returns:
            The number of entries that could not be read; None if another thread or process has repaired the file.

        Raises:
            StoreError: if the file cannot be renamed, or the new file cannot be written.
        """
        with self._repairing:
            if self._damaged is None or identity_of(self.path) != self._damaged:
                return None
            self._damaged = None
            aside = self.path.with_name(f"{self.path.name}.damaged")
            try:
                for suffix in ("-wal", "-shm", ""):  # another process may see an older state, or none
                    with contextlib.suppress(FileNotFoundError):
                        Path(f"{self.path}{suffix}").replace(f"{aside}{suffix}")
            except OSError as error:
                raise StoreError(str(self.path), f"is damaged, and cannot be renamed: {error.strerror}") from error
            return self._copy_from(aside)

    def _copy_from(self, aside: Path) -> int:
        with translated(str(aside)), contextlib.closing(sqlite3.connect(aside, isolation_level=None)) as damaged:
            expected, rows = _readable(damaged)
        with self.transaction() as db:
            db.executemany("INSERT OR IGNORE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        return max(0, expected - len(rows))


def _move(source: JournalFile, target: sqlite3.Connection) -> None:
    """Move the entries of a file that no process holds a claim on into another, some at a time.

    Raises:
        StoreError: if either cannot be written. An entry may then be in both, and is sent twice.
    """
    moved = -1
    while moved:
        with source.transaction() as db:
            rows = db.execute(
                "SELECT n, target, at, size, data, NULL, 0 FROM entry WHERE owner IS NULL OR until < ?"
                " ORDER BY n LIMIT 100",
                (time(),),
            ).fetchall()
            with _translated(source.path), immediate(target):
                target.executemany(
                    "INSERT INTO entry (target, at, size, data, owner, until) VALUES (?, ?, ?, ?, ?, ?)",
                    [row[1:] for row in rows],
                )
            db.executemany("DELETE FROM entry WHERE n = ?", [row[:1] for row in rows])
        moved = len(rows)
    source.shrink()


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors in the block into `StoreError`, and into `Damaged` if `repair` may help."""
    try:
        with translated(str(path)):
            yield
    except StoreError as error:
        if getattr(error.__cause__, "sqlite_errorname", "") == "SQLITE_NOTADB" and path.parent.name == NAME:
            raise Damaged(str(path), "the file is damaged") from error  # in our folder it can only be a journal
        raise


def _readable(db: sqlite3.Connection) -> tuple[int, list[tuple[object, ...]]]:
    """Return the number of entries that a damaged file had (an estimate, at least 1), and the readable rows.

    The rows are returned unclaimed, because their claims may be as unreliable as the rest of the file.
    """
    numbers: set[int] = set()
    orders = ("INDEXED BY entry_target", "INDEXED BY entry_at", "NOT INDEXED ORDER BY n", "NOT INDEXED ORDER BY n DESC")
    for order in orders:  # each reads another B-tree, or the same one from its other end
        with contextlib.suppress(sqlite3.Error):
            numbers.update(n for (n,) in db.execute(f"SELECT n FROM entry {order}"))  # noqa: S608 - our own words
    rows: list[tuple[object, ...]] = []
    for n in sorted(numbers):
        with contextlib.suppress(sqlite3.Error):
            rows += db.execute("SELECT n, target, at, size, data, NULL, 0 FROM entry WHERE n = ?", (n,))
    expected = max(1, len(numbers))
    with contextlib.suppress(sqlite3.Error):
        expected = max(len(numbers), *db.execute("SELECT records FROM total").fetchone())
    return expected, rows


def _create_tables(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("""
        CREATE TABLE entry (
            n INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, at REAL NOT NULL, size INTEGER NOT NULL,
            data BLOB NOT NULL, owner TEXT, until REAL NOT NULL)""")
    # Start numbering at the current time: a process that claimed entries of a deleted file would otherwise remove
    # entries with the same numbers from this one.
    db.execute("INSERT INTO sqlite_sequence VALUES ('entry', ?)", (int(time() * 1000),))
    db.execute("CREATE INDEX entry_target ON entry (target, n)")
    db.execute("CREATE INDEX entry_at ON entry (at)")
    db.execute("CREATE INDEX entry_owner ON entry (target, owner) WHERE owner IS NOT NULL")
    db.execute("CREATE TABLE total (records INTEGER, bytes INTEGER)")
    db.execute("INSERT INTO total VALUES (0, 0)")
    for event, row, sign in (("INSERT", "new", "+"), ("DELETE", "old", "-")):
        db.execute(f"""
            CREATE TRIGGER total_{event} AFTER {event} ON entry BEGIN
                UPDATE total SET records = records {sign} 1, bytes = bytes {sign} {row}.size;
            END""")  # noqa: S608 - all our own words
    db.execute("CREATE TABLE loss (at TEXT, pid INTEGER, reason TEXT, count INTEGER)")
