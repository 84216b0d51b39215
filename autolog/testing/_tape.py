"""Match requests with recorded calls, and explain why a request matches none.

Requests are compared by method, URL and body: JSON by its values, forms by their parts, and anything else by its bytes.
A redacted passage in a recorded request matches any text.
"""

from __future__ import annotations

import difflib
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from autolog._display.cassettes import attempts
from autolog._display.diff import compare_lines, request_lines
from autolog._record.bodies import decode_json, form_parts
from autolog._record.record import Record, readable

#: The placeholders for redacted text in recorded requests.
_REDACTED = re.compile(r"\[(?:REDACTED|EMAIL|IBAN|CARD|SSN|IP|PHONE|NAME)\]|\bREDACTED\b")
#: The most recorded requests among which the most similar one is sought.
_CANDIDATES = 200
#: The size of a diff: the most lines, the most characters per line, and the equal lines around each difference.
_LINES, _WIDTH, _AROUND = 60, 160, 2


class NotRecorded(BaseException):
    """A request equals no recorded one, or was made more often than recorded. It was not sent.

    This is not an `Exception`, so that neither an SDK's retries nor the program's error handling hide it from the test.
    """


class _Call(msgspec.Struct):
    """A recorded call: its request in comparable form, and the number of responses left."""

    record: Record
    query: Any
    body: Any
    left: int


