"""Determine which requests of an HTTP library are calls to a model, and turn them into exchanges.

An SDK that is patched itself uses the same libraries; nothing is recorded a second time inside its calls. At this
level, every attempt is a separate request. A request that repeats one which has just failed shares its record: it has
the same id, and the record says how many attempts there were.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from time import perf_counter_ns, time_ns
from typing import Any
from urllib.parse import unquote, urlsplit

from autolog._capture.context import current_exchange
from autolog._capture.exchange import Exchange
from autolog._capture.graft import Watched
from autolog._capture.http import Outlet, RecordedCall
from autolog._capture.tee import MAX_STREAM_BYTES
from autolog._guard import logger, report
from autolog._record.ids import new_record_id
from autolog.providers import Format, format_for, format_named, provider_at
from autolog.providers._table import LIKELY_PATHS, PARTS, ROWS, Row


def _alternatives(pattern: str) -> Iterator[str]:
    """Yield the alternatives of a regular expression, which are separated by `|` outside of all groups."""
    start = depth = 0
    for index, character in enumerate(pattern):
        depth += (character == "(") - (character == ")")
        if character == "|" and not depth:
            yield pattern[start:index]
            start = index + 1
    yield pattern[start:]


def _grouped(patterns: Iterable[str]) -> str:
    """Return a regular expression for any of the patterns, with their alternatives grouped by their first character.

    Each begins with `/` or `:`, not with a group. The search then skips all other characters, and at a slash it
    compares the next character first. Without the groups it takes more than twice as long for a path of five parts.
    """
    rests: dict[str, list[str]] = {}
    for alternative in (part for pattern in patterns for part in _alternatives(pattern)):
        rests.setdefault(alternative[0], []).append(alternative[1:])
    return "|".join(f"{first}(?:{'|'.join(rest)})" for first, rest in rests.items())


#: Paths that may be those of calls at any host.
_ANYWHERE = re.compile(
    _grouped(
        itertools.chain(
            (row.paths for row in ROWS if row.anywhere), (row.guessed for row in ROWS if row.guessed), [LIKELY_PATHS]
        )
    )
)
#: Parameters that requests to models have, in whatever format.
_LIKELY_KEYS = frozenset({"model", "messages", "prompt", "inputs"})
#: The services of AWS whose hosts may be called for models.
_AWS_MODELS = re.compile(r"bedrock|runtime(-fips)?\.sagemaker")
#: Ports that identify calls at any host.
_PORTS = frozenset(int(host[1:]) for row in ROWS for host in row.hosts if host.startswith(":"))
#: Statuses below 500 after which SDKs retry.
_RETRIED = frozenset({408, 409, 425, 429})
#: The nanoseconds for which a failed request is remembered as possibly being retried, and the most such requests.
_PATIENCE_NS = 120 * 10**9
_MOST_FAILED = 64
#: The most hosts that are remembered.
_MOST_NETLOCS = 4096


class Outgoing:
    """A request of a library whose own request object differs from httpx's, with the same attributes as httpx's."""

    __slots__ = ("_content", "headers", "method", "url")
    stream = None

    def __init__(self, method: str, url: str, headers: Any, content: bytes | None) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self._content = content


class _Netlocs(dict[str, bool]):
    """Whether requests to the host and port in a URL may be calls, determined once for each; a lookup is quick."""

    def __init__(self, knows: Callable[[str, int | None], bool]) -> None:
        super().__init__()
        self._knows = knows

    def __missing__(self, netloc: str) -> bool:
        if len(self) >= _MOST_NETLOCS:
            self.clear()
        split = urlsplit(f"//{netloc}")
        known = self[netloc] = self._knows(split.hostname or "", split.port)
        return known


class CallRules:
    """Recognises calls to a model by host and path.

    `hosts` maps the user's hosts, with or without a port, to the names of their wire formats.
    """

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self._hosts = {host.lower(): name for host, name in hosts.items()}
        self._names = {host.partition(":")[0] for host in self._hosts}
        #: Whether requests to a host (without its port) may be calls; the port is None for the default.
        self.knows = functools.lru_cache(maxsize=4096)(self._knows)
        #: The same by the host and port in a URL.
        self.knows_netloc = _Netlocs(self._knows)
        self.reader = functools.lru_cache(maxsize=4096)(self._find)
        self.guesses = functools.lru_cache(maxsize=4096)(self._guess)

    def _knows(self, host: str, port: int | None) -> bool:
        if host.lower() in self._names or port in _PORTS:
            return True
        aws = host.endswith((".amazonaws.com", ".api.aws")) and not _AWS_MODELS.search(host)  # storage, queues, ...
        return not aws and provider_at(host) is not None

    def _given(self, host: str) -> str | None:
        host = host.lower()
        return self._hosts.get(host) or self._hosts.get(host.partition(":")[0])

    def _find(self, method: str, host: str, path: str) -> Format | None:
        """Return the format of a call, by host (with port) and path; None if the request is not a call."""
        given = self._given(host)
        if given is not None:
            has_path = any(row.module == given and row.has(path) for row in ROWS)
            found = format_named(given) if has_path else None
        else:
            found = format_for(host, path)
        return found if found is not None and found.billable(method, path) else None

    def _guess(self, method: str, host: str, path: str) -> tuple[Row, ...] | None:
        """Return the formats that a request may have, depending on its body; None if it is certainly not a call."""
        if method != "POST" or self._given(host) is not None or provider_at(host) is not None:
            return None
        rows = tuple(row for row in ROWS if row.guessed and re.search(row.guessed, path))
        return rows if rows or re.search(LIKELY_PATHS, path) else None


def _has_key(body: Any, keys: frozenset[str]) -> bool:
    """Return whether the body of a request, as JSON or not yet encoded, appears to have one of the keys."""
    if isinstance(body, Mapping):
        return not keys.isdisjoint(body)
    if isinstance(body, str):
        return any(f'"{key}"' in body for key in keys)
    return isinstance(body, (bytes, bytearray)) and any(f'"{key}"'.encode() in body for key in keys)


def may_be_call(path: str) -> bool:
    """Return whether a path, with or without its first slash and its query, may be that of a call at any host.

    Nearly all other paths are told apart by their parts, which takes half the time of the search.
    """
    if "?" in path:
        path = path.partition("?")[0]
    if "#" in path:
        path = path.partition("#")[0]
    parts = path.split("/")
    return not (PARTS.isdisjoint(parts) and ":" not in parts[-1]) and _ANYWHERE.search(f"/{path}") is not None


class FailedCalls:
    """Remembers requests that failed recently, to recognise their retries."""

    def __init__(self) -> None:
        self._failed: OrderedDict[Hashable, Exchange] = OrderedDict()

    def note(self, key: Hashable, exchange: Exchange) -> None:
        """Remember a failed request that may be retried."""
        if exchange.record_id is None:
            exchange.record_id = new_record_id(time_ns() // 1_000_000)
        self._failed[key] = exchange
        while len(self._failed) > _MOST_FAILED:
            self._failed.popitem(last=False)

    def continued_by(self, key: Hashable, exchange: Exchange) -> None:
        """Make an exchange another attempt of the call that failed with the same request, if there is one."""
        before = self._failed.pop(key, None)
        if before is None or perf_counter_ns() - before.start_ns > _PATIENCE_NS:
            return
        exchange.record_id, exchange.attempts = before.record_id, before.attempts
        exchange.trace, exchange.span, exchange.start_ns = before.trace, before.span, before.start_ns
        exchange.parent_span, exchange.caller = before.parent_span, before.caller


class LibraryCalls:
    """Opens and closes the exchanges of one HTTP library.

    Attributes:
        seen: the number of calls recorded.
        missed: the number of requests that look like calls and are not recorded, by host.
        under_way: the method and URL of each call whose response has not begun, for libraries that need to know.
    """

    def __init__(self, outlet: Outlet, rules: CallRules) -> None:
        self.outlet = outlet
        self.rules = rules
        self.seen = 0
        self.missed: Counter[str] = Counter()
        self.under_way = Watched()
        self._failed = FailedCalls()

    def open(self, client: Any, method: str, host: str, path: str, body: Any) -> Exchange | None:
        """Return the exchange for a request that is about to be sent; None if it is not to be recorded.

        `host` includes the port, if the URL has one. `body` is the body or, if it is encoded later, what it is made of.
        """
        try:
            reader = self.rules.reader(method, host, path) or self._guess(method, host, path, body)
        except Exception as error:  # noqa: BLE001 - ours, never the program's
            report("looking at a request", error)
            return None
        if reader is None:
            return None
        return Exchange(self.outlet, reader.name, type(client), False)

    def _guess(self, method: str, host: str, path: str, body: Any) -> Format | None:
        """Return the format of a request to an unknown host, by path and body; None if it is not to be recorded."""
        rows = self.rules.guesses(method, host, path)
        if rows is None:
            return None
        found = next((row.module for row in rows if _has_key(body, row.keys)), None)
        if found is None and _has_key(body, _LIKELY_KEYS):
            self._miss(host, path)
        return None if found is None else format_named(found)

    def _miss(self, host: str, path: str) -> None:
        """Count a request that looks like a call, and tell once for each host how to have it recorded."""
        if host not in self.missed:
            if len(self.missed) >= _MOST_NETLOCS:
                return
            formats = (row.module for row in ROWS if row.has(path) and format_named(row.module).billable("POST", path))
            hosts = "".join(f"configure(hosts={{{host!r}: {name!r}}}), or " for name in itertools.islice(formats, 1))
            logger.warning(
                "POST http://%s%s looks like a call to a model, but is in no known format, and is not recorded; to "
                "record it, use %sa decorator on the function that makes it (status()['unrecorded'] counts such "
                "requests)", host, path, hosts,
            )  # fmt: skip
        self.missed[host] += 1

    def sends(self, exchange: Exchange, request: Any, key: Hashable) -> None:
        """Keep the request, which may be a retry of a failed one.

        Raises:
            BaseException: the user's exception, if a budget refuses the call.
        """
        try:
            exchange.retry_key = key
            self._failed.continued_by(key, exchange)
            exchange.sends(request, False)
        except Exception as error:  # noqa: BLE001 - ours, never the program's
            report("reading a request", error)
        self.outlet.admit(exchange, request)
        if exchange.attempts <= 1:  # a retry shares the record of the first attempt
            self.seen += 1

    def answered(self, exchange: Exchange, status: int, headers: Any) -> None:
        """Keep the status and the headers of the response."""
        exchange.status_code, exchange.response_headers = status, headers
        if status >= 500 or status in _RETRIED:
            self._failed.note(exchange.retry_key, exchange)

    def block(self, exchange: Exchange) -> RecordedCall:
        """Return the block around the library's own sending, so that requests made inside it are part of the call."""
        return _Attempt(self._failed, exchange)


