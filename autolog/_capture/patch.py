"""Install the wrappers of `http` in an SDK's classes, now or when it is imported, and remove them again."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import msgspec

from autolog._capture import http
from autolog._capture.graft import innermost
from autolog._capture.imports import follow_import
from autolog._capture.span import Emit
from autolog._guard import logger, report
from autolog.errors import PatchError
from autolog.providers import SDK, SDKS


class ChokePoint(msgspec.Struct, frozen=True):
    """A method that every call of an SDK goes through.

    Attributes:
        owner: the name of the class that defines the method.
        method: the name of the method.
        parameters: the parameters that we rely on.
        wrap: returns the wrapper of the method, given the original, the SDK and the receiver of exchanges.
    """

    owner: str
    method: str
    parameters: tuple[str, ...]
    wrap: Callable[[Callable[..., Any], SDK, http.Outlet], Callable[..., Any]]


CHOKE_POINTS = (
    ChokePoint("SyncAPIClient", "request", ("self", "cast_to", "options"), http.wrap_request),
    ChokePoint("AsyncAPIClient", "request", ("self", "cast_to", "options"), http.wrap_async_request),
    ChokePoint("BaseClient", "_build_request", ("self", "options"), http.wrap_build_request),
    ChokePoint("SyncAPIClient", "_process_response", ("self", "response"), http.wrap_process_response),
    ChokePoint("AsyncAPIClient", "_process_response", ("self", "response"), http.wrap_async_process_response),
)


def socket_points(classes: tuple[str, str]) -> tuple[ChokePoint, ...]:
    """Return choke points for the constructors of a module's WebSocket connections, sync and async."""
    return tuple(ChokePoint(owner, "__init__", ("self", "connection"), _wrap_connection) for owner in classes)


def _wrap_connection(original: Callable[..., Any], sdk: SDK, emit: http.Outlet) -> Callable[..., Any]:
    from autolog._capture import websocket  # few programs import the SDK's WebSockets

    return websocket.wrap_connection(original, sdk, emit)


