"""WebSockets of the openai SDK: what passes over a connection, kept frame by frame.

Every connection of the SDK (`responses.connect`, `realtime.connect`, `live.connect`, ...) is made by one constructor,
or by one of two older ones. Wrapped, it gives the new connection its own `recv_bytes`, `_send` (`send` in the older
classes) and `close`, which note every frame and its time; the connection stays the SDK's object. Frames of audio are
counted and not kept. Nothing is parsed here: when a frame may end a response, the frames so far go to the queue, and
`_processing.websocket` reads them on the worker thread.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from autolog._capture.http import SDK, Outlet
from autolog._capture.span import Emit, Span, describe_error
from autolog._guard import guard
from autolog._lifecycle import before_exit
from autolog._record.bodies import encode_json

#: Frames wait for the end of a response, but no more bytes of them than this.
MAX_WAITING = 1024 * 1024
#: What stands early in a frame that holds nothing but audio.
_AUDIO_OUT = (b"input_audio_buffer.append", b"input_audio.append")
_AUDIO_IN = (b"audio.delta", b"input_audio.append")
#: What stands somewhere in a frame that ends something; elsewhere it does no harm.
_ENDINGS = (b"response.done", b"response.completed", b"response.failed", b"response.incomplete", b'"error"',
            b"transcription.completed", b"session.closed", b"decision.completed")  # fmt: skip
_HEAD = 300


class Frame:
    """One message: when, which way, and what it says; `span` is the place in the trace of what asks for a response."""

    __slots__ = ("audio", "data", "ns", "sent", "span")

    def __init__(self, data: bytes, sent: bool, span: Span | None = None, audio: int = 0) -> None:
        self.ns = perf_counter_ns()
        self.data = data
        self.sent = sent
        self.span = span
        self.audio = audio


class Frames(Span):
    """Frames on their way to the worker, in the place of a span."""

    #: Those of one connection are to be read in the order in which they passed.
    in_order = True

    def __init__(self, emit: Emit, channel: Channel, frames: list[Frame], closed: bool) -> None:
        super().__init__(emit, "", "llm")
        self.channel = channel
        self.frames = frames
        self.closed = closed


class Channel:
    """One connection: where it leads, the frames that wait, and what the worker knows of the conversation."""

    def __init__(self, emit: Outlet, sdk: str, url: str) -> None:
        self._emit = emit
        self._lock = threading.Lock()
        self._frames: list[Frame] = []
        self._waiting = 0
        self._closed = False
        self.sdk = sdk
        self.url = url
        self.span = Span(emit, "", "llm")
        self.dialogue: Any = None
        """The worker's; made and read by `_processing.websocket`."""
        open_channels.add(self)

    def sent(self, data: Any) -> None:
        """A message is about to be sent."""
        data = data.encode() if isinstance(data, str) else bytes(data)
        head = data[:_HEAD]
        if any(mark in head for mark in _AUDIO_OUT):
            self._add(Frame(b"", True, audio=len(data)))
        else:
            self._add(Frame(data, True, Span(self._emit, "", "llm") if b"response.create" in data else None))

    def received(self, data: bytes) -> None:
        """A message has come."""
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
        """Bring what has passed so far to the worker."""
        with self._lock:
            frames, self._frames, waiting, self._waiting = self._frames, [], self._waiting, 0
            if (not frames and not closed) or self.span.elsewhere:
                return
            batch = Frames(self._emit, self, frames, closed)
            batch.size += waiting
            batch.error = None if error is None else describe_error(error)
            batch.end()  # within the lock, so that the queue gets them in order

    def close(self, error: BaseException | None = None) -> None:
        """The connection is closed, by whichever side: what was not answered will not be."""
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            open_channels.discard(self)
            self.hand_over(closed=True, error=error)


#: Channels whose connections are open; the recorder ends them at exit.
open_channels: weakref.WeakSet[Channel] = weakref.WeakSet()


@before_exit
def close_open_channels() -> None:
    """End what is still open, with what has arrived."""
    for channel in list(open_channels):
        with guard("ending a connection"):
            channel.close()


