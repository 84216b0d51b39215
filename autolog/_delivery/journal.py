"""The journal: undelivered records on local disk, kept until some process can deliver them.

It is one SQLite file for all programs that share a folder. An entry is one record for one target; a process that ships
to the target claims entries, sends them and removes them. A claim ends with its process, or after `LEASE` seconds, so
that no entry gets stuck. Two processes may therefore send the same record, which the backend deduplicates by its id.
The journal is bounded by size and age: the oldest entries are dropped and counted. Time during which the machine slept,
or by which its clock was set forward, does not count as age. A damaged file is replaced by a new one with the entries
that can still be read.

Records are not synced to disk one by one. The journal survives its process, however that ends; a power failure does
not damage it, but may lose the last entries.
"""

from __future__ import annotations

import functools
import hashlib
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import msgspec

from autolog._config import DEFAULT_JOURNAL, Config
from autolog._delivery.journal_file import JournalFile
from autolog._folders import absolute, absolute_url
from autolog._guard import logger
from autolog._lifecycle import after_fork_in_child
from autolog._record.ids import new_span
from autolog._record.record import Record, pack
from autolog._record.zstd import zstd
from autolog._sqlite import Damaged, Replaced
from autolog.errors import StoreError, shown

if TYPE_CHECKING:
    import sqlite3

P = ParamSpec("P")
R = TypeVar("R")

#: The maximum duration of a claim, in seconds.
LEASE = 120.0

#: The clock was set forward, or the machine slept, if it has gained more than this on `time.monotonic`, in seconds.
CLOCK_SET = 60.0

#: Distinguishes this process from an earlier one with the same pid; a forked child gets its own.
_token = f"{new_span():016x}"


@after_fork_in_child
def _renew_token() -> None:
    global _token
    _token = f"{new_span():016x}"


_decode = msgspec.msgpack.Decoder(list[Record]).decode


def _pack(record: Record) -> bytes:
    return zstd.compress(pack([record]), 1)


def _unpack(data: bytes) -> Record:
    """Return the record of an entry.

    Raises:
        ValueError: if the data is damaged.
    """
    try:
        (record,) = _decode(zstd.decompress(data))
    except (zstd.ZstdError, msgspec.DecodeError, TypeError) as error:
        raise ValueError(str(error)) from error
    return record


def _repaired(method: Callable[Concatenate[Journal, P], R]) -> Callable[Concatenate[Journal, P], R]:
    """Wrap a method of the journal: if it finds the file damaged or replaced, repair the file and call it again."""

    @functools.wraps(method)
    def run(journal: Journal, /, *arguments: P.args, **named: P.kwargs) -> R:
        try:
            return method(journal, *arguments, **named)
        except (Damaged, Replaced):
            journal._repair()
            return method(journal, *arguments, **named)

    return run


class Waiting(msgspec.Struct, frozen=True):
    """The backlog of one target: the number of records, their size in bytes, and the time of the oldest (UTC)."""

    target: str
    records: int
    bytes: int
    oldest: datetime | None


