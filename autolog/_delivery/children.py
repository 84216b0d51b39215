"""The last flush in processes that skip `atexit`: children of multiprocessing and Celery, and whatever ends at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from autolog import _lifecycle
from autolog._native import before_sudden_end

_finalizer: Any = None  # multiprocessing's, in a child
_follows_multiprocessing = False
_recording = 0  # the process in which a worker was last started


def flush_before_child_exits() -> None:
    """Flush when this process or one of its children ends other than by an exit."""
    global _recording
    _recording = os.getpid()
    before_sudden_end(_flush_at_sudden_end)
    _follow_multiprocessing()
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        # A worker process that has done its last task (`--max-tasks-per-child`) is killed soon after this signal.
        signals.worker_process_shutdown.connect(_flush, dispatch_uid="autolog")


def _flush_at_sudden_end() -> Callable[[], None] | None:
    """Flush if this process has recorded anything; a child that was forked to run another program has not."""
    return _lifecycle.flush_before_end() if _recording == os.getpid() else None


def _flush(**_: Any) -> None:
    _lifecycle.flush_at_exit()


def _follow_multiprocessing() -> None:
    """Flush with the finalizers that a child runs at its end.

    It forgets those registered before its work begins, as by a main module that calls `patch()`: ours returns then.
    """
    global _follows_multiprocessing
    util, process = (sys.modules.get(f"multiprocessing.{name}") for name in ("util", "process"))
    if util is None or process is None:
        return
    if not _follows_multiprocessing:
        _follows_multiprocessing = True
        util.register_after_fork(_lifecycle.opening, _flush_at_end_of_child)
    if process.parent_process() is not None:
        _flush_at_end_of_child()


def _flush_at_end_of_child(_: object = None) -> None:
    global _finalizer
    if _finalizer is None or not _finalizer.still_active():
        util = sys.modules["multiprocessing.util"]
        _finalizer = util.Finalize(None, _lifecycle.flush_at_exit, exitpriority=100)
