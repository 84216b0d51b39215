"""From HTTP to a handler and back: keys, limits, bodies, and errors in the shape of the dialect that was spoken.

A handler is a plain function of a `Call` that returns a `Reply`, or the records that it wants kept (`Call.keep`), or
raises a `Fault`. It runs on a thread, after the key was checked and the body read within its limits.
"""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Any, Protocol, TypeVar

import anyio
import msgspec
import pydantic
from anyio import CapacityLimiter
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from autolog._record.record import Record
from autolog._zstd import zstd
from autolog.dialects._convert import Fault, Json, parse_json, parse_object
from autolog.errors import StoreError, StoreFull, StoreUnavailable
from autolog.server._budgets import Spending
from autolog.server._duplicates import Doubles
from autolog.server._keys import ANY_PROJECT, Keyring, Principal
from autolog.server._limits import Limits, Load, RateLimiter, Share
from autolog.server._metrics import Metrics
from autolog.server._writer import Keeping, Preparing, Writer
from autolog.stores import Condition, Query, Store

T = TypeVar("T")

logger = logging.getLogger("autolog.server")


class Dialect(Protocol):
    """What the server asks of a dialect's module besides its codecs."""

    name: str

    def encode_fault(self, fault: Fault) -> Json: ...


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
    handler: Callable[[Call], Reply | Keeping]
    dialect: Any
    summary: str
    scope: str = "ingest"
    ok: tuple[int, ...] = (200,)
    model: type[pydantic.BaseModel] | None = None
    parameters: tuple[Parameter, ...] = ()
    key_in_body: bool = False
    open: bool = False
    keeps: bool = False
    """Whether the handler changes nothing by itself, and returns what is to be kept: calls are then kept together."""


#: A request that writes is read on the writer's thread, too, unless its body is so large that others would wait, or the
#: store is far away.
AT_ONCE = 256 * 1024
#: Threads for larger ones, and as many for requests that only read: a slow disk stops no page.
THREADS = 40


class Services:
    """What handlers work with: made once for an application."""

    def __init__(self, store: Store, keyring: Keyring, limits: Limits, writer: Writer) -> None:
        self.store = store
        self.keyring = keyring
        self.limits = limits
        self.writer = writer
        self.rates = RateLimiter(limits.requests_per_second)
        self.load = Load(limits)
        self.metrics = Metrics(store, writer, self.load)
        self.doubles = Doubles()
        self.spending: Spending | None = None
        self._threads = (CapacityLimiter(THREADS), CapacityLimiter(THREADS))

    def write(self, store: Store, records: Sequence[Record]) -> list[tuple[int, float]]:
        """Write records, of several calls perhaps; returns the place of each, and what it adds to the costs."""
        costs = self._added_costs(store, records) if self.spending is not None else [0.0] * len(records)
        return list(zip(self.doubles.write(store, records), costs, strict=True))

    def _added_costs(self, store: Store, records: Sequence[Record]) -> list[float]:
        """What each record costs more than is known already: a log may be sent twice, or in parts."""
        known: dict[tuple[str, str], float] = {}
        for project in {record.project for record in records}:
            ids = tuple({record.id for record in records if record.project == project})
            query = Query({"project": project}, conditions=(Condition("id", "eq", ids),))
            known |= {(project, old.id): old.cost or 0.0 for old in store.find(query, len(ids))}
        added = []
        for record in records:
            key = (record.project, record.id)
            added.append((record.cost or 0.0) - known.get(key, 0.0))
            known[key] = record.cost or known.get(key, 0.0)
        return added

    def kept(self, records: Sequence[Record], costs: Iterable[float]) -> None:
        """Count a call's records, which are on disk now, and what they add to the costs."""
        if records:
            self.metrics.kept(records[0].dialect, len(records))
        if self.spending is not None:
            priced = zip(records, costs, strict=True)
            self.spending.spend([msgspec.structs.replace(record, cost=cost) for record, cost in priced if cost > 0])

    async def in_thread(self, writes: bool, function: Callable[..., T], *args: Any) -> T:
        """Call a function on a thread for its kind of request."""
        return await anyio.to_thread.run_sync(function, *args, limiter=self._threads[writes])


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

    def keep(self, records: Sequence[Record], answer: Callable[[list[int]], Reply]) -> Keeping:
        """What a handler returns to have records written into the call's project; it answers by their places then.

        Raises:
            Fault: 413, more than one call may bring.
        """
        most = self.services.limits.batch_items
        if len(records) > most:
            raise Fault(413, f"more than {most} records in one call")
        for record in records:
            self.stamp(record)

        def kept(written: list[tuple[int, float]]) -> Reply:
            self.services.kept(records, (cost for _, cost in written))
            return answer([place for place, _ in written])

        return Keeping(records, self.services.write, kept)

    def json(self) -> Any:
        """The body's JSON value."""
        return parse_json(self.body)

    def object(self) -> Json:
        """The body's JSON object."""
        return parse_object(self.body)

    def parameter(self, name: str) -> str | None:
        """The last value of a query parameter."""
        return dict(self.query).get(name)