class _Attempt(RecordedCall):
    """A block around one attempt, which may be retried if it raises."""

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
    """Return a predicate that is true if a request is certainly not a call; it runs for all HTTP traffic."""

    def passes(client: Any, method: Any, url: Any) -> bool:
        try:
            if type(url) is not str:
                url = str(url)
            parts = url.split("/", 3)  # scheme, nothing, host and port, path: quicker than searching for the slashes
            if len(parts) < 3 or parts[1] or not parts[0]:  # a relative URL
                base = getattr(client, "_base_url", None)
                return base is not None and passes(client, method, f"{_text(base)}/{url}")
            if calls.rules.knows_netloc[parts[2]]:
                return False
            if method == "GET" or len(parts) == 3 or (method != "POST" and method.upper() != "POST"):
                return True
            return not may_be_call(parts[3])
        except (ValueError, TypeError, AttributeError):  # not a request: let the library report it
            return False

    return passes


_text = functools.lru_cache(maxsize=256)(str)


def prepared_passes(calls: LibraryCalls) -> Callable[[Any, Any], bool]:
    """Return a predicate that is true if a request of requests, botocore or lm15 is certainly not a call."""
    tells = other_traffic(calls)

    def passes(client: Any, request: Any) -> bool:
        try:
            return tells(client, request.method, request.url)
        except AttributeError:  # not a request
            return False

    return passes


