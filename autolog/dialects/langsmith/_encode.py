"""Encodes records as LangSmith's clients read them."""

from __future__ import annotations

import uuid
from typing import Any

from autolog._reading.describe import preview
from autolog._record.ids import within
from autolog._record.record import Record
from autolog.dialects._convert import format_time, from_body, parse_time, text_of
from autolog.dialects._fault import Fault, Json
from autolog.dialects.langsmith._decode import ATTACHMENT
from autolog.providers._fields import mapping

_RUN_TYPES = {"llm": "llm", "tool": "tool", "retrieval": "retriever"}
_TENANT = str(uuid.uuid5(uuid.NAMESPACE_URL, "autolog"))


def encode_fault(fault: Fault) -> Json:
    """Encode an error in this vendor's shape."""
    return {"detail": fault.message}


def encode_info(batch_items: int, body_bytes: int) -> Json:
    """Encode the server's limits and features, which clients request before they send runs."""
    return {
        "version": "0.16.0",
        "instance_flags": {"zstd_compression_enabled": True},
        "batch_ingest_config": {
            "use_multipart_endpoint": True,
            "scale_up_qsize_trigger": 1000,
            "scale_up_nthreads_limit": 16,
            "scale_down_nempty_trigger": 4,
            "size_limit": min(batch_items, 100),
            "size_limit_bytes": min(body_bytes, 20 * 1024 * 1024),
        },
    }


def session_id(project: str, name: str) -> str:
    """Return an id for one of LangSmith's projects, of which only the name is stored."""
    return _uuid(within(project, name))


def _uuid(value: str) -> str:
    """Return an id as a UUID, which clients require: unchanged if it is one, else one derived from it."""
    try:
        return str(uuid.UUID(value))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, value.encode(errors="replace").decode()))  # it may not be UTF-8


def _object(body: bytes | None) -> Json:
    value = from_body(body)
    return value if isinstance(value, dict) else {} if value is None else {"output": value}


def known_of(record: Record) -> Json:
    """Return the fields that were sent of the run from which a record was decoded."""
    known = {
        "name": record.name,
        "end_time": format_time(record.end_time),
        "inputs": _object(record.request_body) or None,
        "outputs": _object(record.response_body) or None,
        "tags": record.tags or None,
    }
    return {**(record.extra.get("run") or {}), **{key: value for key, value in known.items() if value is not None}}


def run_of(record: Record) -> Json:
    """Return the run from which a record was decoded; for records of other dialects, an equivalent run."""
    return {
        "extra": {"metadata": record.metadata},
        "run_type": _RUN_TYPES.get(record.kind, "chain"),
        **(record.extra.get("run") or {}),
        "id": record.id,
        "name": record.name or record.kind,
        "trace_id": record.trace_id or record.id,
        "parent_run_id": record.parent_span_id,
        "start_time": format_time(record.start_time or record.created_at),
        "end_time": format_time(record.end_time),
        "error": (record.extra.get("run") or {}).get("error") or record.error_message,
        "inputs": _object(record.request_body),
        "outputs": _object(record.response_body) if record.response_body else None,
        "tags": record.tags,
    }


def is_run(record: Record) -> bool:
    """Return whether a record is a run, and not an attachment of one."""
    return not record.id.startswith(ATTACHMENT)


def attachments_of(record: Record) -> dict[str, Json]:
    """Return the attachments of a record's run by name: content type and size."""
    return {
        name: mapping(description)
        for name, description in mapping(mapping(record.extra.get("run")).get("attachments")).items()
    }


