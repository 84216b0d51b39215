"""Group commit: changes that arrive together share one transaction, and each caller gets its result after the commit.

There is one writing thread, or as many as the store prefers (`Store.writers`). It takes all queued changes, writes the
records of all `RecordWrite`s at once, runs every other change in a savepoint of its own, commits, and only then
answers. A change that fails rolls back only its own part. A change may be a whole request, which is then decoded,
written and answered with a single thread switch; switching threads costs more than everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from itertools import islice
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import Any, Protocol, TypeVar

from autolog._record.record import Record
from autolog.errors import StoreUnavailable
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
#: A change in the queue, and its waiter.
Queued = tuple[Change, Waiter]
#: A change that was made, its result, and its error.
Applied = tuple[Queued, Any, BaseException | None]
#: A waiter, and the result or error that it gets.
Answer = tuple[Waiter, Any, BaseException | None]

#: The most changes in one transaction.
GROUP = 256
#: How long to wait for the next records after a group of several was written to a remote store, as a share of the time
#: that the group took: clients that have just been answered send their next records, and join the others'. With 32
#: clients on a busy machine a third more records a second were written (mean of four runs each on chDB), with a fifth
#: less of the engine's CPU time and about as much of the server's.
GATHER = 0.1


@dataclass(frozen=True, slots=True)
class RecordWrite:
    """A change that only writes records, so that several such changes can be made as one.

    `write` gets the records of all changes with the same `write`, and returns one result for each, in the same order.
    Once they are on disk, `answer` turns the results of this change's own records into the change's result.
    """

    records: Sequence[Record]
    write: Callable[[Store, Sequence[Record]], list[Any]]
    answer: Callable[[list[Any]], Any] = list

    def __call__(self, store: Store) -> list[Any]:
        return self.write(store, self.records)


@dataclass(frozen=True, slots=True)
class DeferredChange:
    """A change that is still to be decoded from its request: on the writer's thread, but outside any transaction."""

    prepare: Callable[[], Any]

    def __call__(self, store: Store) -> Any:
        return self.prepare()(store)


class Busy(StoreUnavailable):
    """Too many changes are queued already."""


