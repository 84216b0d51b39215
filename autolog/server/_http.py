"""From HTTP to a handler and back: keys, limits, bodies, and errors in the shape of the dialect that was spoken.

A handler is a plain function of a `Call` that returns a `Reply` or raises a `Fault`. It runs on a thread, after the key
was checked and the body read within its limits.
"""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Protocol, TypeVar

import anyio
import msgspec
import pydantic
from anyio import CapacityLimiter
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from autolog._record import Record
from autolog._zstd import zstd
from autolog.dialects._shared import Fault, Json, parse_json, parse_object
from autolog.errors import StoreError, StoreFull, StoreUnavailable
from autolog.server._doubles import Doubles
from autolog.server._keys import ANY_PROJECT, Keyring, Principal
from autolog.server._limits import Limits, Load, RateLimiter, Share
from autolog.server._metrics import Metrics
from autolog.server._spending import Spending
from autolog.server._writer import Keeping, Writer
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
    handler: Callable[[Call], Reply]
    dialect: Any
    summary: str
    scope: str = "ingest"
    ok: tuple[int, ...] = (200,)
    model: type[pydantic.BaseModel] | None = None
    parameters: tuple[Parameter, ...] = ()
    key_in_body: bool = False
    open: bool = False


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
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    base_url: str

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

    def keep(self, records: Sequence[Record]) -> list[int]:
        """Write records into the call's project; returns their places once they are on disk.

        Raises:
            Fault: 413, more than one call may bring.
        """
        most = self.services.limits.batch_items
        if len(records) > most:
            raise Fault(413, f"more than {most} records in one call")
        for record in records:
            self.stamp(record)
        if not records:
            return []
        spending, costs = self.services.spending, list[float]()
        if spending is not None:
            ids = tuple({record.id for record in records})
            query = Query({"project": self.project}, conditions=(Condition("id", "eq", ids),))
            known = {old.id: old.cost or 0.0 for old in self.store.find(query, len(ids))}
            costs = [(record.cost or 0.0) - known.get(record.id, 0.0) for record in records]
        places = self.write(Keeping(records, self.services.doubles.write))
        self.services.metrics.kept(records[0].dialect, len(records))
        if spending is not None:
            spending.spend(
                [
                    msgspec.structs.replace(record, cost=cost)
                    for record, cost in zip(records, costs, strict=True)
                    if cost > 0
                ]
            )
        return places

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
    if not route.open:
        key = key_of(request.headers)
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
        project=project_of(principal, request.headers.get("x-autolog-project")),
        path=dict(request.path_params),
        query=request.query_params.multi_items(),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        base_url=str(request.base_url).rstrip("/"),
    )
    if writes and len(body) <= AT_ONCE and services.store.writers == 1:
        return await services.writer.perform(lambda _: route.handler(call))
    return await services.in_thread(writes, route.handler, call)


def _key_in(body: bytes) -> str | None:
    """The key inside a body; a body that cannot be read has none."""
    try:
        given = parse_object(body).get("api_key")
    except Fault:
        return None
    return given if isinstance(given, str) else None


# Keys

_KEY_HEADERS = ("x-api-key", "x-portkey-api-key", "x-auth-key", "x-auth-user-service-key")


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
