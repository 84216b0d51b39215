"""The providers: which calls are recorded, and how their bodies read.

A module here answers the same questions for each format (see `Format`); adding one is adding a file, its tests and a
line in `_table`. SDKs that have choke points of their own are in `_sdks`, a line each. Nothing here imports an SDK:
`_capture.patch` does, when the user's program has.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, cast

from autolog._record.streams import Event
from autolog.providers import openai as _openai
from autolog.providers._facts import BatchResult, Facts, Usage
from autolog.providers._fields import text
from autolog.providers._sdks import SDK, SDKS
from autolog.providers._table import ROWS, Row

__all__ = [
    "SDK",
    "SDKS",
    "BatchResult",
    "Facts",
    "Format",
    "Usage",
    "format_for",
    "format_named",
    "format_of",
    "provider_at",
    "provider_of_model",
]


class Format(Protocol):
    """The questions that every provider's module answers. Paths are URL paths, unquoted, with or without a query."""

    name: str
    """The module's name."""
    provider_name: str
    """Who answers when the host does not say."""

    def billable(self, method: str, path: str) -> bool:
        """Return whether a call is recorded: it costs money, is a model call all the same, or completes one."""
        ...

    def has_usage_option(self, path: str) -> bool:
        """Return whether a stream tells its usage only if asked to by `stream_options.include_usage`."""
        ...

    def is_follow_up(self, method: str, path: str) -> bool:
        """Return whether a call tells more of what an earlier call began, which must not be billed twice."""
        ...

    def results_id(self, path: str) -> str | None:
        """Return the id of the file or batch whose results this path returns, if any."""
        ...

    def batch_results(self, path: str, body: bytes) -> Iterator[BatchResult]:
        """Yield the responses in a body that holds the results of a batch."""
        ...

    def operation(self, path: str) -> str:
        """Return the operation's name, as the GenAI conventions have it where they do, else the end of the path."""
        ...

    def guess_path(self, request: dict[str, Any]) -> str:
        """Return the path that a request of this shape goes to, for logs that do not say."""
        ...

    def model_in(self, path: str) -> str | None:
        """Return the model that the path names, if it does."""
        ...

    def read(self, path: str, body: Any, headers: Mapping[str, str]) -> Facts:
        """Return the facts in a response: its JSON value, a stream assembled, and its headers in small letters."""
        ...

    def unbilled_reason(self, path: str) -> str | None:
        """Return why a call to this path has no bill of its own; None if it has."""
        ...

    def billable_units(self, path: str, request: dict[str, Any], response: Any) -> dict[str, float]:
        """Return what is billed by the piece, by the names in `_pricing.units.UNITS`."""
        ...

    def streams(self, path: str) -> bool:
        """Return whether a JSON array from this path is a stream of its elements."""
        ...

    def assemble(self, path: str, events: list[Event]) -> dict[str, Any]:
        """Return the response that a stream amounts to, as far as it came."""
        ...


@functools.cache
def format_named(name: str) -> Format:
    """Return the module of that name, or that reads what the SDK of that name sends; imported when first needed.

    Raises:
        KeyError: there is none of that name.
    """
    name = SDKS[name].speaks if name in SDKS else name
    if not any(row.module == name for row in ROWS):
        raise KeyError(name)
    # mypy does not see a module that is named at run time: a test says that each answers all questions.
    return cast("Format", importlib.import_module(f"autolog.providers.{name}"))


def format_of_sdk(name: str | None) -> Format | None:
    """Return what reads the calls of an SDK, as a record names it; None if it names none that is known."""
    try:
        return None if name is None else format_named(name)
    except KeyError:
        return None


@functools.lru_cache(maxsize=4096)
def format_for(host: str, path: str) -> Format | None:
    """Return who reads a call by its host and its path, or None if it is to no provider that is known.

    A path that belongs to another format at the same host, as Vertex has Claude's and Mistral's, goes before the host;
    so does a path that is told anywhere, as most providers speak OpenAI's format beside their own. That the host is a
    provider's does not say that a call is one to a model: ask `Format.billable`.
    """
    path = path.partition("?")[0].rstrip("/")
    there = [row for row in ROWS if _name_at(row, host) is not None]
    found = next((row for row in there if re.search(row.paths, path)), None)
    found = found or next((row for row in ROWS if row.anywhere and re.search(row.paths, path)), None)
    found = found or next(iter(there), None)
    return None if found is None else format_named(found.module)


def format_of(host: str, path: str, request: dict[str, Any], response: dict[str, Any]) -> Format:
    """Return who reads a call of unknown origin, by its address or by the shape of its bodies; else OpenAI."""
    by_address = format_for(host, path)
    if by_address is not None and provider_at(host) is not None:
        return by_address
    marks = {*request, *response, f"type:{text(response.get('type'))}"}
    by_shape = next((row.module for row in ROWS if row.marks & marks), None)
    return format_named(by_shape) if by_shape else by_address or _openai


@functools.lru_cache(maxsize=1024)
def provider_at(host: str) -> str | None:
    """Return the provider's name at a host, with or without its port; None if the host is not a known one."""
    return next((name for row in ROWS if (name := _name_at(row, host)) is not None), None)


def _name_at(row: Row, host: str) -> str | None:
    bare, colon, port = host.lower().partition(":")
    bare = bare.rstrip(".")
    if bare in row.hosts:
        return row.hosts[bare]
    ends = ((end, name) for end, name in row.hosts.items() if end[0] in ".-:")
    return next((name for end, name in ends if bare.endswith(end) or colon + port == end), None)


_MODEL_PREFIXES = (
    ("gpt-", "openai"), ("chatgpt-", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"),
    ("text-embedding-", "openai"), ("dall-e", "openai"), ("whisper-", "openai"), ("tts-", "openai"),
    ("davinci", "openai"), ("omni-moderation", "openai"), ("claude", "anthropic"), ("gemini", "gcp.gemini"),
    ("grok-", "x_ai"), ("deepseek-", "deepseek"), ("mistral-", "mistral_ai"), ("command-", "cohere"),
    ("sonar", "perplexity"),
)  # fmt: skip


def provider_of_model(model: str | None) -> str | None:
    """Return who makes a model of this name, for logs that do not say who answered."""
    name = (model or "").lower()
    return next((provider for prefix, provider in _MODEL_PREFIXES if name.startswith(prefix)), None)