class Journal:
    """The entries of one target in a journal file.

    Args:
        path: the file.
        target: the name of the sink that the records are for.
        max_bytes: the maximum total size of all entries in the file.
        max_age: their maximum age, in seconds.
        spare: use a file in the temporary folder if the path's folder cannot be written.
    """

    def __init__(self, path: Path, target: str, max_bytes: int, max_age: float, spare: bool = False) -> None:
        self._file = JournalFile(path, spare)
        self.target = target
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._shed: Counter[str] = Counter()
        self._clock_gain = time() - monotonic()

    @property
    def path(self) -> Path:
        """The file in use: the requested one, or the one in the temporary folder."""
        return self._file.path

    @_repaired
    def opened_path(self) -> Path:
        """Return the path of the writable file, creating the file if necessary.

        Raises:
            StoreError: if neither the requested file nor one in the temporary folder can be written.
        """
        with self._file.reading():
            return self.path

    def exists(self) -> bool:
        """Return whether there is a file, at the requested path or in the temporary folder."""
        return self._file.exists()

    # Writing

    @_repaired
    def add(self, records: Sequence[Record], claimed: bool = False) -> list[int | None]:
        """Store records; with `claimed`, this process claims them until it releases them or ends.

        A record larger than the journal may be would drive out all others. It is not stored, and counted as dropped
        unless the caller, who claims it, goes on to deliver it.

        Returns:
            The sequence numbers of the new entries; None for a record that is not stored.

        Raises:
            StoreError: if the file cannot be written.
        """
        packed = [_pack(record) for record in records]
        now = time()
        owner, until = (_owner(), now + LEASE) if claimed else (None, 0.0)
        with self._file.transaction() as db:
            seqs = [
                db.execute(
                    "INSERT INTO entry (target, at, size, data, owner, until) VALUES (?, ?, ?, ?, ?, ?)",
                    (self.target, now, len(data), data, owner, until),
                ).lastrowid
                if len(data) <= self._max_bytes
                else None
                for data in packed
            ]
            self._shed_surplus(db, now)
        if not claimed and (too_large := seqs.count(None)):
            self._shed["journal full"] += too_large
        return seqs

    @_repaired
    def claim(self, limit: int) -> list[tuple[Record, int | None]]:
        """Claim up to `limit` free entries, the oldest first; return the records and their sequence numbers.

        Raises:
            StoreError: if the file cannot be read or written.
        """
        if not self.exists():
            return []
        now = time()
        with self._file.transaction() as db:
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
                (self.target, now, now + 2 * LEASE, limit),  # if too far ahead, the clock was set back
            ).fetchall()
            entries: list[tuple[Record, int | None]] = []
            for n, data in rows:
                try:
                    entries.append((_unpack(data), n))
                except ValueError:
                    db.execute("DELETE FROM entry WHERE n = ?", (n,))
                    self._shed["unreadable in the journal"] += 1
            claims = [(_owner(), now + LEASE, n) for _, n in entries]
            db.executemany("UPDATE entry SET owner = ?, until = ? WHERE n = ?", claims)
        return entries

    @_repaired
    def remove(self, seqs: Iterable[int | None]) -> None:
        """Delete delivered entries.

        Raises:
            StoreError: if the file cannot be written.
        """
        with self._file.transaction() as db:
            db.executemany("DELETE FROM entry WHERE n = ?", [(n,) for n in seqs])
            (left,) = db.execute("SELECT records FROM total").fetchone()
        if not left:
            self._file.shrink()

    @_repaired
    def release(self, seqs: Iterable[int | None]) -> None:
        """Give up this process's claim on entries.

        Raises:
            StoreError: if the file cannot be written.
        """
        with self._file.transaction() as db:
            db.executemany("UPDATE entry SET owner = NULL WHERE n = ?", [(n,) for n in seqs])

    def note_losses(self, dropped: Mapping[str, int]) -> None:
        """Save, for `autolog doctor`, how many records this process lost, by reason.

        If the file cannot be written, for example because the disk is full, the losses go to a file in the temporary
        folder or, failing that, to standard error.
        """
        problems: list[StoreError] = []
        for file in self._file.loss_files(make=True):
            try:
                self._note(file, dropped)
                break
            except StoreError as error:
                problems.append(error)
        else:
            words = ", ".join(f"{count} ({reason})" for reason, count in dropped.items())
            print(f"autolog lost records: {words}; {problems[0]}", file=sys.stderr)  # noqa: T201 - the last resort

    def wait_up_to(self, seconds: float) -> None:
        """Set how many seconds each operation waits for other processes to finish writing."""
        self._file.wait_up_to(seconds)

    def shed(self) -> dict[str, int]:
        """Return how many entries were dropped since the last call, by reason."""
        shed, self._shed = self._shed, Counter()
        return dict(shed)

    # Reading

    def waiting(self) -> Waiting:
        """Return the backlog of this target.

        Raises:
            StoreError: if the file cannot be read.
        """
        found = [waiting for waiting in self.all_waiting() if waiting.target == self.target]
        return found[0] if found else Waiting(self.target, 0, 0, None)

    @_repaired
    def all_waiting(self) -> list[Waiting]:
        """Return the backlog of each target in the file.

        Raises:
            StoreError: if the file cannot be read.
        """
        if not self.exists():
            return []
        with self._file.reading() as db:
            rows = db.execute("SELECT target, count(*), sum(size), min(at) FROM entry GROUP BY target ORDER BY target")
            return [Waiting(target, n, size, datetime.fromtimestamp(at, UTC)) for target, n, size, at in rows]

    def losses(self) -> list[dict[str, Any]]:
        """Return the losses noted by all processes (keys at, pid, reason and count), the newest last.

        Those of a file that cannot be read are missing if the other file has any.

        Raises:
            StoreError: if a file cannot be read, and there is nothing in the other.
        """
        found: list[dict[str, Any]] = []
        unreadable: StoreError | None = None
        for file in self._file.loss_files():
            if not file.exists():
                continue
            try:
                with file.reading() as db:
                    rows = db.execute("SELECT at, pid, reason, count FROM loss ORDER BY rowid")
                    found += [dict(zip(("at", "pid", "reason", "count"), row, strict=True)) for row in rows]
            except StoreError as error:
                unreadable = error
        if unreadable is not None and not found:
            raise unreadable
        return sorted(found, key=lambda loss: str(loss["at"]))

    # The file

    def _note(self, file: JournalFile, dropped: Mapping[str, int]) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        with file.transaction() as db:
            rows = [(at, os.getpid(), reason, count) for reason, count in dropped.items()]
            db.executemany("INSERT INTO loss VALUES (?, ?, ?, ?)", rows)
            db.execute("DELETE FROM loss WHERE rowid <= (SELECT max(rowid) FROM loss) - 1000")

    def _repair(self) -> None:
        lost = self._file.repair()
        if lost is not None:
            logger.warning("autolog's journal %s was damaged: %s of its entries are lost", self.path, lost)
        if lost:
            self._shed["unreadable in the journal"] += lost

    def _shed_surplus(self, db: sqlite3.Connection, now: float) -> None:
        """Delete entries that are too old, and the oldest ones until the rest fits; count them for `shed`."""
        gain, before = now - monotonic(), self._clock_gain
        self._clock_gain = gain
        if gain - before > CLOCK_SET:  # nothing could be sent meanwhile
            db.execute("UPDATE entry SET at = ? WHERE at < ?", (now, now - self._max_age))
        old = db.execute("DELETE FROM entry WHERE at < ?", (now - self._max_age,)).rowcount
        if old:
            self._shed["too old in the journal"] += old
        while db.execute("SELECT bytes FROM total").fetchone()[0] > self._max_bytes:
            deleted = db.execute("DELETE FROM entry WHERE n = (SELECT min(n) FROM entry)").rowcount
            if not deleted:
                break
            self._shed["journal full"] += deleted


