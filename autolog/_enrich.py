"""Span in, record out: what the worker thread makes of what was captured. Pure, but for the reading of the clock."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import perf_counter_ns, time_ns
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from autolog import _cost
from autolog._bodies import decode_content, decode_json, decode_object, encode_json, read_events, read_form
from autolog._conversation import last_user_text
from autolog._functions import Call
from autolog._guard import guard
from autolog._ids import format_span, format_trace, new_record_id
from autolog._record import USAGE_FIELDS, USAGE_FIELDS_BY_COUNT, Record
from autolog._snapshot import thaw
from autolog._span import Span
from autolog._wire import Exchange, request_content
from autolog.providers import PROVIDERS, Provider, Reading, Usage, provider_at, provider_of, provider_of_model
from autolog.providers._reading import read_error

PREVIEW = 200

#: Headers that are worth keeping and hold no secret.
_KEPT_HEADERS = {"content-type", "content-encoding", "user-agent", "date", "retry-after", "x-request-id", "request-id",
                 "apim-request-id", "x-amzn-requestid", "x-amzn-errortype", "cf-ray", "x-should-retry"}  # fmt: skip
_KEPT_PREFIXES = ("openai-", "anthropic-", "x-ratelimit-", "x-stainless-")
_SECRET_HEADERS = {
    "openai-organization",
    "openai-project",
    "anthropic-organization-id",
    "anthropic-workspace-id",
}
_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "cf-ray")
_SECRET_PARAMETERS = {"key", "api-key", "api_key", "apikey", "token", "access_token", "sig", "signature"}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def enrich(span: Span) -> Record | None:
    """The record of an ended span, function call or provider call; None if it says nothing new."""
    if isinstance(span, Exchange):
        path = unquote(urlsplit(str(span.request.url)).path)
        if PROVIDERS[span.sdk].later(span.request.method, path):
            return _completion(span)
    record = _common(span)
    with guard("reading a call"):  # what cannot be read costs its part of the record, not the record
        if isinstance(span, Exchange):
            _add_exchange(record, span)
        else:
            _add_values(record, span)
    return record


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


# Background responses: one record, begun by the call that created it and completed by a later read

_FINAL = {"completed", "failed", "incomplete", "cancelled"}


def _background_id(response_id: str) -> str:
    """The record id of a background response: whoever reads it later finds the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"autolog:response:{response_id}"))


def _completion(exchange: Exchange) -> Record | None:
    """What a later read of a background response adds to its record; None for any other read."""
    provider = PROVIDERS[exchange.sdk]
    read = _common(exchange)
    _add_exchange(read, exchange)
    path = unquote(urlsplit(read.request_url or "").path)
    answer, _ = read_response(provider, path, read.response_body, read.response_content_type or "")
    if not isinstance(answer, dict) or answer.get("background") is not True or answer.get("status") not in _FINAL:
        return None
    if not read.response_id:
        return None
    completed = Record(id=_background_id(read.response_id), end_time=read.end_time)
    for name in (*_DERIVED, "response_body", "response_content_type", "cost", "cost_details", "status"):
        if name not in {"input_preview", "operation_name", "request_stream"}:
            setattr(completed, name, getattr(read, name))
    completed.operation_name = "chat"
    begun, ended = answer.get("created_at"), answer.get("completed_at")
    if isinstance(begun, (int, float)) and isinstance(ended, (int, float)) and ended >= begun:
        completed.duration = float(ended - begun)
    return completed


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
        record.input_preview = _preview(given if isinstance(given, str) else record.request_body.decode())
    if result is not None:
        record.response_body = encode_json(result)
        record.output_preview = _preview(result if isinstance(result, str) else record.response_body.decode())


def _preview(text: str | None) -> str | None:
    if not text:
        return None
    flat = " ".join(text[: PREVIEW * 4].split())
    return flat if len(flat) <= PREVIEW else flat[: PREVIEW - 1] + "…"


# Provider calls


