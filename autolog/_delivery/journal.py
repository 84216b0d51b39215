"""The journal: records that could not be delivered, on local disk, until some process can deliver them.

One SQLite file for all programs that share a folder. An entry is one record for one target; whoever ships to that
target takes entries (`claim`), sends them and removes them. A claim is void when its process is gone, or after
`LEASE` seconds, so that nothing is stuck; two may then send the same record, which a backend that knows records by
their id keeps once. The journal is bounded by size and by age: the oldest are shed, and counted.

Nothing here is synced to the disk for each record: the journal survives its process, however that ends, and is not
damaged by a power cut, which may cost the last entries.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import msgspec

from autolog._config import DEFAULT_JOURNAL, Config
from autolog._folders import make_folder, spare_folder
from autolog._ids import new_span
from autolog.errors import StoreError, shown

if TYPE_CHECKING:
    import sqlite3

    from autolog._record.record import Record
    from autolog._sqlite import translated

#: How long an entry that a process has taken belongs to it at most, in seconds.
LEASE = 120.0
#: How long to wait for another process that writes, in seconds.
BUSY_TIMEOUT = 1.0
#: Changes in the file's shape; another program's file, or a newer one, is left alone.
VERSION, APPLICATION_ID = 1, 0x616C6F6A  # "aloj"

#: This process, told from an earlier one with the same number; new in a forked child.
_token = f"{new_span():016x}"


def _after_fork_in_child() -> None:
    global _token
    _token = f"{new_span():016x}"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


# Every program that ships has a journal, and few ever open theirs: what only that needs is imported then.


def _translated(path: Path) -> translated:
    from autolog._sqlite import translated

    return translated(str(path))


@functools.cache
def _codec() -> tuple[Callable[[Record], bytes], Callable[[bytes], Record]]:
    """From a record to an entry's data, and back."""
    from autolog._record.record import Record, pack
    from autolog._zstd import zstd

    decode = msgspec.msgpack.Decoder(list[Record]).decode

    def unpack(data: bytes) -> Record:
        try:
            return decode(zstd.decompress(data))[0]
        except zstd.ZstdError as error:
            raise msgspec.DecodeError(str(error)) from error

    return lambda record: zstd.compress(pack([record]), 1), unpack


class Waiting(msgspec.Struct, frozen=True):
    """What waits for one target: how many records, how many bytes, since when."""

    target: str
    records: int
    bytes: int
    oldest: datetime | None


