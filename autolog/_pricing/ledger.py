"""A ledger in SQLite: the amounts spent under each budget, and those reserved for calls in progress.

In memory, the ledger serves one process; in a file, all processes that open it. A reservation is a single transaction:
it compares every limit with the amounts spent and reserved, and is added only if it fits all of them, so that two
concurrent calls cannot both take the remainder. A reservation that is never settled, because its process was killed,
counts until it expires.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from autolog._lifecycle import in_c_library
from autolog._native import allocate_lock
from autolog._sqlite import Connection, age, use_write_ahead_log

#: The number of steps into which a period is divided, so that old spending drops out gradually.
STEPS = 60
#: Seconds for which a settled amount is remembered, because the call's record may still arrive on its own.
MEMORY = 86_400.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reserved(id TEXT, key TEXT, amount REAL, step REAL, expires REAL, record TEXT,
                                    PRIMARY KEY (id, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reserved_by_key ON reserved(key, expires, amount);
CREATE INDEX IF NOT EXISTS reserved_by_record ON reserved(record) WHERE record <> '';
CREATE TABLE IF NOT EXISTS spent(key TEXT, step INTEGER, amount REAL, PRIMARY KEY (key, step)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settled(record TEXT PRIMARY KEY, amount REAL, at REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seeded(name TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Claim(msgspec.Struct, frozen=True):
    """A limit in dollars that a call counts towards. Without a period (in seconds), spending never expires."""

    key: str
    limit: float
    period: float | None = None

    @property
    def step(self) -> float:
        """The length of a step, in seconds; 0 without a period."""
        return (self.period or 0.0) / STEPS


class Refused(msgspec.Struct, frozen=True):
    """A refused reservation: the index of the claim that it did not fit, and that claim's figures in dollars."""

    claim: int
    spent: float
    reserved: float


class Accounts(Protocol):
    """Stores spending and reservations: a `Ledger`, or accounts that several servers share."""

    def reserve(
        self, number: str, claims: Sequence[Claim], bound: float, seconds: float, record: str = ""
    ) -> Refused | None: ...

    def settle(self, number: str, cost: float) -> None: ...

    def add(self, claims: Iterable[Claim], cost: float, record: str = "") -> None: ...

    def seed(self, name: str, amounts: Iterable[tuple[Claim, float, float]]) -> None: ...

    def figures(self, claim: Claim) -> tuple[float, float]: ...

    def keys(self, beginning: str) -> list[str]: ...


