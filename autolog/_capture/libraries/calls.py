"""Which requests of an HTTP library are calls to a model, and how each becomes an exchange.

An SDK that is patched at its own choke points goes through the same libraries: inside a call of its own nothing is
recorded a second time. Here every attempt is a request by itself. One that repeats a request which has just failed
becomes one record with it: it has the same id, and says how many attempts there were.
"""

from __future__ import annotations

import functools
import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from time import perf_counter_ns, time_ns
from typing import Any
from urllib.parse import unquote, urlsplit

from autolog._capture.context import current_exchange
from autolog._capture.exchange import Exchange
from autolog._capture.graft import Watched
from autolog._capture.http import Outlet, RecordedCall
from autolog._capture.tee import MAX_STREAM_BYTES
from autolog._guard import report
from autolog._record.ids import new_record_id
from autolog.providers import Format, format_for, format_named, provider_at
from autolog.providers._table import ROWS

#: Paths that are told at any host.
_ANYWHERE = re.compile("|".join(row.paths for row in ROWS if row.anywhere))
#: Ports that are told at any host.
_PORTS = frozenset(int(host[1:]) for row in ROWS for host in row.hosts if host.startswith(":"))
#: Statuses after which SDKs try again (besides those of 500 and more).
_RETRIED = frozenset({408, 409, 425, 429})
#: For how long a failed request waits for its repetition, in nanoseconds, and how many do.
_PATIENCE_NS = 120 * 10**9
_MOST_FAILED = 64


class Outgoing:
    """A request of a library whose own object is not like httpx's."""

    __slots__ = ("_content", "headers", "method", "url")
    stream = None

    def __init__(self, method: str, url: str, headers: Any, content: bytes | None) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self._content = content


class CallRules:
    """Tells which requests are calls to a model, by host and path.

    `hosts` are the user's: the format that is spoken there, by host, with or without a port.
    """

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self._hosts = {host.lower(): name for host, name in hosts.items()}
        self._names = {host.partition(":")[0] for host in self._hosts}
        #: Whether whatever is asked for at a host, without its port, is worth a look; the port is None for the default.
        self.knows = functools.lru_cache(maxsize=4096)(self._knows)
        #: The same of a URL without its path; of one that is relative it is not known.
        self.knows_origin = functools.lru_cache(maxsize=4096)(self._knows_origin)
        self.reader = functools.lru_cache(maxsize=4096)(self._find)

    def _knows(self, host: str, port: int | None) -> bool:
        if host.lower() in self._names or port in _PORTS:
            return True
        aws = host.endswith((".amazonaws.com", ".api.aws")) and "bedrock" not in host  # storage, queues, ...
        return not aws and provider_at(host) is not None

    def _knows_origin(self, origin: str) -> bool:
        split = urlsplit(origin)
        return not split.netloc or self._knows(split.hostname or "", split.port)

    def _given(self, host: str) -> str | None:
        host = host.lower()
        return self._hosts.get(host) or self._hosts.get(host.partition(":")[0])

    def _find(self, method: str, host: str, path: str) -> Format | None:
        """Return who reads a call, by host and port and by path; None if the request is none."""
        given = self._given(host)
        if given is not None:
            spoken = any(row.module == given and re.search(row.paths, path) for row in ROWS)
            found = format_named(given) if spoken else None
        else:
            found = format_for(host, path)
        return found if found is not None and found.billable(method, path) else None


@functools.lru_cache(maxsize=4096)
def is_told_anywhere(path: str) -> bool:
    """Return whether a path without its query is that of a call, whatever the host."""
    return _ANYWHERE.search(path.partition("#")[0]) is not None


