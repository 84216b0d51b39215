"""A request as a handler sees it, and what a route declares."""

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
    """A status, and a body: JSON data, bytes with their type, or bytes that come piece by piece.

    Pieces that come by an async iterator are a live stream, which ends when the client or its key goes; those that come
    by an iterator are read on a thread, as fast as the client takes them.
    """

    status: int
    body: Any = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def comes_in_pieces(self) -> bool:
        """Return whether the body is an iterator."""
        return not isinstance(self.body, (dict, bytes)) and isinstance(self.body, (AsyncIterator, Iterator))


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter, for the OpenAPI document."""

    name: str
    schema: Json
    required: bool = False


class Interface(Protocol):
    """What a route is part of: a dialect, or the pages. Its name is in the metrics, and its errors have its shape."""

    @property
    def name(self) -> str: ...

    def encode_fault(self, fault: Fault) -> Json: ...


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path: who may call it, what it takes, and what it answers when all is well."""

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
    """The types of the content that it answers with when all is well."""
    key_in_body: bool = False
    """Whether the body may hold the key, and is read before it is checked: within the limits for anybody."""
    open: bool = False
    """Whether no key is needed: its body is read within the limits for anybody."""
    signed: bool = False
    """Whether the address stands for the key: it is one of `_addresses`."""
    keeps: bool = False
    """Whether the handler returns the change that answers, as a rule a `RecordWrite`: many are then written at once."""
    quick: bool = False
    """Whether the handler never waits, or is a coroutine function: it needs no thread, and answers under any load."""
    session: bool = False
    """Whether a browser's session serves as the key."""
    refuse: Callable[[Request, Fault], Reply] | None = None
    """How a fault is answered, if not by the dialect's JSON."""


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
    """Whether the key or session that the call came with is valid now: for replies that go on for long."""

    @property
    def query(self) -> list[tuple[str, str]]:
        """Return the query's parameters, in order."""
        return self.request.query_params.multi_items()

    @property
    def parameters(self) -> Parameters:
        """The query's parameters, for reading them by type."""
        return Parameters(self.query)

    @property
    def base_url(self) -> str:
        """Return the address that the server was called at."""
        return str(self.request.base_url).rstrip("/")

    @property
    def batch_items(self) -> int:
        """Return how many records, spans or feedbacks one call may bring, rejected ones included."""
        return self.services.limits.batch_items

    @property
    def store(self) -> Store:
        """Return the store, for reading. Changes go through `write`."""
        return self.services.store

    def write(self, change: Callable[[Store], T]) -> T:
        """Make a change; when it returns, it is on disk."""
        return self.services.writer.run(change)

    def stamp(self, record: Record) -> None:
        """Set what the server knows of a record: its project, and when it was received."""
        record.project, record.received_at, record.seq = self.project, datetime.now(UTC), None

    def keep(self, records: Sequence[Record], reply: Callable[[list[int]], Reply]) -> RecordWrite:
        """Return what a handler returns to have records written into the call's project.

        `reply` is called with their sequence numbers, in the same order, once they are on disk.

        Raises:
            Fault: 413, more than one call may bring.
        """
        check_count(len(records), self.batch_items)
        for record in records:
            self.stamp(record)

        def acknowledge(written: list[Written]) -> Reply:
            self.services.ingest.acknowledged(records, written)
            return reply([one.seq for one in written])

        return RecordWrite(records, self.services.ingest.write, acknowledge)

    def json(self) -> Any:
        """Parse the body as JSON."""
        return parse_json(self.body)

    def object(self, prune: bool = False) -> Json:
        """Parse the body as a JSON object; `prune` as `parse_object` has it."""
        return parse_object(self.body, prune)

    def parameter(self, name: str) -> str | None:
        """Return the last value of a query parameter."""
        return dict(self.query).get(name)
