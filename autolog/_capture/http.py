"""A provider call as it passed over the wire, and the wrappers that catch it, written once for every SDK.

The openai and anthropic SDKs are generated from one base. Every HTTP call of theirs goes through three methods of
`SyncAPIClient` / `AsyncAPIClient`:

- `request`: the logical call, with its start, its end, its exception and its retries;
- `_build_request`: one HTTP request for every attempt, its body already serialised by the SDK;
- `_process_response`: the final response, before it is parsed or handed to the caller.

`request` opens an `Exchange`, the other two fill it in. A response whose body is not yet read gets its `stream`
replaced by a tee, which keeps the very chunks that the SDK reads and ends the exchange when the response is closed,
breaks or is abandoned. Nothing is copied, walked or parsed here: that is `_enrich`'s work, on another thread.
"""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextvars import ContextVar
from time import perf_counter_ns
from typing import Any, Protocol, cast

import msgspec

from autolog._capture import stream_usage
from autolog._capture.span import Emit, Span, describe_error
from autolog._delivery.worker import before_exit
from autolog._guard import guard, report

#: A stream longer than this is no longer kept, only counted; the record says that it was cut.
MAX_STREAM_BYTES = 64 * 1024 * 1024


class SDK(Protocol):
    """What the wrappers ask of a provider's module."""

    name: str

    def billable(self, method: str, path: str) -> bool:
        """Whether a call to this SDK path costs money, and so is recorded."""
        ...

    def holder(self, path: str) -> str | None:
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


class Exchange(Span):
    """One logical provider call: the last request sent, the final response, and how it ended."""

    # What every call has in the end, or few have; a default in the class costs a call nothing.
    attempts = 0
    status_code: int | None = None
    response_headers: Any = None
    content: bytes | None = None
    first_chunk_ns = 0
    streaming = False
    truncated = False
    asked_usage = False
    download = False
    request: Any = None
    """The request as the SDK built it; when the call ends, what is kept of it (`Sent`)."""
    chunks: list[bytes]

    def __init__(self, emit: Emit, sdk: str, client: type, stream: bool) -> None:
        super().__init__(emit, "", "llm")
        self.sdk = sdk
        self.client = client
        self.stream = stream
        self.chunks = []

    def followed_by(self, request: Any) -> Exchange:
        """The exchange of a request that is about to be sent after there was a response.

        After an error it is one more attempt; after a success a call of its own (the SDK's middleware may make several
        inside one).
        """
        exchange = self
        if (self.status_code or 0) < 400:
            self.end()
            exchange = Exchange(self._emit, self.sdk, self.client, self.stream)
            exchange.context, exchange.trace = self.context, self.trace
            exchange.parent_span, exchange.caller = self.parent_span, self.caller
            exchange.asked_usage = self.asked_usage
        exchange.attempts += 1
        exchange.request = request
        return exchange

    def received(self, response: Any, tee: Callable[[Any, Exchange], Any]) -> None:
        """The final response: its body is complete already, or passes through a tee from now on.

        An error response comes here only when the SDK's middleware is to see it; `failed` gets it if it stands.
        """
        if response.status_code >= 400:
            return
        self.status_code = response.status_code
        self.response_headers = response.headers
        hiding = self.asked_usage and "event-stream" in response.headers.get("content-type", "")
        if response.is_closed:
            self.content = complete_content(response)
            if hiding and self.content is not None:
                hider = stream_usage.UsageFilter()
                response._content = hider.feed(self.content) + hider.rest()
        elif not isinstance(response.stream, (_Tee, stream_usage.Hider)):
            self.streaming = True
            response.stream = tee(response.stream, self)
            encoding = response.headers.get("content-encoding", "identity").lower() if hiding else None
            if encoding in {"identity", *stream_usage.GZIP}:
                self.response_headers = response.headers.copy()
                response.headers.pop("content-encoding", None)  # it was compressed all the same: undone here
                response.stream = stream_usage.hide_usage(response.stream, encoding)
            open_exchanges.add(self)

    def failed(self, error: BaseException) -> None:
        """The call raised: keep what is known of it, with the provider's answer if there was one."""
        self.error = describe_error(error)
        response = getattr(error, "response", None)
        if response is not None and self.status_code is None:
            self.status_code = response.status_code
            self.response_headers = response.headers
            self.content = complete_content(response)
        if self.request is not None:  # else nothing was sent: there was no call
            self.end()

    def holds_results(self, beginning: bytes) -> bool:
        """Whether a file that was read may be a batch's results, by how it begins; all other files are not kept."""
        return beginning.lstrip()[:1] == b"{" or bool((self.response_headers or {}).get("content-encoding"))

    def end(self, error: BaseException | None = None) -> None:
        """End the exchange once, whichever way it ends."""
        if self.end_ns:
            return
        if self.streaming:
            open_exchanges.discard(self)
            self.size += sum(map(len, self.chunks))
        if self.download and not self.holds_results(self.chunks[0] if self.chunks else self.content or b""):
            self.end_ns = perf_counter_ns()
            return
        request = self.request
        if request is not None:
            sent = self.request = Sent(request.method, request.url, request.headers, request_content(request))
            self.size += len(sent.content or b"") + len(self.content or b"")
        super().end(error)