def journal_for(config: Config, target: Any) -> Journal:
    """Return the journal for a target: a store's URL, or a mapping with endpoint, dialect, api_key and headers.

    Targets that differ only in their API key or headers are distinct, because these may name different projects.
    """
    if isinstance(target, str):
        name = _store_name(target, Path(config.journal))
    else:
        credentials = str(target.get("api_key") or "") + "".join(
            map(str, sorted((target.get("headers") or {}).items()))
        )
        key = hashlib.sha256(credentials.encode()).hexdigest()[:8]
        name = f"{target['endpoint']} {target.get('dialect', 'native')} {key}"
    spare = config.journal == DEFAULT_JOURNAL
    return Journal(Path(config.journal), name, config.journal_max_bytes, config.journal_max_age, spare)


def _store_name(url: str, journal: Path) -> str:
    """Return the name of a store in a journal, which other folders' programs may share: relative paths are not theirs.

    A store beside the journal is named by its path from there, so that both can be moved together.
    """
    prefix, slashes, path = absolute_url(url).partition(":///")
    folder = absolute(journal).parent.parent
    if prefix == "sqlite" and Path(path).is_relative_to(folder):
        return f"{prefix}{slashes}{Path(path).relative_to(folder)}"
    return shown(f"{prefix}{slashes}{path}")


def _owner() -> str:
    return f"{os.getpid()}:{_token}:{socket.gethostname()}"


def _alive(owner: str) -> bool:
    """Return whether the owner of a claim may still be running; always true for a process on another host."""
    pid, token, host = owner.split(":", 2)
    if host != socket.gethostname():
        return True
    if int(pid) == os.getpid():
        return token == _token  # if not, an earlier process had our pid
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