def endpoint(route: Route, services: Services) -> Callable[[Request], Awaitable[Response]]:
    """The ASGI endpoint of a route."""

    writes = route.scope != "read"

    async def handle(request: Request) -> Response:
        started = perf_counter()
        try:
            with services.load.request() as share:
                reply = await _answer(route, services, request, share, writes)
        except Fault as fault:
            reply = fault_reply(route.dialect, fault)
        except StoreFull as error:
            reply = fault_reply(route.dialect, Fault(507, f"the store is full: {error.problem}"), 30)
        except StoreUnavailable as error:
            reply = fault_reply(route.dialect, Fault(503, f"the store cannot be written now: {error.problem}"), 1)
        except StoreError as error:
            logger.error("%s %s: %s", route.method, route.path, error)  # noqa: TRY400 - its sentence says it all
            reply = fault_reply(route.dialect, Fault(503, "the store cannot be used"), 5)
        except ClientDisconnect:
            reply = fault_reply(route.dialect, Fault(400, "the client went away"))
        except Exception:
            logger.exception("%s %s", route.method, route.path)
            reply = fault_reply(route.dialect, Fault(500, "the server failed; its log says why"))
        services.metrics.served(route.dialect.name, route.method, route.path, reply.status, perf_counter() - started)
        return encode(reply)

    return handle


async def _answer(route: Route, services: Services, request: Request, share: Share, writes: bool) -> Reply:
    body: bytes | None = None
    principal = Principal("open", "default", frozenset())
    headers = headers_of(request)
    if not route.open:
        key = key_of(headers)
        if key is None and route.key_in_body:
            body = await read_body(request, services.limits, share)
            key = _key_in(body)
        if services.keyring.fresh:
            principal = authorise(services, key, route.scope)
        else:
            principal = await services.in_thread(writes, authorise, services, key, route.scope)
    if body is None:
        body = await read_body(request, services.limits, share) if request.method in {"POST", "PUT", "PATCH"} else b""
    call = Call(
        services=services,
        principal=principal,
        project=project_of(principal, headers.get("x-autolog-project")),
        path=dict(request.path_params),
        headers=headers,
        body=body,
        request=request,
    )
    if writes and len(body) <= AT_ONCE and services.store.writers == 1:
        handle = partial(route.handler, call)
        reply: Reply = await services.writer.perform(Preparing(handle) if route.keeps else lambda _: handle())
        return reply
    made = await services.in_thread(writes, route.handler, call)
    if not isinstance(made, Keeping):
        return made
    answer: Reply = await services.writer.perform(made)
    return answer


def _key_in(body: bytes) -> str | None:
    """The key inside a body; a body that cannot be read has none."""
    try:
        given = parse_object(body).get("api_key")
    except Fault:
        return None
    return given if isinstance(given, str) else None


# Keys

_KEY_HEADERS = ("x-api-key", "x-portkey-api-key", "x-auth-key", "x-auth-user-service-key")


def headers_of(request: Request) -> dict[str, str]:
    """A request's headers by their names in small letters; of several with one name the first."""
    raw = reversed(request.scope["headers"])
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


