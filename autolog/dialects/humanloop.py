"""Humanloop: logs of prompts, flows, tools and evaluators. Design notes, section 3 and section 6 (11).

A log belongs to a file (a prompt at a path) and to one version of it. There is no registry: a file's id follows from
its project and path, a version's id from its settings, so equal settings are the same version wherever they come from.

What the format cannot hold: HTTP status and headers, time to the first chunk, cached tokens, tags.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import pydantic

from autolog._reading.describe import derive, forget
from autolog._record.record import Record
from autolog.dialects import Request
from autolog.dialects._convert import (
    MAX_DOLLARS,
    MAX_SECONDS,
    MAX_TOKENS,
    fill_times,
    format_time,
    from_body,
    json_request,
    new_id,
    parse_time,
    to_body,
)
from autolog.dialects._fault import Body, Fault, Json, validate

name = "humanloop"
why_not_shipped = ""
batches = False
key_headers = ("x-api-key",)
prefixes = ("/v5/",)

Pairs = list[tuple[str, str]]


Tokens = Annotated[int, pydantic.Field(ge=0, lt=MAX_TOKENS)]
Dollars = Annotated[float, pydantic.Field(ge=-MAX_DOLLARS, le=MAX_DOLLARS)]


class Message(Body):
    role: Literal["user", "assistant", "system", "tool", "developer"]
    content: str | list[Json] | None = None


class Function(Body):
    name: str


class ToolChoice(Body):
    type: Literal["function"]
    function: Function


class Fields(Body):
    """What create and update share."""

    output: str | None = None
    output_message: Message | None = None
    messages: list[Message] | None = None
    inputs: Json | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    prompt_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None
    prompt_cost: Dollars | None = None
    output_cost: Dollars | None = None
    finish_reason: str | None = None
    error: str | None = None
    provider_latency: Annotated[float, pydantic.Field(ge=0, le=MAX_SECONDS)] | None = None
    provider_request: Json | None = None
    provider_response: Json | None = None
    stdout: str | None = None
    source: str | None = None
    metadata: Json | None = None
    created_at: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    log_status: Literal["complete", "incomplete"] | None = None


class PromptSettings(Body):
    model: str


class FileLog(Fields):
    """What creating a log of any kind of file shares."""

    path: str | None = pydantic.Field(default=None, min_length=1)
    id: str | None = None
    log_id: str | None = pydantic.Field(default=None, min_length=1)
    run_id: str | None = None
    source_datapoint_id: str | None = None
    save: bool | None = None
    user: str | None = None
    environment: str | None = None
    trace_parent_id: str | None = None


class PromptLog(FileLog):
    prompt: PromptSettings | str | None = None


class FlowLog(FileLog):
    flow: Json | None = None


class ToolLog(FileLog):
    tool: Json | None = None


class EvaluatorLog(FileLog):
    parent_id: str
    judgment: Any = None
    spec: Json | None = None
    marked_completed: bool | None = None


LOGS: dict[str, type[FileLog]] = {"prompt": PromptLog, "flow": FlowLog, "tool": ToolLog, "evaluator": EvaluatorLog}
_PREFIXES = {"prompt": "pr", "flow": "fl", "tool": "tl", "evaluator": "ev"}
_KINDS = {"prompt": "llm", "flow": "flow", "tool": "tool", "evaluator": "evaluator"}
_SETTINGS = {"prompt": "prompt", "flow": "flow", "tool": "tool", "evaluator": "spec"}


# Files and versions


def file_id(kind: str, project: str, path: str) -> str:
    """The id of the file of a kind at a path."""
    return f"{_PREFIXES[kind]}_{_digest([project, path])}"


def version_id(kind: str, settings: Any) -> str:
    """The id of the version with these settings."""
    return f"{_PREFIXES[kind]}v_{_digest(settings)}"


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


# Creating


def decode_log(kind: str, body: Json, project: str, latest: Callable[[str], Record | None]) -> Record:
    """The record that `POST /v5/<kind>s/log` makes. `latest` gives the last log of a file's id.

    Raises:
        Fault: 422, or 404 for an id of no file.
    """
    log = validate(LOGS[kind], body, 422)
    if log.path is None and log.id is None:
        message = "one of path and id must name the file"
        raise Fault(422, message, [{"loc": ["body", "path"], "msg": message, "type": "missing"}])
    file = log.id or file_id(kind, project, log.path or "")
    before = latest(file)
    if log.id is not None and before is None:
        raise Fault(404, f"there is no {kind} with the id {log.id[:100]!r}")
    settings = body.get(_SETTINGS[kind])
    if settings is None:
        settings = before.prompt_template if before is not None else {}
    record = Record(
        id=log.log_id or new_id("log_"),
        dialect=name,
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
    _lay(record, log, present=_given(log))
    words = settings if isinstance(settings, dict) else front_matter(settings)
    record.request_model = _text(words.get("model"))
    record.provider_name = _text(words.get("provider"))
    fill_times(record)
    _complete(record)
    return record


def front_matter(text: Any) -> Json:
    """The settings at the head of a serialised prompt file: `name: value` lines between two lines of dashes."""
    head = re.match(r"\s*---\s*\n(.*?)\n---", text, re.DOTALL) if isinstance(text, str) else None
    lines = head[1].splitlines() if head else []
    return {
        key: value.strip("\"' ") for key, value in re.findall(r"^(\w+):[ \t]*(\S.*)$", "\n".join(lines), re.MULTILINE)
    }


def _given(fields: Fields) -> set[str]:
    """On create, an explicit null counts as absent."""
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
    """What an update changes: the fields given, null clears, lists and objects are replaced.

    Raises:
        Fault: 422.
    """
    fields = validate(Fields, data or {}, 422)
    probe = Record(id="probe")
    _lay(probe, fields, present=set(fields.model_fields_set))  # a bad time is refused before anything changes

    def change(record: Record) -> None:
        _lay(record, fields, present=set(fields.model_fields_set))
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


def _lay(record: Record, fields: Fields, present: set[str]) -> None:
    """Lay the given fields over the record."""
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
    """The request: the provider's own if given, else what the messages amount to."""
    if extra.get("provider_request") is None and extra.get("messages") is not None:
        return {"messages": extra["messages"]}
    return extra.get("provider_request")


