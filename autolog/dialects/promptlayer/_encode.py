"""Encodes records as PromptLayer's replies, and as requests for the client's exporter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autolog._record.record import Record
from autolog.dialects import Request
from autolog.dialects._convert import format_time, from_body, json_request, read_bodies, to_body
from autolog.dialects._fault import Fault, Json

# Replies


def encode_logged(record: Record, seq: int) -> Json:
    """Encode the reply to `POST /log-request`, whose status must be 201."""
    version = None
    if record.prompt_name is not None:
        model = {
            "provider": record.provider_name,
            "name": record.request_model,
            "parameters": record.request_meta.get("parameters") or {},
        }
        version = {"prompt_template": record.extra.get("input"), "commit_message": None, "metadata": {"model": model}}
    return {
        "id": seq,
        "request_id": seq,
        "prompt_version": version,
        "status": record.extra.get("status", "SUCCESS"),
        "error_type": record.error_type,
        "error_message": record.error_message,
    }


def encode_tracked(record: Record, seq: int) -> Json:
    """Encode the reply to `POST /track-request`, whose status must be 200."""
    return {"success": True, "request_id": seq, "prompt_blueprint": encode_blueprint(record)}


def encode_blueprint(record: Record) -> Json:
    """Encode the prompt from which a request was made."""
    request = from_body(record.request_body)
    request = request if isinstance(request, dict) else {}
    template = record.extra.get("input") or {"type": "chat", "messages": _blocks(request.get("messages"))}
    model = {
        "provider": record.provider_name,
        "name": record.request_model,
        "parameters": record.request_meta.get("parameters") or {},
    }
    return {"prompt_template": template, "metadata": {"model": model}}


def _blocks(messages: Any) -> list[Json]:
    """Return messages with their content as blocks, which this vendor's templates require."""
    encoded = []
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, dict):
            content = message.get("content")
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            encoded.append({**message, "content": blocks if isinstance(blocks, list) else []})
    return encoded


def encode_request_row(record: Record) -> Json:
    """Encode a request as `GET /api/public/v2/requests/{id}` and its search return it."""
    known = [n for n in (record.usage_input_tokens, record.usage_output_tokens) if n is not None]
    return {
        "request_id": record.seq,
        "id": record.seq,
        "prompt_blueprint": encode_blueprint(record),
        "provider": record.provider_name,
        "model": record.request_model or record.response_model,
        "input_tokens": record.usage_input_tokens,
        "output_tokens": record.usage_output_tokens,
        "tokens": sum(known) if known else None,
        "price": record.cost,
        "request_start_time": format_time(record.start_time or record.created_at),
        "request_end_time": format_time(record.end_time),
        "latency_ms": None if record.duration is None else round(record.duration * 1000),
        "trace_id": record.trace_id,
        "status": "ERROR" if record.status == "error" else record.extra.get("status", "SUCCESS"),
        "tags": record.tags,
        "metadata": record.metadata,
        "scores": record.scores,
        "prompt_name": record.prompt_name,
    }


def encode_fault(fault: Fault) -> Json:
    """Encode an error in this vendor's shape."""
    body: Json = {"success": False, "message": fault.message}
    return {**body, "detail": fault.details} if fault.status == 422 else body


# Requests, for the client's exporter


def is_fault(reply: Any) -> bool:
    return isinstance(reply, dict) and reply.get("success") is False and isinstance(reply.get("message"), str)


def encode_request(records: Sequence[Record]) -> Request:
    """Return the request that logs a record with the vendor, which accepts one at a time."""
    (record,) = records
    from autolog._reading.messages import plain_text, request_messages, response_messages

    request, response = read_bodies(record)
    roles = {"system", "user", "assistant", "developer", "tool", "function", "placeholder"}

    def template(messages: list[Any], default: str) -> Json:
        return {
            "type": "chat",
            "messages": [
                {"role": m.role if m.role in roles else default, "content": [{"type": "text", "text": plain_text(m)}]}
                for m in messages
            ],
        }

    fields: Json = {
        "provider": record.provider_name or "unknown",
        "model": record.request_model or record.response_model or "unknown",
        "input": template(request_messages(request), "user"),
        "output": template(response_messages(response), "assistant"),
        "request_start_time": format_time(record.start_time or record.created_at),
        "request_end_time": format_time(record.end_time or record.start_time or record.created_at),
        "tags": [tag[:512] for tag in record.tags],
        "metadata": {
            key[:1024]: value if isinstance(value, str) else to_text(value) for key, value in record.metadata.items()
        },
        "prompt_input_variables": record.prompt_variables,
        "input_tokens": record.usage_input_tokens,
        "output_tokens": record.usage_output_tokens,
        "price": record.cost,
        "function_name": record.name or "",
        "status": "ERROR" if record.status == "error" else "SUCCESS",
        "error_type": "PROVIDER_ERROR" if record.status == "error" else None,
        "error_message": (record.error_message or "")[:1024] or None,
    }
    return json_request("POST", "/log-request", {key: value for key, value in fields.items() if value is not None})


def to_text(value: Any) -> str:
    """Return a metadata value as text, as this vendor requires."""
    return value if isinstance(value, str) else (to_body(value) or b"").decode()
