"""OTLP traces: spans of any OpenTelemetry program as records, and records as spans.

Read are the semantic conventions for generative AI (https://opentelemetry.io/docs/specs/semconv/gen-ai/) and the
attribute names of OpenInference, OpenLLMetry and Logfire. The wire is OTLP/HTTP 1.x, protobuf or JSON
(https://opentelemetry.io/docs/specs/otlp/): in OTLP JSON ids are hexadecimal, in the protobuf JSON mapping base64.

What the format cannot hold: the exact bodies (only what was put into attributes), headers, retries.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from autolog._reading.derive import derive
from autolog._record.bodies import decode_json
from autolog._record.record import Record
from autolog.dialects import Request, native
from autolog.dialects._convert import MAX_DOLLARS, fill_times, from_body, json_request, nanoseconds, text_of, to_body
from autolog.dialects._fault import Fault, Json
from autolog.providers._fields import count

name = "otlp"
why_not_shipped = ""
batches = True
key_headers: tuple[str, ...] = ()
prefixes = ("/v1/traces", "/v1/otel/", "/v1/logs/otel/")

Attributes = dict[str, Any]

# Attribute names: ours, then those that mean the same, the first present wins.
_TEXTS = {
    "operation_name": ("gen_ai.operation.name",),
    "provider_name": ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"),
    "request_model": ("gen_ai.request.model", "llm.request.model", "llm.model_name", "embedding.model_name"),
    "response_model": ("gen_ai.response.model", "llm.response.model"),
    "response_id": ("gen_ai.response.id",),
    "response_service_tier": ("openai.response.service_tier", "gen_ai.openai.response.service_tier"),
    "error_type": ("error.type", "exception.type"),
    "user": ("user.id", "enduser.id", "traceloop.association.properties.user_id", "gen_ai.user.id"),
    "session": ("session.id", "gen_ai.conversation.id", "traceloop.association.properties.session_id"),
    "prompt_name": ("gen_ai.prompt.name", "traceloop.prompt.key"),
}
_COUNTS = {
    "usage_input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
                           "llm.usage.prompt_tokens"),
    "usage_output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens",
                            "llm.token_count.completion", "llm.usage.completion_tokens"),
    "usage_cache_read_input_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
                                      "gen_ai.usage.details.cache_read_tokens",
                                      "llm.token_count.prompt_details.cache_read"),
    "usage_cache_creation_input_tokens": ("gen_ai.usage.cache_creation.input_tokens",
                                          "gen_ai.usage.cache_creation_input_tokens",
                                          "gen_ai.usage.details.cache_write_tokens",
                                          "llm.token_count.prompt_details.cache_write"),
    "usage_reasoning_output_tokens": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens",
                                      "gen_ai.usage.details.reasoning_tokens",
                                      "llm.token_count.completion_details.reasoning"),
    "usage_input_audio_tokens": ("gen_ai.usage.input_audio_tokens", "llm.token_count.prompt_details.audio"),
    "usage_output_audio_tokens": ("gen_ai.usage.output_audio_tokens", "llm.token_count.completion_details.audio"),
    "status_code": ("http.response.status_code", "http.status_code"),
}  # fmt: skip
_REQUESTS = ("request_data", "input.value", "gen_ai.input.messages", "gen_ai.prompt", "traceloop.entity.input",
             "gen_ai.tool.call.arguments")  # fmt: skip
_RESPONSES = ("response_data", "output.value", "gen_ai.output.messages", "gen_ai.completion", "traceloop.entity.output",
              "gen_ai.tool.call.result")  # fmt: skip
#: Older names of providers, in today's words.
_PROVIDERS = {"az.ai.openai": "azure.ai.openai", "azure": "azure.ai.openai", "aws_bedrock": "aws.bedrock",
              "vertex_ai": "gcp.vertex_ai", "google": "gcp.gemini", "mistralai": "mistral_ai", "xai": "x_ai",
              "OpenAI": "openai", "Anthropic": "anthropic", "AWS": "aws.bedrock"}  # fmt: skip
_KINDS = {
    "LLM": "llm", "EMBEDDING": "llm", "CHAIN": "chain", "TOOL": "tool", "RETRIEVER": "retrieval", "AGENT": "agent",
    "RERANKER": "chain", "GUARDRAIL": "span", "EVALUATOR": "evaluator", "workflow": "chain", "task": "function",
    "agent": "agent", "tool": "tool", "execute_tool": "tool", "invoke_agent": "agent", "create_agent": "agent",
    "invoke_workflow": "chain",
}  # fmt: skip
_OPERATIONS = {"completion": "text_completion", "embedding": "embeddings", "EMBEDDING": "embeddings", "LLM": "chat"}


# Decoding


def decode_protobuf(data: bytes) -> Json:
    """An ExportTraceServiceRequest as the protobuf JSON mapping has it: ids are base64.

    Raises:
        Fault: 400, not such a message.
    """
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(data)
        decoded: Json = MessageToDict(request)
    except (DecodeError, ValueError, RecursionError) as error:
        raise Fault(400, f"the body is not an OTLP trace message: {error}") from error
    return decoded


def decode_traces(request: Json, base64_ids: bool) -> list[Record]:
    """The records of an export request, one for each span.

    Raises:
        Fault: 400, not of the shape of an export request.
    """
    records = []
    for resource_spans in _objects(request, "resourceSpans", "resource_spans"):
        resource = _attributes(resource_spans.get("resource"))
        for scope_spans in _objects(resource_spans, "scopeSpans", "scope_spans"):
            scope = scope_spans.get("scope")
            library = scope.get("name") if isinstance(scope, dict) else None
            spans = _objects(scope_spans, "spans")
            records += [_guarded_span(span, resource, library, base64_ids) for span in spans]
    return records


def _objects(value: Json, *names: str) -> Iterator[Json]:
    items: Any = next((value[key] for key in names if value.get(key) is not None), [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Fault(400, f"{names[0]}: is not a list of objects")
    yield from items


def _guarded_span(span: Json, resource: Attributes, library: Any, base64_ids: bool) -> Record:
    try:
        return _decode_span(span, resource, library, base64_ids)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise Fault(400, f"a span is not of the shape of one: {type(error).__name__}") from error


def _decode_span(span: Json, resource: Attributes, library: Any, base64_ids: bool) -> Record:
    attributes = _attributes(span)
    trace_id = _identifier(span.get("traceId", span.get("trace_id")), 16, base64_ids)
    span_id = _identifier(span.get("spanId", span.get("span_id")), 8, base64_ids)
    if trace_id is None or span_id is None:
        raise Fault(400, "a span has no valid traceId and spanId")
    record = Record(
        id=f"{trace_id}-{span_id}",
        dialect=name,
        kind=_kind(attributes),
        name=text_of(span.get("name")),
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=_identifier(span.get("parentSpanId", span.get("parent_span_id")), 8, base64_ids),
        start_time=nanoseconds(span.get("startTimeUnixNano", span.get("start_time_unix_nano"))),
        end_time=nanoseconds(span.get("endTimeUnixNano", span.get("end_time_unix_nano"))),
        extra={"resource": resource, "scope": library, "attributes": attributes},
    )
    _read_attributes(record, attributes)
    _read_status(record, span)
    fill_times(record)
    if record.kind == "llm":
        status, kept = record.status, record.name
        derive(record)
        record.status, record.name = status, kept
    return record


def _attributes(holder: Any) -> Attributes:
    items = holder.get("attributes") if isinstance(holder, dict) else None
    return {
        str(item.get("key")): _value(item.get("value"))
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict)
    }


def _value(value: Any) -> Any:
    """An AnyValue as plain data."""
    if not isinstance(value, dict):
        return value
    for kind in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
        if kind in value:
            return value[kind]
    if "intValue" in value:
        try:
            return int(value["intValue"])
        except (TypeError, ValueError):
            return None
    for kind, read in (("arrayValue", _array), ("kvlistValue", _pairs)):
        if isinstance(value.get(kind), dict):
            return read(value[kind])
    return None


def _array(value: Json) -> list[Any]:
    items = value.get("values")
    return [_value(item) for item in items] if isinstance(items, list) else []


def _pairs(value: Json) -> Json:
    return _attributes({"attributes": value.get("values")})


def _identifier(value: Any, size: int, base64_ids: bool) -> str | None:
    """An id in hexadecimal; None if it is missing or all zero.

    Raises:
        Fault: 400, something else.
    """
    if value in (None, ""):
        return None
    text = str(value)
    try:
        raw = base64.b64decode(text, validate=True) if base64_ids else bytes.fromhex(text)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != size:
        raise Fault(400, f"{text[:50]!r} is no id of {size} bytes")
    return raw.hex() if any(raw) else None


def _kind(attributes: Attributes) -> str:
    for key in ("openinference.span.kind", "traceloop.span.kind", "gen_ai.operation.name"):
        kind = _KINDS.get(str(attributes.get(key)))
        if kind:
            return kind
    words = {"gen_ai.operation.name", "gen_ai.request.model", "llm.request.type", "llm.model_name", "llm.request.model"}
    return "llm" if words & attributes.keys() else "span"


def _read_attributes(record: Record, attributes: Attributes) -> None:
    for field, names in _TEXTS.items():
        value = _first(attributes, names)
        if value is not None:
            setattr(record, field, str(value))
    for field, names in _COUNTS.items():
        value = _first(attributes, names)
        if count(value) is not None:
            setattr(record, field, count(value))
    if record.provider_name:
        record.provider_name = _PROVIDERS.get(record.provider_name, record.provider_name)
    if record.operation_name is None:
        word = _first(attributes, ("llm.request.type", "openinference.span.kind"))
        record.operation_name = _OPERATIONS.get(str(word), str(word) if word in {"chat", "rerank"} else None)
    reasons = attributes.get("gen_ai.response.finish_reasons")
    if isinstance(reasons, list) and reasons:
        record.response_finish_reasons = [str(reason) for reason in reasons]
    cost = _first(attributes, ("operation.cost", "gen_ai.usage.cost", "llm.cost.total"))
    if isinstance(cost, (int, float)) and not isinstance(cost, bool) and abs(cost) <= MAX_DOLLARS:
        record.cost, record.custom_cost = float(cost), True
    record.tags = [str(tag) for tag in _listed(attributes.get("tag.tags") or attributes.get("logfire.tags"))]
    metadata = attributes.get("metadata")
    metadata = decode_json(metadata) if isinstance(metadata, str) else metadata
    record.metadata = metadata if isinstance(metadata, dict) else {}
    prefix = "traceloop.association.properties."
    record.metadata.update({key[len(prefix) :]: value for key, value in attributes.items() if key.startswith(prefix)})
    _read_bodies(record, attributes)


def _first(attributes: Attributes, names: tuple[str, ...]) -> Any:
    return next((attributes[key] for key in names if attributes.get(key) not in (None, "")), None)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _read_bodies(record: Record, attributes: Attributes) -> None:
    request = _payload(attributes, _REQUESTS, ("gen_ai.prompt", "llm.input_messages", "llm.prompts"), "messages")
    response = _payload(attributes, _RESPONSES, ("gen_ai.completion", "llm.output_messages"), "choices")
    if isinstance(request, dict) and not {"messages", "input", "prompt"} & request.keys():
        said = _payload(attributes, ("gen_ai.input.messages",), (), "messages")
        request = {**request, **(said or {})}
    instructions = attributes.get("gen_ai.system_instructions")
    if instructions and isinstance(request, dict) and "system" not in request:
        parsed = decode_json(instructions) if isinstance(instructions, str) else instructions
        request["system"] = [_part(item) for item in parsed] if isinstance(parsed, list) else instructions
    record.request_body, record.response_body = to_body(request), to_body(response)


def _payload(attributes: Attributes, names: tuple[str, ...], indexed: tuple[str, ...], side: str) -> Any:
    """A body: as JSON from one attribute, or gathered from numbered ones."""
    for key in names:
        value = attributes.get(key)
        if value in (None, ""):
            continue
        parsed = decode_json(value) if isinstance(value, str) else value
        if key.endswith(".messages"):
            return _conversation(parsed, side)
        if key == "response_data" and isinstance(parsed, dict) and isinstance(parsed.get("message"), dict):
            return {**parsed, "choices": [{"index": 0, "message": parsed["message"]}]}
        return value if parsed is None else parsed
    for prefix in indexed:
        messages = _numbered(attributes, prefix)
        if messages:
            return {
                side: messages if side == "messages" else [{"index": i, "message": m} for i, m in enumerate(messages)]
            }
    return None


def _numbered(attributes: Attributes, prefix: str) -> list[Json]:
    """`prefix.0.role`, `prefix.0.content`, ... (OpenInference puts `message.` between)."""
    messages: dict[int, Json] = {}
    for key, value in attributes.items():
        if not key.startswith(prefix + "."):
            continue
        number, _, word = key[len(prefix) + 1 :].partition(".")
        if number.isdigit() and len(number) < 6:
            messages.setdefault(int(number), {})[word.removeprefix("message.")] = value
    return [
        {"role": message.get("role") or "assistant", "content": message.get("content"),
         **({"finish_reason": message["finish_reason"]} if "finish_reason" in message else {})}
        for _, message in sorted(messages.items())
    ]  # fmt: skip


def _conversation(messages: Any, side: str) -> Any:
    """The conventions' messages, whose content is in `parts`, as chat messages."""
    if not isinstance(messages, list):
        return None
    made = []
    for message in messages:
        if isinstance(message, dict):
            parts = [_part(part) for part in _listed(message.get("parts"))]
            texts = [part["text"] for part in parts if part.get("type") == "text"]
            content = texts[0] if len(parts) == len(texts) == 1 else parts
            made.append({"role": message.get("role") or "assistant", "content": content,
                         "finish_reason": message.get("finish_reason")})  # fmt: skip
    if side == "messages":
        return {"messages": [{key: message[key] for key in ("role", "content")} for message in made]}
    choices = [
        {"index": i, "message": {key: m[key] for key in ("role", "content")}, "finish_reason": m["finish_reason"]}
        for i, m in enumerate(made)
    ]
    return {"choices": choices}