def _url(connection: Any) -> str:
    """Where a `websockets` connection leads."""
    request = getattr(connection, "request", None)
    path = getattr(request, "path", "") or ""
    headers = getattr(request, "headers", None)
    host = (headers.get("Host") if headers is not None else None) or ""
    uri = getattr(getattr(connection, "protocol", None), "uri", None) or getattr(connection, "uri", None)
    scheme = "ws" if uri is not None and not getattr(uri, "secure", True) else "wss"
    return f"{scheme}://{host}{path}"


def _over(error: BaseException) -> bool:
    """Whether an exception from receiving means that the connection is gone (not a timeout, not a cancellation)."""
    return "ConnectionClosed" in type(error).__name__


def wrap_socket(original: Callable[..., Any], sdk: SDK, emit: Outlet) -> Callable[..., Any]:
    """`WebSocketConnectionBase.__init__`: the connection's frames are kept."""

    @functools.wraps(original)
    def __init__(self: Any, connection: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it stands for one
        original(self, connection, *args, **kwargs)
        if emit.live and "recv_bytes" not in vars(self):
            with guard("opening a connection"):
                _attach(self, Channel(emit, sdk.name, _url(connection)))

    return __init__


def _attach(connection: Any, channel: Channel) -> None:
    kind, this = type(connection), weakref.ref(connection)

    def recv_bytes(*args: Any, **kwargs: Any) -> bytes:
        try:
            data: bytes = kind.recv_bytes(this(), *args, **kwargs)
        except BaseException as error:
            if _over(error):
                with guard("ending a connection"):
                    channel.hand_over(closed=True, error=error)  # it may be made anew
            raise
        with guard("keeping a frame"):
            channel.received(data)
        return data

    name, encode = _sending(kind)

    def send(data: Any) -> None:
        with guard("keeping a frame"):
            channel.sent(encode(data))
        getattr(kind, name)(this(), data)

    def close(*args: Any, **kwargs: Any) -> Any:
        try:
            return kind.close(this(), *args, **kwargs)
        finally:
            with guard("ending a connection"):
                channel.close()

    _put(connection, channel, {"recv_bytes": recv_bytes, name: send, "close": close})


def wrap_async_socket(original: Callable[..., Any], sdk: SDK, emit: Outlet) -> Callable[..., Any]:
    """`AsyncWebSocketConnectionBase.__init__`: the connection's frames are kept."""

    @functools.wraps(original)
    def __init__(self: Any, connection: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it stands for one
        original(self, connection, *args, **kwargs)
        if emit.live and "recv_bytes" not in vars(self):
            with guard("opening a connection"):
                _attach_async(self, Channel(emit, sdk.name, _url(connection)))

    return __init__


def _attach_async(connection: Any, channel: Channel) -> None:
    kind, this = type(connection), weakref.ref(connection)

    async def recv_bytes(*args: Any, **kwargs: Any) -> bytes:
        try:
            data: bytes = await kind.recv_bytes(this(), *args, **kwargs)
        except BaseException as error:
            if _over(error):
                with guard("ending a connection"):
                    channel.hand_over(closed=True, error=error)  # it may be made anew
            raise
        with guard("keeping a frame"):
            channel.received(data)
        return data

    name, encode = _sending(kind)

    async def send(data: Any) -> None:
        with guard("keeping a frame"):
            channel.sent(encode(data))
        await getattr(kind, name)(this(), data)

    async def close(*args: Any, **kwargs: Any) -> Any:
        try:
            return await kind.close(this(), *args, **kwargs)
        finally:
            with guard("ending a connection"):
                channel.close()

    _put(connection, channel, {"recv_bytes": recv_bytes, name: send, "close": close})


def _sending(kind: type) -> tuple[str, Callable[[Any], Any]]:
    """The method that all that is sent passes through, and what makes a message of what it is given."""
    if hasattr(kind, "_send"):
        return "_send", lambda data: data

    def encode(event: Any) -> bytes:
        return encode_json(event if isinstance(event, dict) else event.model_dump(mode="json", exclude_unset=True))

    return "send", encode


def _put(connection: Any, channel: Channel, methods: dict[str, Callable[..., Any]]) -> None:
    """Give this one connection its own methods. They know it weakly, so that it dies as it would have."""
    for name, method in methods.items():
        functools.update_wrapper(method, getattr(type(connection), name))
        setattr(connection, name, method)
    weakref.finalize(connection, channel.close)
