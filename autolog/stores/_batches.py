"""Divide items into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` items, the last of which may be shorter (`itertools.batched` needs Python 3.12)."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
