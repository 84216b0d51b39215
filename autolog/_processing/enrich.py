"""Turn ended spans (functions, provider calls, WebSocket frames) into records with their captured bodies."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from autolog._capture.exchange import Exchange, Reservation
from autolog._capture.functions import FunctionCall
from autolog._capture.otel_calls import PastCall
from autolog._capture.snapshot import thaw
from autolog._capture.span import Span
from autolog._guard import guard
from autolog._processing.long_running import LongRunningCalls
from autolog._processing.span_record import record_of
from autolog._reading.describe import preview
from autolog._record.bodies import decode_content, decode_json, decode_object, encode_json
from autolog._record.keys import key_hint
from autolog._record.record import Record
from autolog._redaction.headers import clean_url, kept_headers, plain_headers
from autolog.providers import SDKS, Facts, format_named, provider_at

_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "cf-ray")


@dataclass(slots=True)
class Draft:
    """A record on its way through the pipeline.

    Attributes:
        record: the record.
        facts: the facts in a provider call's bodies; None until the call has been described.
        follow_up: whether the record is of a call that reports on work begun by an earlier call.
        repeats: whether the same record is created again each time the program reads the same result.
        sampled: whether the record is kept.
        bodies: whether its bodies are kept.
        redacted: the texts that have been redacted already.
        reservation: the budget reservation for the call.
        budgets: the budgets of the enclosing `autolog.budget()` blocks.
        past: what is remembered of the call for OpenTelemetry's spans.
    """

    record: Record
    facts: Facts | None = None
    follow_up: bool = False
    repeats: bool = False
    sampled: bool = True
    bodies: bool = True
    redacted: tuple[Any, ...] = ()
    reservation: Reservation | None = None
    budgets: tuple[Any, ...] = ()
    past: PastCall | None = None


def captured(span: Span, learn: Callable[[Mapping[str, str]], None]) -> Record:
    """Return the record of a call, a function or a span with its captured bodies.

    Args:
        span: the ended span, other than `Frames`.
        learn: called with the headers of a call's request (see `plain_headers`), whose keys must be redacted elsewhere.
    """
    record = record_of(span)
    with guard("reading a call"):  # an error loses a part of the record, but not the record
        if isinstance(span, Exchange):
            _add_exchange(record, span, learn)
        else:
            _add_values(record, span)
    return record


def to_drafts(span: Span, record: Record, long_running: LongRunningCalls) -> list[Draft]:
    """Return the records of an ended span: usually one, none for a part of an upload, many for a batch's results.

    Args:
        span: the ended span, other than `Frames`.
        record: its record (see `captured`).
        long_running: knows which batch a file of results belongs to.
    """
    return _call_drafts(span, record, long_running) if isinstance(span, Exchange) else [Draft(record)]


def add_previews(record: Record) -> None:
    """Set the input and output preview of a function's or span's record."""
    record.input_preview, record.output_preview = _shown(record.request_body), _shown(record.response_body)


def _shown(body: bytes | None) -> str | None:
    """Return the preview of a body: of a text as it is, of anything else as JSON."""
    if body is None:
        return None
    text = decode_json(body) if body.startswith(b'"') else None
    return preview(text if isinstance(text, str) else body.decode(errors="replace"))


# Functions and spans


def _add_values(record: Record, span: Span) -> None:
    """Add the arguments and the result of a function, or the input and output of a span."""
    if span.kind == "tool":
        record.operation_name = "execute_tool"
    elif span.kind == "agent":
        record.operation_name = "invoke_agent"
    given = span.arguments() if isinstance(span, FunctionCall) else thaw(span.input)
    result = thaw(span.output)
    if given is not None:
        record.request_body = encode_json(given)
    if result is not None:
        record.response_body = encode_json(result)


# Provider calls


def _call_drafts(exchange: Exchange, record: Record, long_running: LongRunningCalls) -> list[Draft]:
    """Return the draft of a provider call, or one for each result in a batch's results."""
    provider = format_named(exchange.sdk)
    path = _address(record.request_url or "").path
    follow_up = provider.is_follow_up(exchange.request.method, path)
    with guard("reading a call"):
        if "/upload/" in path and _continues(exchange):
            return []
        if follow_up and provider.results_id(path):
            items = [Draft(item, repeats=True) for item in long_running.batch_results(record, provider, path)]
            whole = bool(decode_object(record.response_body))  # the batch itself, not a file with its results
            return [*items, Draft(record, follow_up=True, repeats=True)] if whole else items
    return [Draft(record, follow_up=follow_up, repeats=follow_up)]


def _continues(exchange: Exchange) -> bool:
    """Return whether a request of a resumable upload to Google is not the upload's last, which has the answer."""
    headers = exchange.response_headers
    return headers is not None and headers.get("x-goog-upload-status") == "active"


def _add_exchange(record: Record, exchange: Exchange, learn: Callable[[Mapping[str, str]], None]) -> None:
    """Add the request and the response of a provider call."""
    request = exchange.request
    address = _address(str(request.url))
    sent = plain_headers(request.headers)
    learn(sent)
    record.request_method = request.method
    record.request_url = address.url
    record.request_headers = kept_headers(sent)
    if (hint := key_hint(sent)) is not None:
        record.request_meta = {"key_hint": hint}
    record.request_content_type = sent.get("content-type")
    record.request_body = request.content
    record.request_stream = exchange.stream or None
    record.retries = max(0, exchange.attempts - 1)  # `attempts` is 0 if no connection was made
    record.status_code = exchange.status_code
    record.truncated = exchange.truncated
    record.sdk = exchange.sdk
    if exchange.first_chunk_ns:
        record.time_to_first_chunk = (exchange.first_chunk_ns - exchange.start_ns) / 1e9
    if exchange.response_headers is not None:
        headers = plain_headers(exchange.response_headers)
        record.response_headers = kept_headers(headers)
        record.response_content_type = headers.get("content-type")
        record.request_id = next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)
        record.response_body = exchange.content
        if exchange.streaming:
            record.response_body = decode_content(exchange.chunks, headers.get("content-encoding", ""))
    record.provider_name = address.provider or _provider_by_client(exchange.sdk, exchange.client)


class _Address(NamedTuple):
    """A URL without credentials, its path, and the provider at its host; None if unknown."""

    url: str
    path: str
    provider: str | None


@functools.lru_cache(maxsize=256)
def _address(url: str) -> _Address:
    clean = clean_url(url)
    parts = urlsplit(clean)
    return _Address(clean, unquote(parts.path), provider_at(parts.netloc))


@functools.lru_cache(maxsize=256)
def _provider_by_client(name: str, client: type) -> str:
    """Return the provider for a client of an SDK or, if `name` is a format's, of an HTTP library."""
    sdk = SDKS.get(name)
    by_client = {} if sdk is None else sdk.client_providers
    for word, provider_name in by_client.items():
        if any(word in base.__name__ for base in client.__mro__):
            return provider_name
    return format_named(name).provider_name if sdk is None else sdk.provider_name
