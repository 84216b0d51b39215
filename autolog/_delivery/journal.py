"""The journal: records that could not be delivered, on local disk, until some process can deliver them.

One SQLite file for all programs that share a folder. An entry is one record for one target; a process that ships to
that target claims entries, sends them and removes them. A claim ends with its process, or after `LEASE` seconds, so
that nothing gets stuck; two processes may then send the same record, which a backend deduplicates by its id. The
journal is bounded by size and by age: the oldest entries are dropped, and counted.

Records are not synced to disk one by one: the journal survives its process, however that ends. A power cut does not
damage it, but may cost the last entries.
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
from autolog._folders import fallback_folder, make_folder
from autolog._ids import new_span
from autolog._lifecycle import after_fork_in_child
from autolog.errors import StoreError, shown

if TYPE_CHECKING:
    import sqlite3

    from autolog._record.record import Record
    from autolog._sqlite import translated

#: How long a claim lasts at most, in seconds.
LEASE = 120.0
#: How long to wait for another process that is writing, in seconds.
BUSY_TIMEOUT = 1.0
#: The version of the schema, and the mark of our files; another program's file, or a newer one, is left alone.
VERSION, APPLICATION_ID = 1, 0x616C6F6A  # "aloj"

#: Tells this process from an earlier one with the same pid; a forked child gets its own.
_token = f"{new_span():016x}"


@after_fork_in_child
def _renew_token() -> None:
    global _token
    _token = f"{new_span():016x}"


# Every program has a journal, and few ever open theirs: what only that needs is imported then.


def _translated(path: Path) -> translated:
    from autolog._sqlite import translated

    return translated(str(path))


@functools.cache
def _codec() -> tuple[Callable[[Record], bytes], Callable[[bytes], Record]]:
    """Return the functions that pack a record into an entry's data, and unpack it."""
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
    """The backlog of one target: records, bytes, and the time of the oldest."""

    target: str
    records: int
    bytes: int
    oldest: datetime | None


