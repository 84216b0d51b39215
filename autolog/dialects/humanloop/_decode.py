"""Decodes Humanloop's requests as records, and as changes of records."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import pydantic

from autolog._reading.derive import derive, forget
from autolog._record.record import Record
from autolog.dialects._convert import fill_times, new_id, parse_time, to_body
from autolog.dialects._fault import Fault, Json
from autolog.dialects._schema import validate
from autolog.dialects.humanloop._models import LOGS, EvaluatorLog, Fields

_PREFIXES = {"prompt": "pr", "flow": "fl", "tool": "tl", "evaluator": "ev"}
_KINDS = {"prompt": "llm", "flow": "flow", "tool": "tool", "evaluator": "evaluator"}
_SETTINGS = {"prompt": "prompt", "flow": "flow", "tool": "tool", "evaluator": "spec"}


# Files and versions


def file_id(kind: str, project: str, path: str) -> str:
    """Return the id of the file of a kind at a path."""
    return f"{_PREFIXES[kind]}_{_digest([project, path])}"


def version_id(kind: str, settings: Any) -> str:
    """Return the id of the version with these settings."""
    return f"{_PREFIXES[kind]}v_{_digest(settings)}"


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


# Creating


def decode_log(kind: str, body: Json, project: str, latest: Callable[[str], Record | None]) -> Record:
    """Return the record for `POST /v5/<kind>s/log`. `latest` returns the last log of a file, by the file's id.

    `latest` is called only if the body lacks something; a log with its path and its settings is complete.

    Raises:
        Fault: 422, if the body is invalid; 404, if it names a file by an unknown id.
    """
    log = validate(LOGS[kind], body, 422)
    if log.path is None and log.id is None:
        message = "path or id must name the file"
        raise Fault(422, message, [{"loc": ["body", "path"], "msg": message, "type": "missing"}])
    file = log.id or file_id(kind, project, log.path or "")
    settings = body.get(_SETTINGS[kind])
    before = latest(file) if log.id is not None or settings is None else None
    if log.id is not None and before is None:
        raise Fault(404, f"there is no {kind} with the id {log.id[:100]!r}")
    if settings is None:
        settings = before.prompt_template if before is not None else {}
    record = Record(
        id=log.log_id or new_id("log_"),
        dialect="humanloop",
        kind=_KINDS[kind],
        prompt_id=file,
        prompt_name=log.path if log.path is not None or before is None else before.prompt_name,
        prompt_version=version_id(kind, settings),
        prompt_template=settings,
        user=log.user,
        parent_span_id=log.trace_parent_id or getattr(log, "parent_id", None),
        extra={"file_type": kind},
    )
    kept = {key: getattr(log, key) for key in ("run_id", "source_datapoint_id", "save", "environment")}
    record.extra.update({key: value for key, value in kept.items() if value is not None})
    if isinstance(log, EvaluatorLog):
        record.extra.update({"judgment": log.judgment, "parent_id": log.parent_id})
    _set_fields(record, log, present=_given(log))
    words = settings if isinstance(settings, dict) else front_matter(settings)
    record.request_model = _text(words.get("model"))
    record.provider_name = _text(words.get("provider"))
    fill_times(record)
    _complete(record)
    return record


def front_matter(text: Any) -> Json:
    """Return the settings at the head of a serialised prompt file: `name: value` lines between two lines of dashes."""
    head = re.match(r"\s*---\s*\n(.*?)\n---", text, re.DOTALL) if isinstance(text, str) else None
    lines = head[1].splitlines() if head else []
    return {
        key: value.strip("\"' ") for key, value in re.findall(r"^(\w+):[ \t]*(\S.*)$", "\n".join(lines), re.MULTILINE)
    }


def _given(fields: Fields) -> set[str]:
    """Return the names of the given fields; on creation, an explicit null counts as absent."""
    return {key for key in fields.model_fields_set if getattr(fields, key, None) is not None}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _complete(record: Record) -> None:
    if record.kind == "llm":
        described_name = record.name
        derive(record)
        record.name = described_name


# Updating


def decode_update(data: Json | None) -> Callable[[Record], None]:
    """Return the change that an update makes to the given fields; null clears a field, lists and objects are replaced.

    Raises:
        Fault: 422, if the body is invalid.
    """
    fields = validate(Fields, data or {}, 422)
    probe = Record(id="probe")
    _set_fields(probe, fields, present=set(fields.model_fields_set))  # refuses an invalid time before anything changes

    def change(record: Record) -> None:
        _set_fields(record, fields, present=set(fields.model_fields_set))
        fill_times(record)
        if fields.model_fields_set & _BODIES:
            forget(record)
            _complete(record)

    return change


_TOKENS = {
    "prompt_tokens": "usage_input_tokens",
    "output_tokens": "usage_output_tokens",
    "reasoning_tokens": "usage_reasoning_output_tokens",
}
_META = {"tool_choice": "request_meta", "finish_reason": "response_meta", "stdout": "response_meta"}
_DIRECT = {"inputs": "prompt_variables", "provider_latency": "duration"}
_TIMES = ("created_at", "start_time", "end_time")
_KEPT = ("source", "log_status", "output", "output_message", "messages", "provider_request", "provider_response",
         "prompt_cost", "output_cost")  # fmt: skip


def _set_fields(record: Record, fields: Fields, present: set[str]) -> None:
    """Set the given fields on the record."""
    raw = {key: _plain(getattr(fields, key)) for key in present if key in Fields.model_fields}
    given = set(record.extra.get("given", ()))
    for key, field in _TOKENS.items():
        if key in raw:
            setattr(record, field, raw[key])
            given = given | {field} if raw[key] is not None else given - {field}
    for key, field in _DIRECT.items():
        if key in raw:
            setattr(record, field, raw[key])
    for key, field in _META.items():
        if key in raw:
            setattr(record, field, {**getattr(record, field), key: raw[key]})
    for key in _TIMES:
        if key in raw:
            setattr(record, key, parse_time(raw[key], key, 422))
    record.extra = {**record.extra, **{key: raw[key] for key in _KEPT if key in raw}, "given": sorted(given)}
    if "metadata" in raw:
        record.metadata = raw["metadata"] or {}
    if "error" in raw:
        record.error_message = raw["error"]
        record.status = "error" if raw["error"] is not None else "ok"
        stated = {"error_message", "status"}
        given = given | stated if raw["error"] is not None else given - stated
        record.extra = {**record.extra, "given": sorted(given)}
    if {"prompt_cost", "output_cost"} & raw.keys():
        parts = [record.extra.get(key) for key in ("prompt_cost", "output_cost")]
        known = [part for part in parts if part is not None]
        record.cost, record.custom_cost = (sum(known), True) if known else (None, False)
        record.cost_details = {"input": parts[0], "output": parts[1]} if known else None
    if raw.keys() & _REQUEST:
        record.request_body = to_body(_request(record.extra))
    if raw.keys() & _RESPONSE:
        record.response_body = to_body(_response(record.extra))


def _plain(value: Any) -> Any:
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(exclude_unset=True)
    return [_plain(item) for item in value] if isinstance(value, list) else value


_REQUEST = {"provider_request", "messages"}
_RESPONSE = {"provider_response", "output", "output_message"}
_BODIES = _REQUEST | _RESPONSE


def _request(extra: Json) -> Any:
    """Return the request: the provider's own if it was given, else one made from the messages."""
    if extra.get("provider_request") is None and extra.get("messages") is not None:
        return {"messages": extra["messages"]}
    return extra.get("provider_request")


def _response(extra: Json) -> Any:
    """Return the response: the provider's own if it was given, else one made from the output."""
    if extra.get("provider_response") is not None:
        return extra["provider_response"]
    message = extra.get("output_message")
    if message is None and isinstance(extra.get("output"), str):
        message = {"role": "assistant", "content": extra["output"]}
    return None if message is None else {"choices": [{"index": 0, "message": message}]}