def key_of(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries, in any vendor's header."""
    for name in _KEY_HEADERS:
        if headers.get(name):
            return headers[name]
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def authorise(services: Services, key: str | None, scope: str) -> Principal:
    """Who holds a key.

    Raises:
        Fault: 401, no such key; 403, not for this; 429, too often.
    """
    principal = services.keyring.find(key) if key else None
    if principal is None:
        raise Fault(401, "the API key is missing or not known")
    if not principal.may(scope):
        raise Fault(403, f"this key does not have the scope {scope!r}")
    wait = services.rates.wait(principal.key_id)
    if wait > 0:
        raise Fault(429, "too many requests for this key", [{"retry_after": wait}])
    return principal


def project_of(principal: Principal, wanted: str | None) -> str:
    """The project of a request: the key's; a key for all projects may name one.

    Raises:
        Fault: 403, another key's project.
    """
    if principal.project == ANY_PROJECT:
        return wanted or "default"
    if wanted and wanted != principal.project:
        raise Fault(403, "this key is for another project")
    return principal.project


# Bodies

#: Codings within codings.
MAX_CODINGS = 2


async def read_body(request: Request, limits: Limits, share: Share) -> bytes:
    """The request's body, decompressed.

    Raises:
        Fault: 413, too large; 408, too slow; 503, no room; 400, malformed compression; 415, an unknown one.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit():
        if int(length) > limits.body_bytes:
            raise Fault(413, f"the body has more than {limits.body_bytes} bytes")
        share.hold(int(length))
    chunks, size = [], 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limits.body_bytes:
                    raise Fault(413, f"the body has more than {limits.body_bytes} bytes")
                share.hold(size)
                chunks.append(chunk)
    except TimeoutError:
        raise Fault(408, f"the body did not arrive within {limits.body_seconds} seconds") from None
    body = b"".join(chunks)
    codings = [coding.strip() for coding in request.headers.get("content-encoding", "").lower().split(",")]
    if len(codings) > MAX_CODINGS:
        raise Fault(415, f"more than {MAX_CODINGS} content codings")
    for coding in reversed(codings):
        if coding not in {"", "identity"}:
            body = await run_in_threadpool(decompress, body, coding, limits.decompressed_bytes)
            share.hold(size + len(body))
    return body


def decompress(data: bytes, coding: str, most: int) -> bytes:
    """`data` without one content coding, if that gives at most `most` bytes.

    Raises:
        Fault: 413, 400 or 415.
    """
    if coding in {"", "identity"}:
        return data
    try:
        if coding in {"gzip", "x-gzip", "deflate"}:
            inflater: Any = zlib.decompressobj(zlib.MAX_WBITS | 32)
            result: bytes = inflater.decompress(data, most + 1)
        elif coding == "zstd":
            inflater = zstd.ZstdDecompressor()
            result = inflater.decompress(data, max_length=most + 1)
        else:
            raise Fault(415, f"content-encoding {coding[:50]!r} is not one of gzip, deflate, zstd")
    except (zlib.error, zstd.ZstdError, EOFError) as error:
        raise Fault(400, f"malformed {coding} data: {error}") from error
    if len(result) > most:
        raise Fault(413, f"the body has more than {most} bytes when decompressed")
    if not inflater.eof:
        raise Fault(400, f"malformed {coding} data: it is cut off")
    return result


# Replies


def fault_reply(dialect: Dialect, fault: Fault, retry_after: float | None = None) -> Reply:
    """A fault in the shape of a dialect."""
    if fault.status in {429, 503} and fault.details:
        retry_after = fault.details[0].get("retry_after")
    headers = {"retry-after": str(max(1, round(retry_after)))} if retry_after is not None else {}
    if fault.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Reply(fault.status, dialect.encode_fault(fault), headers=headers)


def encode(reply: Reply) -> Response:
    """A reply on the wire. Every one says its content type: some clients fail without."""
    if reply.status == 204:
        return Response(status_code=204, headers={**reply.headers, "content-type": reply.content_type})
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body, default=str).encode()
    return Response(body, reply.status, {**reply.headers}, reply.content_type)
