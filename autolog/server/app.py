"""The application: all routes over one store."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from autolog import dialects
from autolog._guard import logger
from autolog._record.record import to_json
from autolog.dialects import Dialect, native
from autolog.dialects._fault import Fault
from autolog.errors import StoreError
from autolog.server import _health, dashboard
from autolog.server._auth import authorise, headers_of, key_of, project_of
from autolog.server._call import Call, Route
from autolog.server._endpoint import encode, endpoint, fault_reply
from autolog.server._limits import Limits
from autolog.server._openapi import docs_page, document
from autolog.server._services import Services
from autolog.server.routes import native as native_routes
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.retention import Retain

#: Answers a request.
Endpoint = Callable[[Request], Awaitable[Response]]

#: The routes of every dialect: the module in `routes` of its name.
ROUTES: list[Route] = [
    route for name in dialects.NAMES for route in importlib.import_module(f"autolog.server.routes.{name}").ROUTES
]

#: How often old records are deleted, in seconds.
PRUNE_INTERVAL = 600
#: How often a tail looks for new records, in seconds.
TAIL_INTERVAL = 0.25


def create_app(
    store: str | Store = "sqlite:///.autolog/logs.db",
    *,
    api_key: str | None = None,
    limits: Limits | None = None,
    budgets: Sequence[Any] = (),
    retain: Retain | None = None,
) -> ASGIApp:
    """An ASGI application that serves every dialect from one store.

    Args:
        store: an open store or its URL.
        api_key: a fixed key with all scopes, for all projects; else AUTOLOG_SERVER_API_KEY, else only keys made with
            `autolog keys create` open the server.
        limits: bounds on requests.
        budgets: limits in dollars, as in `configure(budgets=...)`, also by `project`; they warn, and stop nothing.
        retain: how long records are kept, and how large the store may get.

    Raises:
        StoreError: the store cannot be opened.
    """
    opened = open_store(store) if isinstance(store, str) else store
    limits = limits or Limits()
    services = Services(opened, api_key or os.environ.get("AUTOLOG_SERVER_API_KEY") or None, limits, budgets)
    specification = document(ROUTES)

    async def openapi(request: Request) -> Response:  # noqa: ARG001 - an endpoint's signature
        return JSONResponse(specification)

    async def docs(request: Request) -> Response:  # noqa: ARG001 - an endpoint's signature
        return HTMLResponse(docs_page(ROUTES))

    async def tail(request: Request) -> Response:
        try:
            key = key_of(request.headers)
            principal = await run_in_threadpool(authorise, services, key, "read")
            project = project_of(principal, request.headers.get("x-autolog-project"))
            call = Call(services, principal, project, {}, headers_of(request), b"", request)
            query = native_routes.query_of(call)
        except Fault as fault:
            return encode(fault_reply(native, fault))
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return StreamingResponse(
            _events(opened, query, request, lambda: services.keyring.find(key or "") is not None),
            media_type="text/event-stream",
        )

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001 - Starlette's signature
        pruning = asyncio.create_task(_prune(services, retain)) if retain is not None else None
        yield
        if pruning is not None:
            pruning.cancel()
        await run_in_threadpool(services.writer.close)

    app = Starlette(
        routes=[
            StarletteRoute("/openapi.json", openapi),
            StarletteRoute("/docs", docs),
            StarletteRoute("/api/v1/tail", tail),
            *_health.routes(services),
            *dashboard.routes(services),
            *_starlette_routes(services),
        ],
        exception_handlers={404: _not_found, 405: _not_found, HTTPException: _not_found},
        lifespan=lifespan,
    )
    app.state.services = services
    direct = {
        (route.method, route.path): endpoint(route, services)
        for route in ROUTES
        if "{" not in route.path and route.method != "GET"
    }
    return FastPath(app, direct)


def _starlette_routes(services: Services) -> list[StarletteRoute]:
    """One for each path, for a path with several methods answers 405 only then."""
    by_path: dict[str, list[Route]] = {}
    for route in ROUTES:
        by_path.setdefault(route.path, []).append(route)
    made = []
    for path, members in by_path.items():
        handlers = {route.method: endpoint(route, services) for route in members}

        async def dispatch(request: Request, handlers: dict[str, Any] = handlers) -> Response:
            response: Response = await handlers["GET" if request.method == "HEAD" else request.method](request)
            return response

        made.append(StarletteRoute(path, dispatch, methods=list(handlers)))
    return made


async def _prune(services: Services, retain: Retain) -> None:
    """Delete what is too old or too much, now and every ten minutes."""
    while True:
        try:
            deleted = await run_in_threadpool(retain.apply, services.store)
        except StoreError as error:
            logger.warning("old records could not be deleted: %s", error)
        else:
            if deleted:
                logger.info("%d old records deleted", deleted)
        await asyncio.sleep(PRUNE_INTERVAL)


async def _events(store: Store, query: Any, request: Request, may: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Records as server-sent events from now on, or from the `Last-Event-ID` that a client comes back with."""
    given = request.headers.get("last-event-id", "")
    place = int(given) if re.fullmatch("[0-9]{1,18}", given) else await run_in_threadpool(store.last)
    quiet = 0.0
    while not await request.is_disconnected() and await run_in_threadpool(may):
        records = await run_in_threadpool(store.tail, query, place)
        for record in records:
            place = record.seq or place
            yield f"id: {place}\ndata: {to_json(record)}\n\n".encode()
        quiet = 0.0 if records else quiet + TAIL_INTERVAL
        if quiet >= 15:
            quiet = 0.0
            yield b": still here\n\n"
        await asyncio.sleep(TAIL_INTERVAL)


def _dialect_at(path: str) -> Dialect:
    """The dialect whose shape an error has on a path that no route has."""
    found = [(prefix, name) for name in dialects.NAMES for prefix in dialects.get(name).prefixes]
    return dialects.get(max(((p, n) for p, n in found if path.startswith(p)), default=("", "native"))[1])


async def _not_found(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    message = f"{request.method} is not for this path" if status == 405 else "there is nothing at this path"
    response = encode(fault_reply(_dialect_at(request.url.path), Fault(status, message)))
    for name, value in (getattr(error, "headers", None) or {}).items():
        response.headers[name] = value
    return response


class FastPath:
    """The application's outermost part: straight to the routes without parameters, through Starlette to all else.

    Logs come to a few fixed paths, which need no search through the others. Doubled slashes at the start of a path
    become one: clients join base URL and path by plain concatenation.
    """

    def __init__(self, app: Starlette, direct: Mapping[tuple[str, str], Endpoint]) -> None:
        self.app = app
        self._direct = direct

    @property
    def state(self) -> Any:
        """The inner application's state."""
        return self.app.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"].startswith("//"):
                scope = {**scope, "path": "/" + scope["path"].lstrip("/")}
            answer = None if scope.get("root_path") else self._direct.get((scope["method"], scope["path"]))
            if answer is not None:
                response = await answer(Request(scope, receive, send))
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)
