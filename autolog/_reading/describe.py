"""Read the bodies of a provider call into its record: models, tokens, finish reasons, tool calls, error."""

from __future__ import annotations

import functools
from operator import attrgetter
from typing import Any
from urllib.parse import unquote, urlsplit

from autolog._reading.messages import last_user_text
from autolog._record.bodies import decode_json, decode_object, is_form, read_form
from autolog._record.folded import fold
from autolog._record.record import USAGE_FIELDS, USAGE_FIELDS_BY_COUNT, Record
from autolog._record.streams import is_stream, read_events, to_utf8
from autolog.providers import Facts, Format, format_at, format_of, provider_at, provider_of_model
from autolog.providers._facts import read_error
from autolog.providers._fields import mapping, text

PREVIEW = 200


def preview(content: str | None) -> str | None:
    """Return the beginning of a text on one line, of at most PREVIEW characters; None if there is no text."""
    if not content:
        return None
    head = content[: PREVIEW + 50]
    # A printable text has no white space but blanks, and is on one line as it is, which is found out quickly.
    flat = head.strip() if head.isprintable() and "  " not in head else " ".join(head.split())
    if len(flat) <= PREVIEW < len(content):  # the beginning has many blanks
        flat = " ".join(content[: PREVIEW * 4].split())
    return flat if len(flat) <= PREVIEW else flat[: PREVIEW - 1] + "…"


def describe(record: Record, provider: Format | None = None) -> Facts:
    """Fill in a record from its bodies: models, tokens, finish reasons, tool calls, error; return the facts read.

    Fields that are already set are kept, because a log may come with its own figures. Without `provider`, the URL or
    the shape of the bodies determines the format. Cost (`_pricing.bill`) and media (`_record.media`) are not filled in
    here.
    """
    host, path = _address(record.request_url or "")
    request = read_request(record.request_body, record.request_content_type or "")
    whole = None if provider else decode_json(record.response_body)
    provider = provider or format_of(host, path, request, mapping(whole))
    path = path or provider.guess_path(request)
    provider = format_at(provider.name, path)
    answer, streamed = read_response(provider, path, record.response_body, record.response_content_type or "", whole)
    facts = provider.read(path, answer, record.response_headers or {})
    facts.format, facts.path, facts.request, facts.response = provider.name, path, request, answer
    facts.unbilled_reason = provider.unbilled_reason(path)
    lasting = facts.long_running and facts.long_running.operation
    record.operation_name = record.operation_name or lasting or facts.operation or provider.operation(path) or None
    record.request_model = (
        record.request_model or text(request.get("model")) or provider.model_in(path) or _model_in(request)
    )
    named = {"model": record.request_model, **request} if record.request_model else request
    facts.usage.units = provider.billable_units(path, named, answer)
    if record.request_stream is None:
        record.request_stream = streamed or request.get("stream") in (True, "true")
    record.name = record.name or " ".join(filter(None, (record.operation_name, record.request_model))) or None
    record.input_preview = record.input_preview or preview(last_user_text(request))
    record.output_preview = record.output_preview or preview(facts.output_text)
    is_text = streamed and record.operation_name in {"chat", "text_completion"}
    if is_text and _GOES_ON.issuperset(facts.finish_reasons or ()):
        facts.uncertainty = facts.uncertainty or "the stream was not read to its end, where the full usage is reported"
        facts.reported_cost = None  # so far, as in each chunk of Perplexity's
    _add_facts(record, facts)
    _add_error(record, facts, answer)
    record.cached = record.cached or _is_from_cache(record.response_headers)
    model = record.response_model or record.request_model
    record.provider_name = record.provider_name or provider_at(host) or provider_of_model(model)
    return facts


@functools.lru_cache(maxsize=1024)
def _address(url: str) -> tuple[str, str]:
    """Return the host of a URL, with its port, and its path without escapes."""
    address = urlsplit(url)
    return address.netloc, unquote(address.path)


#: States of the Responses API that stand for finish reasons, although the response is not finished.
_GOES_ON = frozenset({"queued", "in_progress"})
#: The fields that `describe` fills in.
DERIVED = (
    "provider_name", "error_type", "error_message",
    "response_model", "response_id", "response_finish_reasons", "response_service_tier", "tool_calls", "usage",
    *USAGE_FIELDS, "input_preview", "output_preview", "operation_name", "request_stream",
)  # fmt: skip


def read_request(body: bytes | None, content_type: str) -> dict[str, Any]:
    """Return the fields of a request, whether it is JSON or a form."""
    if not body:
        return {}
    return read_form(body, content_type) if is_form(content_type) else decode_object(body)


