"""The path of a request to its handler and back: keys, limits, bodies, and errors in the shape of the route's dialect.

A handler is a plain function of a `Call` that returns a `Reply`, or a change that produces the reply (see `Call.keep`),
or raises a `Fault`. It runs on a thread, after the key has been checked and the body read within the limits. The
dashboard's pages are routes, too.
"""

from __future__ import annotations

import functools
import gc
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass, replace
from functools import partial
from inspect import isawaitable
from time import perf_counter
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from autolog.dialects._fault import Fault
from autolog.errors import StoreError, StoreFull, StoreUnavailable
from autolog.server._addresses import signer
from autolog.server._auth import authorise, headers_of, key_in_body, key_of, project_of
from autolog.server._bodies import read_body
from autolog.server._call import Call, Interface, Reply, Route
from autolog.server._keys import ANY_PROJECT, Principal
from autolog.server._limits import Load
from autolog.server._login import NAMED
from autolog.server._readers import Reader
from autolog.server._reading import encode_json
from autolog.server._services import Services
from autolog.server._writer import Change, DeferredChange
from autolog.stores.query import FilterError

logger = logging.getLogger("autolog.server")

#: Larger bodies, in bytes, are decoded on a thread of their own: on the writer's thread they would delay other writes.
ON_WRITER_THREAD = 256 * 1024
#: The cookie of a browser session. Its name includes the port, because browsers share cookies among a host's ports.
SESSION_COOKIE = "autolog_session_{port}"
#: The prefix of a cookie that browsers take from this host only.
OF_HOST = "__Host-"
#: The header of replies that do not say otherwise. A cache may keep what was asked for with a key in a header that it
#: does not know; only `Authorization` forbids that by itself (RFC 9111, 3.5).
NOT_CACHED = (b"cache-control", b"no-store")
#: Longer responses are sent in pieces of this many bytes, each when the client has taken most of what came before.
PIECE = 64 * 1024
#: The methods whose requests may have a body.
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_NOBODY = Principal("", ANY_PROJECT, frozenset())


def endpoint(route: Route, services: Services) -> Callable[[Request], Awaitable[ASGIApp]]:
    """Make the ASGI endpoint of a route."""

    async def handle(request: Request) -> ASGIApp:
        started = perf_counter()
        try:
            reply, reader = await _reply_to(request, route, services)
            response = encode(reply, reader, head=request.method == "HEAD")
        except Exception as error:  # noqa: BLE001 - every error becomes a reply in the route's shape
            reply = refusal(request, route, error)
            response = encode(reply)
        if route.session:
            gc.collect(0)  # macros of templates refer to themselves, and keep the logs that the page shows
        note_served(request, route, services, reply.status, perf_counter() - started)
        return response

    return handle


def note_served(request: Request, route: Route, services: Services, status: int, seconds: float) -> None:
    """Count and log a request that is answered."""
    services.metrics.served(route.dialect.name, route.method, route.path, status, seconds)
    services.log.served(request, status, seconds, _state(request).get("key_id", ""))


def refusal(request: Request, route: Route, error: BaseException) -> Reply:
    """Return the reply that tells the client about an error, in the route's shape."""
    fault = _fault_of(error, route)
    reply = route.refuse(request, fault) if route.refuse else fault_reply(route.dialect, fault)
    _let_go_of_frames(error)
    return reply


def _let_go_of_frames(error: BaseException | None) -> None:
    """Detach an error from the frames that it passed through.

    They refer to each other, and would otherwise keep the request's body, uncounted, until Python looks for cycles.
    """
    while error is not None:
        earlier = error.__cause__ or error.__context__
        error.__traceback__ = error.__cause__ = error.__context__ = None
        error = earlier


async def _reply_to(request: Request, route: Route, services: Services) -> tuple[Reply, Reader]:
    """Return the reply to a request, and the part of its key in all requests that read."""
    headers = headers_of(request.scope)
    key, body = await _key_and_early_body(request, route, services, headers)
    admission = await _admit(request, route, services, headers, key)
    # An admitted request's connection is not closed in favour of others.
    _state(request)["admitted"] = route.signed or not route.open
    call = Call(
        services=services,
        principal=admission.principal,
        project=project_of(admission.principal, admission.project),
        path=dict(request.path_params),
        headers=headers,
        body=body or b"",
        request=request,
        still_valid=admission.still_valid,
    )
    reader = services.readers.of(call.principal.key_id)
    if route.quick:
        result = route.handler(call)
        quick: Reply = await result if isawaitable(result) else result  # type: ignore[assignment]
        return quick, reader
    load = reader if route.scope == "read" else services.load_of_writer(call.principal.key_id)
    with load.request() as share:
        share.hold(len(call.body))
        if body is None and request.method in _WITH_BODY:
            call.body = await read_body(request.receive, headers, services.limits, share)
        reply = await _run(route, call, reader)
        if reply.comes_in_pieces:
            reader.check_streams()
        return reply, reader


