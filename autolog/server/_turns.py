"""A queue that is shared fairly: the items of each sender are taken in order, and those of all senders in turn."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
#: Takes on an item at a cost of at most about the second argument; returns the cost, and what is left of the item.
Serve = Callable[[T, int], "tuple[int, T | None]"]


class Turns(Generic[T]):
    """Items that wait, by sender. Any thread may add and take them."""

    def __init__(self) -> None:
        self._arrived: SimpleQueue[tuple[str, T] | None] = SimpleQueue()
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()
        """The items by sender; the one that was served longest ago is the first."""
        self._sorted = 0
        self._taking = threading.Lock()

    def __len__(self) -> int:
        return self._arrived.qsize() + self._sorted

    def put(self, sender: str, item: T) -> None:
        """Add an item behind the sender's others."""
        self._arrived.put((sender, item))

    def close(self) -> None:
        """Let `wait` return False once nothing is left."""
        self._arrived.put(None)

    def wait(self) -> bool:
        """Wait until there are items to take; return False if there will be no more."""
        if self._waiting:
            return True
        first = self._arrived.get()
        if first is None:
            self._arrived.put(None)  # for the other threads that wait
            return bool(self._waiting)
        with self._taking:
            self._sort(*first)
        return True

    def deal(self, serve: Serve[T], most: int) -> None:
        """Serve items at a cost of about `most` together, of which each sender gets an equal part.

        What senders do not need goes to the others.
        """
        with self._taking:
            self._sort_arrived()
            while self._waiting and most > 0:
                share = max(1, most // len(self._waiting))
                for sender in list(self._waiting):
                    most -= self._serve_one(sender, serve, share)
                    if most <= 0:
                        return

    def _serve_one(self, sender: str, serve: Serve[T], share: int) -> int:
        items, left = self._waiting[sender], share
        while items and left > 0:
            cost, rest = serve(items.popleft(), left)
            left -= cost
            if rest is None:
                self._sorted -= 1
            else:
                items.appendleft(rest)
        if items:
            self._waiting.move_to_end(sender)
        else:
            del self._waiting[sender]
        return share - left

    def _sort_arrived(self) -> None:
        for _ in range(self._arrived.qsize()):
            try:
                arrived = self._arrived.get_nowait()
            except Empty:
                return
            if arrived is None:
                self._arrived.put(None)
                return
            self._sort(*arrived)

    def _sort(self, sender: str, item: T) -> None:
        self._waiting.setdefault(sender, deque()).append(item)
        self._sorted += 1