def call_parts(calls: LibraryCalls, method: Any, url: Any) -> tuple[str, str, str] | None:
    """Return the method, host and path of a request that may be a call; None inside a call, or if it is invalid."""
    if current_exchange.get() is not None or not calls.outlet.live:
        return None
    try:
        split = urlsplit(url)
        return method.upper(), split.netloc.rpartition("@")[2], unquote(split.path)
    except (ValueError, TypeError, AttributeError):  # not a request: let the library report it
        return None


def open_prepared(calls: LibraryCalls, client: Any, request: Any, url: str | None = None) -> Exchange | None:
    """Return the exchange for a request of requests, botocore or lm15; None if it is not to be recorded.

    `url` is the URL under which it is recorded, if that is not the request's own.
    """
    url = getattr(request, "url", "") if url is None else url
    parts = call_parts(calls, getattr(request, "method", None), url)
    exchange = None if parts is None else calls.open(client, *parts, getattr(request, "body", None))
    if exchange is not None:
        body = request.body.encode() if isinstance(request.body, str) else request.body
        content = bytes(body) if isinstance(body, (bytes, bytearray)) else None
        headers = dict(request.headers) if isinstance(request.headers, list) else request.headers
        outgoing = Outgoing(request.method, url, headers, content)
        calls.sends(exchange, outgoing, (id(client), request.method, url, content and hash(content)))
    return exchange


def keep_chunk(exchange: Exchange, chunk: Any) -> None:
    """Keep a piece of a response's body, up to a total of `MAX_STREAM_BYTES`."""
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
