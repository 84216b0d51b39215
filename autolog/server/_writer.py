"""Group commit: changes that arrive together share one transaction, and each caller gets its result after the commit.

There is one writing thread, or as many as the store prefers (`Store.writers`). It takes the queued changes of all
senders in turn, up to what a transaction should take (`MOST`), writes the records of all `RecordWrite`s at once, runs
every other change in a savepoint of its own, commits, and only then answers. The records of one request that are too
many for a transaction are written in several, between which others have their turn. A change that fails rolls back only
its own part. A change may be a whole request, which is then decoded, written and answered with a single thread switch;
switching threads costs more than everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from time import monotonic, sleep
from typing import Any, Protocol, TypeVar

from autolog._record.record import Record
from autolog.errors import StoreUnavailable
from autolog.server._turns import Turns
from autolog.stores._contract import Store

T = TypeVar("T")

Change = Callable[[Store], Any]


class LoopWaiter(Protocol):
    """What waits for a change on an event loop, where it gets the result or the error: a future, or an exchange."""

    def get_loop(self) -> asyncio.AbstractEventLoop: ...

    def set_result(self, result: Any, /) -> None: ...

    def set_exception(self, error: BaseException, /) -> None: ...


#: The future that a thread waits for, or what waits on an event loop.
Waiter = Future[Any] | LoopWaiter
#: A waiter, and the result or error that it gets.
Answer = tuple[Waiter, Any, BaseException | None]

#: What one transaction may cost, in rows of an index, each some 50 us in a SQLite file: others wait that long. A store
#: with several writers is remote, where each transaction takes some time and rows hardly any.
MOST, MOST_REMOTE = 10_000, 30_000
#: The seconds that a transaction on a file should take. After one that took twice as long, the next ones may cost less,
#: down to `LEAST`: records may cost more than they look, as those do that are merged into large ones.
AIM, LEAST = 0.25, 16
#: What part of a transaction the first records of a request get, until it is known how long they take: one in `FIRST`.
#: Each further part costs at most twice as much as the one before.
FIRST = 4
#: The cost of a change, of each of its records, the bytes of bodies that cost as much as a row, and the rows that a
#: second of decoding costs.
CHANGE, RECORD, BYTES, SECOND = 4, 10, 16 * 1024, 20_000
#: How long to wait for the next records after a group of several was written to a remote store, as a share of the time
#: that the group took: clients that have just been answered send their next records, and join the others'. With 32
#: clients on a busy machine a third more records a second were written (mean of four runs each on chDB), with a fifth
#: less of the engine's CPU time and about as much of the server's.
GATHER = 0.1


@dataclass(frozen=True, slots=True)
class RecordWrite:
    """A change that only writes records, so that several such changes can be made as one, or one in several parts.

    `write` gets the records of all changes with the same `write`, and returns one result for each, in the same order.
    Once they are on disk, `note` is called with records of this change and their results, and, after the last of them,
    `answer` turns the results of all into the change's result.
    """

    records: Sequence[Record]
    write: Callable[[Store, Sequence[Record]], list[Any]]
    answer: Callable[[list[Any]], Any] = list
    note: Callable[[Sequence[Record], list[Any]], None] | None = None

    def __call__(self, store: Store) -> list[Any]:
        return self.write(store, self.records)


@dataclass(frozen=True, slots=True)
class DeferredChange:
    """A change that is still to be decoded from its request: on the writer's thread, but outside any transaction."""

    prepare: Callable[[], Any]

    def __call__(self, store: Store) -> Any:
        return self.prepare()(store)


@dataclass(slots=True)
class Queued:
    """A change in the queue, and its waiter.

    Of a `RecordWrite`, `part` are the records that the current transaction writes, `begun` is how many it and those
    before it write, `bound` is what the next part may cost, and `results` are those of the records on disk.
    """

    change: Change
    waiter: Waiter
    part: Sequence[Record] = ()
    begun: int = 0
    bound: int = 0
    results: list[Any] = field(default_factory=list)
    failed: bool = False

    def __call__(self, store: Store) -> Any:
        if isinstance(self.change, RecordWrite):
            return self.change.write(store, self.part)
        return self.change(store)


#: A change that was made, its result, and its error.
Applied = tuple[Queued, Any, BaseException | None]


class Busy(StoreUnavailable):
    """Too many changes are queued already."""


