"""Encodes records as Langfuse's clients read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from autolog._record.record import Record
from autolog.dialects._convert import format_time, from_body, read_bodies
from autolog.dialects._fault import Fault, Json
from autolog.dialects.langfuse._decode import KINDS, Batch
from autolog.providers._fields import mapping

_TYPES = {kind: word for word, kind in reversed(KINDS.items())}
_ENVIRONMENT = "default"


def encode_fault(fault: Fault) -> Json:
    """Encode an error in this vendor's shape."""
    return {"message": fault.message, "error": "Error", "code": _CODES.get(fault.status, "internal_error")}


#: The codes that the SDKs' classes of errors require (langfuse 5, `PublicApiErrorCode`).
_CODES = {
    400: "invalid_request", 401: "authentication_failed", 403: "access_denied", 404: "resource_not_found",
    405: "method_not_allowed", 409: "conflict", 429: "rate_limited",
}  # fmt: skip


def encode_scores(batch: Batch) -> Json:
    """Encode the reply to several scores; by its counts, current SDKs recognise that a list was partly refused."""
    if not batch.errors:
        return {"message": "Accepted"}
    return {"accepted": len(batch.records), "rejected": len(batch.errors), "errors": batch.errors}


#: Fields of observations and traces that no field of a record holds: the name in a batch, and the attribute of a span.
_ATTRIBUTES = {
    "level": "langfuse.observation.level", "version": "langfuse.version", "release": "langfuse.release",
    "environment": "langfuse.environment", "traceName": "langfuse.trace.name", "type": "langfuse.observation.type",
}  # fmt: skip


def _original(record: Record, word: str) -> str | None:
    value = mapping(record.extra.get("langfuse")).get(word)
    value = mapping(record.extra.get("attributes")).get(_ATTRIBUTES[word]) if value is None else value
    return value if isinstance(value, str) and value else None


def _level(record: Record) -> str:
    return "ERROR" if record.status == "error" else (_original(record, "level") or "DEFAULT").upper()


def _type(record: Record) -> str:
    """Return the type that the sender gave, if it fits the record's kind, else the default type of the kind."""
    original = (_original(record, "type") or "").lower()
    return (original if KINDS.get(original) == record.kind else _TYPES.get(record.kind, "span")).upper()


def _time(record: Record) -> str | None:
    return format_time(record.start_time or record.created_at or record.received_at)


#: The prefix of the ids of media, which are records of their own.
MEDIA = "media-"


def is_observation(record: Record) -> bool:
    """Return whether a record is an observation, that is, neither a trace of an older SDK nor media."""
    return record.id != record.trace_id and not record.id.startswith(MEDIA)


def encode_observation(record: Record) -> Json:
    """Encode a record as an observation, with the keys of the older SDKs and of the current ones."""
    counts = {"input": record.usage_input_tokens, "output": record.usage_output_tokens}
    known = {key: value for key, value in counts.items() if value is not None}
    total = sum(known.values()) if known else None
    parent = None if record.parent_span_id == record.trace_id else record.parent_span_id
    version, costs = record.prompt_version or "", mapping(record.cost_details)
    return {
        "id": record.span_id or record.id,
        "traceId": record.trace_id,
        "projectId": record.project,
        "type": _type(record),
        "name": record.name,
        "startTime": _time(record),
        "endTime": format_time(record.end_time),
        "completionStartTime": None,
        "createdAt": format_time(record.received_at) or _time(record),
        "updatedAt": format_time(record.updated_at or record.received_at) or _time(record),
        "model": record.request_model,
        "modelParameters": {},
        "input": from_body(record.request_body),
        "output": read_bodies(record)[1],
        "metadata": record.metadata,
        "level": _level(record),
        "statusMessage": record.error_message,
        "parentObservationId": parent,
        "isRootObservation": parent is None,
        "userId": record.user,
        "sessionId": record.session,
        "tags": record.tags,
        "promptName": record.prompt_name,
        "promptVersion": int(version) if version.isdecimal() and len(version) < 10 else None,
        "version": _original(record, "version"),
        "traceName": _original(record, "traceName"),
        "usageDetails": _usage_details(record, total),
        "costDetails": {} if record.cost is None else {"total": record.cost},
        "inputCost": costs.get("input"),
        "outputCost": costs.get("output"),
        "totalCost": record.cost,
        "usage": {**{side: count or 0 for side, count in counts.items()}, "total": total or 0, "unit": "TOKENS"},
        "latency": record.duration,
        "timeToFirstToken": record.time_to_first_chunk,
        "environment": _original(record, "environment") or _ENVIRONMENT,
    }