def _part(part: Any) -> Json:
    if not isinstance(part, dict):
        return {"type": "text", "text": str(part)}
    kind = part.get("type")
    if kind in {"text", "reasoning"}:
        word = "text" if kind == "text" else "thinking"
        return {"type": kind if kind == "text" else "thinking", word: part.get("content")}
    if kind == "tool_call":
        return {"type": "tool_use", "id": part.get("id"), "name": part.get("name"), "input": part.get("arguments")}
    if kind == "tool_call_response":
        result = part.get("response", part.get("result"))
        return {"type": "tool_result", "tool_use_id": part.get("id"), "content": text_of(result)}
    return part


def _read_status(record: Record, span: Json) -> None:
    status = span.get("status")
    code = status.get("code") if isinstance(status, dict) else None
    if code in (2, "STATUS_CODE_ERROR") or record.error_type:
        record.status = "error"
        record.error_message = text_of((status or {}).get("message")) or _exception(record, span)
    elif record.status_code is not None and record.status_code >= 400:
        record.status = "error"


def _exception(record: Record, span: Json) -> str | None:
    for event in _listed(span.get("events")):
        attributes = _attributes(event)
        if "exception.message" in attributes or "exception.type" in attributes:
            record.error_type = record.error_type or text_of(attributes.get("exception.type"))
            return text_of(attributes.get("exception.message"))
    return None


