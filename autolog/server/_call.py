"""Requests and replies as handlers see them, and the declaration of a route."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import pydantic
from starlette.requests import Request

from autolog._record.record import Record
from autolog.dialects._fault import Fault, Json, check_count, parse_json, parse_object
from autolog.dialects._parameters import Parameters
from autolog.server._ingest import Written
from autolog.server._keys import Principal
from autolog.server._services import Services, T
from autolog.server._writer import Change, RecordWrite
from autolog.stores._contract import Store


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, and a body: JSON data, bytes with a content type, or an iterator of bytes.

    An async iterator is a live stream, which ends when the client disconnects or its key becomes invalid. A plain
    iterator is read on a thread, as fast as the client accepts its pieces.
    """

    status: int
    body: Any = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def comes_in_pieces(self) -> bool:
        """Whether the body is an iterator."""
        return not isinstance(self.body, (dict, bytes)) and isinstance(self.body, (AsyncIterator, Iterator))


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter, for the OpenAPI document."""

    name: str
    schema: Json
    required: bool = False


class Interface(Protocol):
    """An interface that routes belong to: a dialect, or the pages. It gives metrics a name, and errors a shape."""

    @property
    def name(self) -> str: ...

    def encode_fault(self, fault: Fault) -> Json: ...


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path: who may call it, what it accepts, and what it returns on success."""

    method: str
    path: str
    handler: Callable[[Call], Reply | Change | Awaitable[Reply]]
    dialect: Interface
    summary: str
    scope: str = "ingest"
    ok: tuple[int, ...] = (200,)
    model: type[pydantic.BaseModel] | None = None
    parameters: tuple[Parameter, ...] = ()
    produces: tuple[str, ...] = ("application/json",)
    """The content types of successful replies."""
    key_in_body: bool = False
    """Whether the body may hold the key; it is then read before the key is checked, within the anonymous limits."""
    open: bool = False
    """Whether no key is needed; the body is then read within the anonymous limits."""
    signed: bool = False
    """Whether the route is called at a signed address (see `_addresses`) instead of with a key."""
    keeps: bool = False
    """Whether the handler returns a change that produces the reply, usually a `RecordWrite`, written in groups."""
    decodes: bool = False
    """Whether the handler only decodes the body into such a change, and does not read the store."""
    quick: bool = False
    """Whether the handler is a coroutine function or never blocks; it then needs no thread, and runs under any load."""
    session: bool = False
    """Whether a browser session is accepted instead of a key."""
    refuse: Callable[[Request, Fault], Reply] | None = None
    """Makes the reply to a fault, if it is not the dialect's JSON."""


@dataclass(slots=True)
class Call:
    """One request, as a handler sees it."""

    services: Services
    principal: Principal
    project: str
    path: dict[str, str]
    headers: dict[str, str]
    body: bytes
    request: Request
    still_valid: Callable[[], bool] = lambda: True
    """Returns whether the call's key or session is still valid; for replies that last long."""

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query parameters, in order."""
        return self.request.query_params.multi_items()

    @property
    def parameters(self) -> Parameters:
        """The query's parameters, for reading them by type."""
        return Parameters(self.query)

    @property
    def base_url(self) -> str:
        """The address at which the client called the server, without a trailing slash."""
        return str(self.request.base_url).rstrip("/")

    @property
    def batch_items(self) -> int:
        """The most records, spans or feedbacks that a request may contain, rejected ones included."""
        return self.services.limits.batch_items

    @property
    def store(self) -> Store:
        """The store, for reading only; make changes with `write`."""
        return self.services.store

    def write(self, change: Callable[[Store], T]) -> T:
        """Make a change and return its result once it is on disk."""
        return self.services.writer.run(change, self.principal.key_id)

    def stamp(self, record: Record) -> None:
        """Set the fields that the server decides: the record's project, and the time at which it was received."""
        record.project, record.received_at, record.seq = self.project, datetime.now(UTC), None

    def keep(self, records: Sequence[Record], reply: Callable[[list[int]], Reply]) -> RecordWrite:
        """Return the change that writes records into the call's project; a handler returns it instead of a `Reply`.

        Once they are on disk, `reply` is called with their sequence numbers, in the order of `records`.

        Raises:
            Fault: 413, if there are more records than a request may contain.
        """
        check_count(len(records), self.batch_items)
        for record in records:
            self.stamp(record)

        def acknowledge(written: list[Written]) -> Reply:
            return reply([kept.seq for kept in written])

        ingest = self.services.ingest
        return RecordWrite(records, ingest.write, acknowledge, ingest.acknowledged)

    def json(self) -> Any:
        """Parse the body as JSON.

        Raises:
            Fault: 400, if it is not JSON.
        """
        return parse_json(self.body)

    def object(self, prune: bool = False) -> Json:
        """Parse the body as a JSON object; `prune` is passed to `parse_object`."""
        return parse_object(self.body, prune)

    def parameter(self, name: str) -> str | None:
        """Return the last value of a query parameter, or None."""
        return dict(self.query).get(name)
