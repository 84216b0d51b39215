"""Decode the items of a batch in steps: the first step of all items, then the second of all, and so on.

Each step runs for many items in a row, so that its code stays in the processor's caches. A log of a batch takes a tenth
less than if its steps followed each other.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from autolog.dialects._fault import MISREAD

T = TypeVar("T")

#: A generator that decodes an item, pauses after each step, and returns the result.
Steps = Generator[None, None, T]


def at_once(steps: Steps[T]) -> T:
    """Take all steps of one item, and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            result: T = ended.value
            return result


def in_steps(items: Iterable[Any], decode: Callable[[Any], Steps[T]]) -> list[T | Exception]:
    """Decode items, and return a result for each in the same order: the error, if the item cannot be decoded."""
    waiting = [*enumerate(map(decode, items))]
    results: list[Any] = [None] * len(waiting)
    while waiting:
        goes_on = []
        for place, steps in waiting:
            try:
                next(steps)
            except StopIteration as ended:
                results[place] = ended.value
            except MISREAD as error:
                results[place] = error
            else:
                goes_on.append((place, steps))
        waiting = goes_on
    return results
