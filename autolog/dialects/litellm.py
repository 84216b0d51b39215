"""LiteLLM's generic logger: its StandardLoggingPayload, one, an array, or one per line (litellm 1.110).

Programs enable it with `GENERIC_LOGGER_ENDPOINT`. The response is always in the shape of OpenAI's, whichever the
provider. The format cannot express the provider's raw bodies, the service tier, headers, and retries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from autolog._reading.derive import derive_in_steps
from autolog._record.bodies import decode_json
from autolog._record.record import Record
from autolog.dialects._convert import fill_times, host_of, new_id, parse_time, text_of, to_body
from autolog.dialects._fault import NO_LIMIT, Fault, Json, check_count, parse_json, why_misread
from autolog.dialects._providers import operation_called, provider_called
from autolog.dialects._steps import Steps, at_once, in_steps
from autolog.providers._fields import count, mapping, text, texts

name = "litellm"
why_not_shipped = "its payload is for loggers, and LiteLLM itself accepts none"
key_headers: tuple[str, ...] = ()
prefixes = ("/litellm",)


@dataclass(slots=True)
class Upload:
    """The records of one request, and the number of its payloads that could not be decoded."""

    records: list[Record] = field(default_factory=list)
    rejected: int = 0
    problem: str = ""


def decode_payloads(data: bytes, most: int = NO_LIMIT) -> Upload:
    """Return the records of one request; payloads that cannot be decoded are left out and counted.

    Raises:
        Fault: 400, if no payload can be decoded; 413, if there are more than `most`.
    """
    payloads = _payloads(data, most)
    check_count(len(payloads), most)
    upload = Upload()
    for result in in_steps(payloads, _decode):
        if isinstance(result, Exception):
            upload.rejected, upload.problem = upload.rejected + 1, why_misread(result)
        else:
            upload.records.append(result)
    if upload.rejected and not upload.records:
        raise Fault(400, upload.problem)
    return upload


def encode_reply(upload: Upload) -> Json:
    """Encode the reply to a request: the ids of the stored records, and the payloads that could not be decoded."""
    rejections = {"rejected": upload.rejected, "problem": upload.problem} if upload.rejected else {}
    return {"status": "success", "ids": [record.id for record in upload.records], **rejections}


_LINE = re.compile(rb"[^\r\n]+")


def _payloads(data: bytes, most: int) -> list[Any]:
    """Return the payloads in a body; a line that is not JSON is returned as text.

    Raises:
        Fault: 400, if it is neither JSON nor lines; 413, if it has more than `most` lines.
    """
    try:
        value = parse_json(data)
    except Fault:
        lines = list[bytes]()
        for line in _LINE.finditer(data):
            if line[0].strip():
                lines.append(line[0])
                check_count(len(lines), most)
        if len(lines) < 2:
            raise
        return [*map(_line, lines)]
    return value if isinstance(value, list) else [value]


def _line(line: bytes) -> Any:
    try:
        return parse_json(line)
    except Fault:
        return line.decode(errors="replace")


def _check(payload: Any) -> None:
    if not isinstance(payload, dict):
        raise Fault(
            400, f"{str(payload)[:20]!r} is not a payload: the body is one, an array of them, or one on each line"
        )


def is_payload(value: Json) -> bool:
    """Return whether an object is a payload; LiteLLM's `langsmith` callback sends it as the inputs of a run."""
    return "litellm_call_id" in value and "call_type" in value


def decode_payload(payload: Json) -> Record:
    """Decode one payload as a record.

    Raises:
        Fault: 400, if a time is invalid.
    """
    return at_once(_decode(payload))


def _decode(payload: Json) -> Steps[Record]:
    _check(payload)
    metadata = mapping(payload.get("metadata"))
    parameters = mapping(payload.get("model_parameters"))
    model = _model(payload)
    record = Record(
        id=text(payload.get("litellm_call_id")) or text(payload.get("id")) or new_id(),
        dialect=name,
        operation_name=operation_called(str(payload.get("call_type") or "")) or None,
        provider_name=provider_called(text(payload.get("custom_llm_provider"))),
        request_model=model,
        response_model=_served_model(payload, model),
        request_stream=payload.get("stream") if isinstance(payload.get("stream"), bool) else None,
        request_url=text(payload.get("api_base")),
        trace_id=text(payload.get("trace_id")),
        session=_session(payload, metadata),
        user=_user(payload, metadata, parameters),
        tags=texts(payload.get("request_tags")),
        metadata={**mapping(metadata.get("requester_metadata")), **mapping(metadata.get("spend_logs_metadata"))},
        start_time=parse_time(payload.get("startTime"), "startTime"),
        end_time=parse_time(payload.get("endTime"), "endTime"),
        cached=payload.get("cache_hit") in (True, "True", "true"),
        request_body=to_body(_request(payload, model)),
        response_body=to_body(_response(payload.get("response"))),
    )
    _read_usage(record, payload, metadata)
    _read_failure(record, payload)
    fill_times(record)
    first = parse_time(payload.get("completionStartTime"), "completionStartTime")
    if record.request_stream and first and record.start_time:
        record.time_to_first_chunk = max(0.0, (first - record.start_time).total_seconds())
    if record.cached:
        record.cost, record.custom_cost = 0.0, True
    url, record.request_url = record.request_url, None  # the base URL has no path that would tell the format
    if (host := host_of(url)) is not None:
        record.extra = {**record.extra, "server_address": host}
    status = record.status
    yield
    yield from derive_in_steps(record)
    record.request_url, record.status = url, status
    _read_cost(record, payload)
    return record


