"""lm15, in DSPy or on its own: wrap `StdlibTransport.stream` and its async counterpart, which use sockets directly."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from autolog._capture.exchange import Exchange, open_exchanges
from autolog._capture.libraries.calls import LibraryCalls, keep_chunk, open_prepared
from autolog._guard import report


def wrap_stream(original: Callable[..., Any], calls: LibraryCalls) -> Callable[..., Any]:
    """Wrap `StdlibTransport.stream` to record its calls."""

    @functools.wraps(original)
    def stream(self: Any, request: Any) -> Any:
        exchange = open_prepared(calls, self, request)
        if exchange is None:
            return original(self, request)
        with calls.block(exchange):
            response = original(self, request)
            _receive(calls, exchange, response)
        return response

    return stream


def wrap_do_stream(original: Callable[..., Any], calls: LibraryCalls) -> Callable[..., Any]:
    """Wrap `StdlibAsyncTransport._do_stream` to record its calls."""

    @functools.wraps(original)
    async def _do_stream(self: Any, request: Any) -> Any:
        exchange = open_prepared(calls, self, request)
        if exchange is None:
            return await original(self, request)
        with calls.block(exchange):
            response = await original(self, request)
            _receive(calls, exchange, response)
        return response

    return _do_stream


def _receive(calls: LibraryCalls, exchange: Exchange, response: Any) -> None:
    try:
        calls.answered(exchange, response.status, dict(response.headers))
        response._chunks = _KeptChunks(response._chunks, exchange)
        exchange.streaming = True
        open_exchanges.add(exchange)
    except Exception as error:  # noqa: BLE001 - ours, never the program's
        report("reading a response", error)


class _KeptChunks:
    """Passes the chunks of a response on, keeps them, and ends the exchange when they end or are abandoned."""

    def __init__(self, chunks: Any, exchange: Exchange) -> None:
        self._chunks = chunks
        self._exchange = exchange

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_chunks"], name)

    def __iter__(self) -> _KeptChunks:
        return self

    def __next__(self) -> bytes:
        try:
            chunk: bytes = next(self._chunks)
        except BaseException as error:
            self._end(error)
            raise
        keep_chunk(self._exchange, chunk)
        return chunk

    def __aiter__(self) -> _KeptChunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk: bytes = await self._chunks.__anext__()
        except BaseException as error:
            self._end(error)
            raise
        keep_chunk(self._exchange, chunk)
        return chunk

    def _end(self, error: BaseException) -> None:
        over = isinstance(error, (StopIteration, StopAsyncIteration, GeneratorExit))
        self._exchange.end(None if over else error)

    def __del__(self) -> None:
        self._exchange.end()