class Journal:
    """The entries of one target in a journal file.

    Args:
        path: the file; if its folder cannot be written and `spare` is allowed, one in the temporary folder instead.
        target: the name of the sink that the records are for.
        max_bytes: the maximum total size of all entries of the file. max_age: their maximum age, in seconds.
    """

    def __init__(self, path: Path, target: str, max_bytes: int, max_age: float, spare: bool = False) -> None:
        self.path = path.absolute()
        self.target = target
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._spare = spare
        self._local = threading.local()
        self._busy_timeout = BUSY_TIMEOUT
        self._shed: Counter[str] = Counter()

    def exists(self) -> bool:
        """Return whether there is a file, here or in the temporary folder."""
        return self.path.exists() or (self._spare and self._fallback_path() is not None)

    # Writing

    def add(self, records: Sequence[Record], claimed: bool = False) -> list[int]:
        """Store records; with `claimed` this process claims them, until it releases them or ends.

        Returns their sequence numbers.

        Raises:
            StoreError: the file cannot be written.
        """
        pack, _ = _codec()
        packed = [pack(record) for record in records]
        now = time()
        owner, until = (_owner(), now + LEASE) if claimed else (None, 0.0)
        with self._transaction() as db:
            seqs = [
                int(db.execute(
                    "INSERT INTO entry (target, at, size, data, owner, until) VALUES (?, ?, ?, ?, ?, ?)",
                    (self.target, now, len(data), data, owner, until),
                ).lastrowid or 0)
                for data in packed
            ]  # fmt: skip
            self._shed_surplus(db, now)
        return seqs

    def claim(self, limit: int) -> list[tuple[Record, int | None]]:
        """Claim the oldest free entries: records and their sequence numbers.

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

    def remove(self, seqs: Iterable[int]) -> None:
        """Delete delivered entries.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._transaction() as db:
            db.executemany("DELETE FROM entry WHERE n = ?", [(n,) for n in seqs])
            (left,) = db.execute("SELECT records FROM total").fetchone()
        if not left:
            with _translated(self.path):
                self._connection().execute("PRAGMA incremental_vacuum")
                self._connection().execute("PRAGMA wal_checkpoint(PASSIVE)")

    def release(self, seqs: Iterable[int]) -> None:
        """Give up the claim on entries.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._transaction() as db:
            db.executemany("UPDATE entry SET owner = NULL WHERE n = ?", [(n,) for n in seqs])

    def note_losses(self, dropped: Mapping[str, int]) -> None:
        """Remember, for `autolog doctor`, how many records this process lost, by reason."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        with self._transaction() as db:
            rows = [(at, os.getpid(), reason, count) for reason, count in dropped.items()]
            db.executemany("INSERT INTO loss VALUES (?, ?, ?, ?)", rows)
            db.execute("DELETE FROM loss WHERE rowid <= (SELECT max(rowid) FROM loss) - 1000")

    def stop_waiting(self) -> None:
        """Wait no longer than 0.1 s for other processes from now on: the program is exiting."""
        self._busy_timeout = 0.1
        with contextlib.suppress(StoreError):
            self._connection().execute("PRAGMA busy_timeout = 100")

    def shed(self) -> dict[str, int]:
        """Return how many entries were dropped since the last call, by reason."""
        shed, self._shed = self._shed, Counter()
        return dict(shed)

    # Reading

    def waiting(self) -> Waiting:
        """Return the backlog of this target.

        Raises:
            StoreError: the file cannot be read.
        """
        found = [waiting for waiting in self.all_waiting() if waiting.target == self.target]
        return found[0] if found else Waiting(self.target, 0, 0, None)

    def all_waiting(self) -> list[Waiting]:
        """Return the backlog of each target.

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
        """Return what processes lost (at, pid, reason, count), the newest last.

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
            if db.in_transaction:  # a signal handler raised between BEGIN and the block below
                db.execute("ROLLBACK")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's connection; a forked child opens its own."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.inherited = getattr(self._local, "db", None)  # must not be closed in a forked child
            self._local.db = self._open()
            self._local.pid = os.getpid()
        db: sqlite3.Connection = self._local.db
        return db

    def _open(self) -> sqlite3.Connection:
        try:
            make_folder(self.path.parent)
            return self._prepared(self.path)
        except (OSError, StoreError) as error:
            spare = self._fallback_path(make=True) if self._spare else None
            if spare is None:
                raise error if isinstance(error, StoreError) else StoreError(str(self.path), str(error)) from error
            self.path, self._spare = spare, False
            return self._prepared(spare)

    def _fallback_path(self, make: bool = False) -> Path | None:
        try:
            path = fallback_folder() / self.path.name
        except OSError:
            return None
        return path if make or path.exists() else None

    def _prepared(self, path: Path) -> sqlite3.Connection:
        import sqlite3

        with _translated(path):
            db = sqlite3.connect(path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False)
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
        """Delete entries that are too old, and the oldest beyond the size; counts them for `shed`."""
        old = db.execute("DELETE FROM entry WHERE at < ?", (now - self._max_age,)).rowcount
        if old:
            self._shed["too old in the journal"] += old
        while db.execute("SELECT bytes FROM total").fetchone()[0] > self._max_bytes:
            gone = db.execute("DELETE FROM entry WHERE n IN (SELECT n FROM entry ORDER BY n LIMIT 10)").rowcount
            if not gone:
                break
            self._shed["journal full"] += gone


def journal_for(config: Config, target: Any) -> Journal:
    """Return the journal of a target: a store's URL, or a mapping with endpoint, dialect and api_key.

    Targets with different keys are different: a key may belong to another project.
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
    """Return whether the process may still exist; one on another host always may."""
    pid, token, host = owner.split(":", 2)
    if host != socket.gethostname():
        return True
    if int(pid) == os.getpid():
        return token == _token  # else an earlier process had our pid
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