def _model(payload: Json) -> str | None:
    """Return the model without its provider, which the proxy's payloads prefix to it, as in `openai/gpt-4o`."""
    model, provider = text(payload.get("model")), text(payload.get("custom_llm_provider"))
    return model.removeprefix(f"{provider}/") if model and provider else model


def _served_model(payload: Json, model: str | None) -> str | None:
    """Return the model that was called if the response names the proxy's alias instead; None if it names the model.

    The proxy writes the name by which its client called the model, `model_group`, into the response.
    """
    alias = text(payload.get("model_group"))
    aliased = alias is not None and alias == mapping(_response(payload.get("response"))).get("model")
    return model if aliased else None


#: A random UUID, which LiteLLM makes up as the trace id of each call for which the program names none.
_MADE_UP = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def _session(payload: Json, metadata: Json) -> str | None:
    """Return the session that the program named, which older versions and most programs report as the trace id only."""
    requester = mapping(metadata.get("requester_metadata"))
    named = (payload.get("session_id"), metadata.get("session_id"), requester.get("session_id"))
    trace_id = text(payload.get("trace_id"))
    is_made_up = trace_id is not None and _MADE_UP.fullmatch(trace_id)
    return next((session for session in map(text, named) if session), None if is_made_up else trace_id)


def _user(payload: Json, metadata: Json, parameters: Json) -> str | None:
    named = (parameters.get("user"), payload.get("end_user"), metadata.get("user_api_key_end_user_id"),
             metadata.get("user_api_key_user_id"))  # fmt: skip
    return next((user for user in map(text, named) if user), None)


def _request(payload: Json, model: str | None) -> Json:
    """Return the request; without its parameters it has no model either, as it is not whole."""
    messages, parameters = payload.get("messages"), payload.get("model_parameters")
    request = {} if messages in (None, "") else {"messages" if isinstance(messages, list) else "input": messages}
    return {"model": model, **request, **parameters} if isinstance(parameters, dict) else request


def _response(response: Any) -> Any:
    parsed = decode_json(response) if isinstance(response, str) else response
    return response if parsed is None else parsed


def _read_usage(record: Record, payload: Json, metadata: Json) -> None:
    """Read the token counts; LiteLLM includes cached tokens in the prompt's for every provider."""
    usage = mapping(metadata.get("usage_object")) or mapping(mapping(payload.get("response")).get("usage"))
    details = mapping(usage.get("prompt_tokens_details"))
    lives = mapping(details.get("cache_creation_token_details"))
    record.usage_input_tokens = count(usage.get("prompt_tokens", payload.get("prompt_tokens")))
    record.usage_output_tokens = count(usage.get("completion_tokens", payload.get("completion_tokens")))
    record.usage_cache_read_input_tokens = count(details.get("cached_tokens", usage.get("cache_read_input_tokens")))
    record.usage_cache_creation_input_tokens = count(
        details.get("cache_creation_tokens", usage.get("cache_creation_input_tokens"))
    )
    record.usage_cache_creation_5m_input_tokens = count(lives.get("ephemeral_5m_input_tokens"))
    record.usage_cache_creation_1h_input_tokens = count(lives.get("ephemeral_1h_input_tokens"))


def _read_failure(record: Record, payload: Json) -> None:
    if payload.get("status") != "failure":
        return
    error = mapping(payload.get("error_information"))
    record.status = "error"
    record.error_type = text(error.get("error_class")) or "error"
    record.error_message = text_of(error.get("error_message") or payload.get("error_str"))
    code = str(error.get("error_code") or "")
    record.status_code = int(code) if code.isdecimal() and len(code) == 3 else None
    # LiteLLM reports 0 tokens for a failed call, which means unknown.
    if not record.usage_input_tokens and not record.usage_output_tokens:
        record.usage_input_tokens = record.usage_output_tokens = None


def _read_cost(record: Record, payload: Json) -> None:
    """Use LiteLLM's cost if the price table has none."""
    value = payload.get("response_cost")
    if record.cost is None and isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        record.cost, record.custom_cost = float(value), True
        record.cost_details = {"certainty": "estimated", "why": "as LiteLLM computed it"}


def encode_fault(fault: Fault) -> Json:
    """Encode an error in the native shape, since LiteLLM looks only at the status."""
    return {"error": {"message": fault.message}}
