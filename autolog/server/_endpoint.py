"""From HTTP to a handler and back: keys, limits, bodies, and errors in the shape of the dialect that was spoken.

A handler is a plain function of a `Call` that returns a `Reply`, or the records that it wants kept (`Call.keep`), or
raises a `Fault`. It runs on a thread, after the key was checked and the body read within its limits.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from autolog.dialects import Dialect
from autolog.dialects._fault import Fault
from autolog.errors import StoreError, StoreFull, StoreUnavailable
from autolog.server._auth import authorise, headers_of, key_in, key_of, project_of
from autolog.server._bodies import read_body
from autolog.server._call import Call, Reply, Route
from autolog.server._keys import Principal
from autolog.server._limits import Share
from autolog.server._services import Services
from autolog.server._writer import DeferredChange, RecordWrite

logger = logging.getLogger("autolog.server")


#: A request that writes is read on the writer's thread, too, unless its body is so large that others would wait, or the
#: store is far away.
AT_ONCE = 256 * 1024


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
            key = key_in(body)
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
        reply: Reply = await services.writer.perform(DeferredChange(handle) if route.keeps else lambda _: handle())
        return reply
    made = await services.in_thread(writes, route.handler, call)
    if not isinstance(made, RecordWrite):
        return made
    answer: Reply = await services.writer.perform(made)
    return answer


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
