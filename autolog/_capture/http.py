"""The wrappers that catch a provider call as it passes over the wire, written once for every SDK.

The openai and anthropic SDKs are generated from one base. Every HTTP call of theirs goes through three methods of
`SyncAPIClient` / `AsyncAPIClient`:

- `request`: the logical call, with its start, its end, its exception and its retries;
- `_build_request`: one HTTP request for every attempt, its body already serialised by the SDK;
- `_process_response`: the final response, before it is parsed or handed to the caller.

`request` opens an `Exchange`, the other two fill it in. A response whose body is not yet read gets its `stream`
replaced by a tee, which keeps the very chunks that the SDK reads and ends the exchange when the response is closed,
breaks or is abandoned. Nothing is copied, walked or parsed here: that is work for `_processing`, on another thread.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from autolog._capture import stream_usage
from autolog._capture.exchange import Exchange
from autolog._capture.span import Emit, Span
from autolog._capture.tee import async_tee, sync_tee, tee_upload
from autolog._guard import guard, report


class SDK(Protocol):
    """What the wrappers ask of a provider's module."""

    name: str

    def billable(self, method: str, path: str) -> bool:
        """Whether a call to this SDK path costs money, and so is recorded."""
        ...

    def results_id(self, path: str) -> str | None:
        """What may hold the results of a batch, if the path gives such a thing."""
        ...

    def has_usage_option(self, path: str) -> bool:
        """Whether a stream from this path tells its usage only if asked to, by `stream_options.include_usage`."""
        ...


class Outlet(Protocol):
    """Where a patch hands its exchanges over, while it is in force; a wrapper that outlives it passes through."""

    live: bool
    asks_usage: bool
    """Whether streams are to be asked for their usage."""
    check: Callable[[], None] | None
    """Raises what the user wants raised when a call may not be made: its budget is spent."""

    def __call__(self, span: Span) -> None: ...


_current: ContextVar[Exchange | None] = ContextVar("autolog_exchange", default=None)


# The wrappers


def open_exchange(sdk: SDK, emit: Emit, client: Any, options: Any, kwargs: Any) -> Exchange | None:
    """An exchange for the call that is about to be made, or None if it is not to be recorded."""
    try:
        if sdk.billable(options.method, options.url):
            exchange = Exchange(emit, sdk.name, type(client), bool(kwargs.get("stream")))
            if options.method in _GETS:
                exchange.download = sdk.results_id(options.url) is not None
            return exchange
    except Exception as error:  # noqa: BLE001 - ours, never the program's
        report("starting a call", error)
    return None


_GETS = frozenset({"get", "GET"})


def wrap_request(original: Callable[..., Any], sdk: SDK, emit: Outlet) -> Callable[..., Any]:
    """`SyncAPIClient.request`, recorded."""

    @functools.wraps(original)
    def request(self: Any, cast_to: Any, options: Any, **kwargs: Any) -> Any:
        if not emit.live:
            return original(self, cast_to, options, **kwargs)
        if emit.check is not None and sdk.billable(options.method, options.url):
            emit.check()
        exchange = open_exchange(sdk, emit, self, options, kwargs)
        if exchange is None and _current.get() is None:
            return original(self, cast_to, options, **kwargs)
        token = _current.set(exchange)  # None for a free call inside a billed one, which must not take its place
        try:
            result = original(self, cast_to, options, **kwargs)
            _end_call()
        except BaseException as error:
            _fail_call(error)
            if not _refused(error):
                raise
            _current.set(open_exchange(sdk, emit, self, options, kwargs))
            result = _again(original, self, cast_to, options, kwargs)
        finally:
            _current.reset(token)
        return result

    return request


