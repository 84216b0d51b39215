"""Items in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of so many items, the last one shorter; `itertools.batched` is of Python 3.12."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
