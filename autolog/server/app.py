"""The ASGI application, which serves all routes from one store."""

from __future__ import annotations

import contextlib
import importlib
import os
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from autolog import dialects
from autolog._guard import logger
from autolog.dialects import Dialect
from autolog.dialects._fault import Fault
from autolog.errors import StoreError
from autolog.server import _health, _mcp, _openapi
from autolog.server._background import Background
from autolog.server._call import Route
from autolog.server._endpoint import encode, endpoint, fault_reply
from autolog.server._limits import Limits
from autolog.server._notify import Notifier
from autolog.server._projects import read_projects
from autolog.server._services import Services
from autolog.server._shortcut import Shortcut, has_shortcut
from autolog.server.dashboard._page import refuse_here, root_of
from autolog.server.dashboard.pages import PAGES
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.retention import Retain

#: Handles a request and returns its response.
Endpoint = Callable[[Request], Awaitable[ASGIApp]]

#: The routes of every dialect, from the module of its name in `routes`, and those that administer the server.
ROUTES: list[Route] = [
    route
    for name in (*dialects.NAMES, "administration")
    for route in importlib.import_module(f"autolog.server.routes.{name}").ROUTES
]

#: How often old records are deleted, in seconds.
PRUNE_INTERVAL = 600


def create_app(
    store: str | Store = "sqlite:///.autolog/logs.db",
    *,
    api_key: str | None = None,
    limits: Limits | None = None,
    budgets: Sequence[Any] = (),
    retain: Retain | None = None,
    notifier: Notifier | None = None,
) -> FastPath:
    """Make an ASGI application that serves every dialect from one store.

    Args:
        store: an open store or its URL.
        api_key: a fixed key with all scopes, for all projects; by default AUTOLOG_SERVER_API_KEY. Without either, only
            keys made with `autolog keys create` are valid.
        limits: limits on requests.
        budgets: limits in dollars, as in `configure(budgets=...)`, and also by `project`. They warn, and they refuse
            the calls of programs that ask (`budgets=[{"server": True, ...}]`).
        retain: how long records are kept, and how large the store may become.
        notifier: sends notifications of alerts; by default to the log, and to webhooks in public networks.

    Raises:
        StoreError: if the store cannot be opened.
    """
    opened = open_store(store) if isinstance(store, str) else store
    fixed_key = api_key or os.environ.get("AUTOLOG_SERVER_API_KEY") or None
    return _application(Services(opened, fixed_key, limits or Limits(), budgets, retain, notifier))


def _application(services: Services) -> FastPath:
    background = [services.watch.background, Background("retention", PRUNE_INTERVAL, partial(_prune, services))]
    if services.store.writers > 1:  # other servers may write to it, too
        background.append(services.second_look.background)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001 - Starlette's signature
        for task in background:
            task.start()
        yield
        for task in background:
            await run_in_threadpool(task.stop)
        await run_in_threadpool(services.writer.close)

    routes = [*_openapi.routes(ROUTES), *_health.ROUTES, *PAGES, *_mcp.ROUTES, *ROUTES]
    endpoints = {(route.method, route.path): endpoint(route, services) for route in routes}
    app = Starlette(
        routes=_by_path(endpoints),
        exception_handlers=dict.fromkeys((404, 405, HTTPException), cast("Any", _not_found)),
        lifespan=lifespan,
    )
    app.state.services = services
    direct = {at: handler for at, handler in endpoints.items() if "{" not in at[1] and at[0] != "GET"}
    shortcuts = {route.path.encode(): Shortcut(route, services) for route in ROUTES if has_shortcut(route, services)}
    application = FastPath(app, direct, background, shortcuts)
    for task in background:
        weakref.finalize(application, task.end).atexit = False
    return application


def _by_path(endpoints: Mapping[tuple[str, str], Endpoint]) -> list[StarletteRoute]:
    """Return one Starlette route per path, because only then are other methods of a path answered with 405."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for (method, path), handler in endpoints.items():
        paths.setdefault(path, {})[method] = handler
    return [StarletteRoute(path, _dispatcher(methods), methods=list(methods)) for path, methods in paths.items()]


def _dispatcher(methods: Mapping[str, Endpoint]) -> Endpoint:
    async def dispatch(request: Request) -> ASGIApp:
        return await methods["GET" if request.method == "HEAD" else request.method](request)

    return dispatch


def _prune(services: Services) -> None:
    """Delete the records that retention no longer allows."""
    try:
        deleted = _delete_old(services.store, services.retain)
    except StoreError as error:
        logger.warning("old records could not be deleted: %s", error)
    else:
        if deleted:
            logger.info("%d old records deleted", deleted)


def _delete_old(store: Store, retain: Retain) -> int:
    ages = {name: project.age for name, project in read_projects(store).items() if project.age is not None}
    return retain.apply(store, ages)


def _dialect_at(path: str) -> Dialect:
    """Return the dialect for errors on an unknown path, by the path's prefix."""
    found = [(prefix, name) for name in dialects.NAMES for prefix in dialects.get(name).prefixes]
    return dialects.get(max(((p, n) for p, n in found if path.startswith(p)), default=("", "native"))[1])


async def _not_found(request: Request, error: Exception) -> ASGIApp:
    status = getattr(error, "status_code", 404)
    dialect = _dialect_at(request.url.path)
    absent = dialects.absent_at(dialect, request.url.path)
    if absent is not None:
        message = f"there are no {absent} here: this server keeps logs, and what belongs to them"
    elif status == 405:
        message = f"{request.method} is not allowed on this path"
    else:
        message = "there is nothing at this path"
    if request.url.path.removeprefix(root_of(request)).startswith("/ui/"):  # a person is reading
        reply = refuse_here(request, Fault(status, f"{message[0].upper()}{message[1:]}."))
    else:
        reply = fault_reply(dialect, Fault(status, message))
    return encode(replace(reply, headers={**reply.headers, **(getattr(error, "headers", None) or {})}))


class FastPath:
    """The outermost layer: calls routes without path parameters directly, and passes all other requests to Starlette.

    Logs are sent to a few fixed paths, which thus need no search through the other routes. Several slashes at the
    start of a path become one, because clients join the base URL and the path by plain concatenation.

    Background tasks start with the first request, because an application that is mounted in another one gets no
    lifespan events.
    """

    def __init__(
        self,
        app: Starlette,
        direct: Mapping[tuple[str, str], Endpoint],
        background: Sequence[Background],
        shortcuts: Mapping[bytes, Shortcut],
    ) -> None:
        self.app = app
        #: The ways of requests past this application, by path, for a server that calls it unmounted.
        self.shortcuts = shortcuts
        self._direct = direct
        self._background = background
        self._begun = False

    @property
    def state(self) -> Any:
        """The inner application's state."""
        return self.app.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if not self._begun:
                self._begun = True
                for task in self._background:
                    task.start()
            root = scope.get("root_path", "")
            path = scope["path"].removeprefix(root)
            if path.startswith("//"):
                path = "/" + path.lstrip("/")
                scope = {**scope, "path": root + path}
            direct = self._direct.get((scope["method"], path))
            if direct is not None:
                response = await direct(Request(scope, receive, send))
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)
