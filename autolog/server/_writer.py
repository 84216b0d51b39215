"""Group commit: changes that arrive together share one transaction, and each caller hears of its own after the commit.

One thread writes. It takes what waits, runs each change in a savepoint of its own, commits once, and only then answers
all. A change that fails takes back its own part and no other.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from autolog.errors import StoreUnavailable
from autolog.stores import Store

T = TypeVar("T")

Change = Callable[[Store], Any]

#: How many changes share a transaction at most.
GROUP = 256


class Busy(StoreUnavailable):
    """More changes wait than the server is set to hold."""


class Writer:
    """Runs changes of a store, in order, many to a transaction."""

    def __init__(self, store: Store, pending: int) -> None:
        self._store = store
        self._waiting: queue.Queue[tuple[Change, Future[Any]] | None] = queue.Queue(pending)
        self._thread = threading.Thread(target=self._run, name="autolog-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Callable[[Store], T]) -> Future[T]:
        """Queue a change; the future has its result once it is on disk.

        Raises:
            Busy: too many wait already.
        """
        future: Future[T] = Future()
        try:
            self._waiting.put_nowait((change, future))
        except queue.Full:
            raise Busy(self._store.url, "too many writes are waiting") from None
        return future

    @property
    def pending(self) -> int:
        """About how many changes wait."""
        return self._waiting.qsize()

    def run(self, change: Callable[[Store], T]) -> T:
        """Queue a change and wait for its result."""
        return self.submit(change).result()

    def close(self) -> None:
        """Finish what was accepted, then stop."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            first = self._waiting.get()
            if first is None:
                return
            group, last = [first], False
            while len(group) < GROUP:
                try:
                    item = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    last = True
                    break
                group.append(item)
            self._commit(group)
            if last:
                return

    def _commit(self, group: list[tuple[Change, Future[Any]]]) -> None:
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with self._store.transaction():
                for change, future in group:
                    outcomes.append(self._attempt(change, future))
        except BaseException as error:  # noqa: BLE001 - the commit failed: nothing is kept, and all must hear of it
            for _, future in group:
                future.set_exception(error)
            return
        for future, result, failure in outcomes:
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(result)

    def _attempt(self, change: Change, future: Future[Any]) -> tuple[Future[Any], Any, BaseException | None]:
        try:
            with self._store.transaction():
                return future, change(self._store), None
        except Exception as error:  # noqa: BLE001 - its caller hears of it
            return future, None, error