class Journal:
    """The part of a journal file that is for one target.

    Args:
        path: the file; if its folder cannot be written and `spare` is allowed, one among the temporary files instead.
        target: where its records are to go, as a text that tells targets apart.
        max_bytes: how large all entries of the file may be together. max_age: how old, in seconds.
    """

    def __init__(self, path: Path, target: str, max_bytes: int, max_age: float, spare: bool = False) -> None:
        self.path = path.absolute()
        self.target = target
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._spare = spare
        self._local = threading.local()
        self._patience = BUSY_TIMEOUT
        self._shed: Counter[str] = Counter()

    def exists(self) -> bool:
        """Whether there is a file, here or in the spare place."""
        return self.path.exists() or (self._spare and self._spare_path() is not None)

    # Writing

    def add(self, records: Sequence[Record], held: bool = False) -> list[int]:
        """Keep records; with `held` they are this process's to deliver, until it releases them or ends.

        Returns their places.

        Raises:
            StoreError: the file cannot be written.
        """
        pack, _ = _codec()
        packed = [pack(record) for record in records]
        now = time()
        owner, until = (_owner(), now + LEASE) if held else (None, 0.0)
        with self._transaction() as db:
            places = [
                int(db.execute(
                    "INSERT INTO entry (target, at, size, data, owner, until) VALUES (?, ?, ?, ?, ?, ?)",
                    (self.target, now, len(data), data, owner, until),
                ).lastrowid or 0)
                for data in packed
            ]  # fmt: skip
            self._shed_surplus(db, now)
        return places

    def claim(self, limit: int) -> list[tuple[Record, int | None]]:
        """Take the oldest entries that are nobody's: records and their places.

        Raises:
            StoreError: the file cannot be read or written.
        """
        if not self.exists():
            return []
        now = time()
        with self._transaction() as db:
            self._shed_surplus(db, now)
            owners = db.execute(
                "SELECT DISTINCT owner FROM entry WHERE target = ? AND owner IS NOT NULL AND until >= ?",
                (self.target, now),
            )
            for owner in [name for (name,) in owners if not _alive(name)]:
                db.execute("UPDATE entry SET owner = NULL WHERE target = ? AND owner = ?", (self.target, owner))
            rows = db.execute(
                "SELECT n, data FROM entry WHERE target = ? AND (owner IS NULL OR until < ? OR until > ?)"
                " ORDER BY n LIMIT ?",
                (self.target, now, now + 2 * LEASE, limit),  # a lease from the future: the clock was set back
            ).fetchall()
            claimed: list[tuple[Record, int | None]] = []
            _, unpack = _codec()
            for n, data in rows:
                try:
                    claimed.append((unpack(data), n))
                except msgspec.DecodeError:
                    db.execute("DELETE FROM entry WHERE n = ?", (n,))
                    self._shed["unreadable in the journal"] += 1
            mine = [(_owner(), now + LEASE, n) for _, n in claimed]
            db.executemany("UPDATE entry SET owner = ?, until = ? WHERE n = ?", mine)
        return claimed

    def remove(self, places: Iterable[int]) -> None:
        """Entries are delivered.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._transaction() as db:
            db.executemany("DELETE FROM entry WHERE n = ?", [(n,) for n in places])
            (left,) = db.execute("SELECT records FROM total").fetchone()
        if not left:
            with _translated(self.path):
                self._connection().execute("PRAGMA incremental_vacuum")
                self._connection().execute("PRAGMA wal_checkpoint(PASSIVE)")

    def release(self, places: Iterable[int]) -> None:
        """Entries are anybody's to deliver.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._transaction() as db:
            db.executemany("UPDATE entry SET owner = NULL WHERE n = ?", [(n,) for n in places])

    def note_losses(self, dropped: Mapping[str, int]) -> None:
        """Remember, for `autolog doctor`, what this process could not keep, and why."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        with self._transaction() as db:
            rows = [(at, os.getpid(), reason, count) for reason, count in dropped.items()]
            db.executemany("INSERT INTO loss VALUES (?, ?, ?, ?)", rows)
            db.execute("DELETE FROM loss WHERE rowid <= (SELECT max(rowid) FROM loss) - 1000")

    def hurry(self) -> None:
        """There is no time to wait for other processes any more."""
        self._patience = 0.1
        with contextlib.suppress(StoreError):
            self._connection().execute("PRAGMA busy_timeout = 100")

    def shed(self) -> dict[str, int]:
        """What was dropped since this was last asked, by reason."""
        shed, self._shed = self._shed, Counter()
        return dict(shed)

    # Reading

    def waiting(self) -> Waiting:
        """What waits for this target.

        Raises:
            StoreError: the file cannot be read.
        """
        found = [waiting for waiting in self.all_waiting() if waiting.target == self.target]
        return found[0] if found else Waiting(self.target, 0, 0, None)

    def all_waiting(self) -> list[Waiting]:
        """What waits for each target.

        Raises:
            StoreError: the file cannot be read.
        """
        if not self.exists():
            return []
        with _translated(self.path):
            rows = self._connection().execute(
                "SELECT target, count(*), sum(size), min(at) FROM entry GROUP BY target ORDER BY target"
            )
            return [Waiting(target, n, size, datetime.fromtimestamp(at, UTC)) for target, n, size, at in rows]

    def losses(self) -> list[dict[str, Any]]:
        """What processes lost: at, pid, reason, count; the newest last.

        Raises:
            StoreError: the file cannot be read.
        """
        if not self.exists():
            return []
        with _translated(self.path):
            rows = self._connection().execute("SELECT at, pid, reason, count FROM loss ORDER BY rowid")
            return [dict(zip(("at", "pid", "reason", "count"), row, strict=True)) for row in rows]

    # The file

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._connection()
        with _translated(self.path):
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _connection(self) -> sqlite3.Connection:
        """This thread's own; a forked child's, too."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.inherited = getattr(self._local, "db", None)  # not to be closed on this side of the fork
            self._local.db = self._open()
            self._local.pid = os.getpid()
        db: sqlite3.Connection = self._local.db
        return db

    def _open(self) -> sqlite3.Connection:
        try:
            make_folder(self.path.parent)
            return self._prepared(self.path)
        except (OSError, StoreError) as error:
            spare = self._spare_path(make=True) if self._spare else None
            if spare is None:
                raise error if isinstance(error, StoreError) else StoreError(str(self.path), str(error)) from error
            self.path, self._spare = spare, False
            return self._prepared(spare)

    def _spare_path(self, make: bool = False) -> Path | None:
        try:
            path = spare_folder() / self.path.name
        except OSError:
            return None
        return path if make or path.exists() else None

    def _prepared(self, path: Path) -> sqlite3.Connection:
        import sqlite3

        with _translated(path):
            db = sqlite3.connect(path, timeout=self._patience, isolation_level=None, check_same_thread=False)
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                path.chmod(0o600)
                db.execute("PRAGMA auto_vacuum = INCREMENTAL")
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("BEGIN IMMEDIATE")
                if db.execute("PRAGMA user_version").fetchone()[0] == 0:  # another process may have been first
                    _create_tables(db)
                db.execute("COMMIT")
            if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise StoreError(str(path), "this file is another program's database; choose another path")
            if db.execute("PRAGMA user_version").fetchone()[0] > VERSION:
                raise StoreError(str(path), "this journal was written by a newer autolog: pip install -U autolog-llm")
            db.execute("PRAGMA synchronous = NORMAL")
        return db

    def _shed_surplus(self, db: sqlite3.Connection, now: float) -> None:
        """Delete what is too old, and the oldest beyond the size; what remains is counted for `shed`."""
        old = db.execute("DELETE FROM entry WHERE at < ?", (now - self._max_age,)).rowcount
        if old:
            self._shed["too old in the journal"] += old
        while db.execute("SELECT bytes FROM total").fetchone()[0] > self._max_bytes:
            gone = db.execute("DELETE FROM entry WHERE n IN (SELECT n FROM entry ORDER BY n LIMIT 10)").rowcount
            if not gone:
                break
            self._shed["journal full"] += gone


def journal_for(config: Config, target: Any) -> Journal:
    """The journal of a target: a store's URL, or a mapping with endpoint, dialect and api_key.

    Targets differ by their key, too: it may stand for another project.
    """
    if isinstance(target, str):
        name = shown(target)
    else:
        key = hashlib.sha256(str(target.get("api_key") or "").encode()).hexdigest()[:8]
        name = f"{target['endpoint']} {target.get('dialect', 'native')} {key}"
    spare = config.journal == DEFAULT_JOURNAL
    return Journal(Path(config.journal), name, config.journal_max_bytes, config.journal_max_age, spare)


def _create_tables(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("""
        CREATE TABLE entry (
            n INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, at REAL NOT NULL, size INTEGER NOT NULL,
            data BLOB NOT NULL, owner TEXT, until REAL NOT NULL)""")
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


def _owner() -> str:
    return f"{os.getpid()}:{_token}:{socket.gethostname()}"


def _alive(owner: str) -> bool:
    """Whether the process may still be there; one on another host is, as far as this one can tell."""
    pid, token, host = owner.split(":", 2)
    if host != socket.gethostname():
        return True
    if int(pid) == os.getpid():
        return token == _token  # else an earlier process had our number
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