# Replies and requests


def encode_fault(fault: Fault) -> Json:
    """An error as OTLP has it: a `google.rpc.Status`, of which the message is enough."""
    return {"message": fault.message}


def refused(reply: Any, sent: int) -> int | None:
    """As OTLP has it: all are accepted but `rejectedSpans` (https://opentelemetry.io/docs/specs/otlp/#otlphttp-response).

    Many backends leave the reply empty.
    """
    if reply is None:
        return 0
    if not isinstance(reply, dict) or not reply.keys() <= {"partialSuccess"}:
        return None
    rejected = (reply.get("partialSuccess") or {}).get("rejectedSpans", 0)
    return min(sent, max(0, int(rejected))) if str(rejected).isdecimal() else 0  # 64-bit numbers may be texts


def is_fault(reply: Any) -> bool:
    """As a google.rpc.Status, or as our own server says it."""
    status = isinstance(reply, dict) and {"code", "message"} <= reply.keys() <= {"code", "message", "details"}
    return status or native.is_fault(reply)


def encode_request(records: Sequence[Record]) -> Request:
    """The OTLP JSON request that ships records to any OpenTelemetry backend."""
    scope = {"scope": {"name": "autolog"}, "spans": [_encode_span(record) for record in records]}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "autolog"}}]}
    payload = {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}
    return json_request("POST", "/v1/traces", payload)


