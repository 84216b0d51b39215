"""aiohttp: wrap `ClientSession._request`, and the methods that feed bytes to its responses."""

from __future__ import annotations

import asyncio
import functools
import weakref
from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any
from urllib.parse import urljoin

from autolog._capture.context import current_exchange
from autolog._capture.exchange import Exchange, open_exchanges
from autolog._capture.graft import Watched
from autolog._capture.libraries.calls import LibraryCalls, Outgoing, call_parts, keep_chunk
from autolog._capture.span import describe_error
from autolog._guard import report
from autolog._record.addresses import OPERATION_HEADER, operation_url

#: The exchanges whose responses are being fed, by the id of the response's reader.
_fed = Watched()


def wrap_request(original: Callable[..., Any], calls: LibraryCalls) -> Callable[..., Any]:
    """Wrap `ClientSession._request` to record its calls."""

    @functools.wraps(original)
    async def _request(self: Any, method: str, str_or_url: Any, **kwargs: Any) -> Any:
        url = _full_url(self, str_or_url, kwargs.get("headers"))
        exchange = _open(calls, self, method, url, kwargs)
        if exchange is None:
            response = await original(self, method, str_or_url, **kwargs)
            outer = current_exchange.get()
            if outer in calls.under_way and calls.under_way[outer] == (method, url):
                _receive(calls, outer, response)  # a mock has let its call through
            return response
        calls.under_way[exchange] = method, url
        try:
            with calls.block(exchange):
                response = await original(self, method, str_or_url, **kwargs)
                if not exchange.streaming:
                    _receive(calls, exchange, response)
        finally:
            calls.under_way.pop(exchange, None)
        return response

    return _request


def _full_url(session: Any, str_or_url: Any, headers: Any) -> str:
    base = getattr(session, "_base_url", None)
    url = str(str_or_url) if base is None else urljoin(str(base), str(str_or_url))
    return operation_url(url, headers.get(OPERATION_HEADER)) if isinstance(headers, Mapping) else url


def _open(calls: LibraryCalls, session: Any, method: Any, url: str, options: dict[str, Any]) -> Exchange | None:
    parts = call_parts(calls, method, url)
    body = options.get("data") if options.get("json") is None else options["json"]
    exchange = None if parts is None else calls.open(session, *parts, body)
    if exchange is not None:
        exchange.request = Outgoing(method.upper(), url, {}, None)  # a placeholder: see `wrap_client_send`
        exchange.library_calls = calls
    return exchange


def send_passes(calls: LibraryCalls) -> Watched:
    """Return the calls in progress; while there are none, all requests are other traffic."""
    return calls.under_way


def feed_passes(calls: LibraryCalls) -> Watched:  # noqa: ARG001 - all have the same signature
    """Return the readers of the responses to calls."""
    return _fed


def wrap_client_send(original: Callable[..., Any], calls: LibraryCalls) -> Callable[..., Any]:
    """Wrap `ClientRequest.send` to keep the request that is sent."""

    @functools.wraps(original)
    def send(self: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = current_exchange.get()
        if exchange is not None and exchange.library_calls is calls:
            outgoing = _outgoing(self)
            if outgoing is not None:
                content = outgoing._content
                calls.sends(exchange, outgoing, (outgoing.method, outgoing.url, content and hash(content)))
        return original(self, *args, **kwargs)

    return send


def _outgoing(request: Any) -> Outgoing | None:
    try:
        content = getattr(request.body, "_value", request.body)
        content = content.encode() if isinstance(content, str) else content
        content = bytes(content) if isinstance(content, (bytes, bytearray)) else None
        url = operation_url(str(request.url), request.headers.get(OPERATION_HEADER))
        return Outgoing(request.method, url, request.headers, content)
    except Exception as error:  # noqa: BLE001 - ours, never the program's
        report("reading a request", error)
        return None


def _receive(calls: LibraryCalls, exchange: Exchange, response: Any) -> None:
    """Keep the response, whose body is fed to its reader from now on, after the part that has arrived."""
    try:
        calls.answered(exchange, response.status, response.headers)
        content = response.content
        exchange.streaming = True
        exchange.chunks.extend(bytes(chunk) for chunk in getattr(content, "_buffer", ()))
        if exchange.chunks:
            exchange.first_chunk_ns = perf_counter_ns()
        if (error := content.exception()) is not None:  # the part of the body received so far is broken
            exchange.end(error)
            return
        key = id(content)
        _fed[key] = exchange
        open_exchanges.add(exchange)
        weakref.finalize(response, _close, key, exchange)
        content.on_eof(functools.partial(_finish, key, exchange))
    except Exception as error:  # noqa: BLE001 - ours, never the program's
        report("reading a response", error)


def _finish(key: int, exchange: Exchange) -> None:
    """End the exchange of a response that has arrived whole, even if reading it was interrupted before."""
    exchange.error = None
    _close(key, exchange)


def _close(key: int, exchange: Exchange) -> None:
    """Stop keeping the data of a response, and end its exchange."""
    if _fed.get(key) is exchange:
        del _fed[key]
    exchange.end()


def wrap_feed(original: Callable[..., Any], calls: LibraryCalls) -> Callable[..., Any]:  # noqa: ARG001 - all wrappers are made alike
    """Wrap `StreamReader.feed_data` to keep the data of responses to calls."""

    @functools.wraps(original)
    def feed_data(self: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
        if _fed and (exchange := _fed.get(id(self))) is not None:
            keep_chunk(exchange, data)
        return original(self, data, *args, **kwargs)

    return feed_data


def wrap_wait(original: Callable[..., Any], calls: LibraryCalls) -> Callable[..., Any]:  # noqa: ARG001 - all wrappers are made alike
    """Wrap `StreamReader._wait` to note cancellations and timeouts, unless the program then continues to read."""

    @functools.wraps(original)
    async def _wait(self: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _fed.get(id(self))
        if exchange is None:
            return await original(self, *args, **kwargs)
        exchange.error = None
        try:
            return await original(self, *args, **kwargs)
        except (asyncio.CancelledError, TimeoutError) as error:
            exchange.error = describe_error(error)
            raise

    return _wait


def wrap_set_exception(original: Callable[..., Any], calls: LibraryCalls) -> Callable[..., Any]:  # noqa: ARG001 - all wrappers are made alike
    """Wrap `StreamReader.set_exception` to end calls whose response fails or is closed early."""

    @functools.wraps(original)
    def set_exception(self: Any, error: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _fed.pop(id(self), None) if _fed else None
        if exchange is not None:
            closed = type(error).__name__ == "ClientConnectionError" and str(error) == "Connection closed"
            exchange.end(None if closed or not isinstance(error, BaseException) else error)
        return original(self, error, *args, **kwargs)

    return set_exception