def _add_exchange(record: Record, exchange: Exchange) -> None:
    provider = PROVIDERS[exchange.sdk]
    request = exchange.request
    record.request_method = request.method
    record.request_url = clean_url(str(request.url))
    record.request_headers = kept_headers(request.headers)
    record.request_content_type = request.headers.get("content-type")
    record.request_body = request_content(request)
    record.retries = exchange.attempts - 1
    record.status_code = exchange.status_code
    record.truncated = exchange.truncated
    record.sdk = exchange.sdk
    if exchange.first_chunk_ns:
        record.time_to_first_chunk = (exchange.first_chunk_ns - exchange.start_ns) / 1e9
    headers = exchange.response_headers
    if headers is not None:
        record.response_headers = kept_headers(headers)
        record.response_content_type = headers.get("content-type")
        record.request_id = next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)
        record.response_body = exchange.content
        if exchange.streaming:
            record.response_body = decode_content(exchange.chunks, headers.get("content-encoding", ""))
    url = urlsplit(record.request_url)
    record.provider_name = provider_at(url.netloc) or _provider_by_client(provider, exchange.client)
    describe(record, provider, exchange.stream)
    background = decode_object(record.request_body).get("background") if exchange.sdk == "openai" else None
    if background is True and record.response_id:
        record.id = _background_id(record.response_id)


def _provider_by_client(provider: Provider, client: type) -> str:
    for word, name in provider.client_providers.items():
        if any(word in base.__name__ for base in client.__mro__):
            return name
    return provider.provider_name


def describe(record: Record, provider: Provider | None = None, stream: bool = False) -> None:
    """Fill in what the bodies of a provider call say: models, tokens, finish reasons, tool calls, error, cost.

    What the record knows already stays: a log may come with its own figures. Without `provider` (an SDK's module),
    the URL or the shape of the bodies tells whose format they are in.
    """
    path = unquote(urlsplit(record.request_url or "").path)
    asked = read_request(record.request_body, record.request_content_type or "")
    provider = provider or provider_of(path, asked, decode_object(record.response_body))
    path = path or provider.guess_path(asked)
    answer, streamed = read_response(provider, path, record.response_body, record.response_content_type or "")
    reading = provider.read(path, answer)
    record.operation_name = record.operation_name or provider.operation(path) or None
    record.request_model = record.request_model or _text(asked.get("model")) or provider.model_in(path)
    if record.request_stream is None:
        record.request_stream = stream or streamed or asked.get("stream") in (True, "true")
    record.name = record.name or " ".join(filter(None, (record.operation_name, record.request_model))) or None
    record.input_preview = record.input_preview or _preview(last_user_text(asked))
    record.output_preview = record.output_preview or _preview(reading.output_text)
    usage = _add_reading(record, reading)
    _add_error(record, reading, answer)
    model = record.response_model or record.request_model
    record.provider_name = record.provider_name or provider_of_model(model)
    if record.cost is None:
        _add_cost(record, reading, usage, asked)


#: Operations that cost nothing by themselves: a batch is billed with its items.
_NOT_BILLED = {"count_tokens", "batch", "moderation"}


def _add_cost(record: Record, reading: Reading, usage: Usage, asked: dict[str, Any]) -> None:
    if record.operation_name in _NOT_BILLED:
        return
    if record.status == "error" and usage.input is None:
        return  # what was refused is not billed
    if record.operation_name == "speech" and isinstance(asked.get("input"), str):
        usage.input_characters = len(asked["input"])
    batch = record.response_service_tier == "batch"
    terms = _cost.Terms(
        tier=None if batch else record.response_service_tier,
        batch=batch,
        speed=reading.speed,
        geo=reading.geo,
        reported=reading.reported_cost,
    )
    models = (record.response_model, record.request_model)
    priced = _cost.price(record.provider_name, models, usage, terms, record.start_time)
    record.cost, record.cost_details = priced.cost, priced.details


