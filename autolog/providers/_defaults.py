"""Answers to the questions of `Format` that most providers share; a module imports those that fit it.

Every one takes what the protocol says, whether it looks at it or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog.providers._facts import BatchResult


def has_usage_option(path: str) -> bool:
    """Return False: every stream tells its usage."""
    return False


def is_follow_up(method: str, path: str) -> bool:
    """Return False: no call tells more of an earlier one."""
    return False


def results_id(path: str) -> str | None:
    """Return None: no path holds a batch's results."""
    return None


def batch_results(path: str, body: bytes) -> Iterator[BatchResult]:
    """Yield nothing: there are no batches that are read over HTTP."""
    yield from ()


def unbilled_reason(path: str) -> str | None:
    """Return None: every recorded call has a bill of its own."""
    return None


def billable_units(path: str, request: dict[str, Any], response: Any) -> dict[str, float]:
    """Return nothing: all is billed by the token, or by what `Usage` counts."""
    return {}


def model_in(path: str) -> str | None:
    """Return None: the model is in the body."""
    return None


def streams(path: str) -> bool:
    """Return False: a JSON array is one response."""
    return False
