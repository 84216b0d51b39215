"""The HTTP client for everything that autolog asks other servers, which no server can hold up without an end.

httpx2's timeouts are those of a single read: a server that sends a byte now and then, or never stops, is waited for
forever. Import this module only where a request is made, because httpx2 is optional and takes long to import.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
import weakref
from collections.abc import Mapping
from importlib import import_module
from time import monotonic
from typing import Any, NamedTuple

import httpcore2
import httpx2

from autolog._lifecycle import before_closing_range

for _name in ("truststore", "certifi"):  # newer and older versions of httpx2 import this for the first client
    with contextlib.suppress(ImportError):
        import_module(_name)
        break

#: The maximum size of a reply in bytes, both as sent and decompressed, unless a client is told otherwise.
MAX_BYTES = 4 * 1024 * 1024

#: The size in bytes up to which parts of a request are sent together, with one system call.
MAX_UNSENT = 65_536

#: The errors of a connection, each of which httpx2 has by the same name.
_CONNECTION_ERRORS = (
    httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
)  # fmt: skip


class Reply(NamedTuple):
    """The reply to `HTTPClient.exchange`, with the names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class _Route(NamedTuple):
    """What requests to one address have in common."""

    pool: httpcore2.ConnectionPool
    origin: httpcore2.Origin
    url: httpcore2.URL
    headers: list[tuple[bytes, bytes]]


_clients: weakref.WeakSet[HTTPClient] = weakref.WeakSet()


def _disconnect_all() -> None:
    """Disconnect before the program closes the descriptors: a socket would close those of its own that follow."""
    for client in list(_clients):
        client.disconnect()


