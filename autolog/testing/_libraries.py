"""Answer requests of httpx, httpx2, urllib3 (under requests and botocore) and aiohttp from recorded calls.

Each library is intercepted where it would open a connection, so that everything above (the SDK's retries and streams,
and autolog's own recording) runs as it does with a network.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import io
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from http.client import HTTPMessage
from typing import Any
from urllib.parse import urljoin

from autolog._record.addresses import OPERATION_HEADER, operation_url
from autolog._record.record import Record
from autolog.testing._tape import failure, headers, pieces

#: Returns the recorded call that answers a request, or None to let the request pass; raises if there is none.
Answer = Callable[[Record], Record | None]


def request_record(method: str, url: str, content_type: str | None, body: bytes) -> Record:
    """Return a request as a record, for comparison with recorded calls."""
    return Record(
        id="asked", request_method=method, request_url=url, request_content_type=content_type, request_body=body
    )


@contextlib.contextmanager
def answered(answer: Answer) -> Iterator[None]:
    """Answer the requests of all installed libraries inside the block."""
    with contextlib.ExitStack() as stack:
        for library, replace in _LIBRARIES.items():
            if importlib.util.find_spec(library) is not None:
                for owner, name, wrapper in replace(importlib.import_module(library), answer):
                    stack.callback(setattr, owner, name, vars(owner)[name])
                    setattr(owner, name, wrapper)
        yield


#: Replacements, each given as a class, the name of its method, and the new function.
Places = Iterable[tuple[type, str, Callable[..., Any]]]


# httpx and httpx2


def _replace_httpx(library: Any, answer: Answer) -> Places:
    make_response = _httpx_responses(library)
    sync_type, async_type = library.HTTPTransport, library.AsyncHTTPTransport
    send, send_async = sync_type.handle_request, async_type.handle_async_request

    def handle_request(self: Any, request: Any) -> Any:
        record = answer(_httpx_request(request, request.read()))
        return send(self, request) if record is None else make_response(request, record)

    async def handle_async_request(self: Any, request: Any) -> Any:
        record = answer(_httpx_request(request, await request.aread()))
        return await send_async(self, request) if record is None else make_response(request, record)

    return (sync_type, "handle_request", handle_request), (async_type, "handle_async_request", handle_async_request)


def _httpx_request(request: Any, body: bytes) -> Record:
    return request_record(request.method, str(request.url), request.headers.get("content-type"), body)


def _httpx_responses(library: Any) -> Callable[[Any, Record], Any]:
    """Return a function that makes a response of one of the two libraries from a recorded call."""

    def fail(record: Record, request: Any) -> None:
        problem = failure(record)
        if problem is not None:
            kind = library.ReadTimeout if problem == "timeout" else library.RemoteProtocolError
            raise kind(record.error_message or problem, request=request)

    class Pieces(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc]
        """The body of a response, piece by piece; it fails at its end if the recorded call did."""

        def __init__(self, record: Record, request: Any) -> None:
            self._record, self._request = record, request

        def __iter__(self) -> Iterator[bytes]:
            yield from pieces(self._record)
            fail(self._record, self._request)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self:
                yield piece

    def make_response(request: Any, record: Record) -> Any:
        if record.status_code is None:
            fail(record, request)
        stream = Pieces(record, request)
        return library.Response(record.status_code, headers=headers(record), stream=stream, request=request)

    return make_response


# urllib3, under requests and botocore


def _replace_urllib3(library: Any, answer: Answer) -> Places:
    pool_type = library.HTTPConnectionPool
    send = pool_type.urlopen

    def urlopen(self: Any, method: str, url: str, body: Any = None, headers: Any = None, **kwargs: Any) -> Any:
        origin = f"{self.scheme}://{self.host}" + (f":{self.port}" if self.port else "")
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        kind = sent.get("content-type")
        kind = kind.decode() if isinstance(kind, bytes) else kind
        address = operation_url(urljoin(origin, url), sent.get(OPERATION_HEADER.lower()))
        record = answer(request_record(method, address, kind, _sent(body)))
        if record is None:
            return send(self, method, url, body, headers, **kwargs)
        return _urllib3_response(library, self, method, record, kwargs)

    return [(pool_type, "urlopen", urlopen)]


def _sent(body: Any) -> bytes:
    """Return a request's body, which may be text, a file or an iterator, as bytes."""
    if hasattr(body, "read"):
        start = body.tell() if hasattr(body, "tell") else None
        content = body.read()
        if start is not None:
            body.seek(start)
        return _sent(content)
    if body is None or isinstance(body, (bytes, bytearray, str)):
        return body.encode() if isinstance(body, str) else bytes(body or b"")
    return b"".join(map(_sent, body))


