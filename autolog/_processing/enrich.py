"""Span in, record out: what the worker thread makes of what was captured. Pure, but for the reading of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import perf_counter_ns, time_ns
from urllib.parse import unquote, urlsplit

from autolog._capture.exchange import Exchange
from autolog._capture.functions import Call
from autolog._capture.snapshot import thaw
from autolog._capture.span import Span
from autolog._capture.websocket import Frames
from autolog._guard import guard
from autolog._ids import format_span, format_trace, new_record_id
from autolog._pricing.cost import unknown
from autolog._processing import lasting
from autolog._processing.websocket import read_frames
from autolog._reading.describe import describe, preview
from autolog._record.bodies import decode_content, decode_json, encode_json
from autolog._record.record import Record
from autolog._redaction.headers import clean_url, kept_headers, plain_headers
from autolog._redaction.redactor import Redactor
from autolog.providers import PROVIDERS, Provider, provider_at

_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "cf-ray")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def enrich(span: Span, redactor: Redactor) -> list[Record]:
    """The records of an ended span, function call or provider call: one as a rule, none if it says nothing new.

    Bodies are redacted before they are read.
    """
    if isinstance(span, Exchange):
        return _call_records(span, redactor)
    if isinstance(span, Frames):
        return read_frames(span, redactor.bodies)
    record = _common(span)
    with guard("reading a call"):  # what cannot be read costs its part of the record, not the record
        _add_values(record, span)
        redactor.bodies(record)
        record.input_preview, record.output_preview = _shown(record.request_body), _shown(record.response_body)
    return [record]


def _shown(body: bytes | None) -> str | None:
    """The beginning of a body, for lists: a text as it is, all else as JSON."""
    if body is None:
        return None
    text = decode_json(body) if body.startswith(b'"') else None
    return preview(text if isinstance(text, str) else body.decode(errors="replace"))


def _call_records(exchange: Exchange, redactor: Redactor) -> list[Record]:
    provider = PROVIDERS[exchange.sdk]
    record = _common(exchange)
    path = unquote(urlsplit(str(exchange.request.url)).path)
    later = provider.is_follow_up(exchange.request.method, path)
    with guard("reading a call"):
        sent = plain_headers(exchange.request.headers)
        redactor.learn(sent)
        _add_exchange(record, exchange, sent)
        redactor.bodies(record)
        if later and provider.results_id(path):
            return list(lasting.batch_items(record, provider, path))
        facts = describe(record, provider, exchange.stream)
        if later:
            completed = lasting.completion(record, provider, facts)
            return [] if completed is None else [completed]
        lasting.settle(record, facts)
    if record.cost is None and record.cost_details is None:
        record.cost_details = unknown("the answer could not be read").details
    return [] if later else [record]


def _common(span: Span) -> Record:
    end_ns = time_ns() - (perf_counter_ns() - span.end_ns)
    start_ns = end_ns - (span.end_ns - span.start_ns)
    context = span.context
    start = _time(start_ns)
    record = Record(
        id=new_record_id(start_ns // 1_000_000),
        kind=span.kind,
        name=span.name,
        trace_id=format_trace(span.trace),
        span_id=format_span(span.span),
        caller=span.caller,
        parent_span_id=None if span.parent_span is None else format_span(span.parent_span),
        created_at=start,
        start_time=start,
        end_time=_time(end_ns),
        duration=(span.end_ns - span.start_ns) / 1e9,
        user=context.user,
        session=context.session,
        tags=list(context.tags),
        metadata={key: thaw(value) for key, value in {**context.metadata, **(span.metadata or {})}.items()},
    )
    if span.error is not None:
        record.status = "error"
        record.error_type, record.error_message = span.error
    return record


def _time(epoch_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=epoch_ns // 1000)


# Functions and spans


def _add_values(record: Record, span: Span) -> None:
    if span.kind == "tool":
        record.operation_name = "execute_tool"
    elif span.kind == "agent":
        record.operation_name = "invoke_agent"
    given = span.arguments() if isinstance(span, Call) else thaw(span.input)
    result = thaw(span.output)
    if given is not None:
        record.request_body = encode_json(given)
    if result is not None:
        record.response_body = encode_json(result)


# Provider calls


def _add_exchange(record: Record, exchange: Exchange, sent: dict[str, str]) -> None:
    provider = PROVIDERS[exchange.sdk]
    request = exchange.request
    record.request_method = request.method
    record.request_url = clean_url(str(request.url))
    record.request_headers = kept_headers(sent)
    record.request_content_type = sent.get("content-type")
    record.request_body = request.content
    record.retries = exchange.attempts - 1
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
    url = urlsplit(record.request_url)
    record.provider_name = provider_at(url.netloc) or _provider_by_client(provider, exchange.client)


def _provider_by_client(provider: Provider, client: type) -> str:
    for word, name in provider.client_providers.items():
        if any(word in base.__name__ for base in client.__mro__):
            return name
    return provider.provider_name