class Tape:
    """Recorded calls in order, which any thread may take responses from.

    Args:
        calls: the recorded calls, the oldest first.
        ignore: fields of JSON bodies that are not compared, by name or by the end of their path: `metadata.run`.
        repeat: whether the last response to a request answers further equal requests, too.

    Attributes:
        played: the recorded calls that have answered requests, in the order of those requests.
        unmatched: the error messages for requests that were not recorded.
    """

    def __init__(self, calls: Sequence[Record], ignore: Sequence[str] = (), repeat: bool = False) -> None:
        self._ignored = [tuple(path.split(".")) for path in ignore]
        self._repeat = repeat
        self._lock = threading.Lock()
        self._calls: defaultdict[tuple[str, str, str], list[_Call]] = defaultdict(list)
        for record in calls:
            place, query = _place(record)
            self._calls[place].append(_Call(record, query, self._comparable(record), attempts(record)))
        self.played: list[Record] = []
        self.unmatched: list[str] = []

    def __len__(self) -> int:
        return sum(map(len, self._calls.values()))

    @property
    def left(self) -> list[Record]:
        """The recorded calls that have not answered any request."""
        played = {id(record) for record in self.played}
        return [call.record for call in self._all() if id(call.record) not in played]

    def has_host(self, url: str) -> bool:
        """Return whether any calls to the host of a URL were recorded."""
        return any(host == urlsplit(url).netloc.rpartition("@")[2] for _, host, _ in list(self._calls))

    def take(self, request: Record) -> Record:
        """Return the recorded call that answers a request, and use up one of its responses.

        Raises:
            NotRecorded: if there is no such call.
        """
        place, query = _place(request)
        body = self._comparable(request)
        with self._lock:
            equal = [call for call in self._calls[place] if _equal(call.query, query) and _equal(call.body, body)]
            call = next((call for call in equal if call.left), equal[-1] if equal and self._repeat else None)
            if call is not None:
                call.left -= 1
                self.played.append(call.record)
                return call.record
        problem = self._problem(request, equal)
        self.unmatched.append(problem)
        raise NotRecorded(problem)

    def _all(self) -> Iterator[_Call]:
        return (call for calls in self._calls.values() for call in calls)

    # Comparing

    def _comparable(self, record: Record) -> Any:
        body, kind = record.request_body or b"", record.request_content_type or ""
        if kind.startswith("multipart/"):
            return [[part.name, part.filename, body[part.start : part.end].decode("latin-1")]
                    for part in form_parts(body, kind)]  # fmt: skip
        value = decode_json(body)
        if value is None:
            return body.decode("latin-1")
        return self._without_ignored(value, ()) if self._ignored else value

    def _without_ignored(self, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            items = ((key, item, (*path, key)) for key, item in value.items())
            return {key: self._without_ignored(item, where) for key, item, where in items
                    if not any(where[-len(end) :] == end for end in self._ignored)}  # fmt: skip
        return [self._without_ignored(item, path) for item in value] if isinstance(value, list) else value

    # Error messages

    def _problem(self, request: Record, equal: Sequence[_Call]) -> str:
        requested = f"{request.request_method} {request.request_url}"
        if equal:
            count = len(equal)
            return (
                f"{requested} was requested more often than it was recorded, {count} time{'s' * (count > 1)}; "
                "replay(..., repeat=True) gives the last answer again"
            )
        if not len(self):
            return f"{requested} was requested, but the recording is empty"
        nearest = self._nearest(request)
        cut = " (only part of it was kept, so no request can equal it)" if nearest.truncated else ""
        return "\n".join(
            [
                f"{requested} was not recorded. The nearest recorded request is {nearest.id}{cut}:",
                "--- recorded",
                "+++ asked",
                *_difference(nearest, request),
            ]
        )

    def _nearest(self, request: Record) -> Record:
        """Return the recorded call with the most similar request, preferring the same URL."""
        (method, host, path), _ = _place(request)
        with self._lock:
            calls = list(self._all())
        places = {id(call): _place(call.record)[0] for call in calls}
        calls.sort(key=lambda call: (places[id(call)][2] != path, places[id(call)][1] != host, call.left <= 0))
        lines = _lines(request)
        matcher = difflib.SequenceMatcher(None, autojunk=False)
        matcher.set_seq2(lines)

        def likeness(call: _Call) -> float:
            matcher.set_seq1(_lines(call.record))
            same_place = (places[id(call)] == (method, host, path)) + (places[id(call)][2] == path)
            return same_place + matcher.quick_ratio()

        return max(calls[:_CANDIDATES], key=likeness).record


def _place(record: Record) -> tuple[tuple[str, str, str], list[list[str]]]:
    """Return the method, host and path of a request, and its query as sorted pairs."""
    url = urlsplit(record.request_url or "")
    host, default = url.netloc.rpartition("@")[2].lower(), {"http": ":80", "https": ":443"}.get(url.scheme, ":")
    query = sorted([name, value] for name, value in parse_qsl(url.query, keep_blank_values=True))
    return ((record.request_method or "POST").upper(), host.removesuffix(default), unquote(url.path)), query


def _equal(recorded: Any, requested: Any) -> bool:
    """Return whether two values are equal, where redacted text in the recorded one matches any text."""
    if isinstance(recorded, str) and isinstance(requested, str):
        return recorded == requested or _fits(recorded, requested)
    if isinstance(recorded, dict) and isinstance(requested, dict):
        return recorded.keys() == requested.keys() and all(
            _equal(value, requested[key]) for key, value in recorded.items()
        )
    if isinstance(recorded, list) and isinstance(requested, list):
        return len(recorded) == len(requested) and all(map(_equal, recorded, requested))
    return (type(recorded) is type(requested) or _are_numbers(recorded, requested)) and bool(recorded == requested)


def _are_numbers(recorded: Any, requested: Any) -> bool:
    """Return whether one is an int and the other a float: 1 and 1.0 are the same in JSON, and True is not a number."""
    return {type(recorded), type(requested)} == {int, float}


def _fits(recorded: str, requested: str) -> bool:
    """Return whether a text may be the original of a redacted one, by finding the unredacted parts in order."""
    first, *parts = _REDACTED.split(recorded)
    if not parts or not requested.startswith(first) or not requested.endswith(parts[-1]):
        return False
    at = len(first)
    for part in parts[:-1]:
        at = requested.find(part, at) + len(part)
        if at < len(part):
            return False
    return at <= len(requested) - len(parts[-1])


def _lines(record: Record) -> list[str]:
    return [f"{record.request_method} {record.request_url}", *request_lines(record)]


def _difference(recorded: Record, requested: Record) -> list[str]:
    """Return the differing lines of two requests, with some context."""
    both = compare_lines(_lines(recorded), _lines(requested))
    if all(line.kind == "same" for line in both):  # the difference is in a part that the conversation omits
        both = compare_lines(_body_lines(recorded), _body_lines(requested))
    differing = [number for number, line in enumerate(both) if line.kind != "same"]
    shown: list[str] = []
    last = -1
    for number, line in enumerate(both):
        if not any(abs(number - other) <= _AROUND for other in differing):
            continue
        if number > last + 1:
            shown.append("  …")
        last = number
        shown += _shown(line.left, line.right)
        if len(shown) > _LINES:
            return [*shown, "  … more differs"]
    return shown


def _body_lines(record: Record) -> list[str]:
    body = readable(record.request_body)
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode().splitlines()


def _shown(left: str | None, right: str | None) -> list[str]:
    if left == right:
        return ["  " + _cut(left or "", 0)]
    at = 0
    if left is not None and right is not None:  # show the difference, however far into the line it is
        at = next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    return [sign + _cut(line, at) for sign, line in (("- ", left), ("+ ", right)) if line is not None]


def _cut(line: str, at: int) -> str:
    start = max(0, at - _WIDTH // 2) if len(line) > _WIDTH else 0
    end = start + _WIDTH
    return ("…" if start else "") + line[start:end] + ("…" if end < len(line) else "")


# Responses


def pieces(record: Record) -> list[bytes]:
    """Return a recorded response in pieces: a stream event by event, anything else as a whole.

    The original chunks are not recorded.
    """
    body, kind = record.response_body or b"", record.response_content_type or ""
    if "amazon.eventstream" in kind:
        return _frames(body)
    if "event-stream" in kind:
        return re.findall(rb".+?(?:\r\n\r\n|\n\n|\r\r|\Z)", body, re.DOTALL)
    if any(word in kind for word in ("ndjson", "jsonl", "stream+json")):
        return body.splitlines(keepends=True)
    return [body] if body else []


def _frames(body: bytes) -> list[bytes]:
    """Split an AWS event stream into its frames, each of which begins with its length."""
    frames = []
    while body:
        length = max(16, int.from_bytes(body[:4], "big"))
        frames.append(body[:length])
        body = body[length:]
    return frames


#: Headers that are not replayed: they describe the original transfer, or ask for a pause that a test does not need.
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection", "retry-after"})


def headers(record: Record) -> dict[str, str]:
    """Return the headers of a recorded response; a failed one tells SDKs to retry at once."""
    kept: Mapping[str, str] = record.response_headers or {}
    found = {name: value for name, value in kept.items() if name.lower() not in _OF_THE_WIRE}
    found["content-type"] = record.response_content_type or "application/json"
    if (record.status_code or 0) >= 400:
        found["retry-after-ms"] = "1"
    return found


#: Names of exceptions that come from the connection, not from the provider.
_OF_CONNECTIONS = re.compile(r"Timeout|Connect|Protocol|ReadError|Payload|Chunked|Disconnected")


def failure(record: Record) -> str | None:
    """Return how the connection of a recorded call failed, `timeout` or `broken`; None if it did not fail."""
    kind = record.error_type or ""
    has_status = record.status_code is not None
    if has_status and not (record.status_code == 200 and _OF_CONNECTIONS.search(kind)):
        return None
    return "timeout" if "Timeout" in kind else "broken"
