"""Send requests to one server over a connection that is kept open.

A request through `http.client` takes 0.14 ms of CPU time, and through httpx2 0.4 ms, which for a busy program is a
tenth of what a chat costs off its thread. httpx2 is used where `http.client` does not suffice: for proxies, and for
endpoints with a user's name.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPSConnection
from time import monotonic
from types import ModuleType
from typing import Any, NamedTuple, Protocol
from urllib.parse import SplitResult, quote, urlsplit
from urllib.request import getproxies

from autolog.errors import AutologError

#: The timeout of connecting, and of every wait for the server, in seconds.
TIMEOUT = 10.0
#: The bytes that are sent within one timeout: a slow network is given more time for a large request.
BLOCK = 65_536
#: Seconds for which an idle connection is kept: less than the 5 s after which uvicorn and Node.js close it.
KEPT = 4.0
#: Characters of a path that are sent as they are.
_SAFE = "/%:@!$&'()*+,;=~"


class Response(NamedTuple):
    """The response to a request.

    Attributes:
        status: its status.
        headers: its headers, by lower-case names.
        content: its body, decoded.
        sent: the size in bytes of the request's body.
    """

    status: int
    headers: dict[str, str]
    content: bytes
    sent: int

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class HTTPClient(Protocol):
    """Sends requests to one server."""

    def request(self, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> Response:
        """Send a request, and return the response.

        Raises:
            OSError: if there is no response.
            http.client.HTTPException: if it is not HTTP.
            ValueError: if the path or a header cannot be sent.
        """
        ...

    def close(self) -> None: ...


def open_client(address: str, headers: Mapping[str, str]) -> HTTPClient:
    """Return a client for a server.

    Args:
        address: the URL to which the paths of requests are appended.
        headers: headers of every request.

    Raises:
        AutologError: if it needs httpx2, which is not installed.
    """
    parts = urlsplit(address)
    return _ProxiedClient(address, headers) if _needs_httpx2(parts) else _DirectClient(parts, headers)


def import_ahead(address: str) -> None:
    """Import the libraries that a client for this server will use.

    Raises:
        ImportError: if one is not installed.
    """
    parts = urlsplit(address)
    if _needs_httpx2(parts) or parts.scheme == "https":
        for name in ("httpx2", "httpcore2", "truststore"):  # httpx2's first client imports the other two
            importlib.import_module(name)


def _needs_httpx2(parts: SplitResult) -> bool:
    return parts.username is not None or not getproxies().keys().isdisjoint({parts.scheme, "all"})


class _DirectClient:
    """Uses `http.client`, with httpx2's choice of certificates."""

    def __init__(self, parts: SplitResult, headers: Mapping[str, str]) -> None:
        host = parts.hostname or ""
        options: Any = {"timeout": TIMEOUT, "blocksize": BLOCK}
        if parts.scheme == "https":
            context = _httpx2().create_ssl_context()
            self._connection: HTTPConnection = HTTPSConnection(host, parts.port, context=context, **options)
        else:
            self._connection = HTTPConnection(host, parts.port, **options)
        self._prefix = quote(parts.path, safe=_SAFE)
        self._headers = headers
        self._used_at = 0.0

    def request(self, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> Response:
        connection = self._connection
        if monotonic() - self._used_at > KEPT:
            connection.close()
        reused = connection.sock is not None
        try:
            return self._exchange(method, path, content, headers)
        except ConnectionError:
            if not reused:
                raise
            return self._exchange(method, path, content, headers)  # the server had closed the idle connection

    def _exchange(self, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> Response:
        connection = self._connection
        try:
            sent = {**self._headers, **headers, "content-length": str(len(content))}
            connection.request(method, self._prefix + path, io.BytesIO(content), sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            answer = Response(response.status, found, response.read(), len(content))
        except BaseException:
            connection.close()  # it may be in the middle of a response
            raise
        self._used_at = monotonic()
        return answer

    def close(self) -> None:
        self._connection.close()


class _ProxiedClient:
    """Uses httpx2."""

    def __init__(self, address: str, headers: Mapping[str, str]) -> None:
        httpx2 = _httpx2()
        self._client = httpx2.Client(headers=headers, timeout=TIMEOUT)
        self._error = httpx2.HTTPError
        self._address = address

    def request(self, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> Response:
        try:
            response = self._client.request(method, self._address + path, content=content, headers=headers)
        except self._error as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
        return Response(response.status_code, dict(response.headers), response.content, len(content))

    def close(self) -> None:
        self._client.close()


def _httpx2() -> ModuleType:
    try:
        return importlib.import_module("httpx2")
    except ImportError as error:
        raise AutologError("shipping needs httpx2: pip install 'autolog-llm[ship]'") from error
