"""WebSockets of the openai SDK, captured frame by frame.

Every connection of the SDK (`responses.connect`, `realtime.connect`, `live.connect`, ...) is created by one
constructor, or by one of two older ones. The wrapped constructor gives each connection a `Channel`, and wraps the
class's `recv_bytes`, `_send` (`send` in the older classes) and `close`, to note every frame and its time. The
connection remains the SDK's own object. Frames of audio are counted but not kept. Nothing is parsed here: when a frame
may end a response, the frames so far go to the queue, and `_processing.websocket` reads them on the worker thread.
"""

from __future__ import annotations

import functools
import inspect
import sys
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from time import perf_counter_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any

from autolog._capture.context import restore
from autolog._capture.graft import innermost
from autolog._capture.http import Outlet
from autolog._capture.span import Emit, Span, describe_error
from autolog._guard import guard
from autolog._lifecycle import after_fork_in_child, before_exit, lock_for
from autolog._native import allocate_lock
from autolog._record.bodies import encode_json

if TYPE_CHECKING:
    from autolog.providers import SDK

#: The most bytes of frames that wait for the end of a response.
MAX_WAITING = 1024 * 1024
#: Markers near the beginning of frames that contain only audio.
_AUDIO_OUT = (b"input_audio_buffer.append", b"input_audio.append")
_AUDIO_IN = (b"audio.delta", b"input_audio.append")
#: Markers in frames that end something; false matches are harmless.
_ENDINGS = (b"response.done", b"response.completed", b"response.failed", b"response.incomplete", b'"error"',
            b"transcription.completed", b"session.closed", b"decision.completed")  # fmt: skip
_HEAD = 300


class Frame:
    """One message of a connection.

    Attributes:
        ns: the time at which it was sent or received (`perf_counter_ns`).
        data: the message; empty for audio, which is not kept.
        sent: whether the program sent it.
        span: the place in the trace of the response that it requests, if it requests one.
        audio: the size of the message in bytes, if it contains only audio; consecutive ones are counted together.
    """

    __slots__ = ("audio", "data", "ns", "sent", "span")

    def __init__(self, data: bytes, sent: bool, span: Span | None = None, audio: int = 0) -> None:
        self.ns = perf_counter_ns()
        self.data = data
        self.sent = sent
        self.span = span
        self.audio = audio


class Frames(Span):
    """A batch of frames on its way to the worker, queued like a span.

    Attributes:
        channel: the channel of the connection.
        frames: the frames, in order.
        closed: whether the connection has ended, and no more frames will follow.
    """

    in_order = True  # a connection's frames must be read in order

    def __init__(self, emit: Emit, channel: Channel, frames: list[Frame], closed: bool) -> None:
        super().__init__(emit, "", "llm")
        self.channel = channel
        self.frames = frames
        self.closed = closed


class Channel:
    """One connection, with its frames that have not been handed over to the worker.

    Attributes:
        sdk: the name of the SDK.
        url: the URL of the connection.
        span: the place in the trace where the connection was opened.
        conversation: the worker's state, created and used by `_processing.websocket`.
    """

    def __init__(self, emit: Outlet, sdk: str, url: str) -> None:
        self._emit = emit
        self._lock = lock_for(self, allocate_lock)
        self._frames: list[Frame] = []
        self._waiting = 0
        self._closed = False
        self.sdk = sdk
        self.url = url
        self.span = Span(emit, "", "llm")
        self.conversation: Any = None
        open_channels.add(self)

    def sent(self, given: tuple[Any, ...]) -> None:
        """Keep a message that is about to be sent, which is the only argument of a valid call. Never raises."""
        with guard("keeping a frame"):
            message = given[0] if len(given) == 1 else None
            data = _as_bytes(message)
            if data is None:
                return
            head = data[:_HEAD]
            if any(mark in head for mark in _AUDIO_OUT):
                self._add(Frame(b"", True, audio=len(data)))
            else:
                self._add(Frame(data, True, Span(self._emit, "", "llm") if b"response.create" in data else None))

    def received(self, message: Any) -> None:
        """Keep a message that has arrived; if it may end a response, hand over all frames. Never raises."""
        with guard("keeping a frame"):
            data = _as_bytes(message)
            if data is None:
                return
            head = data[:_HEAD]
            if any(mark in head for mark in _AUDIO_IN) and b"transcript" not in head:
                self._add(Frame(b"", False, audio=len(data)))
                return
            self._add(Frame(data, False))
            if any(mark in data for mark in _ENDINGS):
                self.hand_over()

    def _add(self, frame: Frame) -> None:
        with self._lock:
            last = self._frames[-1] if self._frames else None
            if frame.audio and last is not None and last.audio and last.sent == frame.sent:
                last.audio += frame.audio
                return
            self._frames.append(frame)
            self._waiting += len(frame.data) + 100
        if self._waiting > MAX_WAITING:
            self.hand_over()

    def hand_over(self, closed: bool = False, error: BaseException | None = None) -> None:
        """Hand the frames so far to the worker."""
        with self._lock:
            frames, self._frames, waiting, self._waiting = self._frames, [], self._waiting, 0
            if (not frames and not closed) or self.span.elsewhere:
                return
            batch = Frames(self._emit, self, frames, closed)
            batch.size += waiting
            batch.error = None if error is None else describe_error(error)
            batch.end()  # within the lock, so that the queue gets them in order

    def lost(self, error: BaseException) -> None:
        """Hand over the frames so far if an error ended the connection, unlike a timeout or a cancellation."""
        if "ConnectionClosed" in type(error).__name__:
            with guard("ending a connection"):
                self.hand_over(closed=True, error=error)

    def close(self) -> None:
        """End the channel of a connection that either side has closed. Never raises."""
        with guard("ending a connection"):
            with self._lock:
                closed, self._closed = self._closed, True
            if not closed:
                open_channels.discard(self)
                self.hand_over(closed=True)