def _usage_details(record: Record, total: int | None) -> Json:
    """Return the token counts by type; they add up to the total."""
    read, written = record.usage_cache_read_input_tokens, record.usage_cache_creation_input_tokens
    reasoning, input_, output = (
        record.usage_reasoning_output_tokens,
        record.usage_input_tokens,
        record.usage_output_tokens,
    )
    details = {
        "input": None if input_ is None else max(0, input_ - (read or 0) - (written or 0)),
        "input_cached_tokens": read,
        "input_cache_creation": written,
        "output": None if output is None else max(0, output - (reasoning or 0)),
        "output_reasoning_tokens": reasoning,
        "total": total,
    }
    return {key: value for key, value in details.items() if value is not None}


# Traces


def _trace(trace_id: str, root: Record, records: Iterable[Record]) -> Json:
    named = (name for record in (root, *records) if (name := _original(record, "traceName")))
    return {
        "id": trace_id,
        "timestamp": _time(root),
        "name": next(named, root.name),
        "input": from_body(root.request_body),
        "output": read_bodies(root)[1],
        "sessionId": root.session,
        "userId": root.user,
        "metadata": root.metadata,
        "tags": root.tags,
        "public": False,
        "bookmarked": False,
        "version": _original(root, "version"),
        "release": _original(root, "release"),
        "environment": _original(root, "environment") or _ENVIRONMENT,
        "htmlPath": f"/ui/trace?id={trace_id}",
        "latency": root.duration or 0.0,
    }


def _total_cost(records: Iterable[Record]) -> float:
    return sum(record.cost or 0.0 for record in records if record.kind == "llm")


def encode_trace(trace_id: str, records: Sequence[Record]) -> Json:
    """Encode a trace with all its records, of whatever dialect."""
    root = next((record for record in records if record.parent_span_id is None), records[0])
    return {
        **_trace(trace_id, root, records),
        "totalCost": _total_cost(records),
        "observations": [encode_observation(record) for record in records if is_observation(record)],
        "scores": [score for record in records for score in encode_record_scores(record)],
    }


def encode_trace_row(root: Record, records: Sequence[Record]) -> Json:
    """Encode a trace as a row of a list, which has only the ids of its observations and scores."""
    return {
        **_trace(root.trace_id or root.id, root, records),
        "totalCost": _total_cost(records),
        "observations": [record.span_id or record.id for record in records if is_observation(record)],
        "scores": [f"{record.id}/{name}" for record in records for name in record.scores],
    }


def encode_session(session_id: str, created_at: Any, project: str) -> Json:
    """Encode a session, of which only the name is known."""
    return {
        "id": session_id,
        "createdAt": format_time(created_at),
        "projectId": project,
        "environment": _ENVIRONMENT,
    }


# Scores


def encode_record_scores(record: Record) -> list[Json]:
    """Encode the scores of a record, as the older SDKs read them."""
    return [_score(record, name, score) for name, score in record.scores.items()]


def _score(record: Record, name: str, score: Any) -> Json:
    value = score.get("value") if isinstance(score, dict) else score
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    at = format_time(record.updated_at or record.received_at) or _time(record)
    return {
        "id": f"{record.id}/{name}",
        "projectId": record.project,
        "traceId": record.trace_id or record.id,
        "trace": {"userId": record.user, "tags": record.tags, "environment": _ENVIRONMENT},
        "observationId": (record.span_id or record.id) if is_observation(record) else None,
        "name": name,
        "source": "API",
        "timestamp": at,
        "createdAt": at,
        "updatedAt": at,
        "comment": score.get("comment") if isinstance(score, dict) else None,
        "environment": _ENVIRONMENT,
        "dataType": "NUMERIC" if is_number else "CATEGORICAL",
        **({"value": value} if is_number else {"value": None, "stringValue": str(value)}),
    }


def encode_typed_scores(record: Record) -> list[Json]:
    """Encode the scores of a record, as the current SDKs read them, with a `subject`."""
    scores = []
    for score in encode_record_scores(record):
        observation, trace_id = score.pop("observationId"), score.pop("traceId")
        text, _ = score.pop("stringValue", None), score.pop("trace")
        subject = {"kind": "trace", "id": trace_id}
        if observation is not None:
            subject = {"kind": "observation", "id": observation, "traceId": trace_id}
        scores.append({**score, **({} if text is None else {"value": text}), "subject": subject})
    return scores
