"""The user's own redaction rules, checked where they are given."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from autolog.errors import ConfigError


class RedactionRules(msgspec.Struct, frozen=True):
    """The user's rules: what is redacted besides secrets.

    Attributes:
        patterns: regular expressions; what they match in any text is replaced.
        fields: keys in bodies and metadata, or ends of paths (`messages.name`); their values are replaced.
        function: gets every record before it is sent, and returns it, changed or not, or None to drop it.
    """

    patterns: tuple[re.Pattern[str], ...] = ()
    fields: tuple[tuple[str, ...], ...] = ()
    function: Callable[[Any], Any] | None = None


def read_rules(given: Any) -> RedactionRules:
    """Return the rules in `configure(redact=...)`: a pattern, a function, a list of those, or a mapping with
    `patterns`, `fields` and `function`.

    Raises:
        ConfigError: what is wrong with it.
    """
    if given is None:
        return RedactionRules()
    if isinstance(given, Mapping):
        if unknown := set(given) - {"patterns", "fields", "function"}:
            raise ConfigError("redact", f"{', '.join(map(str, unknown))}: there are patterns, fields and function")
        function = given.get("function")
        if function is not None and not callable(function):
            raise ConfigError("redact", f"function: {function!r} is not callable")
        fields = tuple(tuple(str(name).lower().split(".")) for name in _several(given.get("fields")))
        return RedactionRules(tuple(_pattern(item) for item in _several(given.get("patterns"))), fields, function)
    functions = [item for item in _several(given) if callable(item)]
    if len(functions) > 1:
        raise ConfigError("redact", "there are several functions; combine them into one")
    patterns = tuple(_pattern(item) for item in _several(given) if not callable(item))
    return RedactionRules(patterns, function=functions[0] if functions else None)


def _several(given: Any) -> list[Any]:
    return [] if given is None else list(given) if isinstance(given, (list, tuple, set, frozenset)) else [given]


def _pattern(given: Any) -> re.Pattern[str]:
    if isinstance(given, re.Pattern) and isinstance(given.pattern, str):
        return given
    if not isinstance(given, str) or not given:
        raise ConfigError("redact", f"{given!r} is neither a regular expression of text nor a function")
    try:
        return re.compile(given)
    except re.error as error:
        raise ConfigError("redact", f"{given!r} is not a regular expression: {error}") from error
