"""The short way of requests that carry logs: from the bytes of a connection to the writer and back, without ASGI.

A request takes it if it arrives whole, or its body at once after its head, its path is one of the fixed ones, and its
key is valid and known without reading the store. Every other request, and every one that will be refused for its key,
goes through the application as usual. Of the event loop's time for a log that is sent by itself, uvicorn's cycle, its
task, and Starlette's request took more than half.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from time import perf_counter
from typing import Protocol

from starlette.requests import Request
from starlette.types import Scope

from autolog.dialects._fault import Fault
from autolog.server._auth import authorise, headers_of, key_of, project_of
from autolog.server._bodies import decompress_small
from autolog.server._call import Call, Reply, Route
from autolog.server._endpoint import ON_WRITER_THREAD, Whole, note_served, refusal, whole
from autolog.server._services import Services
from autolog.server._writer import DeferredChange

logger = logging.getLogger("autolog.server")


def has_shortcut(route: Route, services: Services) -> bool:
    """Return whether requests of a route may take the short way: one that writes logs, on the writer's thread."""
    on_writer = services.store.writers == 1 or route.decodes
    plain = not (route.open or route.signed or route.key_in_body or route.quick or "{" in route.path)
    return route.method == "POST" and route.keeps and on_writer and plain


class Shortcut:
    """Hands the requests of one route to the writer."""

    def __init__(self, route: Route, services: Services) -> None:
        self.route = route
        self.services = services

    def take(self, exchange: Exchange, body: bytes) -> bool:
        """Begin to serve a request, which `exchange` answers; return whether it can be served on the short way."""
        services = self.services
        if services.log.is_full or not services.keyring.fresh:  # full logs name the client, perhaps behind a proxy
            return False
        headers = exchange.headers = exchange.headers or headers_of(exchange.scope)
        key = key_of(headers)
        principal = services.keyring.find(key) if key else None
        content = None if principal is None else self._content(body, headers.get("content-encoding", ""))
        if principal is None or content is None:
            return False
        try:
            project = project_of(principal, headers.get("x-autolog-project"))
            authorise(principal, self.route.scope, services.rates)  # last, because it counts the request
        except Fault:
            return False
        services.keyring.note_use(principal.key_id, services.writer.note)
        exchange.begin(self, Call(services, principal, project, {}, headers, content, Request(exchange.scope)))
        return True

    def _content(self, body: bytes, coding: str) -> bytes | None:
        """Return a body without its content coding; None if that has to be done, or refused, on the usual way."""
        limits = self.services.limits
        if len(body) > min(limits.body_bytes, ON_WRITER_THREAD):
            return None
        return decompress_small(body, coding.strip().lower(), limits) if coding else body


class Connection(Protocol):
    """The connection of a request, as far as its exchange needs it."""

    loop: asyncio.AbstractEventLoop

    def answer(self, exchange: Exchange, response: Whole) -> None:
        """Send the response to a request."""

    def abort(self) -> None:
        """Close the connection without an answer."""


class Exchange:
    """A request on the short way, and its response. To uvicorn it is the connection's current cycle."""

    #: What uvicorn sets when the connection is lost; nothing waits for it.
    message_event = asyncio.Event()

    def __init__(
        self, connection: Connection, scope: Scope, keep_alive: bool, headers: dict[str, str] | None = None
    ) -> None:
        self._connection = connection
        self.scope = scope
        self.headers = headers or {}
        self.keep_alive = keep_alive
        self.response_complete = self.disconnected = False

    def begin(self, shortcut: Shortcut, call: Call) -> None:
        """Hand the call to the writer."""
        self._started = perf_counter()
        self._shortcut, self._call = shortcut, call
        self.scope["state"]["admitted"] = True
        self.scope["state"]["key_id"] = call.principal.key_id
        services = shortcut.services
        try:
            self._share = services.load_of_writer(call.principal.key_id).request()
        except Fault as fault:
            self._answer(refusal(call.request, shortcut.route, fault))
            return
        self._share.begin()
        try:
            self._share.hold(len(call.body))
            change = DeferredChange(partial(shortcut.route.handler, call))
            services.writer.enqueue(change, self, call.principal.key_id)
        except Exception as error:  # noqa: BLE001 - every error becomes a reply
            self.set_exception(error)

    # What the writer calls, on the event loop

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._connection.loop

    def set_result(self, reply: Reply) -> None:
        self._share.end()
        self._answer(reply)

    def set_exception(self, error: BaseException) -> None:
        self.set_result(refusal(self._call.request, self._shortcut.route, error))

    def _answer(self, reply: Reply) -> None:
        """Send a reply. Never raises, because the answers to other requests follow."""
        self.response_complete = True
        route, services = self._shortcut.route, self._shortcut.services
        try:
            response = whole(reply)
            note_served(self._call.request, route, services, reply.status, perf_counter() - self._started)
            if not self.disconnected:
                self._connection.answer(self, response)
        except Exception:
            logger.exception("%s %s", route.method, route.path)
            self._connection.abort()
