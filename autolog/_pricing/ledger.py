"""A ledger in SQLite: what was spent of each budget, and what is reserved for calls that are under way.

In memory it serves one process; in a file, all that open it. A reservation is one transaction that compares the limits
with what is spent and reserved, and adds to the latter only if all of them hold: two that run at once cannot both take
what is left. One that is never settled, because its process was killed, counts until it expires.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import msgspec

from autolog._lifecycle import in_c_library
from autolog._native import allocate_lock

#: A period is summed up in so many steps, so that what is long ago falls out.
STEPS = 60
#: For how long it is known, in seconds, what was settled for a record that may still arrive by itself.
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
    """A limit in dollars that a call counts towards. Without a period, in seconds, nothing is ever forgotten."""

    key: str
    limit: float
    period: float | None = None

    @property
    def step(self) -> float:
        """The length of a step, in seconds; 0 where there are none."""
        return (self.period or 0.0) / STEPS


class Refused(msgspec.Struct, frozen=True):
    """Why a reservation was not made: the number of the claim, and its figures in dollars."""

    claim: int
    spent: float
    reserved: float


class Accounts(Protocol):
    """Keeps what is spent and reserved of budgets: a ledger, or what several servers share."""

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

    Raises, from every method:
        sqlite3.Error: the file cannot be opened, read or written.
    """

    def __init__(self, path: str = ":memory:", now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._lock = allocate_lock()
        self._process = os.getpid()
        self._db: sqlite3.Connection | None = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._process != os.getpid():  # a connection to a file must not be carried through a fork
            self._process, self._lock = os.getpid(), allocate_lock()
            if self._path != ":memory:":
                self._db = None
        with self._lock, in_c_library:
            if self._db is None:
                self._db = self._open()
            with self._db as db:  # commits, or takes all back
                db.execute("BEGIN IMMEDIATE")
                yield db

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=10.0, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.executescript(_SCHEMA)
        return db

    def reserve(
        self, number: str, claims: Sequence[Claim], bound: float, seconds: float, record: str = ""
    ) -> Refused | None:
        """Reserve `bound` dollars of every claim for so many seconds, or of none; return why not.

        Args:
            number: what `settle` will name it by. record: the id of the record that its cost may also arrive with.
        """
        now = self._now()
        with self._transaction() as db:
            for index, claim in enumerate(claims):
                spent, reserved = self._figures(db, claim, now)
                # A call that costs nothing, as far as anybody knows, may go out until the limit is reached
                if spent + reserved + bound > claim.limit or spent >= claim.limit:
                    return Refused(index, spent, reserved)
            db.execute("DELETE FROM reserved WHERE expires <= ?", (now - MEMORY,))
            rows = [(number, claim.key, bound, claim.step, now + seconds, record) for claim in claims]
            db.executemany("INSERT OR REPLACE INTO reserved VALUES (?, ?, ?, ?, ?, ?)", rows)
        return None

    def settle(self, number: str, cost: float) -> None:
        """Put what a call really cost in the place of its reservation, even an expired one; 0 releases it."""
        with self._transaction() as db:
            self._settle(db, "id", number, cost)

    def add(self, claims: Iterable[Claim], cost: float, record: str = "") -> None:
        """Count what was spent without a reservation, or settle the one that was made for the record."""
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
        rows = db.execute(f"SELECT key, step, record FROM reserved WHERE {column} = ?", (value,)).fetchall()  # noqa: S608 - one of two names of ours
        db.execute(f"DELETE FROM reserved WHERE {column} = ?", (value,))  # noqa: S608
        for key, step, _ in rows:
            self._spend(db, key, step, cost, now)
        if rows and rows[0][2] and column == "id":  # its record is still to arrive
            db.execute("INSERT OR REPLACE INTO settled VALUES (?, ?, ?)", (rows[0][2], cost, now))
            db.execute("DELETE FROM settled WHERE at < ?", (now - MEMORY,))
        return bool(rows)

    def seed(self, name: str, amounts: Iterable[tuple[Claim, float, float]]) -> None:
        """Add what was spent before there was this ledger, as claims, times and dollars; once for each name."""
        with self._transaction() as db:
            if db.execute("INSERT OR IGNORE INTO seeded VALUES (?)", (name,)).rowcount:
                for claim, at, amount in amounts:
                    self._spend(db, claim.key, claim.step, amount, at)

    def figures(self, claim: Claim) -> tuple[float, float]:
        """Return what is spent and what is reserved, in dollars."""
        with self._transaction() as db:
            return self._figures(db, claim, self._now())

    def keys(self, beginning: str) -> list[str]:
        """Return the keys that begin so, of which anything is spent or reserved."""
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
