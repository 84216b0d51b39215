"""Stand-ins for byte streams, which pass every chunk on and keep it."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from time import perf_counter_ns
from types import AsyncGeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, cast

from autolog._guard import guard

if TYPE_CHECKING:
    from autolog._capture.exchange import Exchange

#: The most bytes of a stream that are kept; the record says if more were received.
MAX_STREAM_BYTES = 64 * 1024 * 1024


class Tee:
    """Stands in for a response's stream, passes every chunk on, and keeps it."""

    #: Also visible on wrappers of a tee, so that a stream is kept only once.
    is_tee = True
    #: anthropic reads this attribute at every event of a stream; its absence would cost an exception each time.
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

    def _start(self, read: Callable[[Any], Any]) -> tuple[Any, Callable[[bytes], None], int]:
        """Return the iterator, the function that keeps a chunk, and the number of bytes for which there is room.

        Initially there is no room, so that the first chunk goes through `_exceeded`, as do chunks beyond the limit.
        Keeping any other chunk, of which a long stream has thousands, only takes an addition and an append.
        """
        chunks = self._exchange.chunks
        if self._iterator is None:
            self._iterator = read(self._stream)
        return self._iterator, chunks.append, MAX_STREAM_BYTES - sum(map(len, chunks)) if chunks else 0

    def _exceeded(self, chunk: bytes) -> int:
        """Keep the chunk if it is the first one, and return the room for more; do not keep any other."""
        exchange = self._exchange
        if exchange.first_chunk_ns:
            exchange.truncated = True
            return 0
        exchange.first_chunk_ns = perf_counter_ns()
        exchange.chunks.append(chunk)
        return 0 if exchange.download and not exchange.holds_results(chunk) else MAX_STREAM_BYTES


class _Reading:
    """A block that reads a stream, whose errors end the exchange.

    When the reader stops early, nothing here keeps the stream's own generator, so that it ends as it would without us.
    Until then, another reader continues where the first one is.
    """

    __slots__ = ("_tee",)

    def __init__(self, tee: Tee) -> None:
        self._tee = tee

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, GeneratorExit):
            self._tee._iterator = None
        elif error is not None:
            self._tee._exchange.end(error)


class _SyncTee(Tee):
    def __iter__(self) -> Iterator[bytes]:
        iterator, keep, room = self._start(iter)
        with _Reading(self):
            for chunk in iterator:
                room -= len(chunk)
                if room > 0:
                    keep(chunk)
                else:
                    room = self._exceeded(chunk)
                yield chunk

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._exchange.end()


async def close_generator(iterator: Any) -> None:
    """Close an iterator if it is an asynchronous generator, and no other task is reading or closing it.

    httpx2 closes each generator that it reads, down to the connection's, in the task that reads it. Otherwise it would
    be closed when it is garbage-collected, in another task, and trio would warn of it.
    """
    if isinstance(iterator, AsyncGeneratorType) and not iterator.ag_running:
        await iterator.aclose()


class _AsyncTee(Tee):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        iterator, keep, room = self._start(aiter)
        with _Reading(self):
            try:
                async for chunk in iterator:
                    room -= len(chunk)
                    if room > 0:
                        keep(chunk)
                    else:
                        room = self._exceeded(chunk)
                    yield chunk
            except GeneratorExit:
                await close_generator(iterator)
                raise

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._exchange.end()


@functools.cache
def _tee_class(tee: type[Tee], stream: Hashable) -> type:
    """Return `tee` as a subclass of the byte-stream interface of `stream`, which is httpx's or httpx2's."""
    wanted = "SyncByteStream" if tee is _SyncTee else "AsyncByteStream"
    bases = [base for base in cast("type", stream).__mro__ if base.__name__ == wanted]
    return type(tee.__name__.strip("_"), (tee, *bases[:1]), {})


def sync_tee(stream: Any, exchange: Exchange) -> Any:
    """Return a stand-in for a response's stream that keeps its chunks in `exchange`."""
    return _tee_class(_SyncTee, type(stream))(stream, exchange)  # type: ignore[arg-type]


def async_tee(stream: Any, exchange: Exchange) -> Any:
    """Return a stand-in for a response's asynchronous stream that keeps its chunks in `exchange`."""
    return _tee_class(_AsyncTee, type(stream))(stream, exchange)  # type: ignore[arg-type]


class _UploadTee(Tee):
    """Stands in for a request's stream (a multipart upload), both sync and async, as httpx's own stream is."""

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
        """Start over, because a redirect or an authentication round sends the body again, and the last one counts."""
        self.sent: list[bytes] = []
        return self.sent


def tee_upload(request: Any) -> None:
    """Replace a request's stream by one that keeps the bytes sent."""
    stream = request.stream
    bases = tuple(base for base in type(stream).__mro__ if base.__name__ in {"SyncByteStream", "AsyncByteStream"})
    request.stream = type("UploadTee", (_UploadTee, *bases), {})(stream, None)