class _File(io.RawIOBase):
    """The body of a response for urllib3; it fails at its end if the recorded call did."""

    def __init__(self, record: Record) -> None:
        self._rest = record.response_body or b""
        self._failure = failure(record)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest and self._failure is not None:
            raise TimeoutError("timed out") if self._failure == "timeout" else ConnectionResetError("reset")
        part = self._rest[: len(buffer)]
        buffer[: len(part)] = part
        self._rest = self._rest[len(part) :]
        return len(part)


class _Original:
    """Stands in for the standard library's response, from which urllib3 learns that everything has been read."""

    msg = HTTPMessage()

    def __init__(self, file: Any) -> None:
        self.isclosed = lambda: file.closed
        self.close = file.close


def _urllib3_response(library: Any, pool: Any, method: str, record: Record, given: dict[str, Any]) -> Any:
    if record.status_code is None:
        if failure(record) == "timeout":
            raise library.exceptions.ReadTimeoutError(pool, record.request_url, record.error_message or "timed out")
        raise library.exceptions.ProtocolError(record.error_message or "broken", ConnectionResetError("reset"))
    wanted = {name: given[name] for name in ("preload_content", "decode_content") if name in given}
    file = io.BufferedReader(_File(record))
    return library.HTTPResponse(
        file, original_response=_Original(file), headers=headers(record), status=record.status_code, version=11,
        reason="", request_method=method, enforce_content_length=False, **wanted,
    )  # fmt: skip


# aiohttp


def _replace_aiohttp(library: Any, answer: Answer) -> Places:
    connect = library.BaseConnector.connect
    connection_type = importlib.import_module("aiohttp.connector").Connection
    protocol_type = importlib.import_module("aiohttp.client_proto").ResponseHandler

    async def connect_to_tape(self: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        record = answer(await _aiohttp_request(req))
        if record is None:
            return await connect(self, req, *args, **kwargs)
        if record.status_code is None and failure(record) == "timeout":
            raise library.SocketTimeoutError(record.error_message or "timed out")
        protocol = protocol_type(loop=self._loop)
        protocol.connection_made(_Wire(protocol, record, self._loop))
        protocol.force_close()  # keeps the session from reusing the connection after the block
        return connection_type(self, req.connection_key, protocol, self._loop)

    return [(library.BaseConnector, "connect", connect_to_tape)]


async def _aiohttp_request(request: Any) -> Record:
    """Return a request of aiohttp as a record, without its body if that can only be read once."""
    body = request.body
    content = getattr(body, "_value", body)
    if not isinstance(content, (bytes, bytearray)):
        try:
            content = await body.as_bytes()
        except (AttributeError, TypeError, ValueError):
            content = b""
    url = operation_url(str(request.url), request.headers.get(OPERATION_HEADER))
    return request_record(request.method, url, request.headers.get("content-type"), bytes(content))


class _Wire(asyncio.Transport):
    """A connection that ignores what is sent, and starts to answer at the first write."""

    def __init__(self, protocol: Any, record: Record, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._protocol, self._loop = protocol, loop
        self._steps = iter(_steps(record))
        self._failure = failure(record)
        self._begun = self._closed = False

    def write(self, data: Any) -> None:  # noqa: ARG002 - the request has been compared already
        if not self._begun:
            self._begun = True
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._closed:
            return
        data = next(self._steps, None)
        if data is not None:
            self._protocol.data_received(data)
            self._loop.call_soon(self._go_on)
        elif self._failure is not None:
            self._lose(ConnectionResetError("reset"))

    def close(self) -> None:
        self._loop.call_soon(self._lose, None)

    abort = close

    def _lose(self, error: Exception | None) -> None:
        if not self._closed:
            self._closed = True
            self._protocol.connection_lost(error)

    def is_closing(self) -> bool:
        return self._closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def _steps(record: Record) -> Iterator[bytes]:
    """Yield the bytes of an HTTP/1.1 response, piece by piece."""
    if record.status_code is None:
        return
    head = "".join(f"{name}: {value}\r\n" for name, value in headers(record).items())
    yield f"HTTP/1.1 {record.status_code} \r\n{head}transfer-encoding: chunked\r\n\r\n".encode("latin-1")
    for piece in pieces(record):
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    if failure(record) is None:
        yield b"0\r\n\r\n"


_LIBRARIES: dict[str, Callable[[Any, Answer], Places]] = {
    "httpx": _replace_httpx,
    "httpx2": _replace_httpx,
    "urllib3": _replace_urllib3,
    "aiohttp": _replace_aiohttp,
}
