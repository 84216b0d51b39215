"""The types of the options of `configure()`, for editors and type checkers; `_config.Config` documents and checks them.

Only imported for type checking, never at run time.
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
    """A model's prices, in dollars per million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write: float


class BudgetOptions(TypedDict, total=False):
    """An entry of `budgets`."""

    limit: Required[float]
    per: Literal["hour", "day", "week", "month"] | timedelta
    user: str
    tag: str
    session: str
    function: str
    key: str
    project: str
    then: str | Callable[[str], object] | type[BaseException]
    unpriced: Literal["allow", "refuse"]
    unreserved: Literal["allow", "refuse"]


class ServerBudgetOptions(TypedDict, total=False):
    """The entry of `budgets` that enforces the server's budgets."""

    server: Required[Literal[True]]
    then: type[BaseException]
    unpriced: Literal["allow", "refuse"]
    unreserved: Literal["allow", "refuse"]


class SinkOptions(TypedDict, total=False):
    """An entry of `sinks` that is not the URL of a store."""

    endpoint: Required[str]
    api_key: str | None
    dialect: str
    headers: Mapping[str, str]


class RedactionOptions(TypedDict, total=False):
    """`redact` as a mapping."""

    patterns: Pattern | Sequence[Pattern]
    fields: str | Sequence[str]
    function: Callable[[Record], Record | None]


Pattern: TypeAlias = "str | re.Pattern[str]"
Redaction: TypeAlias = "Pattern | Callable[[Record], Record | None]"


class Options(TypedDict, total=False):
    """The options of `configure()`; the fields of `Config` document them."""

    store: str
    endpoint: str | None
    api_key: str | None
    dialect: str
    headers: Mapping[str, str]
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
