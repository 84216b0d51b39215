"""Stand-ins for byte streams: pass every chunk on, and keep it."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Hashable, Iterator
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, cast

from autolog._guard import guard

if TYPE_CHECKING:
    from autolog._capture.exchange import Exchange

#: A stream longer than this is no longer kept, only counted; the record says that it was cut.
MAX_STREAM_BYTES = 64 * 1024 * 1024


class Tee:
    """Stands in for a response's stream, passes every chunk on, and keeps it."""

    #: anthropic asks for this at every event of a stream; that it is not there must not cost an exception each time.
    stream_observer: Any = None

    def __init__(self, stream: Any, exchange: Exchange) -> None:
        self._stream = stream
        if (observer := getattr(stream, "stream_observer", None)) is not None:
            self.stream_observer = observer
        self._exchange = exchange
        #: One iterator for all readers: after `[DONE]` the SDK drains the rest by iterating a second time.
        self._iterator: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_stream"], name)

    def __del__(self) -> None:
        with guard("ending an abandoned stream"):
            self._exchange.end()

    def _first(self) -> None:
        if not self._exchange.first_chunk_ns:
            self._exchange.first_chunk_ns = perf_counter_ns()


class _SyncTee(Tee):
    def __iter__(self) -> Iterator[bytes]:
        exchange, keep, left = self._exchange, self._exchange.chunks.append, MAX_STREAM_BYTES
        if self._iterator is None:
            self._iterator = iter(self._stream)
        try:
            for chunk in self._iterator:
                self._first()
                keep(chunk)
                if exchange.download and not exchange.holds_results(chunk):
                    left = 0
                yield chunk
                break
            for chunk in self._iterator:
                left -= len(chunk)
                if left > 0:
                    keep(chunk)
                else:
                    exchange.truncated = True
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            exchange.end(error)
            raise

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._exchange.end()


class _AsyncTee(Tee):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        exchange, keep, left = self._exchange, self._exchange.chunks.append, MAX_STREAM_BYTES
        if self._iterator is None:
            self._iterator = aiter(self._stream)
        try:
            async for chunk in self._iterator:
                self._first()
                keep(chunk)
                if exchange.download and not exchange.holds_results(chunk):
                    left = 0
                yield chunk
                break
            async for chunk in self._iterator:
                left -= len(chunk)
                if left > 0:
                    keep(chunk)
                else:
                    exchange.truncated = True
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            exchange.end(error)
            raise

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._exchange.end()


@functools.cache
def _tee_class(tee: type[Tee], stream: Hashable) -> type:
    """`tee` as a subclass of the byte-stream interface that `stream` has, be it httpx2's or httpx's."""
    wanted = "SyncByteStream" if tee is _SyncTee else "AsyncByteStream"
    bases = [base for base in cast("type", stream).__mro__ if base.__name__ == wanted]
    return type(tee.__name__.strip("_"), (tee, *bases[:1]), {})


def sync_tee(stream: Any, exchange: Exchange) -> Any:
    return _tee_class(_SyncTee, type(stream))(stream, exchange)  # type: ignore[arg-type]


def async_tee(stream: Any, exchange: Exchange) -> Any:
    return _tee_class(_AsyncTee, type(stream))(stream, exchange)  # type: ignore[arg-type]


class _UploadTee(Tee):
    """Stands in for a request's stream (a multipart upload): both kinds, for httpx's own is both."""

    def __del__(self) -> None:
        pass

    def __iter__(self) -> Iterator[bytes]:
        sent = self._restart()
        for chunk in self._stream:
            sent.append(chunk)
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        sent = self._restart()
        async for chunk in self._stream:
            sent.append(chunk)
            yield chunk

    def _restart(self) -> list[bytes]:
        """A redirect or an authentication round sends the body again: keep the last sending."""
        self.sent: list[bytes] = []
        return self.sent


def tee_upload(request: Any) -> None:
    stream = request.stream
    bases = tuple(base for base in type(stream).__mro__ if base.__name__ in {"SyncByteStream", "AsyncByteStream"})
    request.stream = type("UploadTee", (_UploadTee, *bases), {})(stream, None)
