"""Default implementations of functions of `Format`, for the many providers that share them.

A provider's module imports those that apply. Each takes the arguments of the protocol, whether it uses them or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog.providers._facts import BatchResult


def has_usage_option(path: str) -> bool:
    """Return False: every stream reports its usage."""
    return False


def is_follow_up(method: str, path: str) -> bool:
    """Return False: no call reports on an earlier one."""
    return False


def results_id(path: str) -> str | None:
    """Return None: no path returns the results of a batch."""
    return None


def batch_results(path: str, body: bytes) -> Iterator[BatchResult]:
    """Yield nothing: no batches are read over HTTP."""
    yield from ()


def unbilled_reason(path: str) -> str | None:
    """Return None: every recorded call is billed by itself."""
    return None


def billable_units(path: str, request: dict[str, Any], response: Any) -> dict[str, float]:
    """Return an empty dict: everything is billed by the quantities in `Usage`, such as tokens."""
    return {}


def model_in(path: str) -> str | None:
    """Return None: the model is named in the body."""
    return None


def streams(path: str) -> bool:
    """Return False: a JSON array is one response."""
    return False