#: What `describe` fills in, and `forget` takes back.
_DERIVED = (
    "provider_name", "error_type", "error_message",
    "response_model", "response_id", "response_finish_reasons", "response_service_tier", "tool_calls", "usage",
    *USAGE_FIELDS, "input_preview", "output_preview", "operation_name", "request_stream",
)  # fmt: skip


def derive(record: Record) -> None:
    """Describe a log as a vendor's client sent it, and note in `extra["given"]` what it said by itself."""
    given = {name for name in _DERIVED if getattr(record, name) is not None} | set(record.extra.get("given", ()))
    if record.status == "error":
        given.add("status")
    record.extra = {**record.extra, "given": sorted(given)}
    describe(record)


def forget(record: Record) -> None:
    """Take back what was derived from the bodies, for new bodies have come; what the caller gave stays."""
    given = record.extra.get("given", ())
    for name in _DERIVED:
        if name not in given:
            setattr(record, name, None)
    if "status" not in given and not (record.status_code or 0) >= 400:
        record.status = "ok"
    if not record.custom_cost:
        record.cost = record.cost_details = None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def read_request(body: bytes | None, content_type: str) -> dict[str, Any]:
    """The request's fields, be it JSON or a form."""
    if not body:
        return {}
    return read_form(body, content_type) if content_type.startswith("multipart/") else decode_object(body)


def read_response(provider: Provider, path: str, body: bytes | None, content_type: str) -> tuple[Any, bool]:
    """The response as one JSON value, put together if it came as a stream; and whether it did."""
    if not body:
        return None, False
    if "event-stream" in content_type or "eventstream" in content_type:
        return provider.assemble(path, read_events(body, content_type)), True
    answer = decode_json(body) if body.lstrip()[:1] in (b"{", b"[") else None
    if answer is None and body.lstrip()[:6] in (b"data: ", b"event:"):
        return provider.assemble(path, read_events(body, content_type)), True
    return answer, False


def _add_reading(record: Record, reading: Reading) -> Usage:
    """Lay the reading under what is known; returns the usage that stands in the record then."""
    record.response_model = record.response_model or reading.model
    record.response_id = record.response_id or reading.id
    record.response_finish_reasons = record.response_finish_reasons or reading.finish_reasons
    record.response_service_tier = record.response_service_tier or reading.service_tier
    record.tool_calls = record.tool_calls or reading.tool_calls or None
    record.usage = record.usage or reading.raw_usage
    usage = replace(reading.usage)
    for attribute, name in USAGE_FIELDS_BY_COUNT.items():
        if getattr(record, name) is None:
            setattr(record, name, getattr(reading.usage, attribute))
        setattr(usage, attribute, getattr(record, name))
    return usage


def _add_error(record: Record, reading: Reading, answer: Any) -> None:
    """The provider's own words for an error stand before the exception's; a broken stream keeps the exception's."""
    failed = record.status_code is not None and record.status_code >= 400
    kind, message = reading.error_type, reading.error_message
    if failed:
        kind, message = read_error(answer) if answer is not None else (None, None)
        kind = kind or (record.response_headers or {}).get("x-amzn-errortype", "").partition(":")[0] or None
    if failed or kind or message:
        record.status = "error"
        record.error_type = kind or record.error_type or str(record.status_code)
        record.error_message = message or record.error_message


# What is kept of URLs and headers


def clean_url(url: str) -> str:
    """The URL without credentials: no user information, no key in the query."""
    try:
        parts = urlsplit(url)
    except ValueError:  # not a URL at all, such as http://[
        return ""
    host = parts.netloc.rpartition("@")[2]
    query = parts.query
    if query:
        pairs = parse_qsl(query, keep_blank_values=True)
        query = urlencode(
            [(name, "REDACTED" if name.lower() in _SECRET_PARAMETERS else value) for name, value in pairs]
        )
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def kept_headers(headers: Any) -> dict[str, str]:
    """The headers that are worth keeping: none of them can hold a key."""
    return {
        name: value
        for name, value in ((str(name).lower(), str(value)) for name, value in headers.items())
        if (name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIXES)) and name not in _SECRET_HEADERS
    }
