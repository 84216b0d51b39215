"""The description of a family of senders: the names of its attributes, and how to find its bodies."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from autolog.dialects.otlp._wire import Attributes, Span

T = TypeVar("T")

#: Fields of a record, each with the names of attributes for it, of which the first present one is used.
Names = Mapping[str, tuple[str, ...]]


#: A true value as text, in JSON's spelling and Python's.
TRUE = frozenset({"true", "True"})


def everywhere(span: Span) -> bool:  # noqa: ARG001 - the others look at it
    """Apply the family to every span, because its names are its own and have no other meaning."""
    return True


def never(span: Span) -> bool:  # noqa: ARG001 - the others look at it
    """Treat the span of each model call as the call, and not as a step of it."""
    return False


def nothing(attributes: Attributes) -> Iterator[Any]:  # noqa: ARG001 - the others look at them
    """Find no body."""
    yield from ()


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """The names and shapes of one family of senders; what a family does not define, the next one may."""

    name: str
    texts: Names = field(default_factory=dict)
    """Record field -> attributes with its text."""
    counts: Names = field(default_factory=dict)
    """Record field -> attributes with its number."""
    first_milliseconds: tuple[str, ...] = ()
    """Attributes with the milliseconds until the first chunk."""
    costs: tuple[str, ...] = ()
    """Attributes with the dollars that the sender computed."""
    reasons: tuple[str, ...] = ()
    """Attributes with finish reasons: a text, or a list."""
    tags: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    """Attributes with an object of metadata; a name that ends with a dot is the prefix of single attributes."""
    scores: tuple[str, ...] = ()
    """Attributes with an object of scores by name."""
    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Attribute -> its value -> the record's kind."""
    calls: tuple[str, ...] = ()
    """Attributes that only model calls have; a span with one of them is a call, unless `kinds` says otherwise."""
    streams: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Attribute -> its values, as text, that mark a call as streamed."""
    tool: tuple[str, ...] = ()
    """Attributes that only tool calls have."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """Attribute -> the value that marks a span as failed, whatever its status."""
    applies: Callable[[Span], bool] = everywhere
    step: Callable[[Span], bool] = never
    """Whether a span that looks like a model call is only a step of the call, which has another span."""
    seconds: str | None = None
    """The attribute with the duration, for what is sent at its end as a span without one."""
    bodies: tuple[str, ...] = ()
    """Attributes from which bodies are read; a name that ends with a dot is the prefix of several."""
    requests: Callable[[Attributes], Iterator[Any]] = nothing
    """Yield the candidates for the request's body, the best first."""
    responses: Callable[[Attributes], Iterator[Any]] = nothing
    """Yield the candidates for the response's body, the best first."""
    cache_beside: bool = False
    """Whether the input excludes cached tokens."""
    totals: tuple[str, ...] = ()
    """Attributes with the total; if it equals input plus output, these include cached tokens in any case."""
    reasoning_beside: bool = False
    """Whether the output excludes reasoning tokens."""
    names: frozenset[str] = field(init=False, repr=False)
    """The names of all attributes, and prefixes."""
    _prefixes: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        groups = (*self.texts.values(), *self.counts.values(), *(getattr(self, name) for name in _LISTS))
        names = {name for group in (*groups, self.kinds, self.errors, self.streams) for name in group}
        object.__setattr__(self, "names", frozenset(names))
        object.__setattr__(self, "_prefixes", tuple(name for name in names if name.endswith(".")))

    def narrowed(self, given: frozenset[str]) -> Family | None:
        """Return the family with only those of its attributes that are given; None if it reads none of them."""
        if self.names.isdisjoint(given) and not _begin(given, self._prefixes):
            return None

        def named(names: Iterable[str]) -> tuple[str, ...]:
            return tuple(name for name in names if name in given or (name.endswith(".") and _begin(given, name)))

        def by_name(values: Mapping[str, T]) -> dict[str, T]:
            return {name: values[name] for name in named(values)}

        def by_field(fields: Names) -> Names:
            return {field: names for field, listed in fields.items() if (names := named(listed))}

        kept: dict[str, Any] = {name: named(getattr(self, name)) for name in _LISTS}
        kept |= {name: by_name(getattr(self, name)) for name in ("kinds", "errors", "streams")}
        kept |= {name: by_field(getattr(self, name)) for name in ("texts", "counts")}
        return replace(self, **kept)

    @property
    def has_fields(self) -> bool:
        """Whether any of the family's attributes is for a field of a record."""
        lists = (self.first_milliseconds, self.costs, self.reasons, self.tags, self.metadata)
        return any((self.texts, self.counts, *lists))


#: The fields of a family that are lists of attributes.
_LISTS = ("first_milliseconds", "costs", "reasons", "tags", "metadata", "calls", "tool", "totals", "bodies",
          "scores")  # fmt: skip


def _begin(names: Iterable[str], beginning: str | tuple[str, ...]) -> bool:
    """Return whether any of the names has the beginning, or one of several."""
    return bool(beginning) and any(name.startswith(beginning) for name in names)


def names_given(families: Iterable[Family], attributes: Attributes) -> frozenset[str]:
    """Return those names and prefixes of the families that the attributes have.

    Spans have few different sets of these, although some number their messages in the names of attributes, and programs
    add attributes of their own. Families are narrowed once for each set, which takes 180 us.
    """
    names, prefixes = _vocabulary(tuple(families))
    given = names.intersection(attributes)
    if len(given) == len(attributes):
        return given
    begun = set[str]()
    for name in attributes:
        if name.startswith(prefixes) and name not in given:
            begun.update(prefix for prefix in prefixes if name.startswith(prefix))
            prefixes = tuple(prefix for prefix in prefixes if prefix not in begun)
    return given | begun


@functools.lru_cache(maxsize=256)
def _vocabulary(families: tuple[Family, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the names of the families' attributes, and the prefixes among them."""
    names = frozenset(name for family in families for name in family.names)
    return names, tuple(name for name in names if name.endswith("."))


@functools.lru_cache(maxsize=256)
def with_fields(families: tuple[Family, ...], given: frozenset[str]) -> tuple[Family, ...]:
    """Return the families that know any of the given attributes for a field of a record, narrowed to these."""
    narrow = (family.narrowed(given) for family in families)
    return tuple(family for family in narrow if family is not None and family.has_fields)


def of_fields(families: tuple[Family, ...], attributes: Attributes) -> tuple[Family, ...]:
    """Return the families that know any of the attributes for a field of a record, narrowed to these."""
    return with_fields(families, names_given(families, attributes))


def present(attributes: Attributes, names: tuple[str, ...]) -> Any:
    """Return the value of the first attribute that is present and not empty; None if none is."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "" and value != []:
            return value
    return None