class Patch:
    """The wrappers in one SDK. Patching twice is harmless; unpatching restores the original methods.

    `prepare` is called once the SDK has been imported, on the thread that imports or patches it.
    """

    def __init__(self, sdk: SDK, emit: Emit, prepare: Callable[[], None]) -> None:
        self._sdk = sdk
        self._emit = emit
        self._prepare = prepare
        self._wanted = False
        self._problem: str | None = None
        self._points: dict[str, tuple[ChokePoint, ...]] = {sdk.base: CHOKE_POINTS}
        self._points |= {name: socket_points(classes) for name, classes in sdk.sockets.items()}
        self._asks_usage = False
        self._reserve: http.Reserve | None = None
        self._outlet = http.Outlet(emit, False)

    @property
    def active(self) -> bool:
        """Whether calls of this SDK are recorded, or will be once it is imported."""
        return self._wanted

    @property
    def problem(self) -> str | None:
        """Why the SDK, which is installed, is not patched; None if it is, or has not been tried."""
        if self._problem is None and self._was_imported_again:
            return "its classes have been imported again, or replaced, since it was patched: call patch() again"
        return self._problem

    @property
    def _was_imported_again(self) -> bool:
        module = sys.modules.get(self._sdk.base)
        if module is None or not self._outlet.grafted:
            return False
        try:
            return not all(self._outlet.has(self._find(module, point)) for point in CHOKE_POINTS)
        except PatchError:  # its import has not ended, or other code has replaced a method
            return False

    @property
    def recorded(self) -> int:
        """The number of calls recorded since the SDK was patched."""
        return self._outlet.recorded

    @property
    def unrecorded(self) -> int:
        """The number of requests that the SDK has built since it was patched for calls that bypassed the wrappers."""
        return self._outlet.unrecorded

    def apply(self) -> None:
        """Wrap the SDK's choke points, now if it has been imported, else when it is.

        Applying a patch again wraps an SDK that was imported again or reloaded; clients of its old classes are still
        recorded.

        Raises:
            PatchError: if the SDK is not installed, too old, or lacks the expected choke points.
        """
        self._problem = None
        try:
            self._apply()
        except PatchError as error:
            self._problem = None if error.missing else error.problem
            raise
        self._wanted = True

    def _apply(self) -> None:
        if not self._wanted:
            self._check_version()
            self._outlet = http.Outlet(self._emit, self._asks_usage)
            self._outlet.reserve = self._reserve
        for name, points in self._points.items():
            follow_import(name, self._on_import)
            if name in sys.modules:
                self._wrap(sys.modules[name], points)

    def instruct(self, ask_usage: bool, reserve: http.Reserve | None) -> None:
        """Set whether to request the usage of streams, and the function that reserves the cost of a call."""
        self._asks_usage = self._outlet.asks_usage = ask_usage
        self._reserve = self._outlet.reserve = reserve

    def remove(self) -> None:
        """Restore the SDK's methods; calls in progress are no longer recorded."""
        self._wanted = False
        self._problem = None
        self._outlet.restore()

    def _on_import(self, module: ModuleType) -> None:
        """Patch an SDK that has just been imported; problems are only reported, as the import must not fail."""
        if not self._wanted:
            return
        try:
            self._wrap(module, self._points[module.__name__])
        except PatchError as error:
            self._wanted = self._outlet.grafted  # clients of the classes before a reload are still recorded
            self._problem = error.problem
            report(f"patching {self._sdk.name}", error)

    def _check_version(self) -> None:
        """Check that the SDK is installed and recent enough.

        Raises:
            PatchError: if it is not.
        """
        from importlib import metadata  # would otherwise be a quarter of autolog's import time

        name, oldest, distribution = self._sdk.name, self._sdk.oldest, self._sdk.distribution
        wanted = f"install {distribution} {'.'.join(map(str, oldest))} or newer: pip install -U {distribution}"
        if not _is_there(self._sdk.package):
            raise PatchError(name, f"it is not installed; {wanted}", missing=True)
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            return  # importable but without metadata: the choke points decide
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if numbers < oldest:
            raise PatchError(name, f"version {version} is too old; {wanted}")

    def _wrap(self, module: ModuleType, points: tuple[ChokePoint, ...]) -> None:
        """Wrap the choke points of a module; without those of WebSockets, the rest is recorded all the same."""
        try:
            found = [(point, self._find(module, point)) for point in points]
        except PatchError as error:
            if points is CHOKE_POINTS:
                raise
            logger.info("WebSockets are not recorded: %s", error)
            return
        self._prepare()
        outlet = self._outlet
        for point, function in found:
            outlet.graft(function, point.wrap, self._sdk, outlet)

    def _find(self, module: ModuleType, point: ChokePoint) -> FunctionType:
        """Return the SDK's own function at a choke point, from underneath the wrappers of other tools."""
        owner = getattr(module, point.owner, None)
        method = vars(owner).get(point.method) if isinstance(owner, type) else None
        function = innermost(method, module.__file__)
        if function is not None:
            parameters = inspect.signature(function).parameters
            takes_all = {"VAR_POSITIONAL", "VAR_KEYWORD"} <= {item.kind.name for item in parameters.values()}
            if takes_all or all(name in parameters for name in point.parameters):  # another tool's wrapper takes all
                return function
        if method is not None and (type(method) is not FunctionType or method.__module__ != module.__name__):
            raise PatchError(self._sdk.name, _replaced(point, method))
        oldest, distribution = self._sdk.oldest, self._sdk.distribution
        raise PatchError(
            self._sdk.name,
            f"{point.owner}.{point.method}({', '.join(point.parameters)}) does not exist in this version; "
            f"versions from {'.'.join(map(str, oldest))} to the current one work: "
            f"pip install -U {distribution} autolog-llm",
        )


def _replaced(point: ChokePoint, method: Any) -> str:
    """Return the message about a method that other code has put in the place of the SDK's, which it does not show."""
    replacement = method if type(method) is FunctionType else type(method)
    return (
        f"other code has replaced {point.owner}.{point.method} with {replacement.__module__}."
        f"{replacement.__qualname__}, beneath which the SDK's own function is not found; call autolog.patch() before "
        "that code runs, or take the replacement away and call it again"
    )


def _is_there(package: str) -> bool:
    """Return whether a package is installed or imported."""
    if package in sys.modules:
        return True
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # the parent package is missing
        return False


def make_patches(emit: Emit, prepare: Callable[[], None]) -> dict[str, Patch]:
    """Return an unapplied patch for every known SDK."""
    return {name: Patch(sdk, emit, prepare) for name, sdk in SDKS.items()}
