"""What is said of one family of senders: the names of its attributes, and how its bodies are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from autolog.dialects.otlp._wire import Attributes, Span

#: The attribute names that say one field of a record, the first that is present winning.
Names = Mapping[str, tuple[str, ...]]


def everywhere(span: Span) -> bool:  # noqa: ARG001 - the others look at it
    """Read the family's names on every span: they are its own, so nobody else can mean something else by them."""
    return True


def never(span: Span) -> bool:  # noqa: ARG001 - the others look at it
    """Take each model call's span for the call."""
    return False


def nothing(attributes: Attributes) -> Iterator[Any]:  # noqa: ARG001 - the others look at them
    """Find no body."""
    yield from ()


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """The names and the shapes of one family of senders; what is not said here, the next family may know."""

    name: str
    texts: Names = field(default_factory=dict)
    """Record field -> attributes with its text."""
    counts: Names = field(default_factory=dict)
    """Record field -> attributes with its number."""
    costs: tuple[str, ...] = ()
    """Attributes with the dollars that the sender computed."""
    reasons: tuple[str, ...] = ()
    """Attributes with finish reasons: a text, or a list."""
    tags: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    """Attributes with an object of metadata; one that ends with a dot is the prefix of single ones."""
    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Attribute -> its value -> the record's kind."""
    calls: tuple[str, ...] = ()
    """Attributes that nothing but a model call has: a span with one is one, unless `kinds` says otherwise."""
    tool: tuple[str, ...] = ()
    """Attributes that nothing but a tool call has."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """Attribute -> the value with which the span has failed, whatever its status."""
    applies: Callable[[Span], bool] = everywhere
    step: Callable[[Span], bool] = never
    """Whether a model call's span is a step of it, and another is the call."""
    seconds: str | None = None
    """The attribute with the duration of what is sent as a span without one, at its end."""
    requests: Callable[[Attributes], Iterator[Any]] = nothing
    """Yield what may be the request's body, the best first."""
    responses: Callable[[Attributes], Iterator[Any]] = nothing
    """The same for the response."""
    cache_beside: bool = False
    """Whether cached tokens are counted beside the input, not inside."""
    totals: tuple[str, ...] = ()
    """Attributes with the total; where it is input and output, what was cached is inside, whatever is usual."""
    reasoning_beside: bool = False
    """Whether reasoning is counted beside the output, not inside."""
    _names: frozenset[str] = field(init=False, repr=False)
    _prefixes: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        listed = (*self.texts.values(), *self.counts.values(), self.costs, self.reasons, self.tags, self.metadata)
        names = {name for some in listed for name in some}
        object.__setattr__(self, "_names", frozenset(names))
        object.__setattr__(self, "_prefixes", tuple(name for name in names if name.endswith(".")))

    def knows(self, attributes: AbstractSet[str]) -> bool:
        """Return whether any of the attributes' names is one of this family's for a field of a record."""
        if not self._names.isdisjoint(attributes):
            return True
        return bool(self._prefixes) and any(key.startswith(self._prefixes) for key in attributes)


def present(attributes: Attributes, names: tuple[str, ...]) -> Any:
    """Return the value of the first name that is there and not empty; None if none is."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "" and value != []:
            return value
    return None
