"""Put the wrappers into the HTTP libraries, now or when each is imported, and take them out again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from autolog._capture.graft import Passes, innermost
from autolog._capture.http import Outlet, Reserve
from autolog._capture.libraries import (
    aiohttp_session as aio,
    botocore_session as botocore,
    httpx_clients as httpx,
    lm15_transports as lm15,
    requests_adapter as requests,
)
from autolog._capture.libraries.calls import CallRules, LibraryCalls, other_traffic, prepared_passes
from autolog._capture.span import Emit
from autolog._guard import logger


class _Point(NamedTuple):
    """A method that is wrapped: where it is, what wraps it, and what tells that a call of it can go straight on."""

    module: str
    owner: str
    method: str
    wrap: Callable[[Callable[..., Any], LibraryCalls], Callable[..., Any]]
    passes: Callable[[LibraryCalls], Passes]


#: What is wrapped of each library; of methods that a version does not have, it does without.
_POINTS: dict[str, tuple[_Point, ...]] = {
    **{
        library: (
            _Point(f"{library}._client", "Client", "send", httpx.wrap_send, httpx.passes),
            _Point(f"{library}._client", "AsyncClient", "send", httpx.wrap_async_send, httpx.passes),
        )
        for library in ("httpx", "httpx2")
    },
    "requests": (_Point("requests.adapters", "HTTPAdapter", "send", requests.wrap_send, prepared_passes),),
    "aiohttp": (
        _Point("aiohttp.client", "ClientSession", "_request", aio.wrap_request, other_traffic),
        _Point("aiohttp.client_reqrep", "ClientRequest", "send", aio.wrap_client_send, aio.send_passes),
        _Point("aiohttp.streams", "StreamReader", "feed_data", aio.wrap_feed, aio.feed_passes),
        _Point("aiohttp.streams", "StreamReader", "set_exception", aio.wrap_set_exception, aio.feed_passes),
    ),
    "botocore": (_Point("botocore.httpsession", "URLLib3Session", "send", botocore.wrap_send, prepared_passes),),
    "lm15": tuple(
        point
        for package in ("lm15", "dspy._vendor.lm15")
        for point in (
            _Point(f"{package}.transports._sync", "StdlibTransport", "stream",
                   lm15.wrap_stream, prepared_passes),
            _Point(f"{package}.transports._async", "StdlibAsyncTransport", "_do_stream",
                   lm15.wrap_do_stream, prepared_passes),
        )
    ),
}  # fmt: skip
#: Whose a module is that is wrapped.
_LIBRARY_OF = {point.module: name for name, points in _POINTS.items() for point in points}
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
            for module in dict.fromkeys(point.module for point in points):
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
        calls = self._calls[library]
        for point in _POINTS[library]:
            if point.module != module.__name__:
                continue
            function = innermost(vars(getattr(module, point.owner, object)).get(point.method), module.__file__)
            if function is None:
                logger.info("calls by %s may not be recorded: %s.%s is not there", library, point.owner, point.method)
            else:
                own = function.__code__.co_filename == module.__file__  # a mock's takes whatever parameters it likes
                self._outlet.graft(function, point.wrap, calls, passes=point.passes(calls) if own else None)