class FailedCalls:
    """Remembers the requests that failed a moment ago, so that their repetition is known for what it is."""

    def __init__(self) -> None:
        self._failed: OrderedDict[Hashable, Exchange] = OrderedDict()

    def note(self, key: Hashable, exchange: Exchange) -> None:
        """Remember a request that an SDK may repeat."""
        if exchange.record_id is None:
            exchange.record_id = new_record_id(time_ns() // 1_000_000)
        self._failed[key] = exchange
        while len(self._failed) > _MOST_FAILED:
            self._failed.popitem(last=False)

    def continued_by(self, key: Hashable, exchange: Exchange) -> None:
        """Make an exchange one more attempt of the call that failed with the same request, if there is one."""
        before = self._failed.pop(key, None)
        if before is None or perf_counter_ns() - before.start_ns > _PATIENCE_NS:
            return
        exchange.record_id, exchange.attempts = before.record_id, before.attempts
        exchange.trace, exchange.span, exchange.start_ns = before.trace, before.span, before.start_ns
        exchange.parent_span, exchange.caller = before.parent_span, before.caller


class LibraryCalls:
    """Opens and closes the exchanges of one HTTP library.

    Attributes:
        seen: how many calls were recorded.
        under_way: the calls whose responses have not begun, where a library has to know.
    """

    def __init__(self, outlet: Outlet, rules: CallRules) -> None:
        self.outlet = outlet
        self.rules = rules
        self.seen = 0
        self.under_way = Watched()
        self._failed = FailedCalls()

    def open(self, client: Any, method: str, host: str, path: str) -> Exchange | None:
        """Return the exchange of a request that is about to be sent; None if it is none that is recorded.

        `host` is with its port, if the URL has one.
        """
        try:
            reader = self.rules.reader(method, host, path)
        except Exception as error:  # noqa: BLE001 - ours, never the program's
            report("looking at a request", error)
            return None
        if reader is None:
            return None
        self.seen += 1
        return Exchange(self.outlet, reader.name, type(client), False)

    def sends(self, exchange: Exchange, request: Any, key: Hashable) -> None:
        """Keep the request, which may repeat one that failed.

        Raises:
            BaseException: the user's own, if a budget does not allow the call.
        """
        try:
            exchange.retry_key = key
            self._failed.continued_by(key, exchange)
            exchange.sends(request, False)
        except Exception as error:  # noqa: BLE001 - ours, never the program's
            report("reading a request", error)
        self.outlet.admit(exchange, request)

    def answered(self, exchange: Exchange, status: int, headers: Any) -> None:
        """Keep the head of the response."""
        exchange.status_code, exchange.response_headers = status, headers
        if status >= 500 or status in _RETRIED:
            self._failed.note(exchange.retry_key, exchange)

    def block(self, exchange: Exchange) -> RecordedCall:
        """Return the block around the library's own sending: what it calls in turn is part of it."""
        return _Attempt(self._failed, exchange)


class _Attempt(RecordedCall):
    """A block around one attempt; one that raises may be repeated."""

    __slots__ = ("_attempt", "_failed")

    def __init__(self, failed: FailedCalls, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._failed = failed
        self._attempt = exchange

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, Exception) and self._attempt.retry_key is not None:
            self._failed.note(self._attempt.retry_key, self._attempt)
        return super().__exit__(kind, error, trace)


def other_traffic(calls: LibraryCalls) -> Callable[[Any, Any, Any], bool]:
    """Return what tells that a request is certainly no call. All traffic of a program pays for the answer."""

    def passes(client: Any, method: Any, url: Any) -> bool:
        try:
            if type(url) is not str:
                url = str(url)
            end = url.find("/", 8)  # behind "https://", or "http://" and one character of the host
            if calls.rules.knows_origin(url if end < 0 else url[:end]):
                base = None if "://" in url else getattr(client, "_base_url", None)
                return base is not None and passes(client, method, f"{_text(base)}/{url}")
            if method == "GET" or end < 0 or (method != "POST" and method.upper() != "POST"):
                return True
            query = url.find("?", end)
            return not is_told_anywhere(url[end:] if query < 0 else url[end:query])
        except (ValueError, TypeError, AttributeError):  # no request: the library says so better
            return False

    return passes


_text = functools.lru_cache(maxsize=256)(str)


def prepared_passes(calls: LibraryCalls) -> Callable[[Any, Any], bool]:
    """Return what tells that a request of requests, botocore or lm15 is certainly no call."""
    tells = other_traffic(calls)

    def passes(client: Any, request: Any) -> bool:
        try:
            return tells(client, request.method, request.url)
        except AttributeError:  # not a request
            return False

    return passes


def call_parts(calls: LibraryCalls, method: Any, url: Any) -> tuple[str, str, str] | None:
    """Return method, host and path of a request that may be a call; None of one inside a call, or if it has none."""
    if current_exchange.get() is not None or not calls.outlet.live:
        return None
    try:
        split = urlsplit(url)
        return method.upper(), split.netloc.rpartition("@")[2], unquote(split.path)
    except (ValueError, TypeError, AttributeError):  # no request: the library says so better
        return None


def open_prepared(calls: LibraryCalls, client: Any, request: Any) -> Exchange | None:
    """Return the exchange of a request of requests, botocore or lm15, with what is sent; None if there is none."""
    parts = call_parts(calls, getattr(request, "method", None), getattr(request, "url", None))
    exchange = None if parts is None else calls.open(client, *parts)
    if exchange is not None:
        body = request.body.encode() if isinstance(request.body, str) else request.body
        content = bytes(body) if isinstance(body, (bytes, bytearray)) else None
        headers = dict(request.headers) if isinstance(request.headers, list) else request.headers
        outgoing = Outgoing(request.method, request.url, headers, content)
        calls.sends(exchange, outgoing, (id(client), request.method, request.url, content and hash(content)))
    return exchange


def keep_chunk(exchange: Exchange, chunk: Any) -> None:
    """Keep a piece of a response's body, as long as it is not too much."""
    if exchange.end_ns:
        return
    try:
        if not exchange.first_chunk_ns:
            exchange.first_chunk_ns = perf_counter_ns()
        exchange.kept_bytes += len(chunk)
        if exchange.kept_bytes > MAX_STREAM_BYTES:
            exchange.truncated = True
        else:
            exchange.chunks.append(bytes(chunk))
    except Exception as error:  # noqa: BLE001 - ours, never the program's
        report("keeping a chunk", error)
