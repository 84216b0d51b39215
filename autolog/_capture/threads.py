"""Make threads and thread pools carry the span and the context from where their work was started."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from autolog._capture.context import EMPTY, Context, Parent, current_context, current_span
from autolog._lifecycle import after_fork_in_child, expect_records

_following = threading.Lock()
_wrapped = _followed = False


@after_fork_in_child
def _renew_lock() -> None:
    global _following
    _following = threading.Lock()


def follow_threads() -> None:
    """Make new threads and thread-pool jobs inherit the current span and context. Cheap if already done."""
    global _followed, _wrapped
    if _followed:
        return
    if not _wrapped:
        with _following:
            if not _wrapped:
                _wrap_thread_start()
                _wrap_pool_submit()
                _wrapped = True
    _followed = expect_records()


def _wrap_thread_start() -> None:
    """Wrap `Thread.start` so that the thread runs with the starter's span and context."""
    original = threading.Thread.start

    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        expect_records()
        span, context = current_span.get(), current_context.get()
        if span is not None or context is not EMPTY:
            self.run = _carrying_run(self, span, context)  # type: ignore[method-assign]
        original(self)

    threading.Thread.start = start  # type: ignore[method-assign]


def _carrying_run(thread: threading.Thread, span: Parent | None, context: Context) -> Callable[[], None]:
    """Return a `run` for a thread that sets the span and the context, restores the original `run`, and calls it."""
    had_own = "run" in thread.__dict__
    run = thread.run

    def carrying() -> None:
        if had_own:
            thread.run = run  # type: ignore[method-assign]
        else:
            thread.__dict__.pop("run", None)
        current_span.set(span)
        current_context.set(context)
        run()

    return carrying


def _wrap_pool_submit() -> None:
    """Wrap `ThreadPoolExecutor.submit` so that the job runs with the submitter's span and context."""
    original: Callable[..., Any] = ThreadPoolExecutor.submit

    @functools.wraps(original)
    def submit(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        expect_records()
        span, context = current_span.get(), current_context.get()
        if span is None and context is EMPTY:
            plain: Future[Any] = original(self, fn, *args, **kwargs)
            return plain
        # The pool may start a thread now, which must not inherit this span; only the job does.
        span_token, context_token = current_span.set(None), current_context.set(EMPTY)
        try:
            future: Future[Any] = original(self, _carried_call, span, context, fn, args, kwargs)
            return future
        finally:
            current_span.reset(span_token)
            current_context.reset(context_token)

    ThreadPoolExecutor.submit = submit  # type: ignore[method-assign, assignment]


def _carried_call(
    span: Parent | None,
    context: Context,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call `fn` with the given span and context as the current ones."""
    span_token, context_token = current_span.set(span), current_context.set(context)
    try:
        return fn(*args, **kwargs)
    finally:
        current_span.reset(span_token)
        current_context.reset(context_token)
