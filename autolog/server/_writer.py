"""Group commit: changes that arrive together share one transaction, and each caller hears of its own after the commit.

One thread writes, or as many as the store likes (`Store.writers`). It takes what waits, writes together what only keeps
records, runs each other change in a savepoint of its own, commits once, and only then answers all. A change that fails
takes back its own part and no other. A change may be a whole request: on this thread it is read, written and answered
with a single change of threads, which costs more than all the rest.
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
from typing import Any, TypeVar

from autolog._record.record import Record
from autolog.errors import StoreUnavailable
from autolog.stores._contract import Store

T = TypeVar("T")

Change = Callable[[Store], Any]
#: A change, and who waits for it: a thread, or a task of an event loop.
Waiting = tuple[Change, "Future[Any] | asyncio.Future[Any]"]
#: Who waited, the result, and what went wrong.
Outcome = tuple["Future[Any] | asyncio.Future[Any]", Any, BaseException | None]

#: A change that was made, its result, and what went wrong.
Made = tuple[Waiting, Any, BaseException | None]

#: How many changes share a transaction at most.
GROUP = 256


@dataclass(frozen=True, slots=True)
class Keeping:
    """A change that only writes records: several of them may be made as one.

    `write` gets the records of all, and returns what became of each in the same order, such as its place. `answer`
    makes of a change's own part, once that is on disk, what the change comes to.
    """

    records: Sequence[Record]
    write: Callable[[Store, Sequence[Record]], list[Any]]
    answer: Callable[[list[Any]], Any] = list

    def __call__(self, store: Store) -> list[Any]:
        return self.write(store, self.records)


@dataclass(frozen=True, slots=True)
class Preparing:
    """A change that has yet to be read from a request, on the writer's thread but outside of any transaction."""

    prepare: Callable[[], Any]

    def __call__(self, store: Store) -> Any:
        return self.prepare()(store)


class Busy(StoreUnavailable):
    """More changes wait than the server is set to hold."""


