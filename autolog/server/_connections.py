"""Connections under uvicorn: those without a request do not stay, so that they cannot keep others out.

uvicorn times out a connection between two requests, but not one that never sends its first, nor one that sends its
headers a byte at a time; and it counts idle connections among those that it has too many of.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp
from uvicorn import Config

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Protocol
except ImportError:  # no wheel for this machine
    from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol  # type: ignore[assignment]


def protocol(most: int, idle_seconds: float) -> type[asyncio.Protocol]:
    """The protocol for at most so many connections, each idle for at most so long; for `uvicorn.Config(http=...)`."""

    class IdleTimeoutProtocol(Protocol):
        """A connection that is closed if no request comes in time, or if others need its place more."""

        _patrol: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch()
            if len(self.connections) > most:
                idle = [one for one in self.connections if isinstance(one, IdleTimeoutProtocol) and one.idle]
                for one in sorted(idle, key=lambda one: one.since)[: len(self.connections) - most]:
                    one.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._relax()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if not self.idle:
                self._relax()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        @property
        def idle(self) -> bool:
            """Whether no request is being received or answered."""
            return self.cycle is None or self.cycle.response_complete

        def _watch(self) -> None:
            self._relax()
            self.since = self.loop.time()
            self._patrol = self.loop.call_later(idle_seconds, self._too_long)

        def _relax(self) -> None:
            if self._patrol is not None:
                self._patrol.cancel()
                self._patrol = None

        def _too_long(self) -> None:
            if self.idle and not self.transport.is_closing():
                self.transport.close()

    return IdleTimeoutProtocol


def config(app: Any, limits: Any, **options: Any) -> Config:
    """uvicorn's configuration for an application of ours."""
    return Config(
        app,
        http=protocol(limits.connections, limits.idle_seconds),
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=2048,
        timeout_graceful_shutdown=10,
        **options,
    )


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
    """An application that answers only requests that name one of these hosts.

    A page of another site could give its own name this machine's address, and read what is here (DNS rebinding); its
    requests then name that site.
    """
    return TrustedHostMiddleware(app, allowed_hosts=sorted(hosts), www_redirect=False)