def encode_run(record: Record) -> Json:
    """Encode a record as a run."""
    run = {key: value for key, value in run_of(record).items() if key != "attachments"}  # clients read s3_urls
    details = record.cost_details or {}
    known = [n for n in (record.usage_input_tokens, record.usage_output_tokens) if n is not None]
    done = "success" if record.end_time is not None else "pending"
    return {
        "dotted_order": "",
        **run,
        "id": _uuid(record.id),
        "trace_id": _uuid(run["trace_id"]),
        "parent_run_id": None if record.parent_span_id is None else _uuid(record.parent_span_id),
        "status": "error" if record.status == "error" else done,
        "session_id": session_id(record.project, str(run.get("session_name") or "default")),
        "prompt_tokens": record.usage_input_tokens,
        "completion_tokens": record.usage_output_tokens,
        "total_tokens": sum(known) if known else None,
        "total_cost": record.cost,
        "prompt_cost": details.get("input"),
        "completion_cost": details.get("output"),
        "feedback_stats": {key: {"n": 1, "avg": _value(value)} for key, value in record.scores.items()},
        "app_path": f"/ui/log?id={record.id}",
        "thread_id": _thread_of(run),
    }


def _thread_of(run: Json) -> str | None:
    metadata = mapping(mapping(run.get("extra")).get("metadata"))
    return next((str(metadata[key]) for key in THREADS if metadata.get(key)), None)


def encode_run_v2(run: Json) -> Json:
    """Encode a run, as the older API has it, in the words of the newer one."""
    metadata = mapping(mapping(run.get("extra")).get("metadata"))
    start, end = (parse_time(run.get(key)) for key in ("start_time", "end_time"))
    files = mapping(run.get("s3_urls"))
    return {
        **{key: run.get(key) for key in _UNCHANGED},
        "run_type": str(run["run_type"]).upper(),
        "status": str(run["status"]).upper(),
        "project_id": run["session_id"],
        "parent_run_ids": [] if run["parent_run_id"] is None else [run["parent_run_id"]],
        "is_root": run["parent_run_id"] is None,
        "latency_seconds": None if start is None or end is None else (end - start).total_seconds(),
        "metadata": metadata,
        "error_preview": preview(run.get("error")),
        "inputs_preview": preview(text_of(run.get("inputs"))),
        "outputs_preview": preview(text_of(run.get("outputs"))),
        "attachments": {name.removeprefix("attachment."): file["presigned_url"] for name, file in files.items()},
    }


def with_previews(run: Json) -> Json:
    """Return a run with the beginnings of its bodies in their place, which is enough for the previews."""
    return {**run, **{name: preview(text_of(run.get(name))) for name in ("inputs", "outputs")}}


#: Keys of metadata by which runs are grouped into threads.
THREADS = ("session_id", "thread_id", "conversation_id")
#: The fields of a run that both APIs have.
_UNCHANGED = (
    "id", "name", "start_time", "end_time", "first_token_time", "error", "extra", "events", "inputs", "outputs",
    "trace_id", "dotted_order", "reference_example_id", "total_tokens", "prompt_tokens", "completion_tokens",
    "total_cost", "prompt_cost", "completion_cost", "tags", "app_path", "feedback_stats", "thread_id",
)  # fmt: skip


def _value(score: Any) -> Any:
    return score.get("value") if isinstance(score, dict) else score


def _reported(score: Any, key: str) -> Any:
    return score.get(key) if isinstance(score, dict) else None


def encode_feedback(record: Record) -> list[Json]:
    """Encode a record's scores as feedback."""
    at = format_time(record.updated_at or record.received_at or record.created_at)
    return [
        {
            "id": _uuid(_reported(score, "id") or f"{record.id}/{key}"),
            "run_id": _uuid(record.id),
            "trace_id": _uuid(record.trace_id or record.id),
            "key": key,
            "score": _value(score) if isinstance(_value(score), (int, float)) else None,
            "value": None if isinstance(_value(score), (int, float)) else _value(score),
            "comment": _reported(score, "comment"),
            "correction": None,
            "feedback_source": {"type": "api", "metadata": {}},
            "created_at": at,
            "modified_at": at,
        }
        for key, score in record.scores.items()
    ]


def encode_session(project: str, name: str) -> Json:
    """Encode one of LangSmith's projects."""
    return {
        "id": session_id(project, name),
        "name": name,
        "tenant_id": _TENANT,
        "start_time": "1970-01-01T00:00:00Z",
        "reference_dataset_id": None,
    }
