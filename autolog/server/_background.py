"""Periodic tasks that an application runs in the background, independently of requests."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from autolog._guard import guard


class Background:
    """Calls a function at once and then every `every` seconds, on a thread of its own, from `start` to `stop`."""

    def __init__(self, name: str, every: float, act: Callable[[], None]) -> None:
        self._name = name
        self._every = every
        self._act = act
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0  # the process that started the thread; the application may have been created before a fork

    def start(self) -> None:
        """Start the thread, unless it has been started in this process."""
        if self._pid == os.getpid():
            return
        self._pid, self._stopped = os.getpid(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"autolog-{self._name}", daemon=True)
        self._thread.start()

    def pause(self, seconds: float) -> None:
        """Wait for `seconds`, or until the thread is told to stop."""
        self._stopped.wait(seconds)

    @property
    def ended(self) -> bool:
        """Whether the thread has been told to stop, so that a long task should end early."""
        return self._stopped.is_set()

    def end(self) -> None:
        """Tell the thread to stop."""
        self._stopped.set()

    def stop(self) -> None:
        """Tell the thread to stop, and wait up to a second for it to finish."""
        self.end()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(1)

    def _run(self) -> None:
        while not self._stopped.is_set():
            with guard(f"{self._name} of the server"):
                self._act()
            self._stopped.wait(self._every)