#: The keys under which the requests of AWS's services name a model, besides `model`.
_MODELS = ("model", "modelId", "modelArn", "foundationModel", "targetModelId", "baseModelIdentifier")
#: The keys of settings inside of a request that may name it: Perplexity's, OpenAI's and AWS's.
_SETTINGS = (
    "request", "session", "rerankingConfiguration", "bedrockRerankingConfiguration", "modelConfiguration",
    "retrieveAndGenerateConfiguration", "knowledgeBaseConfiguration", "externalSourcesConfiguration",
    "agenticRetrieveConfiguration", "foundationModelConfiguration", "bedrockFoundationModelConfiguration",
)  # fmt: skip


def _model_in(request: dict[str, Any]) -> str | None:
    """Return the model that a request names anywhere but in its path; None if it names none."""
    named = (text(request.get(key)) for key in _MODELS)
    nested = (_model_in(mapping(request[key])) for key in _SETTINGS if key in request)
    return next(filter(None, (*named, *nested)), None)


def read_response(
    provider: Format, path: str, body: bytes | None, content_type: str, whole: Any = None
) -> tuple[Any, bool]:
    """Return the response as one JSON value, assembled if it was a stream, and whether it was a stream.

    `whole` is the body's JSON value, if the caller has already decoded it.
    """
    if not body:
        return None, False
    if isinstance(whole, dict) and content_type in ("", "application/json"):
        return whole, False  # most bodies of logs from elsewhere
    if is_stream(body, content_type) or (provider.streams(path) and to_utf8(body).lstrip()[:1] == b"["):
        return provider.assemble(path, read_events(fold(body).body, content_type)), True
    if to_utf8(body).lstrip()[:1] not in (b"{", b"["):
        return None, False
    return decode_json(body) if whole is None else whole, False


#: The headers in which gateways say whether they answered from their own cache: `HIT`, at Portkey also `SEMANTIC HIT`.
#: Sources: developers.cloudflare.com/ai-gateway/features/caching, portkey.ai/docs/api-reference/response-schema,
#: docs.helicone.ai/features/advanced-usage/caching.
_CACHE_STATUS = frozenset({"cf-aig-cache-status", "x-portkey-cache-status", "helicone-cache"})


def _is_from_cache(headers: dict[str, str] | None) -> bool:
    if headers is None or _CACHE_STATUS.isdisjoint(headers):
        return False
    return any(headers.get(name, "").upper().endswith("HIT") for name in _CACHE_STATUS)


def _add_facts(record: Record, facts: Facts) -> None:
    """Fill in the fields that are not set yet from the facts."""
    record.response_model = record.response_model or facts.model
    record.response_id = record.response_id or facts.id
    record.response_finish_reasons = record.response_finish_reasons or facts.finish_reasons
    record.response_service_tier = record.response_service_tier or facts.service_tier
    record.tool_calls = record.tool_calls or facts.tool_calls or None
    record.usage = record.usage or facts.raw_usage
    for name, given, read in zip(USAGE_FIELDS, _given_counts(record), _read_counts(facts.usage), strict=True):
        if given is None and read is not None:
            setattr(record, name, read)


_given_counts, _read_counts = attrgetter(*USAGE_FIELDS), attrgetter(*USAGE_FIELDS_BY_COUNT)


def _add_error(record: Record, facts: Facts, answer: Any) -> None:
    """Fill in the error, preferring the provider's message to the exception's, which remains for a broken stream."""
    failed = record.status_code is not None and record.status_code >= 400
    kind, message = facts.error_type, facts.error_message
    if failed:
        other_kind, other_message = read_error(answer) if answer is not None else (None, None)
        kind, message = kind or other_kind, message or other_message
        kind = kind or (record.response_headers or {}).get("x-amzn-errortype", "").partition(":")[0] or None
    if failed or kind or message:
        record.status = "error"
        record.error_type = kind or record.error_type or str(record.status_code)
        record.error_message = message or record.error_message


def bodies(record: Record) -> tuple[Any, Any]:
    """Return a record's request and response as JSON values; a streamed response is assembled."""
    if record.kind != "llm":
        return decode_json(record.request_body), decode_json(record.response_body)
    request = read_request(record.request_body, record.request_content_type or "")
    host, path = _address(record.request_url or "")
    provider = format_of(host, path, request, decode_object(record.response_body))
    path = path or provider.guess_path(request)
    response, _ = read_response(provider, path, record.response_body, record.response_content_type or "")
    return request, response
