"""Install the wrappers in the HTTP libraries, now or when each is imported, and remove them again."""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from autolog._capture.graft import Passes, innermost
from autolog._capture.http import Outlet, Reserve
from autolog._capture.imports import follow_import
from autolog._capture.libraries import (
    aiohttp_session as aio,
    botocore_session as botocore,
    httpx_clients as httpx,
    lm15_transports as lm15,
    requests_adapter as requests,
)
from autolog._capture.libraries.calls import CallRules, LibraryCalls, other_traffic, prepared_passes
from autolog._capture.span import Emit
from autolog._guard import guard, logger


class _Point(NamedTuple):
    """A wrapped method: its location, its wrapper, and the test for calls that bypass the wrapper."""

    module: str
    owner: str
    method: str
    wrap: Callable[[Callable[..., Any], LibraryCalls], Callable[..., Any]]
    passes: Callable[[LibraryCalls], Passes]


#: The wrapped methods of each library; methods that a version lacks are skipped.
_POINTS: dict[str, tuple[_Point, ...]] = {
    **{
        library: (
            _Point(f"{library}._client", "Client", "send", httpx.wrap_send, httpx.passes),
            _Point(f"{library}._client", "AsyncClient", "send", httpx.wrap_async_send, httpx.passes),
        )
        for library in ("httpx", "httpx2")
    },
    "requests": (
        _Point("requests.adapters", "HTTPAdapter", "send", requests.wrap_send, prepared_passes),
        _Point("requests_mock.adapter", "Adapter", "send", requests.wrap_send, prepared_passes),
    ),
    "aiohttp": (
        _Point("aiohttp.client", "ClientSession", "_request", aio.wrap_request, other_traffic),
        _Point("aiohttp.client_reqrep", "ClientRequest", "send", aio.wrap_client_send, aio.send_passes),
        _Point("aiohttp.streams", "StreamReader", "feed_data", aio.wrap_feed, aio.feed_passes),
        _Point("aiohttp.streams", "StreamReader", "_wait", aio.wrap_wait, aio.feed_passes),
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
#: The library to which each module belongs.
_LIBRARY_OF = {point.module: name for name, points in _POINTS.items() for point in points}
LIBRARIES = tuple(_POINTS)
#: The methods by which tools for tests put methods of their own in the place of those above, by module.
_MOCKS = {
    "responses": ("RequestsMock", "start"),
    "aioresponses.core": ("aioresponses", "start"),
    "vcr.cassette": ("CassetteContextDecorator", "__enter__"),
}


class LibraryPatch:
    """The wrappers in the HTTP libraries. Patching twice is harmless; unpatching restores the original methods."""

    def __init__(self, emit: Emit, prepare: Callable[[], None]) -> None:
        self._emit = emit
        self._prepare = prepare
        self._hosts: Mapping[str, str] = {}
        self._reserve: Reserve | None = None
        self._outlet = Outlet(emit, False)
        self._calls: dict[str, LibraryCalls] = {}
        self.active = False

    @property
    def seen(self) -> dict[str, int]:
        """The number of calls recorded, by library."""
        return {name: calls.seen for name, calls in self._calls.items() if calls.seen}

    @property
    def missed(self) -> dict[str, int]:
        """The number of requests that look like calls and are not recorded, by host."""
        return dict(sum((calls.missed for calls in self._calls.values()), Counter[str]()))

    def instruct(self, hosts: Mapping[str, str], reserve: Reserve | None) -> None:
        """Set the wire formats of the user's hosts, and the function that reserves the cost of a call."""
        self._hosts, self._reserve = hosts, reserve
        self._outlet.reserve = reserve
        for calls in self._calls.values():
            calls.rules = CallRules(hosts)

    def apply(self) -> None:
        """Wrap the libraries that have been imported, or that were imported again, and the others when they are."""
        if not self.active:
            self.active = True
            self._outlet = Outlet(self._emit, False)
            self._outlet.reserve = self._reserve
            self._calls = {name: LibraryCalls(self._outlet, CallRules(self._hosts)) for name in LIBRARIES}
        for module in (*_LIBRARY_OF, *_MOCKS):
            follow_import(module, self._on_import)
            if module in sys.modules:
                self._wrap(sys.modules[module])

    def remove(self) -> None:
        """Restore the libraries' methods."""
        self.active = False
        self._outlet.restore()

    def _on_import(self, module: ModuleType) -> None:
        if self.active:
            self._wrap(module)

    def _wrap(self, module: ModuleType) -> None:
        if (mock := _MOCKS.get(module.__name__)) is not None:
            self._follow_mock(module, *mock)
            return
        self._prepare()
        library = _LIBRARY_OF[module.__name__]
        calls = self._calls[library]
        for point in _POINTS[library]:
            if point.module != module.__name__:
                continue
            function = innermost(vars(getattr(module, point.owner, object)).get(point.method), module.__file__)
            if function is None:
                logger.info(
                    "calls through %s may not be recorded: %s.%s does not exist", library, point.owner, point.method
                )
            else:
                own = function.__code__.co_filename == module.__file__  # a mock may have any parameters
                self._outlet.graft(function, point.wrap, calls, passes=point.passes(calls) if own else None)

    def _follow_mock(self, module: ModuleType, owner: str, method: str) -> None:
        start = innermost(vars(getattr(module, owner, object)).get(method), module.__file__)
        if start is not None:
            self._outlet.graft(start, _wrap_start, self)

    def wrap_mocks(self) -> None:
        """Wrap what a tool for tests has put in the place of a library's method."""
        for library, points in _POINTS.items() if self.active else ():
            for point in points:
                module = sys.modules.get(point.module)
                file = getattr(module, "__file__", None)
                method = vars(getattr(module, point.owner, object)).get(point.method)
                if type(method) is FunctionType and method.__code__.co_filename != file:
                    self._outlet.graft(method, point.wrap, self._calls[library])


def _wrap_start(original: Callable[..., Any], patch: LibraryPatch) -> Callable[..., Any]:
    @functools.wraps(original)
    def start(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        with guard("following a mock"):
            patch.wrap_mocks()
        return result

    return start