class Ledger:
    """Reserves and settles amounts in dollars. Every method may be called from any thread.

    Raises (every method):
        sqlite3.Error: if the file cannot be opened, read or written.
    """

    def __init__(self, path: str = ":memory:", now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._lock = allocate_lock()
        self._process, self._age = os.getpid(), age()
        self._db: sqlite3.Connection | None = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._process != os.getpid():  # a connection to a file must not be carried through a fork
            self._process, self._lock = os.getpid(), allocate_lock()
        with self._lock, in_c_library:
            if self._age != (now := age()):
                self._age, self._db = now, self._db if self._path == ":memory:" else None
            if self._db is None:
                self._db = self._open()
            with self._db as db:  # commits, or rolls back if the block raises
                db.execute("BEGIN IMMEDIATE")
                yield db

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self._path, timeout=10.0, isolation_level=None, check_same_thread=False, factory=Connection
        )
        if self._path != ":memory:" and not (file := Path(self._path)).stat().st_size:
            file.chmod(0o600)  # SQLite has just created it; its log gets the same mode
        use_write_ahead_log(db)
        db.execute("PRAGMA synchronous=NORMAL")
        db.executescript(_SCHEMA)
        return db

    def reserve(
        self, number: str, claims: Sequence[Claim], bound: float, seconds: float, record: str = ""
    ) -> Refused | None:
        """Reserve an amount under all claims, or under none if it does not fit one of them.

        Args:
            number: the call's id, for `settle`; a second reservation with it replaces the first.
            claims: the limits that the call counts towards.
            bound: the amount, in dollars.
            seconds: the time after which the reservation expires.
            record: the id of the record that the cost may also arrive with.

        Returns:
            None on success, else the claim that the reservation did not fit.
        """
        now = self._now()
        with self._transaction() as db:
            db.execute("DELETE FROM reserved WHERE id = ?", (number,))
            for index, claim in enumerate(claims):
                spent, reserved = self._figures(db, claim, now)
                # A call of unknown cost reserves nothing, and may be sent until the limit is reached
                if spent + reserved + bound > claim.limit or spent >= claim.limit:
                    return Refused(index, spent, reserved)
            db.execute("DELETE FROM reserved WHERE expires <= ?", (now - MEMORY,))
            rows = [(number, claim.key, bound, claim.step, now + seconds, record) for claim in claims]
            db.executemany("INSERT OR REPLACE INTO reserved VALUES (?, ?, ?, ?, ?, ?)", rows)
        return None

    def settle(self, number: str, cost: float) -> None:
        """Replace a reservation, even an expired one, by the real cost in dollars; 0 releases it."""
        with self._transaction() as db:
            self._settle(db, "id", number, cost)

    def add(self, claims: Iterable[Claim], cost: float, record: str = "") -> None:
        """Count spending without a reservation, or settle the reservation that was made for the record."""
        with self._transaction() as db:
            if record and self._settle(db, "record", record, cost):
                return
            if record and (known := db.execute("SELECT amount FROM settled WHERE record = ?", (record,)).fetchone()):
                cost -= min(cost, known[0])
                db.execute("UPDATE settled SET amount = 0 WHERE record = ?", (record,))
            for claim in claims:
                self._spend(db, claim.key, claim.step, cost, self._now())

    def _settle(self, db: sqlite3.Connection, column: str, value: str, cost: float) -> bool:
        """Settle the reservations with this id or for this record; return whether there were any."""
        now = self._now()
        rows = db.execute(f"SELECT key, step, record FROM reserved WHERE {column} = ?", (value,)).fetchall()  # noqa: S608 - `column` is a constant
        db.execute(f"DELETE FROM reserved WHERE {column} = ?", (value,))  # noqa: S608
        for key, step, _ in rows:
            self._spend(db, key, step, cost, now)
        if rows and rows[0][2] and column == "id":  # the record is still to arrive
            db.execute("INSERT OR REPLACE INTO settled VALUES (?, ?, ?)", (rows[0][2], cost, now))
            db.execute("DELETE FROM settled WHERE at < ?", (now - MEMORY,))
        return bool(rows)

    def seed(self, name: str, amounts: Iterable[tuple[Claim, float, float]]) -> None:
        """Add spending from before this ledger existed, as claims, times (epoch) and dollars; only once per name."""
        with self._transaction() as db:
            if db.execute("INSERT OR IGNORE INTO seeded VALUES (?)", (name,)).rowcount:
                for claim, at, amount in amounts:
                    self._spend(db, claim.key, claim.step, amount, at)

    def figures(self, claim: Claim) -> tuple[float, float]:
        """Return the amounts spent and reserved, in dollars."""
        with self._transaction() as db:
            return self._figures(db, claim, self._now())

    def keys(self, beginning: str) -> list[str]:
        """Return the keys that start with `beginning` and have spending or reservations."""
        with self._transaction() as db:
            query = "SELECT key FROM spent UNION SELECT key FROM reserved"
            return [key for (key,) in db.execute(query) if key.startswith(beginning)]

    @staticmethod
    def _spend(db: sqlite3.Connection, key: str, step: float, cost: float, at: float) -> None:
        if cost <= 0:
            return
        number = int(at // step) if step else 0
        db.execute(
            "INSERT INTO spent VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount",
            (key, number, cost),
        )
        if step:
            db.execute("DELETE FROM spent WHERE key = ? AND step < ?", (key, int(at // step) - 2 * STEPS))

    @staticmethod
    def _figures(db: sqlite3.Connection, claim: Claim, now: float) -> tuple[float, float]:
        first = int(now // claim.step) - STEPS if claim.step else 0
        spent = "SELECT TOTAL(amount) FROM spent WHERE key = ? AND step >= ?"
        reserved = "SELECT TOTAL(amount) FROM reserved WHERE key = ? AND expires > ?"
        return (
            db.execute(spent, (claim.key, first)).fetchone()[0],
            db.execute(reserved, (claim.key, now)).fetchone()[0],
        )
