"""The user's own redaction rules, and their validation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from autolog._redaction import presidio
from autolog.errors import ConfigError


class RedactionRules(msgspec.Struct, frozen=True):
    """The user's rules: what to redact in addition to secrets.

    Attributes:
        patterns: regular expressions, whose matches in any text are replaced.
        fields: keys in bodies and metadata, or ends of paths (`messages.name`), whose values are replaced.
        pii: replace personal data by its kind (`_redaction.pii`).
        function: takes every record before it is sent, and returns it, changed or not, or None to drop it.
    """

    patterns: tuple[re.Pattern[str], ...] = ()
    fields: tuple[tuple[str, ...], ...] = ()
    function: Callable[[Any], Any] | None = None
    pii: bool = False


def read_rules(given: Any) -> RedactionRules:
    """Return the rules given to `configure(redact=...)`.

    Args:
        given: a pattern, the word `pii`, a function, a list of those, or a mapping with `patterns`, `fields` and
            `function`.

    Raises:
        ConfigError: if the rules are not valid; the message says why.
    """
    rules = given if isinstance(given, Mapping) else _sorted_out(_several(given))
    if unknown := set(rules) - {"patterns", "fields", "function"}:
        raise ConfigError("redact", f"{', '.join(map(str, unknown))}: choose from patterns, fields and function")
    function = rules.get("function")
    if function is not None and not callable(function):
        raise ConfigError("redact", f"function: {function!r} is not callable")
    patterns = _several(rules.get("patterns"))
    if "pii" in patterns:
        presidio.load()
    return RedactionRules(
        patterns=tuple(_pattern(item) for item in patterns if item != "pii"),
        fields=tuple(tuple(str(name).lower().split(".")) for name in _several(rules.get("fields"))),
        function=function,
        pii="pii" in patterns,
    )


def _sorted_out(given: list[Any]) -> dict[str, Any]:
    functions = [item for item in given if callable(item)]
    if len(functions) > 1:
        raise ConfigError("redact", "there are several functions; combine them into one")
    return {"patterns": [item for item in given if not callable(item)], "function": next(iter(functions), None)}


def _several(given: Any) -> list[Any]:
    return [] if given is None else list(given) if isinstance(given, (list, tuple, set, frozenset)) else [given]


def _pattern(given: Any) -> re.Pattern[str]:
    if isinstance(given, re.Pattern) and isinstance(given.pattern, str):
        return given
    if not isinstance(given, str) or not given:
        raise ConfigError("redact", f"{given!r} is neither a regular expression of text, the word pii, nor a function")
    try:
        return re.compile(given)
    except re.error as error:
        raise ConfigError("redact", f"{given!r} is not a regular expression: {error}") from error
