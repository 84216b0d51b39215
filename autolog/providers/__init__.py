"""The providers: which of their calls are recorded, and how to read request and response bodies.

There is one module per wire format, and each implements the functions of `Format`. To add a format, add a module, its
tests and a row in `_table`. SDKs that are patched directly have a row each in `_sdks`. Nothing here imports an SDK;
`_capture.patch` does, once the user's program has imported it.
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
from autolog.providers._fields import mapping, plain_path, text
from autolog.providers._sdks import SDK, SDKS
from autolog.providers._table import ROWS, Row

__all__ = [
    "SDK",
    "SDKS",
    "BatchResult",
    "Facts",
    "Format",
    "Usage",
    "format_at",
    "format_for",
    "format_named",
    "format_of",
    "provider_at",
    "provider_of_model",
]


class Format(Protocol):
    """The functions that every provider's module implements.

    Paths are URL paths, unquoted, with or without a query.
    """

    name: str
    """The module's name."""
    provider_name: str
    """The provider that is assumed when the host does not determine it."""

    def billable(self, method: str, path: str) -> bool:
        """Return whether a call is recorded: it costs money, is a free model call, or completes an earlier call."""
        ...

    def has_usage_option(self, path: str) -> bool:
        """Return whether a stream reports its usage only if `stream_options.include_usage` asks for it."""
        ...

    def is_follow_up(self, method: str, path: str) -> bool:
        """Return whether a call reports on work that an earlier call began, which must not be billed twice."""
        ...

    def results_id(self, path: str) -> str | None:
        """Return the id of the file or batch whose results are downloaded from this path; None for other paths."""
        ...

    def batch_results(self, path: str, body: bytes) -> Iterator[BatchResult]:
        """Yield the individual responses in a body with the results of a batch."""
        ...

    def operation(self, path: str) -> str:
        """Return the operation's name: the GenAI conventions' name if there is one, else the end of the path."""
        ...

    def guess_path(self, request: dict[str, Any]) -> str:
        """Return the path for a request of this shape, for logs that do not record one."""
        ...

    def model_in(self, path: str) -> str | None:
        """Return the model named in the path; None if there is none."""
        ...

    def read(self, path: str, body: Any, headers: Mapping[str, str]) -> Facts:
        """Return the facts in a response.

        Args:
            path: the URL path of the request.
            body: the decoded JSON of the response; of a stream, the result of `assemble`.
            headers: the response headers, with names in lower case.
        """
        ...

    def unbilled_reason(self, path: str) -> str | None:
        """Return why a call to this path is not billed by itself; None if it is."""
        ...

    def billable_units(self, path: str, request: dict[str, Any], response: Any) -> dict[str, float]:
        """Return the quantities that are billed per unit, by the unit names in `_pricing.units.UNITS`."""
        ...

    def streams(self, path: str) -> bool:
        """Return whether a JSON array from this path is a stream, with one event per element."""
        ...

    def assemble(self, path: str, events: list[Event]) -> dict[str, Any]:
        """Return the response assembled from a stream, as far as it arrived."""
        ...


@functools.cache
def format_named(name: str) -> Format:
    """Return the module of a format or of an SDK, by name; it is imported when first needed.

    Raises:
        KeyError: if there is no format or SDK of that name.
    """
    name = SDKS[name].speaks if name in SDKS else name
    if not any(row.module == name for row in ROWS):
        raise KeyError(name)
    # mypy cannot check a module that is imported by name; a test checks that each implements the protocol.
    return cast("Format", importlib.import_module(f"autolog.providers.{name}"))


def format_of_sdk(name: str | None) -> Format | None:
    """Return the format of an SDK, by its name in a record; None if the name is missing or unknown."""
    try:
        return None if name is None else format_named(name)
    except KeyError:
        return None


@functools.lru_cache(maxsize=1024)
def format_at(name: str, path: str) -> Format:
    """Return the format of a call whose SDK or wire format is `name`.

    SDKs with OpenAI's format may have calls in another, which the path identifies, as Fireworks' has Anthropic's
    messages.
    """
    usual, path = format_named(name), plain_path(path)
    if usual.name != "openai" or any(row.has(path) for row in ROWS if row.module == "openai"):
        return usual
    found = next((row.module for row in ROWS if row.anywhere and re.search(row.paths, path)), usual.name)
    return format_named(found)


@functools.lru_cache(maxsize=4096)
def format_for(host: str, path: str) -> Format | None:
    """Return the format of a call, by its host and path; None if it does not go to a known provider.

    The path takes precedence over the host where a host serves several formats, as Vertex serves Claude's and
    Mistral's, and for paths that are recognised at any host, as most providers serve OpenAI's format beside their own.
    Not every call to a provider's host is a model call: see `Format.billable`.
    """
    path = plain_path(path)
    rows = [row for row in ROWS if _name_at(row, host) is not None]
    found = next((row for row in rows if row.has(path)), None)
    found = found or next((row for row in ROWS if row.anywhere and re.search(row.paths, path)), None)
    found = found or next(iter(rows), None)
    return None if found is None else format_named(found.module)


def format_of(host: str, path: str, request: dict[str, Any], response: dict[str, Any]) -> Format:
    """Return the format of a logged call, by its address or by the shape of its bodies; OpenAI's by default."""
    by_address = format_for(host, path)
    if by_address is not None and provider_at(host) is not None:
        return by_address
    usage = (key for name in _WITH_USAGE for key in mapping(response.get(name)))
    marks = _MARKS & {*request, *response, *usage, f"type:{text(response.get('type'))}"}
    by_shape = next((row.module for row in ROWS if row.marks & marks), None) if marks else None
    return format_named(by_shape) if by_shape else by_address or _openai


#: Where responses have their usage, which may have marks, too.
_WITH_USAGE = ("usage", "meta")
#: The marks of all formats.
_MARKS = frozenset().union(*(row.marks for row in ROWS))


@functools.lru_cache(maxsize=1024)
def provider_at(host: str) -> str | None:
    """Return the name of the provider at a host, given with or without a port; None if the host is unknown."""
    return next((name for row in ROWS if (name := _name_at(row, host)) is not None), None)


def _name_at(row: Row, host: str) -> str | None:
    """Return the provider's name at a host according to one row; None if the row does not list the host."""
    bare, colon, port = host.lower().partition(":")
    bare = bare.rstrip(".")
    if bare in row.hosts:
        return row.hosts[bare]
    parts = ((part, name) for part, name in row.hosts.items() if part[0] in ".-:" or part[-1] == ".")
    return next(
        (
            name
            for part, name in parts
            if (bare.startswith(part) if part[-1] == "." else bare.endswith(part) or colon + port == part)
        ),
        None,
    )


_MODEL_PREFIXES = (
    ("gpt-", "openai"), ("chatgpt-", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"),
    ("text-embedding-", "openai"), ("dall-e", "openai"), ("whisper-", "openai"), ("tts-", "openai"),
    ("davinci", "openai"), ("omni-moderation", "openai"), ("claude", "anthropic"), ("gemini", "gcp.gemini"),
    ("grok-", "x_ai"), ("deepseek-", "deepseek"), ("mistral-", "mistral_ai"), ("command-", "cohere"),
    ("sonar", "perplexity"),
)  # fmt: skip


@functools.lru_cache(maxsize=1024)
def provider_of_model(model: str | None) -> str | None:
    """Return the provider that makes a model, by its name, for logs that do not name the provider; None if unknown."""
    name = (model or "").lower()
    return next((provider for prefix, provider in _MODEL_PREFIXES if name.startswith(prefix)), None)
