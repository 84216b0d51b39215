"""Encodes records as Humanloop's replies, and as requests for the client's exporter."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from autolog._record.record import Record
from autolog.dialects import Request
from autolog.dialects._convert import format_time, json_request, read_bodies
from autolog.dialects._fault import Fault, Json

# Replies


def encode_created(record: Record) -> Json:
    """Encode the reply to the creation of a log."""
    kind = record.extra.get("file_type", "prompt")
    reply: Json = {
        "id": record.id,
        f"{kind}_id": record.prompt_id,
        "version_id": record.prompt_version,
        "session_id": record.session,
    }
    if kind == "flow":
        reply["log_status"] = record.extra.get("log_status")
    if kind == "evaluator":
        reply["parent_id"] = record.extra.get("parent_id")
    return reply


class FileFacts:
    """What a log says about its file: counts and times over all logs of the file."""

    def __init__(self, total: int, of_version: int, first: datetime | None, last: datetime | None) -> None:
        self.total, self.of_version, self.first, self.last = total, of_version, first, last


def encode_log(
    record: Record, facts: FileFacts, evaluator_logs: list[Json] | None = None, children: list[Json] | None = None
) -> Json:
    """Encode a whole log, with its file, the logs of its evaluators, and its children."""
    extra = record.extra
    kind = extra.get("file_type", "prompt")
    log: Json = {
        "id": record.id,
        "log_id": record.id,
        kind: _file(record, kind, facts),
        "evaluator_logs": evaluator_logs or [],
        "trace_id": record.trace_id,
        "trace_flow_id": None,
        "trace_parent_id": record.parent_span_id,
        "trace_children": children or [],
        "batches": [],
        **{word: getattr(record, field) for word, field in _FIELDS.items()},
        **{word: format_time(getattr(record, word)) for word in ("created_at", "start_time", "end_time")},
        **{word: extra.get(word) for word in _EXTRA},
        "tool_choice": record.request_meta.get("tool_choice"),
        "finish_reason": _finish_reason(record),
        "stdout": record.response_meta.get("stdout"),
    }
    if record.dialect != "humanloop":
        log.update(_from_other(record))
    if kind == "evaluator":
        log["judgment"], log["parent_id"] = extra.get("judgment"), extra.get("parent_id")
    return log


def _file(record: Record, kind: str, facts: FileFacts) -> Json:
    """Encode the file that a log belongs to, in the version with which the log was made."""
    settings = record.prompt_template if isinstance(record.prompt_template, dict) else {}
    path = record.prompt_name or record.request_model or "logs"
    file = {
        **settings,
        "id": record.prompt_id or "",
        "path": path,
        "name": path.rpartition("/")[2],
        "version_id": record.prompt_version or "",
        "type": kind,
        "created_at": format_time(facts.first or record.created_at),
        "updated_at": format_time(facts.last or record.updated_at or record.created_at),
        "last_used_at": format_time(facts.last or record.created_at),
        "version_logs_count": facts.of_version,
        "total_logs_count": facts.total,
        "inputs": [{"name": word} for word in template_variables(settings.get("template"))],
    }
    if kind == "prompt":
        file["model"] = settings.get("model") or record.request_model or ""
    return file


#: The keys of a log for fields of a record, and those that are kept in `extra` unchanged.
_FIELDS = {
    "user": "user", "session_id": "session", "inputs": "prompt_variables", "prompt_tokens": "usage_input_tokens",
    "output_tokens": "usage_output_tokens", "reasoning_tokens": "usage_reasoning_output_tokens",
    "error": "error_message", "provider_latency": "duration", "metadata": "metadata",
}  # fmt: skip
_EXTRA = (
    "save", "environment", "run_id", "source_datapoint_id", "output", "output_message", "messages", "prompt_cost",
    "output_cost", "provider_request", "provider_response", "source", "log_status",
)  # fmt: skip


def _finish_reason(record: Record) -> Any:
    derived = record.response_finish_reasons
    return record.response_meta.get("finish_reason", derived[0] if derived else None)


def _from_other(record: Record) -> Json:
    """Return the fields that logs from other formats have only in their bodies."""
    request, response = read_bodies(record)
    messages = request.get("messages") if isinstance(request, dict) else None
    details = record.cost_details or {}
    return {
        "provider_request": request if isinstance(request, dict) else None,
        "provider_response": response if isinstance(response, dict) else None,
        "messages": messages if isinstance(messages, list) else None,
        "output": record.output_preview,
        "prompt_cost": details.get("input"),
        "output_cost": details.get("output"),
    }


def template_variables(template: Any) -> list[str]:
    """Return the names of the `{{variables}}` in a template, in order and without repetition."""
    return list(dict.fromkeys(re.findall(r"\{\{\s*([\w.]+)\s*\}\}", json.dumps(template) if template else "")))


def encode_evaluator_log(record: Record) -> Json:
    """Encode an evaluator's log as part of the log that it evaluates."""
    return {
        "id": record.id,
        "judgment": record.extra.get("judgment"),
        "parent_id": record.extra.get("parent_id"),
        "created_at": format_time(record.created_at),
        "evaluator": {"id": record.prompt_id, "path": record.prompt_name, "version_id": record.prompt_version},
        "error": record.error_message,
        "metadata": record.metadata,
    }


def encode_fault(fault: Fault) -> Json:
    """Encode an error in this vendor's shape."""
    return {"detail": fault.details if fault.status == 422 and fault.details else fault.message}


# Requests, for the client's exporter


def is_fault(reply: Any) -> bool:
    return isinstance(reply, dict) and reply.keys() == {"detail"}


def encode_request(records: Sequence[Record]) -> Request:
    """Return the request that logs a record with the vendor, which accepts one at a time."""
    (record,) = records
    request, response = read_bodies(record)
    details = record.cost_details or {}
    messages = request.get("messages") if isinstance(request, dict) else None
    fields: Json = {
        "path": record.prompt_name or f"autolog/{re.sub(r'[^A-Za-z0-9_. -]', '-', record.name or 'log')}",
        "log_id": record.id,
        "prompt": {"model": record.request_model or record.response_model or "unknown",
                   **({"provider": record.provider_name} if record.provider_name else {})},
        "user": record.user,
        "trace_parent_id": None,
        "output": record.output_preview,
        "messages": messages if isinstance(messages, list) else None,
        "inputs": record.prompt_variables,
        "prompt_tokens": record.usage_input_tokens,
        "output_tokens": record.usage_output_tokens,
        "reasoning_tokens": record.usage_reasoning_output_tokens,
        "prompt_cost": details.get("input") if details.get("input") is not None else record.cost,
        "output_cost": details.get("output"),
        "finish_reason": next(iter(record.response_finish_reasons or ()), None),
        "error": (record.error_message or record.error_type or "error") if record.status == "error" else None,
        "provider_latency": record.duration,
        "provider_request": request if isinstance(request, dict) else None,
        "provider_response": response if isinstance(response, dict) else None,
        "metadata": record.metadata or None,
        "created_at": format_time(record.created_at),
        "start_time": format_time(record.start_time),
        "end_time": format_time(record.end_time),
    }  # fmt: skip
    return json_request("POST", "/prompts/log", {key: value for key, value in fields.items() if value is not None})