def _response(extra: Json) -> Any:
    """The response: the provider's own if given, else what the output amounts to."""
    if extra.get("provider_response") is not None:
        return extra["provider_response"]
    message = extra.get("output_message")
    if message is None and isinstance(extra.get("output"), str):
        message = {"role": "assistant", "content": extra["output"]}
    return None if message is None else {"choices": [{"index": 0, "message": message}]}


# Replies


def encode_created(record: Record) -> Json:
    """What creating a log answers."""
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
    """What a log object says of its file: counts and times over all its logs."""

    def __init__(self, total: int, of_version: int, first: datetime | None, last: datetime | None) -> None:
        self.total, self.of_version, self.first, self.last = total, of_version, first, last


def encode_log(
    record: Record, facts: FileFacts, evaluator_logs: list[Json] | None = None, children: list[Json] | None = None
) -> Json:
    """The whole log."""
    extra = record.extra
    kind = extra.get("file_type", "prompt")
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
    log: Json = {
        "id": record.id,
        "evaluator_logs": evaluator_logs or [],
        kind: file,
        "trace_id": record.trace_id,
        "trace_flow_id": None,
        "trace_parent_id": record.parent_span_id,
        "trace_children": children or [],
        "batches": [],
        "user": record.user,
        "session_id": record.session,
        "log_id": record.id,
        "inputs": record.prompt_variables,
        "prompt_tokens": record.usage_input_tokens,
        "output_tokens": record.usage_output_tokens,
        "reasoning_tokens": record.usage_reasoning_output_tokens,
        "tool_choice": record.request_meta.get("tool_choice"),
        "finish_reason": _finish_reason(record),
        "error": record.error_message,
        "provider_latency": record.duration,
        "provider_request": extra.get("provider_request"),
        "provider_response": extra.get("provider_response"),
        "stdout": record.response_meta.get("stdout"),
        "source": extra.get("source"),
        "metadata": record.metadata,
        "created_at": format_time(record.created_at),
        "start_time": format_time(record.start_time),
        "end_time": format_time(record.end_time),
        "log_status": extra.get("log_status"),
        **{key: extra.get(key) for key in _SHOWN},
    }
    if record.dialect != name:
        log.update(_from_other(record))
    if kind == "evaluator":
        log["judgment"], log["parent_id"] = extra.get("judgment"), extra.get("parent_id")
    return log


