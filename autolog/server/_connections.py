"""Connections under uvicorn, limited in their number, their idle time, and the size of a request's head.

uvicorn itself times out a connection between two requests, but not one that never sends its first request or sends its
headers a byte at a time; it counts idle connections towards its limit; and with httptools it accepts headers of any
size.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp
from uvicorn import Config, Server

from autolog.server._limits import HEADER_BYTES, HEADERS, Limits
from autolog.server._shortcut import Shortcut
from autolog.server._tls import Certificate, begin_tls

try:
    from autolog.server._httptools import ShortcutProtocol as Protocol
except ImportError:  # httptools has no wheel for this platform
    from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol  # type: ignore[assignment]

#: The most pipelined requests that may wait on a connection behind the one being answered.
PIPELINED = 8
#: How many objects are added before Python looks for unreachable cycles among them. A batch of logs is thousands of
#: objects, which all go with the batch: with Python's default, the search took 12 % of the CPU time of large batches
#: (now 4 %), and a log a seventh more.
COLLECT_AFTER = 50_000
_TOO_LARGE = b"the request's headers are too large"


class _Refused(Exception):  # noqa: N818 - not an error, but makes httptools stop parsing
    """Stops parsing a request whose head is too large or without a host, or that is one pipelined request too many."""


class BoundedHeadProtocol(Protocol):
    """A connection that limits a request's head, and what is sent after its body; anything larger is answered 431."""

    _unparsed = 0  # bytes received since the last body data, or since a head or request was completed
    _headers = 0
    _head = 0  # bytes of header names and values
    _too_large = False
    _in_head = False
    #: When it was opened, or a request last began or was answered.
    since = 0.0

    def data_received(self, data: bytes) -> None:
        data = self.unrepeated(data)
        if not data:
            return
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > HEADER_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        self._headers = self._head = 0
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += 1
        self._head += len(name) + len(value)
        if self._headers > HEADERS:
            self._too_large = True
            raise _Refused
        if self._in_head:  # uvicorn takes trailers for headers: a client's could pass for those that a proxy sets
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.url) + self._head > HEADER_BYTES:
            self._too_large = True
            raise _Refused
        if len(self.pipeline) >= PIPELINED or not self._names_one_host():
            raise _Refused
        self._unparsed = 0
        self._in_head = False
        self.since = self.loop.time()
        super().on_headers_complete()

    def _names_one_host(self) -> bool:
        """Return whether a request says once and in one way for which host it is (RFC 9112, 3.2); HTTP/1.0 need not."""
        hosts = [value.lower() for name, value in self.headers if name == b"host"]
        if len(hosts) != 1:
            return not hosts and self.parser.get_http_version() == "1.0"
        target = b"" if self.url.startswith(b"/") else urlsplit(self.url).netloc
        return not target or target.lower() == hosts[0]

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that cannot be parsed: with 431 if its head is too large, else with 400."""
        if self._too_large:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _refuse(self) -> None:
        head = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
        length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(_TOO_LARGE)
        self.transport.write(head + length + _TOO_LARGE)
        self.transport.close()


#: h11 limits the size of the head by itself.
_Bounded: Any = BoundedHeadProtocol if hasattr(Protocol, "on_header") else Protocol


class IdleTimeoutProtocol(_Bounded):  # type: ignore[misc]
    """A connection that is closed if no request arrives in time, if the client takes nothing of what is sent to it, or
    if its place is needed for another one.

    With TLS it counts, and is idle, from its first packet on. A server of asyncio would tell it of the connection only
    after the handshake, for which it gives every client a minute.
    """

    most: int
    idle_seconds: float
    tls: ssl.SSLContext | None = None
    _timer: asyncio.TimerHandle | None = None
    _pauses = 0
    _unsent = (0, 0)  # the number of pauses before, and the bytes that are still to be sent
    _taken = 0.0  # when the client was last seen to take any of them

    def connection_made(self, transport: Any) -> None:
        begins = self.transport is None
        super().connection_made(transport)
        if not begins:  # but goes on over TLS
            return
        if self.tls is not None:
            begin_tls(self.loop, transport, self.tls, self).add_done_callback(self._shook_hands)
        self.since = self.loop.time()
        self._timer = self.loop.call_later(self.idle_seconds, self._time_out)
        if len(self.connections) > self.most:
            others = [
                connection
                for connection in self.connections
                if isinstance(connection, IdleTimeoutProtocol) and connection.may_go and connection is not self
            ]
            others.sort(key=lambda connection: connection.since)
            for connection in (*others, self)[: len(self.connections) - self.most]:
                connection.transport.abort()  # closing it would wait for a client that takes nothing

    def _shook_hands(self, done: asyncio.Future[None]) -> None:
        if done.exception() is not None or self.transport.get_extra_info("ssl_object") is None:
            self.connection_lost(ConnectionResetError())  # TLS reports the end only if the handshake was completed

    def pause_writing(self) -> None:
        self._pauses += 1
        super().pause_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close the connection when its response is complete; a live stream ends now (see `_live`)."""
        if self.cycle is not None:
            self.cycle.scope.setdefault("state", {})["stopping"] = True
        super().shutdown()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.since = self.loop.time()

    @property
    def idle(self) -> bool:
        """Whether no request is being received or answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def may_go(self) -> bool:
        """Whether the connection may be closed in favour of others: it is not serving a request with a valid key, or
        waits for the client to take the reply.
        """
        return self.idle or self.flow.write_paused or not self.cycle.scope.get("state", {}).get("admitted")

    def _time_out(self) -> None:
        """Close the connection if it was idle for long enough, else later: a timer per request would cost more."""
        now = self.loop.time()
        unsent = self._pauses, self.transport.get_write_buffer_size()
        if not unsent[1] or unsent != self._unsent:  # without a new pause, bytes are only taken from the buffer
            self._unsent, self._taken = unsent, now
        last = self._taken if unsent[1] else self.since if self.idle else now
        left = last + self.idle_seconds - now
        if left > 0:
            self._timer = self.loop.call_later(left, self._time_out)
        elif unsent[1]:
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.close()


def protocol(limits: Limits, shortcuts: Mapping[bytes, Shortcut]) -> type[asyncio.Protocol]:
    """Return the class of connections within these limits, whose requests may take these short ways."""
    own = {"most": limits.connections, "idle_seconds": limits.idle_seconds, "shortcuts": shortcuts}
    protocol_class: type[asyncio.Protocol] = type("IdleTimeoutProtocol", (IdleTimeoutProtocol,), own)
    return protocol_class


def config(app: Any, limits: Limits, shortcuts: Mapping[bytes, Shortcut] | None = None, **options: Any) -> Config:
    """Return uvicorn's configuration for an autolog application. Proxy headers are left to `BehindProxy`.

    `shortcuts` are the application's; without them all requests go through whatever it is wrapped in.
    """
    return Config(
        app,
        http=protocol(limits, shortcuts or {}),
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=math.ceil(limits.idle_seconds),
        timeout_graceful_shutdown=10,
        **options,
    )


class AnnouncedServer(Server):
    """A server that calls `announce` once it accepts connections, over HTTPS with a certificate."""

    def __init__(self, settings: Config, announce: Callable[[], None], certificate: Certificate | None = None) -> None:
        if certificate is not None:
            settings.ssl_certfile, settings.ssl_keyfile = certificate.chain, certificate.key
        super().__init__(settings)
        self._announce = announce
        self._certificate = certificate

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        context, self.config.ssl = self.config.ssl, None  # connections begin TLS themselves
        self.config.http_protocol_class.tls = context  # type: ignore[attr-defined]
        await super().startup(sockets)
        gc.collect()
        gc.freeze()  # objects that exist now live as long as the server: exempt them from further collections
        gc.set_threshold(COLLECT_AFTER, 10, 10)
        if self._certificate is not None and context is not None:
            self._certificate.follow(context)
        if self.started:
            self._announce()


def raise_open_file_limit() -> None:
    """Raise the limit of open files to the highest allowed, since each connection is one."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def allow_hosts(hosts: set[str], app: ASGIApp) -> ASGIApp:
    """Return an application that answers only requests whose Host header names one of these hosts.

    This prevents DNS rebinding, by which a page of another site points its own host name at this machine to read the
    logs: the requests of such a page carry that host name.
    """
    return TrustedHostMiddleware(app, allowed_hosts=sorted(hosts), www_redirect=False)
