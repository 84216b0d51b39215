"""Put the wrappers into the HTTP libraries, now or when each is imported, and take them out again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from autolog._capture.graft import innermost
from autolog._capture.http import Outlet, Reserve
from autolog._capture.libraries import (
    aiohttp_session,
    botocore_session,
    httpx_clients,
    lm15_transports,
    requests_adapter,
)
from autolog._capture.libraries.calls import CallRules, LibraryCalls
from autolog._capture.span import Emit
from autolog._guard import logger

_Wrap = Callable[[Callable[..., Any], LibraryCalls], Callable[..., Any]]
#: What is wrapped of each library: module, class, method; of methods that a version does not have, it does without.
_POINTS: dict[str, tuple[tuple[str, str, str, _Wrap], ...]] = {
    "httpx": (
        ("httpx._client", "Client", "send", httpx_clients.wrap_send),
        ("httpx._client", "AsyncClient", "send", httpx_clients.wrap_async_send),
    ),
    "httpx2": (
        ("httpx2._client", "Client", "send", httpx_clients.wrap_send),
        ("httpx2._client", "AsyncClient", "send", httpx_clients.wrap_async_send),
    ),
    "requests": (("requests.adapters", "HTTPAdapter", "send", requests_adapter.wrap_send),),
    "aiohttp": (
        ("aiohttp.client", "ClientSession", "_request", aiohttp_session.wrap_request),
        ("aiohttp.client_reqrep", "ClientRequest", "send", aiohttp_session.wrap_client_send),
        ("aiohttp.streams", "StreamReader", "feed_data", aiohttp_session.wrap_feed),
        ("aiohttp.streams", "StreamReader", "set_exception", aiohttp_session.wrap_set_exception),
    ),
    "botocore": (("botocore.httpsession", "URLLib3Session", "send", botocore_session.wrap_send),),
    "lm15": tuple(
        point
        for package in ("lm15", "dspy._vendor.lm15")
        for point in (
            (f"{package}.transports._sync", "StdlibTransport", "stream", lm15_transports.wrap_stream),
            (f"{package}.transports._async", "StdlibAsyncTransport", "_do_stream", lm15_transports.wrap_do_stream),
        )
    ),
}
#: Whose a module is that is wrapped.
_LIBRARY_OF = {point[0]: name for name, points in _POINTS.items() for point in points}
LIBRARIES = tuple(_POINTS)


class LibraryPatch:
    """The wrappers in the HTTP libraries. Patching twice is harmless; unpatching restores what was there."""

    def __init__(self, emit: Emit, prepare: Callable[[], None]) -> None:
        self._emit = emit
        self._prepare = prepare
        self._hosts: Mapping[str, str] = {}
        self._reserve: Reserve | None = None
        self._outlet = Outlet(emit, False)
        self._calls: dict[str, LibraryCalls] = {}
        self._hooked: set[str] = set()
        self.active = False

    @property
    def seen(self) -> dict[str, int]:
        """How many calls were recorded, by library."""
        return {name: calls.seen for name, calls in self._calls.items() if calls.seen}

    def instruct(self, hosts: Mapping[str, str], reserve: Reserve | None) -> None:
        """Set the user's hosts, by what is spoken there, and what may forbid a call."""
        self._hosts, self._reserve = hosts, reserve
        self._outlet.reserve = reserve
        for calls in self._calls.values():
            calls.rules = CallRules(hosts)

    def apply(self) -> None:
        """Wrap the libraries that are imported, and the others when they are."""
        if self.active:
            return
        self.active = True
        self._outlet = Outlet(self._emit, False)
        self._outlet.reserve = self._reserve
        self._calls = {name: LibraryCalls(self._outlet, CallRules(self._hosts)) for name in LIBRARIES}
        for name, points in _POINTS.items():
            for module in dict.fromkeys(point[0] for point in points):
                if module in sys.modules:
                    self._wrap(name, sys.modules[module])
                elif module not in self._hooked:
                    self._hooked.add(module)
                    from wrapt import register_post_import_hook

                    register_post_import_hook(self._on_import, module)

    def remove(self) -> None:
        """Give the libraries' methods their own code back."""
        self.active = False
        self._outlet.restore()

    def _on_import(self, module: ModuleType) -> None:
        if self.active:
            self._wrap(_LIBRARY_OF[module.__name__], module)

    def _wrap(self, library: str, module: ModuleType) -> None:
        self._prepare()
        for name, owner, method, wrap in _POINTS[library]:
            if name != module.__name__:
                continue
            function = innermost(vars(getattr(module, owner, object)).get(method), module.__file__)
            if function is None:
                logger.info("calls through %s may not be recorded: %s.%s is not there", library, owner, method)
            else:
                self._outlet.graft(function, wrap, self._calls[library])