_SHOWN = (
    "save", "environment", "run_id", "source_datapoint_id", "output", "output_message", "messages", "prompt_cost",
    "output_cost",
)  # fmt: skip


def _finish_reason(record: Record) -> Any:
    derived = record.response_finish_reasons
    return record.response_meta.get("finish_reason", derived[0] if derived else None)


def _from_other(record: Record) -> Json:
    """The parts that logs of other formats have only in their bodies."""
    request, response = from_body(record.request_body), from_body(record.response_body)
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
    """The `{{variables}}` of a template, in order, each once."""
    return list(dict.fromkeys(re.findall(r"\{\{\s*([\w.]+)\s*\}\}", json.dumps(template) if template else "")))


def encode_evaluator_log(record: Record) -> Json:
    """An evaluator's log as it stands in the judged log."""
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
    """An error in this vendor's shape."""
    return {"detail": fault.details if fault.status == 422 and fault.details else fault.message}


def missing(place: str, field: str) -> Fault:
    """A parameter that is not there."""
    return Fault(422, f"{field} is required", [{"loc": [place, field], "msg": "Field required", "type": "missing"}])


class Listing:
    """The parameters of `GET /v5/logs`."""

    def __init__(self, pairs: Pairs) -> None:
        given = dict(pairs)
        if not given.get("file_id"):
            raise missing("query", "file_id")
        self.file_id = given["file_id"]
        self.page = _integer(given, "page", 1, 1)
        self.size = min(_integer(given, "size", 10, 0), 1000)
        self.version_id = given.get("version_id") or None
        self.ids = tuple(value for key, value in pairs if key == "id" and value)
        self.search = given.get("search") or None
        self.metadata_search = given.get("metadata_search") or None
        self.since = parse_time(given.get("start_date") or None, "start_date", 422)
        self.until = parse_time(given.get("end_date") or None, "end_date", 422)
        self.in_trace = {_flag(key, value) for key, value in pairs if key == "in_trace_filter"}
        self.include_children = _flag("include_trace_children", given.get("include_trace_children", "false"))
        _flag("include_parent", given.get("include_parent", "false"))
        self.sample = _integer(given, "sample", 0, 0)


def _integer(given: dict[str, str], key: str, default: int, least: int) -> int:
    text = given.get(key)
    if text is None or text == "":
        return default
    if not re.fullmatch(r"[+-]?\d{1,12}", text) or int(text) < least:
        message = f"is not a whole number of at least {least}"
        raise Fault(422, f"{key} {message}", [{"loc": ["query", key], "msg": message, "type": "int_parsing"}])
    return int(text)


def _flag(key: str, text: str) -> bool:
    words = {"true": True, "false": False, "1": True, "0": False}
    if text.lower() not in words:
        message = "is neither true nor false"
        raise Fault(422, f"{key} {message}", [{"loc": ["query", key], "msg": message, "type": "bool_parsing"}])
    return words[text.lower()]


# Requests, for the client's exporter


def encode_request(records: Sequence[Record]) -> Request:
    """The request that logs a record with the vendor, which takes one at a time."""
    (record,) = records
    request, response = from_body(record.request_body), from_body(record.response_body)
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
