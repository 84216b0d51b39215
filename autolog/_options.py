"""The options of `configure()` as types, for editors and type checkers. `_config.Config` describes and checks them.

Imported by nothing when a program runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Required, TypeAlias, TypedDict

if TYPE_CHECKING:
    from autolog import Record


class Price(TypedDict, total=False):
    """Dollars for a million tokens of one model."""

    input: float
    output: float
    cache_read: float
    cache_write: float


class BudgetOptions(TypedDict, total=False):
    """One of `budgets`."""

    limit: Required[float]
    per: Literal["hour", "day", "week", "month"] | timedelta
    user: str
    tag: str
    session: str
    function: str
    project: str
    then: str | Callable[[str], object] | type[BaseException]
    unpriced: Literal["allow", "refuse"]


class ServerBudgetOptions(TypedDict, total=False):
    """The one of `budgets` that stands for those of the server."""

    server: Required[Literal[True]]
    then: type[BaseException]
    unpriced: Literal["allow", "refuse"]


class SinkOptions(TypedDict, total=False):
    """One of `sinks`, if it is not the URL of a store."""

    endpoint: Required[str]
    api_key: str | None
    dialect: str


class RedactionOptions(TypedDict, total=False):
    """A mapping in `redact`."""

    patterns: Pattern | Sequence[Pattern]
    fields: str | Sequence[str]
    function: Callable[[Record], Record | None]


Pattern: TypeAlias = "str | re.Pattern[str]"
Redaction: TypeAlias = "Pattern | Callable[[Record], Record | None]"


class Options(TypedDict, total=False):
    """What `configure()` takes: the fields of `Config`, where they are described."""

    store: str
    endpoint: str | None
    api_key: str | None
    dialect: str
    hosts: Mapping[str, str]
    sinks: Sequence[str | SinkOptions]
    prices: Mapping[str, Price] | Callable[[Record], float | None] | None
    budgets: Sequence[BudgetOptions | ServerBudgetOptions]
    stream_usage: Literal["request", "estimate"] | None
    update_prices: bool
    enabled: bool
    capture_bodies: bool
    max_media_bytes: int
    max_field_chars: int | None
    redact: Redaction | Sequence[Redaction] | RedactionOptions | None
    redact_secrets: bool
    sample: float
    sample_keep_errors: bool
    sample_keep_slow: float | None
    durable: bool
    journal: str | os.PathLike[str]
    journal_max_bytes: int
    journal_max_age: float
    handle_sigterm: bool
    max_queue_records: int
    max_queue_bytes: int