class Writer:
    """Makes changes to a store, in order, and many in one transaction."""

    def __init__(self, store: Store, most_pending: int) -> None:
        self._store = store
        self._most_pending = most_pending
        self._starting = threading.Lock()
        self._pid = 0  # the process that started the threads; the application may have been created before a fork
        self._most = MOST if store.writers == 1 else MOST_REMOTE
        self._changes = Turns[Queued]()
        self._record_writes = self._changes
        self._threads: dict[threading.Thread, Turns[Queued]] = {}

    def _start(self) -> None:
        """Start the threads. Called at the first change, in the process that makes it."""
        with self._starting:
            if self._pid == os.getpid():
                return
            self._changes = Turns()
            # Record writes share one thread, so that they are written together and see those just before them.
            self._record_writes = Turns() if self._store.writers > 1 else self._changes
            queues = [self._record_writes, *[self._changes] * (self._store.writers - 1)]
            self._threads = {
                threading.Thread(target=self._run, args=(queue,), name="autolog-writer", daemon=True): queue
                for queue in queues
            }
            for thread in self._threads:
                thread.start()
            self._pid = os.getpid()

    @property
    def pending(self) -> int:
        """The approximate number of queued changes."""
        return self._size() if self._pid == os.getpid() else 0

    def submit(self, change: Callable[[Store], T], sender: str = "") -> Future[T]:
        """Queue a change; the future gets its result once it is on disk.

        Raises:
            Busy: if too many changes are queued already.
        """
        future: Future[T] = Future()
        self.enqueue(change, future, sender)
        return future

    def run(self, change: Callable[[Store], T], sender: str = "") -> T:
        """Make a change and wait for its result. When called inside another change, it becomes part of that one."""
        if self._pid == os.getpid() and threading.current_thread() in self._threads:
            return change(self._store)
        return self.submit(change, sender).result()

    def note(self, change: Callable[[Store], Any]) -> None:
        """Queue a change whose result is not needed, and which may be dropped if the store has no room or no time."""
        with contextlib.suppress(Busy):
            self.submit(change)

    async def perform(self, change: Change, sender: str = "") -> Any:
        """Make a change and await its result, in a task of an event loop.

        Raises:
            Busy: if too many changes are queued already.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.enqueue(change, future, sender)
        return await future

    def enqueue(self, change: Change, waiter: Waiter, sender: str = "") -> None:
        """Queue a change for a waiter. Senders have equal shares of the writer; the server itself has the name "".

        Raises:
            Busy: if too many changes are queued already.
        """
        if self._pid != os.getpid():
            self._start()
        if self._size() >= self._most_pending:
            raise Busy(self._store.url, "too many writes are waiting")
        writes_records = isinstance(change, (RecordWrite, DeferredChange))
        (self._record_writes if writes_records else self._changes).put(sender, Queued(change, waiter))

    def _size(self) -> int:
        has_own_queue = self._record_writes is not self._changes
        return len(self._changes) + (len(self._record_writes) if has_own_queue else 0)

    def close(self) -> None:
        """Make all queued changes, then stop the threads."""
        if self._pid == os.getpid():
            for queue in self._threads.values():
                queue.close()
            for thread in self._threads:
                thread.join()
            self._pid = 0

    def _run(self, queue: Turns[Queued]) -> None:
        gathers = queue is self._record_writes
        more_until, most = 0.0, self._most
        while queue.wait():
            began = monotonic()
            sleep(max(0.0, more_until - began))
            group: list[Queued] = []
            failed: list[Answer] = []
            queue.deal(partial(_take_on, group, failed, self._most // FIRST), most)
            parts = [item.part for item in group]
            _deliver([*failed, *self._commit(group)])
            ended = monotonic()
            if self._store.writers == 1:
                most = _next_most(most, parts, ended - began) if ended - began > 2 * AIM else min(self._most, 2 * most)
            more_until = ended + GATHER * (ended - began) if gathers and len(group) > 1 else 0.0

    def _commit(self, group: list[Queued]) -> list[Answer]:
        if not group:
            return []
        applied: list[Applied] = []
        try:
            with self._store.transaction():
                if len(group) == 1:
                    applied.append((group[0], group[0](self._store), None))
                elif len(writes := _record_writes(group)) == len(group):  # needs no savepoint: all fail together
                    applied = self._written(writes)
                else:
                    applied, rest = self._write_together(group)
                    applied += [self._attempt(item) for item in rest]
        except BaseException as error:  # noqa: BLE001 - the commit failed: nothing is stored, and every waiter is told
            if len(group) > 1:
                return [answer for item in group for answer in self._commit([item])]  # isolate the bad one
            applied = [(group[0], None, error)]
        return [answer for item in applied if (answer := _answer(item)) is not None]

    def _write_together(self, group: list[Queued]) -> tuple[list[Applied], list[Queued]]:
        """Make all record writes of a group as one; return them, and the changes still to be made one by one."""
        writes = _record_writes(group)
        if len(writes) < 2:
            return [], group
        try:
            with self._store.transaction():
                return self._written(writes), [item for item in group if not isinstance(item.change, RecordWrite)]
        except Exception:  # noqa: BLE001 - one change may be at fault, so each is then made by itself
            return [], group

    def _written(self, writes: list[tuple[RecordWrite, Queued]]) -> list[Applied]:
        """Make several record writes as one, or as one for each way of writing."""
        by_way: dict[Any, list[Queued]] = {}
        for change, item in writes:
            by_way.setdefault(change.write, []).append(item)
        applied: list[Applied] = []
        for write, items in by_way.items():
            results = iter(write(self._store, [record for item in items for record in item.part]))
            applied += [(item, list(islice(results, len(item.part))), None) for item in items]
        return applied

    def _attempt(self, item: Queued) -> Applied:
        try:
            with self._store.transaction():
                return item, item(self._store), None
        except Exception as error:  # noqa: BLE001 - passed on to the waiter
            return item, None, error


def _take_on(
    group: list[Queued], failed: list[Answer], first: int, item: Queued, most: int
) -> tuple[int, Queued | None]:
    """Add a change, or as many of its records as cost `most`, to a group; return the cost, and what is left of it.

    Its first records cost at most `first`, and later ones twice as much as those before; the rest waits for another
    transaction. A deferred change is decoded first; if it is invalid, its answer is added to `failed`.
    """
    if item.failed:  # with its earlier records
        return 1, None
    if item.part and not item.results:
        return most, item
    started, change, is_new = monotonic(), item.change, not item.part
    if isinstance(change, DeferredChange):
        try:
            change = item.change = change.prepare()
        except Exception as error:  # noqa: BLE001 - passed on to the waiter
            failed.append((item.waiter, None, error))
            return CHANGE + int(SECOND * (monotonic() - started)), None
    cost = CHANGE + int(SECOND * (monotonic() - started))
    records = change.records if isinstance(change, RecordWrite) else ()
    before, bound = item.begun, min(most, item.bound or first)
    item.bound = 2 * bound
    while item.begun < len(records) and (cost < bound or item.begun == before):
        cost += _cost(records[item.begun])
        item.begun += 1
    item.part = records[len(item.results) : item.begun]
    if is_new:
        group.append(item)
    return (max(cost, most), item) if item.begun < len(records) else (cost, None)


def _cost(record: Record) -> int:
    size = len(record.request_body or b"") + len(record.response_body or b"")
    return RECORD + len(record.tags) + len(record.metadata) + size // BYTES


def _next_most(most: int, parts: Sequence[Sequence[Record]], seconds: float) -> int:
    """Return what the transaction after one that took too long may cost: what could have been made in time."""
    cost = sum(CHANGE + sum(map(_cost, part)) for part in parts)
    return max(LEAST, min(most, int(cost * AIM / seconds)))


def _record_writes(group: list[Queued]) -> list[tuple[RecordWrite, Queued]]:
    return [(item.change, item) for item in group if isinstance(item.change, RecordWrite)]


def _answer(applied: Applied) -> Answer | None:
    """Return the answer to a change that is on disk, or has failed; None if only part of its records is on disk."""
    item, result, failure = applied
    change = item.change
    if failure is None and isinstance(change, RecordWrite):
        try:
            if change.note is not None:
                change.note(item.part, result)
            item.results += result
            item.part = ()
            if item.begun < len(change.records):
                return None
            result = change.answer(item.results)
        except Exception as error:  # noqa: BLE001 - passed on to the waiter
            failure = error
    item.failed = failure is not None
    return item.waiter, result, failure


def _deliver(answers: list[Answer]) -> None:
    """Give every waiter its answer, waking each event loop only once."""
    tasks: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
    for answer in answers:
        waiter = answer[0]
        if isinstance(waiter, Future):
            _resolve([answer])
        else:
            tasks.setdefault(waiter.get_loop(), []).append(answer)
    for loop, its in tasks.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody waits
            loop.call_soon_threadsafe(_resolve, its)


def _resolve(answers: list[Answer]) -> None:
    for waiter, result, failure in answers:
        with contextlib.suppress(InvalidStateError, asyncio.InvalidStateError):  # the waiting request was cancelled
            if failure is not None:
                waiter.set_exception(failure)
            else:
                waiter.set_result(result)
