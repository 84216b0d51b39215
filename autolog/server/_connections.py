"""Connections under uvicorn: bounded in number, in idle time, and in the size of a request's head.

uvicorn times out a connection between two requests, but not one that never sends its first, nor one that sends its
headers a byte at a time; it counts idle connections among those that it has too many of; and with httptools it holds
headers of any size.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import Callable
from typing import Any

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp
from uvicorn import Config, Server

from autolog.server._limits import HEADER_BYTES, HEADERS, Limits

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Protocol
except ImportError:  # no wheel for this machine
    from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol  # type: ignore[assignment]

#: How many requests one connection may have waiting behind the one that is being answered.
PIPELINED = 8
_TOO_LARGE = b"the request's headers are too large"


class _Refused(Exception):  # noqa: N818 - ends the parsing of what a connection sends
    """A request whose head has too many bytes or headers, or one request too many."""


class BoundedHeadProtocol(Protocol):
    """A connection on which a request's head, and what is sent after its body, is bounded; more is answered 431."""

    _unparsed = 0  # bytes since the last that became part of a body or completed a head or a request
    _headers = 0
    _head = 0  # bytes of the headers
    _too_large = False

    def data_received(self, data: bytes) -> None:
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > HEADER_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        self._headers = self._head = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += 1
        self._head += len(name) + len(value)
        if self._headers > HEADERS:
            self._too_large = True
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.url) + self._head > HEADER_BYTES:
            self._too_large = True
            raise _Refused
        if len(self.pipeline) >= PIPELINED:
            raise _Refused
        self._unparsed = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that cannot be parsed."""
        if self._too_large:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _refuse(self) -> None:
        head = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
        length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(_TOO_LARGE)
        self.transport.write(head + length + _TOO_LARGE)
        self.transport.close()


#: h11 bounds the head by itself.
_Bounded: Any = BoundedHeadProtocol if hasattr(Protocol, "on_header") else Protocol


class IdleTimeoutProtocol(_Bounded):  # type: ignore[misc]
    """A connection that is closed if no request comes in time, or if others need its place more."""

    most: int
    idle_seconds: float
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.since = self.loop.time()
        self._timer = self.loop.call_later(self.idle_seconds, self._time_out)
        if len(self.connections) > self.most:
            others = [one for one in self.connections if isinstance(one, IdleTimeoutProtocol) and one.may_go]
            for one in sorted(others, key=lambda one: (not one.idle, one.since))[: len(self.connections) - self.most]:
                one.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.since = self.loop.time()

    @property
    def idle(self) -> bool:
        """Return whether no request is being received or answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def may_go(self) -> bool:
        """Return whether it may be closed in favour of others: no request on it has shown a valid key."""
        return self.idle or not self.cycle.scope.get("state", {}).get("admitted")

    def _time_out(self) -> None:
        """Close the connection if it has been idle for that long, or look again then: a timer a request costs more."""
        left = self.since + self.idle_seconds - self.loop.time() if self.idle else self.idle_seconds
        if left > 0:
            self._timer = self.loop.call_later(left, self._time_out)
        elif not self.transport.is_closing():
            self.transport.close()


def protocol(most: int, idle_seconds: float) -> type[asyncio.Protocol]:
    """Return the protocol for at most so many connections, each idle for at most so long."""
    made: type[asyncio.Protocol] = type(
        "IdleTimeoutProtocol", (IdleTimeoutProtocol,), {"most": most, "idle_seconds": idle_seconds}
    )
    return made


def config(app: Any, limits: Limits, **options: Any) -> Config:
    """Return uvicorn's configuration for an application of ours; `BehindProxy` reads a proxy's headers, if anything."""
    return Config(
        app,
        http=protocol(limits.connections, limits.idle_seconds),
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        timeout_graceful_shutdown=10,
        **options,
    )


class AnnouncedServer(Server):
    """A server that says so once it serves."""

    def __init__(self, settings: Config, announce: Callable[[], None]) -> None:
        super().__init__(settings)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()  # what is there now stays: collections need not look through it again and again
        if self.started:
            self._announce()


def raise_open_file_limit() -> None:
    """Allow this process as many open files as it may have: each connection is one."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def allow_hosts(hosts: set[str], app: ASGIApp) -> ASGIApp:
    """Return an application that answers only requests which name one of these hosts.

    A page of another site could give its own name this machine's address, and read what is here (DNS rebinding); its
    requests then name that site.
    """
    return TrustedHostMiddleware(app, allowed_hosts=sorted(hosts), www_redirect=False)