async def _key_and_early_body(
    request: Request, route: Route, services: Services, headers: dict[str, str]
) -> tuple[str | None, bytes | None]:
    """Return a request's key, and its body if that is read before the key is checked; otherwise None."""
    key = key_of(headers)
    if not ((route.open and not route.signed) or (route.key_in_body and key is None)):
        return key, None
    body = await services.doorway.read(request.receive, headers) if request.method in _WITH_BODY else b""
    return (key_in_body(body) if route.key_in_body else key), body


@dataclass(frozen=True, slots=True)
class _Admission:
    """Who makes a request, for which project if it names one, and whether the key or session is still valid."""

    principal: Principal
    project: str | None
    still_valid: Callable[[], bool] = lambda: True


async def _admit(
    request: Request, route: Route, services: Services, headers: dict[str, str], key: str | None
) -> _Admission:
    """Check that a request may use its route.

    Raises:
        Fault: 401, 403 or 429, if it may not.
    """
    wanted = headers.get("x-autolog-project")
    if route.signed:
        found, wanted = await services.look_up(signer, services, request, route)
        problem = "this address is not valid, or has expired"
        return _Admission(authorise(found, route.scope, services.rates, problem), wanted)
    if route.open:
        return _Admission(_NOBODY, wanted)
    by_session = route.session and key is None
    named = request.scope.get(NAMED) if by_session else None
    token = request.cookies.get(session_cookie(request)) if by_session else None
    found = named or await _find(services, key, token)
    _state(request)["key_id"] = found.key_id if found else ""  # noted first, so that refusals are logged with it
    principal = authorise(found, route.scope, services.rates, services.keyring.problem(key) if found is None else "")
    if named is not None:
        return _Admission(principal, wanted)
    services.keyring.note_use(principal.key_id, services.writer.note)
    return _Admission(principal, wanted, partial(_is_valid, services, key, token))


def _state(request: Request) -> MutableMapping[str, Any]:
    """Return the mutable state of a request, which its log line and its connection read."""
    state: MutableMapping[str, Any] = request.scope.setdefault("state", {})
    return state


async def _find(services: Services, key: str | None, token: str | None) -> Principal | None:
    """Return the holder of a key or a session token; None if there is none."""
    if token is not None or not services.keyring.fresh:
        await services.refresh(sessions=token is not None)
    if key is not None:
        return services.keyring.find(key)
    if token is None:
        return None
    found = services.sessions.find(token)
    if found is None:
        await services.refresh(sessions=True, unknown=True)
        found = services.sessions.find(token)
    return found


def _is_valid(services: Services, key: str | None, token: str | None) -> bool:
    """Return whether a key or a session is valid now. Blocks, so it is to be called on a thread."""
    services.keyring.refresh()
    if token is not None:
        services.sessions.refresh()
        return services.sessions.find(token) is not None
    return key is not None and services.keyring.find(key) is not None


async def _run(route: Route, call: Call, reader: Reader) -> Reply:
    """Run a handler: on the writer's thread if possible, else on one of its own; its change goes to the writer."""
    services, writes = call.services, route.scope != "read" and route.method != "GET"
    reply: Reply
    at_writer = services.store.writers == 1 or route.decodes  # otherwise reading the store would hold up other writes
    if writes and at_writer and not route.open and len(call.body) <= ON_WRITER_THREAD:
        handler = partial(route.handler, call)
        change: Change = DeferredChange(handler) if route.keeps else lambda _: handler()
        reply = await services.writer.perform(change, call.principal.key_id)
        return reply
    in_thread = partial(reader.run_for, call.request.receive) if route.scope == "read" else services.in_thread
    result = await in_thread(_answer, route, call)
    if isinstance(result, Reply):
        return result
    reply = await services.writer.perform(result, call.principal.key_id)  # type: ignore[arg-type]
    return reply


def _answer(route: Route, call: Call) -> Reply | Change | Awaitable[Reply]:
    """Call a handler, and encode its reply on the same thread: the event loop would stand still for a long one."""
    result = route.handler(call)
    if isinstance(result, Reply) and isinstance(result.body, (dict, list)):
        return replace(result, body=encode_json(result.body))
    return result


