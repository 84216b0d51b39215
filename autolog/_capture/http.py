"""The wrappers that capture a provider call as HTTP, written once for all SDKs.

The openai and anthropic SDKs are generated from one base. All of their HTTP calls go through three methods of
`SyncAPIClient` / `AsyncAPIClient`:

- `request`: the logical call, with its start, its end, its exception and its retries;
- `_build_request`: one HTTP request for every attempt, its body already serialised by the SDK;
- `_process_response`: the final response, before it is parsed or handed to the caller.

`request` opens an `Exchange`, and the other two fill it in. If a response's body has not been read yet, its `stream` is
replaced by a tee, which keeps the chunks that the SDK reads, and ends the exchange when the response is closed, fails
or is abandoned. Nothing is copied, walked or parsed here; `_processing` does that on another thread.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import Token
from time import time_ns
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from autolog._capture import stream_usage
from autolog._capture.context import current_exchange
from autolog._capture.exchange import Exchange, Reservation
from autolog._capture.graft import Graft, Passes, copy_function
from autolog._capture.span import Emit, Span
from autolog._capture.tee import async_tee, sync_tee, tee_upload
from autolog._guard import guard, logger, pass_on, report
from autolog._record.ids import new_record_id

if TYPE_CHECKING:
    from autolog.providers import SDK


#: Reserves the maximum cost of a call, given the request that is about to be sent; returns None if no budget applies.
Reserve = Callable[["Exchange", Any], "Reservation | None"]


class Outlet:
    """Receives the exchanges of one applied patch, and keeps its grafts; does nothing once the patch is removed.

    Attributes:
        live: whether the patch is installed.
        asks_usage: whether to request the usage of streams.
        recorded: the number of calls recorded.
        reserve: reserves the maximum cost of a call; raises the user's exception if a budget refuses the call.
        unrecorded: the number of requests built for calls that did not go through `request`.
    """

    def __init__(self, emit: Emit, asks_usage: bool) -> None:
        self._emit = emit
        self.live = True
        self.asks_usage = asks_usage
        self.reserve: Reserve | None = None
        self.unrecorded = 0
        self.recorded = 0
        self._grafts: WeakKeyDictionary[FunctionType, Graft] = WeakKeyDictionary()

    def __call__(self, span: Span) -> None:
        if self.live:
            self.recorded += 1
            self._emit(span)

    def admit(self, exchange: Exchange, request: Any) -> None:
        """Reserve the maximum cost of a call, once, before its request is sent.

        Raises:
            BaseException: the user's exception, if a budget refuses the call.
        """
        if self.reserve is None or exchange.reservation is not None:
            return
        if exchange.record_id is None:
            exchange.record_id = new_record_id(time_ns() // 1_000_000)  # identifies the call's record to a server
        try:
            exchange.reservation = self.reserve(exchange, request)
        except BaseException:
            exchange.request = None  # nothing is sent, so there is no call to record
            raise

    def graft(
        self,
        function: FunctionType,
        wrap: Callable[..., Callable[..., Any]],
        *given: Any,
        passes: Passes | None = None,
    ) -> None:
        """Graft `wrap(original, *given)` onto a function, until `restore`; does nothing if it is grafted already.

        Calls for which `passes` is true go straight to the original, as do all calls while it is `Watched` and empty.
        """
        if function not in self._grafts:
            self._grafts[function] = Graft(function, wrap(copy_function(function), *given), passes)

    def has(self, function: FunctionType) -> bool:
        """Return whether a function has been grafted and not been restored."""
        return function in self._grafts

    def restore(self) -> None:
        """Restore the functions, except those grafted again since, whose calls now just pass through."""
        self.live = False
        for graft in self._grafts.values():
            graft.remove()
        self._grafts.clear()

    @property
    def grafted(self) -> bool:
        """Whether any function has been grafted and not been restored."""
        return bool(self._grafts)

    def missed(self, sdk: str) -> None:
        """Note a call that did not go through our `request`: it began earlier, or other code has replaced that."""
        if not self.unrecorded:
            logger.warning(
                "autolog does not record calls of %s that began before it was patched, or that bypass its client's "
                "request() because other code has replaced it; status()['unrecorded'] counts them", sdk,
            )  # fmt: skip
        self.unrecorded += 1


_GETS = frozenset({"get", "GET"})


# A call


class RecordedCall:
    """A block around a call of the SDK, which makes its exchange the current one, and records how the call ended.

    An error that only our request for usage caused is suppressed; the caller then repeats the call after the block, so
    that the program does not see the error.
    """

    __slots__ = ("_exchange", "_token")
    _token: Token[Exchange | None]

    def __init__(self, exchange: Exchange | None) -> None:
        self._exchange = exchange

    def __enter__(self) -> None:
        self._token = current_exchange.set(
            self._exchange
        )  # None for a free call inside a billed one, whose exchange must not record it

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        exchange = current_exchange.get()  # may have been replaced: see `followed_by`
        try:
            current_exchange.reset(self._token)
        except ValueError as elsewhere:  # a coroutine closed in another context than it ran in
            pass_on(elsewhere)
            exchange = self._exchange
        if exchange is None:
            return False
        if error is None:
            _end(exchange)
            return False
        with guard("recording a failed call"):
            exchange.failed(error)
        return exchange.asked_usage and stream_usage.refused(exchange.request, error)


def _end(exchange: Exchange) -> None:
    """End an exchange, unless its body is still being read."""
    try:
        if exchange.status_code is not None and not exchange.streaming:
            exchange.end()  # if the body is still being read, the tee ends the exchange
    except Exception as error:  # noqa: BLE001 - ours, never the program's
        report("ending a call", error)


def recorded_call(sdk: SDK, emit: Outlet, client: Any, options: Any, kwargs: Any) -> RecordedCall | None:
    """Return the block for a call that is about to be made; None if there is nothing to record."""
    if not emit.live:
        return None
    exchange = open_exchange(sdk, emit, client, options, kwargs)
    return None if exchange is None and current_exchange.get() is None else RecordedCall(exchange)


def open_exchange(sdk: SDK, emit: Emit, client: Any, options: Any, kwargs: Any) -> Exchange | None:
    """Return an exchange for a call that is about to be made; None if it is not to be recorded."""
    try:
        if sdk.format.billable(options.method, options.url):
            exchange = Exchange(emit, sdk.name, type(client), bool(kwargs.get("stream")))
            if options.method in _GETS:
                exchange.download = sdk.format.results_id(options.url) is not None
            return exchange
    except Exception as error:  # noqa: BLE001 - ours, never the program's
        report("starting a call", error)
    return None


# The wrappers


def wrap_request(original: Callable[..., Any], sdk: SDK, emit: Outlet) -> Callable[..., Any]:
    """Wrap `SyncAPIClient.request` to record its calls."""

    @functools.wraps(original)
    def request(self: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        call = recorded_call(sdk, emit, self, options, kwargs)
        if call is None:
            return original(self, cast_to, options, *args, **kwargs)
        with call:
            return original(self, cast_to, options, *args, **kwargs)
        with RecordedCall(open_exchange(sdk, emit, self, options, kwargs)):  # repeat it without the request for usage
            return original(self, cast_to, options, *args, **kwargs)

    return request


def wrap_async_request(original: Callable[..., Any], sdk: SDK, emit: Outlet) -> Callable[..., Any]:
    """Wrap `AsyncAPIClient.request` to record its calls."""

    @functools.wraps(original)
    async def request(self: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        call = recorded_call(sdk, emit, self, options, kwargs)
        if call is None:
            return await original(self, cast_to, options, *args, **kwargs)
        with call:
            return await original(self, cast_to, options, *args, **kwargs)
        with RecordedCall(open_exchange(sdk, emit, self, options, kwargs)):
            return await original(self, cast_to, options, *args, **kwargs)

    return request


def wrap_build_request(original: Callable[..., Any], sdk: SDK, emit: Outlet) -> Callable[..., Any]:
    """Wrap `BaseClient._build_request` to keep the request of every attempt, including uploads."""

    @functools.wraps(original)
    def _build_request(self: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = current_exchange.get()
        if exchange is None or not emit.live:
            if emit.live:
                _check_missed(sdk, emit, options)
            return original(self, options, *args, **kwargs)
        usage_requested = False
        if emit.asks_usage and exchange.stream and sdk.format.has_usage_option(options.url):
            options, usage_requested = stream_usage.ask(options, self)
        request = original(self, options, *args, **kwargs)
        try:
            if usage_requested:
                request.headers["accept-encoding"] = "identity"  # usage cannot be removed from compressed data
            if not hasattr(request, "_content"):
                tee_upload(request)
            if exchange.status_code is not None:
                exchange = exchange.followed_by()
                current_exchange.set(exchange)
            exchange.sends(request, usage_requested)
        except Exception as error:  # noqa: BLE001 - ours, never the program's
            report("reading a request", error)
        emit.admit(exchange, request)
        return request

    return _build_request


def _check_missed(sdk: SDK, emit: Outlet, options: Any) -> None:
    """Note a request that is built outside any exchange, unless its call is free."""
    with guard("looking for calls that are missed"):
        if sdk.format.billable(options.method, options.url):
            emit.missed(sdk.name)


def wrap_process_response(original: Callable[..., Any], sdk: SDK, emit: Outlet) -> Callable[..., Any]:  # noqa: ARG001 - all wrappers are made alike
    """Wrap `SyncAPIClient._process_response` to keep the response before the caller gets it."""

    @functools.wraps(original)
    def _process_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        _receive(emit, kwargs, sync_tee)
        return original(self, *args, **kwargs)

    return _process_response


def wrap_async_process_response(original: Callable[..., Any], sdk: SDK, emit: Outlet) -> Callable[..., Any]:  # noqa: ARG001 - all wrappers are made alike
    """Wrap `AsyncAPIClient._process_response` to keep the response before the caller gets it."""

    @functools.wraps(original)
    async def _process_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        _receive(emit, kwargs, async_tee)
        return await original(self, *args, **kwargs)

    return _process_response


def _receive(emit: Outlet, kwargs: dict[str, Any], tee: Callable[[Any, Exchange], Any]) -> None:
    """Hand the final response to the current exchange, if there is one."""
    exchange = current_exchange.get()
    if exchange is None or not emit.live:
        return
    try:
        response = kwargs["response"]
        exchange.received(response, tee)
        if exchange.asked_usage:
            stream_usage.hide(response)
    except Exception as error:  # noqa: BLE001 - ours, never the program's
        report("reading a response", error)
