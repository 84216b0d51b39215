"""httpx and httpx2: wrap the clients' `send`, which every request goes through."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from autolog._capture.context import current_exchange
from autolog._capture.exchange import Exchange
from autolog._capture.libraries.calls import LibraryCalls, may_be_call
from autolog._capture.tee import async_tee, sync_tee, tee_upload
from autolog._guard import report


def passes(calls: LibraryCalls) -> Callable[[Any, Any], bool]:
    """Return a predicate that is true if a request is certainly not a call; it runs for all HTTP traffic."""

    def passes(client: Any, request: Any) -> bool:  # noqa: ARG001 - gets all arguments of `send`
        try:
            url = request.url
            parts = getattr(url, "_uri_reference", url)  # takes a third of the time of the URL's properties
            return not calls.rules.knows(parts.host, parts.port) and (
                request.method != "POST" or not may_be_call(parts.path)
            )
        except AttributeError:  # not a request
            return False

    return passes


def wrap_send(original: Callable[..., Any], calls: LibraryCalls) -> Callable[..., Any]:
    """Wrap `Client.send` to record its calls."""

    @functools.wraps(original)
    def send(self: Any, request: Any, **kwargs: Any) -> Any:
        exchange = _open(calls, self, request)
        if exchange is None:
            return original(self, request, **kwargs)
        with calls.block(exchange):
            response = original(self, request, **kwargs)
            _receive(calls, exchange, response, sync_tee)
        return response

    return send


def wrap_async_send(original: Callable[..., Any], calls: LibraryCalls) -> Callable[..., Any]:
    """Wrap `AsyncClient.send` to record its calls."""

    @functools.wraps(original)
    async def send(self: Any, request: Any, **kwargs: Any) -> Any:
        exchange = _open(calls, self, request)
        if exchange is None:
            return await original(self, request, **kwargs)
        with calls.block(exchange):
            response = await original(self, request, **kwargs)
            _receive(calls, exchange, response, async_tee)
        return response

    return send


def _open(calls: LibraryCalls, client: Any, request: Any) -> Exchange | None:
    """Return the exchange for a request that is about to be sent; None if it is not to be recorded."""
    if current_exchange.get() is not None or not calls.outlet.live:
        return None
    try:
        url, method = request.url, request.method
        host, path = url.netloc.decode("ascii", "replace"), url.path
    except AttributeError:  # not a request: let the library report it
        return None
    content = getattr(request, "_content", None)
    exchange = calls.open(client, method, host, path, content)
    if exchange is not None:
        try:
            if content is None:
                tee_upload(request)
        except Exception as error:  # noqa: BLE001 - ours, never the program's
            report("reading a request", error)
        calls.sends(exchange, request, (id(client), method, str(url), None if content is None else hash(content)))
    return exchange


def _receive(calls: LibraryCalls, exchange: Exchange, response: Any, tee: Callable[[Any, Exchange], Any]) -> None:
    """Keep the response."""
    try:
        calls.answered(exchange, response.status_code, response.headers)
        exchange.keep_body(response, tee)
    except Exception as error:  # noqa: BLE001 - ours, never the program's
        report("reading a response", error)