def session_cookie(request: Request) -> str:
    """Return the name of the cookie that holds the pages' session.

    A name with the prefix `__Host-` browsers accept from this host only, and not from another one in its domain, which
    could sign in the reader as somebody else. It needs HTTPS and a cookie for all paths.
    """
    name = SESSION_COOKIE.format(port=request.url.port or 0)
    return f"{OF_HOST}{name}" if request.url.scheme == "https" and not request.scope.get("root_path") else name


# Replies


def _fault_of(error: BaseException, route: Route) -> Fault:
    """Return the fault that tells the client about an error; log errors that are not the client's fault."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, StoreFull):
        return Fault(507, f"the store is full: {error.problem}", retry_after=30)
    if isinstance(error, StoreUnavailable):
        verb = "read" if route.scope == "read" else "written"
        return Fault(503, f"the store cannot be {verb} now: {error.problem}", retry_after=1)
    if isinstance(error, StoreError):
        logger.error("%s %s: %s", route.method, route.path, error)
        return Fault(503, "the store cannot be used", retry_after=5)
    if isinstance(error, FilterError):
        return Fault(400, str(error))
    if isinstance(error, ClientDisconnect):
        return Fault(400, "the client disconnected")
    logger.error("%s %s", route.method, route.path, exc_info=error)
    return Fault(500, "the server failed; its log says why")


def fault_reply(dialect: Interface, fault: Fault) -> Reply:
    """Return the reply for a fault, in the error format of a dialect."""
    headers = {} if fault.retry_after is None else {"retry-after": str(max(1, round(fault.retry_after)))}
    if fault.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Reply(fault.status, dialect.encode_fault(fault), headers=headers)


def encode(reply: Reply, reader: Reader | None = None, head: bool = False) -> ASGIApp:
    """Turn a reply into an ASGI response. Every response has a content type, because some clients fail without one."""
    if reader is not None and reply.comes_in_pieces:
        return Whole(reply, b"") if head else _Streamed(reply, reader)
    response = whole(reply)
    return _Long(response, reader) if reader is not None and len(response.body) > PIECE else response


def whole(reply: Reply) -> Whole:
    """Turn a reply that does not come in pieces into an ASGI response."""
    if reply.status == 204:
        return Whole(reply, None)
    return Whole(reply, reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body, default=str).encode())


class Whole:
    """A response with a complete body, or with none; Starlette's `Response` takes three times as long."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, reply: Reply, body: bytes | None) -> None:
        headers = [(b"content-type", _content_type(reply.content_type))]
        if body is not None:
            headers.append((b"content-length", b"%d" % len(body)))
        if "cache-control" not in reply.headers:
            headers.append(NOT_CACHED)
        headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
        self.status = reply.status
        self.headers = headers
        self.body = body or b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - an ASGI application
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


class _Long:
    """A complete response that is sent as the client takes it, and counts towards the bodies in memory until then.

    Raises:
        Fault: 503, if there are too many bodies in memory.
    """

    __slots__ = ("_load", "_response")

    def __init__(self, response: Whole, load: Load) -> None:
        self._response = response
        self._load = load
        load.add(len(response.body))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - an ASGI application
        response, size = self._response, len(self._response.body)
        try:
            await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
            for at in range(0, size, PIECE):
                piece = response.body[at : at + PIECE]
                await send({"type": "http.response.body", "body": piece, "more_body": at + PIECE < size})
        finally:
            self._load.add(-size)


@functools.lru_cache(maxsize=64)  # some are those of stored media
def _content_type(declared: str) -> bytes:
    """Return a content type as it is sent: text types get a charset of UTF-8."""
    text = declared.startswith("text/") and "charset=" not in declared
    return f"{declared}; charset=utf-8".encode() if text else declared.encode()


class _Streamed(StreamingResponse):
    """A response in pieces, from a live stream or from an iterator that is read on threads."""

    def __init__(self, reply: Reply, reader: Reader) -> None:
        pieces = reply.body if isinstance(reply.body, AsyncIterator) else _on_threads(reply.body, reader)
        super().__init__(pieces, reply.status, {"cache-control": "no-store", **reply.headers}, reply.content_type)
        self._load = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._load.stream():
            try:
                await super().__call__(scope, receive, send)
            except (StoreError, Fault) as error:  # after the status, only an incomplete body can signal it
                logger.error("%s %s broke off: %s", scope["method"], scope["path"], error)  # noqa: TRY400 - as above


async def _on_threads(pieces: Iterator[bytes], reader: Reader) -> AsyncIterator[bytes]:
    """Read an iterator on a thread pool. A piece counts towards the bodies in memory until the client has taken it."""
    while (piece := await reader.next_piece(pieces)) is not None:
        reader.add(len(piece))
        try:
            for at in range(0, len(piece), PIECE):
                yield piece[at : at + PIECE]
        finally:
            reader.add(-len(piece))