class Writer:
    """Makes changes to a store, in order, and many in one transaction."""

    def __init__(self, store: Store, most_pending: int) -> None:
        self._store = store
        self._most_pending = most_pending
        self._starting = threading.Lock()
        self._pid = 0  # the process that started the threads; the application may have been created before a fork
        self._changes: SimpleQueue[Queued | None] = SimpleQueue()
        self._record_writes = self._changes
        self._threads: dict[threading.Thread, SimpleQueue[Queued | None]] = {}

    def _start(self) -> None:
        """Start the threads. Called at the first change, in the process that makes it."""
        with self._starting:
            if self._pid == os.getpid():
                return
            self._changes = SimpleQueue()
            # Record writes share one thread, so that they are written together and see those just before them.
            self._record_writes = SimpleQueue() if self._store.writers > 1 else self._changes
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

    def submit(self, change: Callable[[Store], T]) -> Future[T]:
        """Queue a change; the future gets its result once it is on disk.

        Raises:
            Busy: if too many changes are queued already.
        """
        future: Future[T] = Future()
        self.enqueue(change, future)
        return future

    def run(self, change: Callable[[Store], T]) -> T:
        """Make a change and wait for its result. When called inside another change, it becomes part of that one."""
        if self._pid == os.getpid() and threading.current_thread() in self._threads:
            return change(self._store)
        return self.submit(change).result()

    def note(self, change: Callable[[Store], Any]) -> None:
        """Queue a change whose result is not needed, and which may be dropped if the store has no room or no time."""
        with contextlib.suppress(Busy):
            self.submit(change)

    async def perform(self, change: Change) -> Any:
        """Make a change and await its result, in a task of an event loop.

        Raises:
            Busy: if too many changes are queued already.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.enqueue(change, future)
        return await future

    def enqueue(self, change: Change, waiter: Waiter) -> None:
        """Queue a change for a waiter.

        Raises:
            Busy: if too many changes are queued already.
        """
        if self._pid != os.getpid():
            self._start()
        if self._size() >= self._most_pending:
            raise Busy(self._store.url, "too many writes are waiting")
        writes_records = isinstance(change, (RecordWrite, DeferredChange))
        (self._record_writes if writes_records else self._changes).put((change, waiter))

    def _size(self) -> int:
        has_own_queue = self._record_writes is not self._changes
        return self._changes.qsize() + (self._record_writes.qsize() if has_own_queue else 0)

    def close(self) -> None:
        """Make all queued changes, then stop the threads."""
        if self._pid == os.getpid():
            for queue in self._threads.values():
                queue.put(None)
            for thread in self._threads:
                thread.join()
            self._pid = 0

    def _run(self, queue: SimpleQueue[Queued | None]) -> None:
        gathers = queue is self._record_writes
        more_until = 0.0
        while (first := queue.get()) is not None:
            began = monotonic()
            sleep(max(0.0, more_until - began))
            group, last = _take(queue, first)
            _deliver(self._commit(group))
            if last:
                return
            ended = monotonic()
            more_until = ended + GATHER * (ended - began) if gathers and len(group) > 1 else 0.0

    def _commit(self, group: list[Queued]) -> list[Answer]:
        group, answers = _prepare(group)
        if not group:
            return answers
        applied: list[Applied] = []
        try:
            with self._store.transaction():
                if len(group) == 1:
                    applied.append((group[0], group[0][0](self._store), None))
                elif len(writes := _record_writes(group)) == len(group):  # needs no savepoint: all fail together
                    applied = self._written(writes)
                else:
                    applied, rest = self._write_together(group)
                    applied += [self._attempt(item) for item in rest]
        except BaseException as error:  # noqa: BLE001 - the commit failed: nothing is stored, and every waiter is told
            if len(group) == 1:
                return [*answers, (group[0][1], None, error)]
            return [*answers, *(answer for item in group for answer in self._commit([item]))]  # isolate the bad one
        return [*answers, *map(_answer, applied)]

    def _write_together(self, group: list[Queued]) -> tuple[list[Applied], list[Queued]]:
        """Make all record writes of a group as one; return them, and the changes still to be made one by one."""
        writes = _record_writes(group)
        if len(writes) < 2:
            return [], group
        try:
            with self._store.transaction():
                return self._written(writes), [item for item in group if not isinstance(item[0], RecordWrite)]
        except Exception:  # noqa: BLE001 - one change may be at fault, so each is then made by itself
            return [], group

    def _written(self, writes: list[tuple[RecordWrite, Waiter]]) -> list[Applied]:
        """Make several record writes as one, or as one for each way of writing."""
        by_way: dict[Any, list[tuple[RecordWrite, Waiter]]] = {}
        for item in writes:
            by_way.setdefault(item[0].write, []).append(item)
        applied: list[Applied] = []
        for write, items in by_way.items():
            results = iter(write(self._store, [record for change, _ in items for record in change.records]))
            applied += [(item, list(islice(results, len(item[0].records))), None) for item in items]
        return applied

    def _attempt(self, item: Queued) -> Applied:
        try:
            with self._store.transaction():
                return item, item[0](self._store), None
        except Exception as error:  # noqa: BLE001 - passed on to the waiter
            return item, None, error


def _take(queue: SimpleQueue[Queued | None], first: Queued) -> tuple[list[Queued], bool]:
    """Return the next group of changes, and whether it is the last."""
    group = [first]
    with contextlib.suppress(Empty):
        while len(group) < GROUP:
            item = queue.get_nowait()
            if item is None:
                return group, True
            group.append(item)
    return group, False


def _record_writes(group: list[Queued]) -> list[tuple[RecordWrite, Waiter]]:
    return [(change, waiter) for change, waiter in group if isinstance(change, RecordWrite)]


def _prepare(group: list[Queued]) -> tuple[list[Queued], list[Answer]]:
    """Decode the deferred changes of a group; return the changes to make, and the answers to those that are invalid."""
    prepared: list[Queued] = []
    failed: list[Answer] = []
    for change, waiter in group:
        try:
            prepared.append((change.prepare() if isinstance(change, DeferredChange) else change, waiter))
        except Exception as error:  # noqa: BLE001 - passed on to the waiter
            failed.append((waiter, None, error))
    return prepared, failed


def _answer(applied: Applied) -> Answer:
    """Return the answer to a change that is on disk."""
    (change, waiter), result, failure = applied
    if failure is None and isinstance(change, RecordWrite):
        try:
            result = change.answer(result)
        except Exception as error:  # noqa: BLE001 - passed on to the waiter
            failure = error
    return waiter, result, failure


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
