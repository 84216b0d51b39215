"""Wire formats: one module for each vendor's format, in both directions, without I/O.

A module decodes requests into records (or into a change of a record), encodes records as the vendor's replies and its
errors, and, if the vendor accepts logs, encodes records as requests for the client's exporter. It declares what the
other packages need to know of it: see `Dialect`. Its docstring says what the format cannot express.

To add a dialect, add its module here, its routes in `autolog.server.routes` under the same name, its tests, and its
name below.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:  # `import autolog` needs only the names in this module
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
    """A request that ships records; its path is relative to the endpoint that the user configures."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]


class Dialect(Protocol):
    """The declarations in a dialect's module, and the encoding of its errors."""

    @property
    def name(self) -> str: ...

    @property
    def why_not_shipped(self) -> str:
        """Why records cannot be shipped in the dialect; empty if they can, and the module is a `ShippingDialect`."""

    @property
    def key_headers(self) -> Sequence[str]:
        """The headers that may hold the key, in lower case; shipping uses the first, else `Authorization: Bearer`.

        A dialect's module with `bearer = True` is shipped with both.
        """

    @property
    def prefixes(self) -> Sequence[str]:
        """The path prefixes under which errors on unknown paths have this dialect's shape; the longest prefix wins."""

    def encode_fault(self, fault: Fault) -> dict[str, Any]: ...


def absent_at(dialect: Dialect, path: str) -> str | None:
    """Return the name of what a vendor's API has at a path and ours does not, such as `datasets`; None if unknown.

    A dialect's module may list it in `absent`: by prefixes of paths, below any of its own prefixes.
    """
    known: Mapping[str, str] = getattr(dialect, "absent", {})
    found = [name for part, name in known.items() if f"{part}/" in f"{path}/"]
    return found[0] if found else None


class ShippingDialect(Dialect, Protocol):
    """A dialect in which records can be shipped."""

    @property
    def batches(self) -> bool:
        """Whether a request can hold many records; else `encode_request` is called with a single one."""

    def encode_request(self, records: Sequence[Record]) -> Request: ...

    def refused(self, reply: Any, sent: int) -> int | None:
        """Return how many of the sent records a successful reply refuses; None if it does not confirm that all arrived.

        The reply may come from another server, such as a gateway in front of the backend. `reply` is its JSON, or None
        if it is not JSON.
        """

    def is_fault(self, reply: Any) -> bool:
        """Return whether the JSON of a reply is an error in this dialect's shape, rather than another server's."""


class BinaryForm(Protocol):
    """The requests and replies of a dialect in another encoding than JSON, for backends that do not accept JSON."""

    def encode_request(self, records: Sequence[Record]) -> Request: ...

    def decode_reply(self, status: int, content_type: str, content: bytes) -> Any:
        """Return a reply in the form that it has in the dialect's JSON."""


def get(name: str) -> Dialect:
    """Import a dialect by its name.

    Raises:
        LookupError: if there is no dialect of this name.
    """
    dialect: Dialect = _module(name)
    return dialect


def get_shipping(name: str) -> ShippingDialect:
    """Import a dialect in which records can be shipped.

    Raises:
        LookupError: if there is no dialect of this name, or records cannot be shipped in it; the message says which.
    """
    if why_not := get(name).why_not_shipped:
        raise LookupError(f"{name!r} cannot be shipped to: {why_not}; choose one of {', '.join(shipping())}")
    dialect: ShippingDialect = _module(name)
    return dialect


def get_binary(name: str) -> BinaryForm | None:
    """Import the binary form of a dialect, which is the module that its `binary` names; None if it has none.

    Raises:
        ImportError: if a library that the form needs is not installed.
    """
    module = getattr(_module(name), "binary", None)
    return None if module is None else importlib.import_module(module)


def shipping() -> list[str]:
    """Return the names of the dialects in which records can be shipped."""
    return [name for name in NAMES if not get(name).why_not_shipped]


def _module(name: str) -> Any:
    if name not in NAMES:
        raise LookupError(f"{name!r} is not one of {', '.join(shipping())}")
    return importlib.import_module(f"autolog.dialects.{name}")
