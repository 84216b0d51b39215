"""Budget reservations and spending, shared by all servers that use one database.

ClickHouse has no transactions. A reservation is therefore inserted first; then the totals of its keys, including
itself, are read, and it is withdrawn if they exceed a limit. Of two concurrent reservations, the one that reads last
sees both, so that they can never both take the remainder. Both may be withdrawn, which is why each is tried a few
times. This requires that a read sees all writes acknowledged before it: on one node, with a quorum, or if all servers
use the same replica.

A row is a reservation for one key; a later version of the row has its real cost. A reservation that is never settled,
because its program was killed, counts until it expires.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from autolog.stores.clickhouse._client import Database
from autolog.stores.clickhouse._schema import table_statements
from autolog.stores.clickhouse._url import Target
from autolog.stores.clickhouse._where import Values

_COLUMNS = {
    "key": "String", "id": "String", "record": "String", "state": "UInt8", "amount": "Float64", "credit": "Float64",
    "period": "Float64", "at": "Float64", "expires": "Float64", "forget": "UInt32", "version": "Int64",
}  # fmt: skip
#: The states of a row: `amount` is reserved, spent, or withdrawn and 0.
_RESERVED, _SPENT, _WITHDRAWN = 0, 1, 2
#: How often a reservation is tried that only other reservations keep from fitting, and the longest pause, in seconds.
_TRIES, _PAUSE = 5, 0.05
#: The relative error of sums of floating-point numbers, which depends on the order of addition.
_ROUNDING = 1e-12
#: Seconds for which a row is kept at least, because its record may still arrive on its own.
_MEMORY = 86_400.0


class Limit(NamedTuple):
    """A limit in dollars per `period` in seconds, for the sum with the name `key`."""

    key: str
    limit: float
    period: float


class Row(NamedTuple):
    """A row of the table, in the order of its columns."""

    key: str
    id: str
    record: str
    state: int
    amount: float
    credit: float
    period: float
    at: float
    expires: float
    forget: int
    version: int


class _Sums(NamedTuple):
    """The dollars spent and reserved under a limit, without those reserved by one call.

    `version` and `state` are those of that call's row; 0 without a row.
    """

    spent: float
    reserved: float
    version: int
    state: int


class Reservations:
    """Reserves and settles amounts in dollars. Every method may be called from any thread.

    Raises (every method):
        StoreError: if the database cannot be reached or used.
    """

    def __init__(self, db: Database, target: Target, now: Callable[[], float] = time.time) -> None:
        self._db = db
        self._now = now
        self._lock = threading.Lock()  # avoids conflicts within one server
        for statement in _table(target):
            self._db.command(statement)

    def reserve(
        self, number: str, limits: Sequence[Limit], bound: float, seconds: float, record: str = ""
    ) -> tuple[int, float, float] | None:
        """Reserve `bound` dollars under all limits for `seconds`, or under none if it does not fit one of them.

        A second reservation for the same call, which `number` identifies, replaces the first.

        Returns:
            None on success, else the index of the limit that it exceeds, and the dollars spent and reserved there.
        """
        if not limits:
            return None
        with self._lock:
            for attempt in range(1, _TRIES + 1):
                refused = self._try(number, limits, bound, seconds, record)
                if refused is None or attempt == _TRIES or refused[1] + bound > limits[refused[0]].limit:
                    break
                time.sleep(random.uniform(0, _PAUSE))  # noqa: S311 - so that two servers do not try again at once
        return refused

    def _try(
        self, number: str, limits: Sequence[Limit], bound: float, seconds: float, record: str
    ) -> tuple[int, float, float] | None:
        now = self._now()
        before = [self._figures(limit, now, number) for limit in limits]
        if (refused := _exceeded(limits, before, bound)) is not None:
            if any(sums.version for sums in before):
                self._withdraw(self._rows("id", number, _RESERVED))
            return refused
        settled = self._rows("id", number, _SPENT) if any(sums.state == _SPENT for sums in before) else []
        rows = [
            self._row(limit, number, record, _RESERVED, bound, now, now + seconds, after=sums.version)
            for limit, sums in zip(limits, before, strict=True)
        ]
        self._insert([*rows, *(row._replace(id=uuid.uuid4().hex) for row in settled)])
        if (refused := _exceeded(limits, [self._figures(limit, now, number) for limit in limits], bound)) is not None:
            self._withdraw(rows)
        return refused

    def _withdraw(self, rows: Iterable[Row]) -> None:
        self._insert([_changed(row, state=_WITHDRAWN, amount=0.0) for row in rows])

    def settle(self, number: str, cost: float) -> None:
        """Replace a reservation, even an expired one, by the real cost in dollars; 0 releases it."""
        rows = self._rows("id", number, _RESERVED)
        self._insert([_spent(row, cost, self._now(), credit=cost if row.record else 0.0) for row in rows])

    def add(self, limits: Iterable[Limit], cost: float, record: str = "") -> None:
        """Count spending without a reservation, or settle the reservation that was made for the record."""
        now = self._now()
        if record:
            reserved = self._rows("record", record, _RESERVED)
            if reserved:
                self._insert([_spent(row, cost, now) for row in reserved])
                return
            settled = [row for row in self._rows("record", record, _SPENT) if row.credit]
            if settled:
                cost -= min(cost, settled[0].credit)
                self._insert([_changed(row, credit=0.0) for row in settled])
        if cost > 0:
            self._insert([self._row(limit, uuid.uuid4().hex, "", _SPENT, cost, now, 0.0) for limit in limits])

    def seed(self, name: str, amounts: Iterable[tuple[Limit, float, float]]) -> None:
        """Add spending from before this table existed, as limits, times (epoch) and dollars; only once per name.

        Servers that do so at the same time write the same rows.
        """
        if self._rows("id", f"seeded {name}", _SPENT):
            return
        rows = [
            self._row(limit, f"seed {number}", "", _SPENT, amount, at, 0.0)
            for number, (limit, at, amount) in enumerate(amounts)
        ]
        mark = self._row(Limit("", 0.0, _MEMORY * 3650), f"seeded {name}", "", _SPENT, 0.0, self._now(), 0.0)
        self._insert([*rows, mark])

    def figures(self, limit: Limit) -> tuple[float, float]:
        """Return the amounts spent and reserved, in dollars."""
        sums = self._figures(limit, self._now())
        return sums.spent, sums.reserved

    def keys(self, beginning: str) -> list[str]:
        """Return the keys that start with `beginning` and have spending or reservations."""
        values = Values()
        test = f"startsWith(key, {values.mark(beginning)}) AND state <> {_WITHDRAWN}"
        return [key for (key,) in self._db.query(f"SELECT DISTINCT key FROM budget FINAL WHERE {test}", values)]

    def _figures(self, limit: Limit, now: float, number: str = "") -> _Sums:
        values = Values()
        since, later = values.mark(now - limit.period), values.mark(now)
        key, own = values.mark(limit.key), values.mark(number)
        (sums,) = self._db.query(
            f"SELECT sumIf(amount, state = {_SPENT} AND at > {since}), "
            f"sumIf(amount, state = {_RESERVED} AND expires > {later} AND id <> {own}), "
            f"maxIf(version, id = {own}), maxIf(state, id = {own}) FROM budget FINAL WHERE key = {key}",
            values,
        )
        return _Sums(*sums)

    def _rows(self, column: str, value: str, state: int) -> list[Row]:
        values = Values()
        names = ", ".join(_COLUMNS)
        test = f"{column} = {values.mark(value)} AND state = {state}"
        return [Row(*row) for row in self._db.query(f"SELECT {names} FROM budget FINAL WHERE {test}", values)]

    def _row(
        self, limit: Limit, number: str, record: str, state: int, amount: float, at: float, expires: float,
        after: int = 0,
    ) -> Row:  # fmt: skip
        forget, version = _forget(max(at, expires), limit.period), _version(after)
        return Row(limit.key, number, record, state, amount, 0.0, limit.period, at, expires, forget, version)

    def _insert(self, rows: Sequence[Row]) -> None:
        self._db.insert("budget", _COLUMNS, rows, at_once=True)


def _exceeded(limits: Sequence[Limit], figures: Sequence[_Sums], bound: float) -> tuple[int, float, float] | None:
    """Return the first limit that a reservation exceeds, with the dollars that others have spent and reserved there."""
    for index, (limit, sums) in enumerate(zip(limits, figures, strict=True)):
        # A call of unknown cost reserves nothing, and may be sent until the limit is reached
        if sums.spent + sums.reserved + bound > limit.limit * (1 + _ROUNDING) or sums.spent >= limit.limit:
            return index, sums.spent, sums.reserved
    return None


def _changed(row: Row, **values: Any) -> Row:
    return row._replace(version=_version(row.version), **values)


def _version(after: int) -> int:
    """Return the version of a row that replaces one of version `after`, even if the clock has been set back since."""
    return max(after + 1, time.time_ns() // 1000)


def _spent(row: Row, cost: float, now: float, credit: float = 0.0) -> Row:
    return _changed(row, state=_SPENT, amount=cost, credit=credit, at=now, forget=_forget(now, row.period))


def _forget(at: float, period: float) -> int:
    """Return when a row can be deleted, as an epoch time within the range of the database's dates."""
    return int(min(at + max(period, _MEMORY) + 60, 2**32 - 1))


def _table(target: Target) -> Iterable[str]:
    columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    indexes = (
        "INDEX budget_id id TYPE bloom_filter GRANULARITY 1, INDEX budget_record record TYPE bloom_filter GRANULARITY 1"
    )
    return table_statements(
        target, "budget", f"{columns}, {indexes}", "ReplacingMergeTree(version)", "(key, id)", "cityHash64(key)",
        " TTL toDateTime(forget) SETTINGS index_granularity = 256",
    )  # fmt: skip
