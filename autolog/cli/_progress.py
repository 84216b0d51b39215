"""A progress bar on standard error, where somebody sees it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def counted(items: Iterable[T], total: int | None, words: str) -> Iterator[T]:
    """The items, with a bar while they pass."""
    if not sys.stderr.isatty():
        yield from items
        return
    yield from track(items, words, total, console=Console(stderr=True), transient=True)