def _encode_span(record: Record) -> Json:
    attributes: Attributes = {names[0]: getattr(record, field) for field, names in {**_TEXTS, **_COUNTS}.items()}
    attributes["gen_ai.response.finish_reasons"] = record.response_finish_reasons
    attributes["operation.cost"] = record.cost
    attributes["metadata"] = text_of(record.metadata) if record.metadata else None
    attributes["tag.tags"] = record.tags or None
    for key, body in (("request_data", record.request_body), ("response_data", record.response_body)):
        attributes[key] = text_of(from_body(body))
    if record.kind not in {"llm", "span"}:
        attributes["openinference.span.kind"] = {"tool": "TOOL", "agent": "AGENT", "retrieval": "RETRIEVER"}.get(
            record.kind, "CHAIN"
        )
    start = record.start_time or record.created_at
    span: Json = {
        "traceId": _hex(record.trace_id, record.id, 32),
        "spanId": _hex(record.span_id, record.id, 16),
        "name": record.name or record.kind,
        "kind": 3 if record.kind == "llm" else 1,
        "startTimeUnixNano": _nanos(start),
        "endTimeUnixNano": _nanos(record.end_time or start),
        "attributes": [
            {"key": key, "value": _any_value(value)} for key, value in attributes.items() if value is not None
        ],
        "status": {"code": 2, "message": record.error_message or ""} if record.status == "error" else {},
    }
    if record.parent_span_id:
        span["parentSpanId"] = _hex(record.parent_span_id, record.parent_span_id, 16)
    return span


def _hex(value: str | None, other: str, size: int) -> str:
    """An id of the right size: the record's own, else one that follows from what it has."""
    import hashlib

    if value and len(value) == size and all(digit in "0123456789abcdef" for digit in value):
        return value
    return hashlib.sha256((value or other).encode()).hexdigest()[:size]


def _nanos(at: datetime | None) -> str:
    return "0" if at is None else str(int(at.timestamp() * 1_000_000) * 1000)


def _any_value(value: Any) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_any_value(item) for item in value]}}
    return {"stringValue": str(value)}
