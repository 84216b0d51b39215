"""What the bodies of a provider call say, laid into its record: models, tokens, finish reasons, tools, error, cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from autolog._pricing import cost as _cost
from autolog._reading.messages import last_user_text
from autolog._record.bodies import decode_json, decode_object, read_events, read_form
from autolog._record.media import note_media
from autolog._record.record import USAGE_FIELDS, USAGE_FIELDS_BY_COUNT, Record
from autolog.providers import Provider, Reading, Usage, provider_of, provider_of_model
from autolog.providers._facts import count, flaw, mapping, read_error

PREVIEW = 200


def preview(text: str | None) -> str | None:
    if not text:
        return None
    flat = " ".join(text[: PREVIEW * 4].split())
    return flat if len(flat) <= PREVIEW else flat[: PREVIEW - 1] + "…"


def describe(record: Record, provider: Provider | None = None, stream: bool = False) -> Reading:
    """Fill in what the bodies of a provider call say: models, tokens, finish reasons, tool calls, error, cost.

    What the record knows already stays: a log may come with its own figures. Without `provider` (an SDK's module),
    the URL or the shape of the bodies tells whose format they are in. Returns the facts that it read.
    """
    path = unquote(urlsplit(record.request_url or "").path)
    asked = read_request(record.request_body, record.request_content_type or "")
    provider = provider or provider_of(path, asked, decode_object(record.response_body))
    path = path or provider.guess_path(asked)
    answer, streamed = read_response(provider, path, record.response_body, record.response_content_type or "")
    reading = provider.read(path, answer)
    lasting = reading.lasting and reading.lasting.operation
    record.operation_name = record.operation_name or lasting or provider.operation(path) or None
    record.request_model = record.request_model or _text(asked.get("model")) or provider.model_in(path)
    if record.request_stream is None:
        record.request_stream = stream or streamed or asked.get("stream") in (True, "true")
    record.name = record.name or " ".join(filter(None, (record.operation_name, record.request_model))) or None
    record.input_preview = record.input_preview or preview(last_user_text(asked))
    record.output_preview = record.output_preview or preview(reading.output_text)
    usage = _add_reading(record, reading)
    _add_error(record, reading, answer)
    model = record.response_model or record.request_model
    record.provider_name = record.provider_name or provider_of_model(model)
    if record.cost is None:
        usage.units = provider.units(path, asked, answer)
        _add_cost(record, reading, usage, asked)
    if record.cost is None and usage.input is None and (why := provider.unbilled(path)):
        record.cost_details = _cost.unknown(why).details
    if record.media is None:
        note_media(record)
    return reading


#: Operations that have no bill of their own, and why.
_NOT_BILLED = {
    "batch": "billed with its items, when its results are read",
    "count_tokens": "counting tokens has no published price; believed free",
    "moderation": "moderation has no published price; believed free",
}


def _region(url: str | None) -> str | None:
    """The region that an address of OpenAI's binds the call to, for which it may charge more."""
    found = re.match(r"https://([a-z]{2})\.api\.openai\.com", url or "")
    return found[1] if found else None


def _add_cost(record: Record, reading: Reading, usage: Usage, asked: dict[str, Any]) -> None:
    if why := _NOT_BILLED.get(record.operation_name or ""):
        record.cost_details = _cost.unknown(why).details
        return
    if record.status == "error" and usage.input is None:
        record.cost_details = _cost.unknown("the call failed, and the answer says nothing of a bill").details
        return
    problem = flaw(reading.raw_usage) or _half(record, usage)
    if problem and reading.reported_cost is None:
        record.cost_details = _cost.unknown(problem, flaw=True).details
        return
    if record.operation_name == "speech" and usage.output is None and isinstance(asked.get("input"), str):
        usage.input_characters = len(asked["input"])
    batch = record.response_service_tier == "batch"
    terms = _cost.Terms(
        tier=None if batch else record.response_service_tier,
        batch=batch,
        speed=reading.speed,
        geo=reading.geo or _region(record.request_url),
        reported=reading.reported_cost,
    )
    models = (record.response_model, record.request_model)
    decision = record.operation_name == "decision" and record.provider_name == "openai"
    seller = "openai-decisions" if decision else record.provider_name
    priced = _cost.price(seller, models, usage, terms, record.start_time, reading.further)
    record.cost, record.cost_details = priced.cost, priced.details
    doubts = [*_doubts(record, reading, usage, asked)] if reading.reported_cost is None else []
    if priced.cost is not None and doubts:
        why = "; ".join(filter(None, [priced.details.get("why"), *doubts]))
        record.cost_details |= {"certainty": "estimated", "why": why}
    if priced.cost is None and record.request_stream and reading.raw_usage is None:
        record.cost_details["unknown"] += (
            "; a chat stream tells it with stream_options={'include_usage': True} or configure(stream_usage=...)"
        )


def _doubts(record: Record, reading: Reading, usage: Usage, asked: dict[str, Any]) -> Iterator[str]:
    """Why a bill may not be what the provider will ask for, though everything in it has a price."""
    if reading.doubt:
        yield reading.doubt
    if by := record.extra.get("usage_estimated"):
        yield f"tokens counted with {by}, not by the provider"
    if record.response_service_tier is None and _text(asked.get("service_tier")) in {
        "flex",
        "priority",
        "scale",
        "fast",
    }:
        yield f"{asked['service_tier']} was asked for, and the answer does not say what was served"
    if any(name.startswith("container") for name in usage.units) and record.operation_name == "chat":
        yield "a container may serve several responses, and is billed once"
    whole = count(mapping(record.usage).get("total_tokens"))
    if whole is not None and None not in (usage.input, usage.output):
        more = whole - (usage.input or 0) - (usage.output or 0)
        if more > 0 and record.operation_name == "chat":
            yield f"the total says {more} tokens more than input and output together"


def _half(record: Record, usage: Usage) -> str | None:
    """A conversation is billed for both sides: one alone is no bill."""
    if record.operation_name not in {"chat", "text_completion"} or (usage.input is None) == (usage.output is None):
        return None
    if mapping(record.usage).get("total_tokens") == (usage.input if usage.output is None else usage.output):
        return None  # there was nothing else
    missing = "input" if usage.input is None else "output"
    return f"the response does not say how many {missing} tokens there were"


#: What `describe` fills in, and `forget` takes back.
DERIVED = (
    "provider_name", "error_type", "error_message",
    "response_model", "response_id", "response_finish_reasons", "response_service_tier", "tool_calls", "usage",
    *USAGE_FIELDS, "input_preview", "output_preview", "operation_name", "request_stream",
)  # fmt: skip


def derive(record: Record) -> None:
    """Describe a log as a vendor's client sent it, and note in `extra["given"]` what it said by itself."""
    given = {name for name in DERIVED if getattr(record, name) is not None} | set(record.extra.get("given", ()))
    if record.status == "error":
        given.add("status")
    record.extra = {**record.extra, "given": sorted(given)}
    describe(record)


def forget(record: Record) -> None:
    """Take back what was derived from the bodies, for new bodies have come; what the caller gave stays."""
    given = record.extra.get("given", ())
    for name in DERIVED:
        if name not in given:
            setattr(record, name, None)
    if "status" not in given and not (record.status_code or 0) >= 400:
        record.status = "ok"
    if not record.custom_cost:
        record.cost = record.cost_details = None
    record.media = None


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
    usage = msgspec.structs.replace(reading.usage)
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


def bodies(record: Record) -> tuple[Any, Any]:
    """Request and response as data, a stream put together."""
    if record.kind != "llm":
        return decode_json(record.request_body), decode_json(record.response_body)
    request = read_request(record.request_body, record.request_content_type or "")
    path = urlsplit(record.request_url or "").path
    provider = provider_of(path, request, decode_object(record.response_body))
    path = path or provider.guess_path(request)
    response, _ = read_response(provider, path, record.response_body, record.response_content_type or "")
    return request, response