class HTTPClient(httpx2.Client):
    """An httpx2 client whose replies are limited in time and size.

    Arguments:
        timeout: the seconds to connect, and the longest wait for any part of the reply.
        reply_timeout: the seconds from the end of the request to the end of the reply; `timeout` if None.
        max_bytes: the maximum size of the reply, both as sent and decompressed.
        options: further options of `httpx2.Client`.

    Requests raise `httpx2.HTTPError` if a reply exceeds a limit. A response read as a stream has the limits of what is
    sent, not that of what it decompresses to.
    """

    def __init__(
        self, timeout: float, reply_timeout: float | None = None, max_bytes: int = MAX_BYTES, **options: Any
    ) -> None:
        super().__init__(timeout=timeout, **options)
        before_closing_range(_disconnect_all)
        _clients.add(self)
        self._max_bytes = max_bytes
        self._connection: httpcore2.ConnectionInterface | None = None
        self._routes = functools.lru_cache(maxsize=16)(self._route)
        # httpx2 has no option for httpcore2's `network_backend`. The timeouts of a version that has other names remain.
        for pool in self._pools():
            if (backend := getattr(pool, "_network_backend", None)) is not None:
                seconds = timeout if reply_timeout is None else reply_timeout
                pool._network_backend = _Backend(backend, seconds, max_bytes)

    def exchange(self, method: str, address: str, headers: Mapping[str, str], content: bytes) -> Reply:
        """Send a request to a server that gets many from one thread, at half the cost of `request`.

        What they have in common, such as proxy, headers and credentials in the address, is worked out once, and they
        share a connection. Cookies are not kept, and redirects not followed.
        """
        route = self._routes(method, address, tuple(headers.items()))
        if route is None:
            plain = self.request(method, address, headers=dict(headers), content=content)
            return Reply(plain.status_code, dict(plain.headers), plain.content)
        length = (b"content-length", b"%d" % len(content))
        extensions = {"timeout": self.timeout.as_dict()}
        request = httpcore2.Request(
            method, route.url, headers=[*route.headers, length], content=content, extensions=extensions
        )
        try:
            response = self._connected(route).handle_request(request)
            try:
                body = response.read()
            finally:
                response.close()
        except _CONNECTION_ERRORS as error:
            raise getattr(httpx2, type(error).__name__)(str(error)) from error
        names = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        if "content-encoding" in names:  # although it was not asked for
            stream = httpx2.ByteStream(body)
            request_sent = httpx2.Request(method, address)
            compressed = httpx2.Response(response.status, headers=names, stream=stream, request=request_sent)
            body = self._decompressed(compressed).content
        return Reply(response.status, names, body)

    def _connected(self, route: _Route) -> httpcore2.ConnectionInterface:
        """Return the connection of the last request if it goes to the same server and is still open, else a new one."""
        connection = self._connection
        if connection is not None and not connection.is_closed():
            usable = connection.is_idle() and connection.can_handle_request(route.origin)
            if usable and not connection.has_expired():
                return connection
            connection.close()
        self._connection = connection = route.pool.create_connection(route.origin)
        return connection

    def close(self) -> None:
        self.disconnect()
        super().close()

    def disconnect(self) -> None:
        """Close all connections; the next request opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        for pool in self._pools():
            pool.close()

    def _pools(self) -> list[Any]:
        transports = (getattr(self, "_transport", None), *getattr(self, "_mounts", {}).values())
        return [pool for transport in transports if (pool := getattr(transport, "_pool", None)) is not None]

    def _route(self, method: str, address: str, headers: tuple[tuple[str, str], ...]) -> _Route | None:
        """Return what requests to an address have in common; None with an httpx2 that has other private names."""
        request = self.build_request(method, address, headers=headers)
        url = request.url
        if url.scheme not in ("http", "https"):
            raise httpx2.UnsupportedProtocol(f"the address has neither http nor https: {url.scheme}://")
        if url.userinfo:
            next(httpx2.BasicAuth(url.username, url.password).sync_auth_flow(request))
        defaults = {"accept", "accept-encoding", "connection"} - dict(headers).keys()
        for name in (*defaults, "content-length"):
            request.headers.pop(name, None)
        transport_for = getattr(self, "_transport_for_url", None)
        pool = getattr(transport_for(url), "_pool", None) if transport_for is not None else None
        if pool is None:
            return None
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        return _Route(pool, target.origin, target, [(name.lower(), value) for name, value in request.headers.raw])

    def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        response = super().send(request, stream=True, **options)
        if stream:
            return response
        try:
            if "content-encoding" in response.headers:
                return self._decompressed(response)
            response.read()
        except BaseException:
            response.close()
            raise
        return response

    def _decompressed(self, response: httpx2.Response) -> httpx2.Response:
        """Read a compressed response, and return it as if it had not been compressed."""
        content = bytearray()
        for part in response.iter_bytes():
            content += part
            if len(content) > self._max_bytes:
                problem = f"the reply has more than {self._max_bytes} bytes when decompressed"
                raise httpx2.DecodingError(problem, request=response.request)
        headers = response.headers.copy()
        for name in ("content-encoding", "content-length", "transfer-encoding"):
            headers.pop(name, None)
        plain = httpx2.Response(
            response.status_code, headers=headers, content=bytes(content), request=response.request,
            extensions=response.extensions, history=response.history,
        )  # fmt: skip
        plain.next_request = response.next_request
        return plain


class _Backend(httpcore2.NetworkBackend):
    """Opens connections whose replies are limited."""

    def __init__(self, backend: httpcore2.NetworkBackend, seconds: float, max_bytes: int) -> None:
        self._backend = backend
        self._seconds = seconds
        self._max_bytes = max_bytes

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore2.NetworkStream:
        return _Stream(self._backend.connect_tcp(*args, **options), self._seconds, self._max_bytes)


class _Stream(httpcore2.NetworkStream):
    """A connection whose reads fail `seconds` after the last write, and after `max_bytes`.

    With HTTP/1.1, the only version that httpx2 speaks unless told otherwise, these are the limits of one reply.
    """

    def __init__(self, stream: httpcore2.NetworkStream, seconds: float, max_bytes: int) -> None:
        self._stream = stream
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._unsent: list[bytes] = []
        self._begin_reply()

    def _begin_reply(self) -> None:
        self._deadline = monotonic() + self._seconds
        self._received = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            with contextlib.suppress(httpcore2.WriteError):  # see `write`: there may be a reply nevertheless
                self._send(timeout)
        left = self._deadline - monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout(f"the reply was not complete after {self._seconds:g} s")
        data = self._stream.read(max_bytes, left if timeout is None else min(timeout, left))
        self._received += len(data)
        if self._received > self._max_bytes:
            raise httpcore2.ReadError(f"the reply has more than {self._max_bytes} bytes")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write, or keep small parts until the next `read`: httpcore2 writes the head of a request before its body.

        A server may reply before it has read everything, and close the connection.
        """
        self._unsent.append(buffer)
        if len(buffer) > MAX_UNSENT:
            self._send(timeout)

    def _send(self, timeout: float | None) -> None:
        whole, self._unsent = b"".join(self._unsent), []
        try:
            self._stream.write(whole, timeout)
        finally:
            self._begin_reply()

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, timeout)
        return _Stream(stream, self._seconds, self._max_bytes)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