class Writer:
    """Runs changes of a store, in order, many to a transaction."""

    def __init__(self, store: Store, pending: int) -> None:
        self._store = store
        self._most = pending
        self._starting = threading.Lock()
        self._pid = 0

    def _start(self) -> None:
        """The thread: at the first change, in the process that makes it. An application may be made before a fork."""
        with self._starting:
            if self._pid != os.getpid():
                self._waiting: SimpleQueue[Waiting | None] = SimpleQueue()
                self._keeping = SimpleQueue[Waiting | None]() if self._store.writers > 1 else self._waiting
                queues = [self._keeping, *[self._waiting] * (self._store.writers - 1)]
                self._threads = {
                    threading.Thread(target=self._run, args=(queue,), name="autolog-writer", daemon=True): queue
                    for queue in queues
                }
                for thread in self._threads:
                    thread.start()
                self._pid = os.getpid()

    @property
    def pending(self) -> int:
        """About how many changes wait."""
        return self._size() if self._pid == os.getpid() else 0

    def submit(self, change: Callable[[Store], T]) -> Future[T]:
        """Queue a change; the future has its result once it is on disk.

        Raises:
            Busy: too many wait already.
        """
        future: Future[T] = Future()
        self._queue(change, future)
        return future

    def run(self, change: Callable[[Store], T]) -> T:
        """Make a change and wait for its result. Inside another change it is a part of that one."""
        if self._pid == os.getpid() and threading.current_thread() in self._threads:
            return change(self._store)
        return self.submit(change).result()

    async def perform(self, change: Change) -> Any:
        """The same for a task of an event loop.

        Raises:
            Busy: too many wait already.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue(change, future)
        return await future

    def _queue(self, change: Change, future: Any) -> None:
        if self._pid != os.getpid():
            self._start()
        if self._size() >= self._most:
            raise Busy(self._store.url, "too many writes are waiting")
        # What only keeps records is for one thread, so that it is written together and sees what came just before
        (self._keeping if isinstance(change, Keeping) else self._waiting).put((change, future))

    def _size(self) -> int:
        return self._waiting.qsize() + (self._keeping.qsize() if self._keeping is not self._waiting else 0)

    def close(self) -> None:
        """Finish what was accepted, then stop."""
        if self._pid == os.getpid():
            for queue in self._threads.values():
                queue.put(None)
            for thread in self._threads:
                thread.join()
            self._pid = 0

    def _run(self, queue: SimpleQueue[Waiting | None]) -> None:
        while True:
            first = queue.get()
            if first is None:
                return
            group, last = [first], False
            while len(group) < GROUP:
                try:
                    item = queue.get_nowait()
                except Empty:
                    break
                if item is None:
                    last = True
                    break
                group.append(item)
            _tell(self._commit(group))
            if last:
                return

    def _commit(self, group: list[Waiting]) -> list[Outcome]:
        group, outcomes = _prepared(group)
        if not group:
            return outcomes
        made: list[Made] = []
        try:
            with self._store.transaction():
                if len(group) == 1:
                    made.append((group[0], group[0][0](self._store), None))
                else:
                    made, rest = self._keep_together(group)
                    made += [self._attempt(item) for item in rest]
        except BaseException as error:  # noqa: BLE001 - the commit failed: nothing is kept, and all must hear of it
            if len(group) == 1:
                return [*outcomes, (group[0][1], None, error)]
            return [*outcomes, *(outcome for item in group for outcome in self._commit([item]))]  # one may be to blame
        return [*outcomes, *map(_answered, made)]

    def _keep_together(self, group: list[Waiting]) -> tuple[list[Made], list[Waiting]]:
        """Write what only keeps records at once; what is left is to be done one by one."""
        keeping = [(change, future) for change, future in group if isinstance(change, Keeping)]
        if len(keeping) < 2:
            return [], group
        rest = [item for item in group if not isinstance(item[0], Keeping)]
        try:
            with self._store.transaction():
                every = [record for change, _ in keeping for record in change.records]
                found = iter(keeping[0][0].write(self._store, every))
                return [(item, list(islice(found, len(item[0].records))), None) for item in keeping], rest
        except Exception:  # noqa: BLE001 - one of them may be to blame: each by itself
            return [], group

    def _attempt(self, item: Waiting) -> Made:
        try:
            with self._store.transaction():
                return item, item[0](self._store), None
        except Exception as error:  # noqa: BLE001 - its caller hears of it
            return item, None, error


def _prepared(group: list[Waiting]) -> tuple[list[Waiting], list[Outcome]]:
    """The changes of a group as they were read; and what became of those that could not be."""
    ready: list[Waiting] = []
    failed: list[Outcome] = []
    for change, future in group:
        try:
            ready.append((change.prepare() if isinstance(change, Preparing) else change, future))
        except Exception as error:  # noqa: BLE001 - its caller hears of it
            failed.append((future, None, error))
    return ready, failed


def _answered(made: Made) -> Outcome:
    """What a change came to, for its caller, now that it is on disk."""
    (change, future), result, failure = made
    if failure is None and isinstance(change, Keeping):
        try:
            result = change.answer(result)
        except Exception as error:  # noqa: BLE001 - its caller hears of it
            failure = error
    return future, result, failure


def _tell(outcomes: list[Outcome]) -> None:
    """Each caller its own; an event loop all of its at once, for it must be woken."""
    tasks: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        future = outcome[0]
        if isinstance(future, Future):
            _settle([outcome])
        else:
            tasks.setdefault(future.get_loop(), []).append(outcome)
    for loop, mine in tasks.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(_settle, mine)


def _settle(outcomes: list[Outcome]) -> None:
    for future, result, failure in outcomes:
        with contextlib.suppress(InvalidStateError, asyncio.InvalidStateError):  # its request was given up
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(result)
