"""How records look on the wire: one module for each vendor's format, in both directions, without I/O.

A module decodes requests to records (or to a change of one), encodes records as that vendor's replies, says how its
errors look, and, where the vendor takes logs, encodes records as requests for the client's exporter. What the rest of
the house must know of it, it declares: see `Dialect`. What a format cannot hold is said in its module.

To add one: its module here, its routes in `autolog.server.routes` under the same name, its tests, and its name below.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:  # `import autolog` asks this module for names alone
    from autolog._record.record import Record
    from autolog.dialects._fault import Fault

#: Every dialect, by the name of its module.
NAMES = (
    "native",
    "otlp",
    "responselog",
    "portkey",
    "humanloop",
    "promptlayer",
    "cloudflare",
    "litellm",
    "langsmith",
    "langfuse",
    "openai_agents",
)


class Request(NamedTuple):
    """A request that ships records: the path is relative to the endpoint that a user configures."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]


class Dialect(Protocol):
    """What the module of a dialect declares, and how it says an error."""

    @property
    def name(self) -> str: ...

    @property
    def why_not_shipped(self) -> str:
        """Why no records can be sent in it; empty where they can: its module is a `ShippingDialect` then."""

    @property
    def key_headers(self) -> Sequence[str]:
        """The headers that hold the key, in small letters; shipping uses the first. None: `Authorization: Bearer`."""

    @property
    def prefixes(self) -> Sequence[str]:
        """The beginnings of its paths: an error on an unknown path there has its shape. The longest one wins."""

    def encode_fault(self, fault: Fault) -> dict[str, Any]: ...


class ShippingDialect(Dialect, Protocol):
    """A dialect that records can be sent in."""

    @property
    def batches(self) -> bool:
        """Whether one request takes many records; else `encode_request` is called with one at a time."""

    def encode_request(self, records: Sequence[Record]) -> Request: ...

    def refused(self, reply: Any, sent: int) -> int | None:
        """Return how many of the records sent a successful reply refuses; None if it does not say that all arrived.

        Some other server may have sent it, such as a gateway that answers for the backend. `reply` is its JSON, None
        if there is none.
        """

    def is_fault(self, reply: Any) -> bool:
        """Return whether the JSON of a reply is an error in this dialect's shape, and not some other server's."""


class BinaryForm(Protocol):
    """A dialect's requests and replies in another encoding than JSON, for backends that refuse that."""

    def encode_request(self, records: Sequence[Record]) -> Request: ...

    def decode_reply(self, status: int, content_type: str, content: bytes) -> Any:
        """Return a reply as the dialect's JSON has it."""


def get(name: str) -> Dialect:
    """Import a dialect by its name.

    Raises:
        LookupError: there is none of this name.
    """
    dialect: Dialect = _module(name)
    return dialect


def get_shipping(name: str) -> ShippingDialect:
    """Import a dialect that records can be sent in.

    Raises:
        LookupError: there is none of this name, or it takes no records; the message says which.
    """
    if why_not := get(name).why_not_shipped:
        raise LookupError(f"{name!r} cannot be shipped to: {why_not}; choose one of {', '.join(shipping())}")
    dialect: ShippingDialect = _module(name)
    return dialect


def get_binary(name: str) -> BinaryForm | None:
    """Import the binary form of a dialect, the module that its `binary` names; None if it has none.

    Raises:
        ImportError: the library that it needs is not installed.
    """
    module = getattr(_module(name), "binary", None)
    return None if module is None else importlib.import_module(module)


def shipping() -> list[str]:
    """Return the names of the dialects that records can be sent in."""
    return [name for name in NAMES if not get(name).why_not_shipped]


def _module(name: str) -> Any:
    if name not in NAMES:
        raise LookupError(f"{name!r} is not one of {', '.join(shipping())}")
    return importlib.import_module(f"autolog.dialects.{name}")