#: The channels of open connections; they are ended at exit.
open_channels: weakref.WeakSet[Channel] = weakref.WeakSet()
after_fork_in_child(open_channels.clear)  # the parent ends them


@before_exit
def close_open_channels() -> None:
    """End the channels that are still open, keeping what has arrived."""
    for channel in list(open_channels):
        channel.close()


def _as_bytes(message: Any) -> bytes | None:
    """Return a message as bytes; None if it is none. The older classes' `send` takes an event, a mapping or a model."""
    if isinstance(message, str):
        return message.encode()
    if isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message)
    if hasattr(message, "model_dump"):
        message = message.model_dump(mode="json", exclude_unset=True)
    return encode_json(message) if isinstance(message, dict) else None


def _url(connection: Any) -> str:
    """Return the URL of a `websockets` connection."""
    request = getattr(connection, "request", None)
    path = getattr(request, "path", "") or ""
    headers = getattr(request, "headers", None)
    host = (headers.get("Host") if headers is not None else None) or ""
    uri = getattr(getattr(connection, "protocol", None), "uri", None) or getattr(connection, "uri", None)
    scheme = "ws" if uri is not None and not getattr(uri, "secure", True) else "wss"
    return f"{scheme}://{host}{path}"


# The wrappers


def wrap_connection(original: Callable[..., Any], sdk: SDK, emit: Outlet) -> Callable[..., Any]:
    """Wrap `WebSocketConnectionBase.__init__`, or its asynchronous counterpart, to record connections."""

    @functools.wraps(original)
    def __init__(self: Any, connection: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - replaces an `__init__`
        original(self, connection, *args, **kwargs)
        if emit.live and _CHANNEL not in vars(self):
            with guard("opening a connection"):
                _wrap_methods(type(self), emit)
                channel = Channel(emit, sdk.name, _url(connection))
                setattr(self, _CHANNEL, channel)
                weakref.finalize(self, channel.close)

    return __init__


#: The attribute in which a connection keeps its channel.
_CHANNEL = "_autolog_channel"
#: The channel whose message is being sent or received, so that a method calling the one it overrides counts once.
_passing: ContextVar[Channel | None] = ContextVar("autolog_channel", default=None)


def _channel(connection: Any) -> Channel | None:
    """Return a connection's channel; None if it has none, or if an outer wrapper is already active."""
    channel: Channel | None = vars(connection).get(_CHANNEL)
    return None if channel is None or channel is _passing.get() else channel


class _Passing:
    """A block in which a message is sent or received, whose errors are reported to the channel."""

    __slots__ = ("_channel", "_token")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __enter__(self) -> None:
        self._token = _passing.set(self._channel)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        restore(_passing, self._token)
        if error is not None:
            self._channel.lost(error)


def _wrap_methods(kind: type, emit: Outlet) -> None:
    """Wrap the methods of a class that all its messages go through, unless they are wrapped already."""
    sending = "_send" if hasattr(kind, "_send") else "send"
    for name, wrap in (("recv_bytes", _wrap_receive), (sending, _wrap_send), ("close", _wrap_close)):
        owner = next(base for base in kind.__mro__ if name in vars(base))
        method = innermost(vars(owner)[name], sys.modules[owner.__module__].__file__)
        if method is not None:
            emit.graft(method, wrap)


def _wrap_receive(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the method that receives a message, sync or async, to note the message."""

    @functools.wraps(original)
    def receive(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (channel := _channel(self)) is None:
            return original(self, *args, **kwargs)
        with _Passing(channel):
            message = original(self, *args, **kwargs)
        channel.received(message)
        return message

    @functools.wraps(original)
    async def receive_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (channel := _channel(self)) is None:
            return await original(self, *args, **kwargs)
        with _Passing(channel):
            message = await original(self, *args, **kwargs)
        channel.received(message)
        return message

    return receive_async if inspect.iscoroutinefunction(original) else receive


def _wrap_send(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the method that sends a message, sync or async, to note the message."""

    @functools.wraps(original)
    def send(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (channel := _channel(self)) is None:
            return original(self, *args, **kwargs)
        channel.sent((*args, *kwargs.values()))
        with _Passing(channel):
            return original(self, *args, **kwargs)

    @functools.wraps(original)
    async def send_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (channel := _channel(self)) is None:
            return await original(self, *args, **kwargs)
        channel.sent((*args, *kwargs.values()))
        with _Passing(channel):
            return await original(self, *args, **kwargs)

    return send_async if inspect.iscoroutinefunction(original) else send


def _wrap_close(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the method that closes a connection, sync or async, to end its channel."""

    @functools.wraps(original)
    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        finally:
            _close_channel(self)

    @functools.wraps(original)
    async def close_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await original(self, *args, **kwargs)
        finally:
            _close_channel(self)

    return close_async if inspect.iscoroutinefunction(original) else close


def _close_channel(connection: Any) -> None:
    if (channel := _channel(connection)) is not None:
        channel.close()
