"""A progress bar on standard error, if that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track

T = TypeVar("T")


def counted(items: Iterable[T], total: int | None, words: str) -> Iterator[T]:
    """Yield the items, with a progress bar meanwhile."""
    if not sys.stderr.isatty():
        yield from items
        return
    yield from track(items, words, total, console=Console(stderr=True), transient=True)


@contextmanager
def bar(words: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar for the block; yield a function to call with the number of items done so far."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(words, total=total)
        yield lambda done: progress.update(task, completed=done)