def wrap_async_request(original: Callable[..., Any], sdk: SDK, emit: Outlet) -> Callable[..., Any]:
    """`AsyncAPIClient.request`, recorded."""

    @functools.wraps(original)
    async def request(self: Any, cast_to: Any, options: Any, **kwargs: Any) -> Any:
        if not emit.live:
            return await original(self, cast_to, options, **kwargs)
        if emit.check is not None and sdk.billable(options.method, options.url):
            emit.check()
        exchange = open_exchange(sdk, emit, self, options, kwargs)
        if exchange is None and _current.get() is None:
            return await original(self, cast_to, options, **kwargs)
        token = _current.set(exchange)
        try:
            result = await original(self, cast_to, options, **kwargs)
            _end_call()
        except BaseException as error:
            _fail_call(error)
            if not _refused(error):
                raise
            _current.set(open_exchange(sdk, emit, self, options, kwargs))
            result = await _again_async(original, self, cast_to, options, kwargs)
        finally:
            _current.reset(token)
        return result

    return request


def _again(original: Callable[..., Any], client: Any, cast_to: Any, options: Any, kwargs: Any) -> Any:
    """The call once more, without the question that its host refused."""
    try:
        result = original(client, cast_to, options, **kwargs)
        _end_call()
    except BaseException as error:
        _fail_call(error)
        raise
    return result


async def _again_async(original: Callable[..., Any], client: Any, cast_to: Any, options: Any, kwargs: Any) -> Any:
    """The same for an async call."""
    try:
        result = await original(client, cast_to, options, **kwargs)
        _end_call()
    except BaseException as error:
        _fail_call(error)
        raise
    return result


def _refused(error: BaseException) -> bool:
    """Whether a call failed only because it was asked for its usage."""
    exchange = _current.get()
    return exchange is not None and exchange.asked_usage and stream_usage.refused(exchange.request, error)


def _end_call() -> None:
    try:
        exchange = _current.get()
        if exchange is not None and exchange.status_code is not None and not exchange.streaming:
            exchange.end()  # a body that is still being read ends it later
    except Exception as error:  # noqa: BLE001 - ours, never the program's
        report("ending a call", error)


def _fail_call(error: BaseException) -> None:
    with guard("recording a failed call"):
        exchange = _current.get()
        if exchange is not None:
            exchange.failed(error)


def wrap_build_request(original: Callable[..., Any], sdk: SDK, emit: Outlet) -> Callable[..., Any]:
    """`BaseClient._build_request`: the request of every attempt is kept, and an upload's bytes with it."""

    @functools.wraps(original)
    def _build_request(self: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _current.get()
        if exchange is None or not emit.live:
            return original(self, options, *args, **kwargs)
        if emit.asks_usage and exchange.stream and sdk.has_usage_option(options.url):
            options, asked = stream_usage.ask(options, self)
            exchange.asked_usage = exchange.asked_usage or asked
        request = original(self, options, *args, **kwargs)
        try:
            if exchange.asked_usage:
                request.headers["accept-encoding"] = "identity"  # what is compressed could not be hidden
            if not hasattr(request, "_content"):
                tee_upload(request)
            if exchange.status_code is None:
                exchange.attempts += 1
                exchange.request = request
            else:
                _current.set(exchange.followed_by(request))
        except Exception as error:  # noqa: BLE001 - ours, never the program's
            report("reading a request", error)
        return request

    return _build_request


def wrap_process_response(original: Callable[..., Any], sdk: SDK, emit: Outlet) -> Callable[..., Any]:  # noqa: ARG001 - all wrappers are made alike
    """`SyncAPIClient._process_response`: the response is kept before the caller gets it."""

    @functools.wraps(original)
    def _process_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _current.get()
        if exchange is not None and emit.live:
            try:
                exchange.received(kwargs["response"], sync_tee)
            except Exception as error:  # noqa: BLE001 - ours, never the program's
                report("reading a response", error)
        return original(self, *args, **kwargs)

    return _process_response


def wrap_async_process_response(original: Callable[..., Any], sdk: SDK, emit: Outlet) -> Callable[..., Any]:  # noqa: ARG001 - all wrappers are made alike
    """`AsyncAPIClient._process_response`: the response is kept before the caller gets it."""

    @functools.wraps(original)
    async def _process_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _current.get()
        if exchange is not None and emit.live:
            try:
                exchange.received(kwargs["response"], async_tee)
            except Exception as error:  # noqa: BLE001 - ours, never the program's
                report("reading a response", error)
        return await original(self, *args, **kwargs)

    return _process_response
