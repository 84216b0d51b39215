"""Keep the bytes that are read from urllib3's responses, under requests and botocore."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

from autolog._capture.exchange import Exchange, open_exchanges
from autolog._capture.libraries.calls import keep_chunk


def tee_response(raw: Any, exchange: Exchange) -> None:
    """Keep the bytes that are read from a response, and end the exchange when it is read, closed or abandoned.

    The methods are replaced on the object. Each calls the library's own method, and these call one another.
    """
    exchange.streaming = True
    open_exchanges.add(exchange)
    reader = _Reader(exchange)
    for name in ("read", "read1", "read_chunked", "stream", "close", "release_conn"):
        method = getattr(raw, name, None)
        if method is not None:
            setattr(raw, name, getattr(reader, name)(method))
    weakref.finalize(raw, exchange.end)


class _Reader:
    """Wraps the methods that read or close a response of urllib3.

    Only the outermost call keeps its data, because the methods call one another.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._inside = False
        self._over = False

    def read(self, method: Callable[..., bytes]) -> Callable[..., bytes]:
        return self._reading(method, reads_all=True)

    def read1(self, method: Callable[..., bytes]) -> Callable[..., bytes]:
        return self._reading(method, reads_all=False)

    def _reading(self, method: Callable[..., bytes], reads_all: bool) -> Callable[..., bytes]:
        """Wrap a method that reads up to `amt` bytes; without `amt` it reads all, or all that has arrived.

        Once the library has read the end of the connection, decoded data may still wait in its buffer: there is no more
        only if it returns fewer bytes than it may.
        """

        def read(amt: int | None = None, *args: Any, **kwargs: Any) -> bytes:
            chunk: bytes = self._kept(method, (amt, *args), kwargs)
            limited = amt is not None and amt >= 0
            if limited:
                ended = amt != 0 and (not chunk or (self._over and len(chunk) < (amt or 0)))
            else:
                ended = reads_all or self._over or not chunk
            if ended:
                self._exchange.end()
            return chunk

        return read

    def read_chunked(self, method: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
        def read_chunked(*args: Any, **kwargs: Any) -> Iterator[bytes]:
            chunks = iter(method(*args, **kwargs))
            while (chunk := self._kept(next, (chunks, None))) is not None:
                yield chunk
            self._exchange.end()

        return read_chunked

    def stream(self, method: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
        def stream(*args: Any, **kwargs: Any) -> Iterator[bytes]:
            yield from method(*args, **kwargs)  # which calls `read` or `read_chunked`
            self._exchange.end()

        return stream

    def close(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def close(*args: Any, **kwargs: Any) -> Any:
            try:
                return method(*args, **kwargs)
            finally:
                self._over = True  # the library itself closes it while reading the end
                if not self._inside:
                    self._exchange.end()

        return close

    release_conn = close

    def _kept(self, method: Callable[..., Any], args: Any, kwargs: Any = MappingProxyType({})) -> Any:
        """Call a reading method, and keep the data that it returns, unless another one is calling it."""
        if self._inside:
            return method(*args, **kwargs)
        self._inside = True
        try:
            chunk = method(*args, **kwargs)
        except BaseException as error:
            self._exchange.end(error)
            raise
        finally:
            self._inside = False
        if chunk:
            keep_chunk(self._exchange, chunk)
        return chunk