class Sent(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a request: the SDK's object holds much more, and each would wait in memory."""

    method: str
    url: Any
    headers: Any
    content: bytes | None


#: Exchanges whose streams are still open; the recorder ends them at exit.
open_exchanges: set[Exchange] = set()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: open_exchanges.clear())  # the parent's to end


def end_open_exchanges() -> None:
    """End the exchanges whose streams are still being read, with what has arrived."""
    for exchange in list(open_exchanges):
        exchange.end()


before_exit.append(end_open_exchanges)


_current: ContextVar[Exchange | None] = ContextVar("autolog_exchange", default=None)


def complete_content(response: Any) -> bytes | None:
    """The body of a response that has been read, decoded; None if it was closed unread."""
    try:
        content: bytes = response.content
    except Exception:  # noqa: BLE001 - httpx and httpx2 each have their own ResponseNotRead
        return None
    return content


# The tee


class _Tee:
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


class _SyncTee(_Tee):
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


class _AsyncTee(_Tee):
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
def _tee_class(tee: type[_Tee], stream: Hashable) -> type:
    """`tee` as a subclass of the byte-stream interface that `stream` has, be it httpx2's or httpx's."""
    wanted = "SyncByteStream" if tee is _SyncTee else "AsyncByteStream"
    bases = [base for base in cast("type", stream).__mro__ if base.__name__ == wanted]
    return type(tee.__name__.strip("_"), (tee, *bases[:1]), {})


def _sync_tee(stream: Any, exchange: Exchange) -> Any:
    return _tee_class(_SyncTee, type(stream))(stream, exchange)  # type: ignore[arg-type]


def _async_tee(stream: Any, exchange: Exchange) -> Any:
    return _tee_class(_AsyncTee, type(stream))(stream, exchange)  # type: ignore[arg-type]


class _UploadTee(_Tee):
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


def _tee_upload(request: Any) -> None:
    stream = request.stream
    bases = tuple(base for base in type(stream).__mro__ if base.__name__ in {"SyncByteStream", "AsyncByteStream"})
    request.stream = type("UploadTee", (_UploadTee, *bases), {})(stream, None)


def request_content(request: Any) -> bytes | None:
    """The exact body that was sent, or None if it was not kept (never sent, or read by somebody else)."""
    content: bytes | None = getattr(request, "_content", None)
    if content is None:
        sent = getattr(request.stream, "sent", None)
        return None if sent is None else b"".join(sent)
    return content


# The wrappers


def open_exchange(sdk: SDK, emit: Emit, client: Any, options: Any, kwargs: Any) -> Exchange | None:
    """An exchange for the call that is about to be made, or None if it is not to be recorded."""
    try:
        if sdk.billable(options.method, options.url):
            exchange = Exchange(emit, sdk.name, type(client), bool(kwargs.get("stream")))
            if options.method in _GETS:
                exchange.download = sdk.holder(options.url) is not None
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
                _tee_upload(request)
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
                exchange.received(kwargs["response"], _sync_tee)
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
                exchange.received(kwargs["response"], _async_tee)
            except Exception as error:  # noqa: BLE001 - ours, never the program's
                report("reading a response", error)
        return await original(self, *args, **kwargs)

    return _process_response
