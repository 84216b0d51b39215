"""A request as a handler sees it, and what a route declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pydantic
from starlette.requests import Request

from autolog._record.record import Record
from autolog.dialects import Dialect
from autolog.dialects._fault import Fault, Json, parse_json, parse_object
from autolog.dialects._parameters import Parameters
from autolog.server._ingest import Written
from autolog.server._keys import Principal
from autolog.server._services import Services, T
from autolog.server._writer import RecordWrite
from autolog.stores._contract import Store


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, and a body: JSON data, or bytes with their type."""

    status: int
    body: Any = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter, for the OpenAPI document."""

    name: str
    schema: Json
    required: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path: who may call it, what it takes, and what it answers when all is well."""

    method: str
    path: str
    handler: Callable[[Call], Reply | RecordWrite]
    dialect: Dialect
    summary: str
    scope: str = "ingest"
    ok: tuple[int, ...] = (200,)
    model: type[pydantic.BaseModel] | None = None
    parameters: tuple[Parameter, ...] = ()
    key_in_body: bool = False
    open: bool = False
    keeps: bool = False
    """Whether the handler changes nothing by itself, and returns what is to be kept: calls are then kept together."""


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

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's parameters, in order."""
        return self.request.query_params.multi_items()

    @property
    def parameters(self) -> Parameters:
        """The query's parameters, for reading them by type."""
        return Parameters(self.query)

    @property
    def base_url(self) -> str:
        """The address that the server was called at."""
        return str(self.request.base_url).rstrip("/")

    @property
    def store(self) -> Store:
        """For reading. Changes go through `write`."""
        return self.services.store

    def write(self, change: Callable[[Store], T]) -> T:
        """Make a change; when it returns, it is on disk."""
        return self.services.writer.run(change)

    def stamp(self, record: Record) -> None:
        """Make a record the call's: of its project, received now."""
        record.project, record.received_at, record.seq = self.project, datetime.now(UTC), None

    def keep(self, records: Sequence[Record], reply: Callable[[list[int]], Reply]) -> RecordWrite:
        """Return what a handler returns to have records written into the call's project.

        `reply` is called with their sequence numbers, in the same order, once they are on disk.

        Raises:
            Fault: 413, more than one call may bring.
        """
        most = self.services.limits.batch_items
        if len(records) > most:
            raise Fault(413, f"more than {most} records in one call")
        for record in records:
            self.stamp(record)

        def acknowledge(written: list[Written]) -> Reply:
            self.services.ingest.acknowledged(records, written)
            return reply([one.seq for one in written])

        return RecordWrite(records, self.services.ingest.write, acknowledge)

    def json(self) -> Any:
        """The body's JSON value."""
        return parse_json(self.body)

    def object(self) -> Json:
        """The body's JSON object."""
        return parse_object(self.body)

    def parameter(self, name: str) -> str | None:
        """The last value of a query parameter."""
        return dict(self.query).get(name)
