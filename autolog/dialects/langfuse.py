"""Langfuse: the batches of its older SDKs and of LiteLLM, Dify, Flowise and others; scores; traces read back.

Its present SDKs send spans, which `otlp` reads. A batch is events: traces, observations (generations, spans, events,
tools ...), updates of both, and scores; each is answered by itself, with 207 (https://api.reference.langfuse.com).

What the format cannot hold: raw bodies, HTTP status and headers, the service tier, retries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from autolog._reading.derive import derive
from autolog._record.record import Record
from autolog._record.scores import set_score
from autolog.dialects._chat import request_of, response_of
from autolog.dialects._convert import MAX_DOLLARS, fill_times, format_time, from_body, parse_time, text_of, to_body
from autolog.dialects._fault import NO_LIMIT, Fault, Json, check_count
from autolog.providers._fields import count, mapping, text

name = "langfuse"
why_not_shipped = "its server takes spans: ship to it with dialect='otlp'"
key_headers: tuple[str, ...] = ()
prefixes = tuple(
    f"/api/public/{word}" for word in ("ingestion", "scores", "traces", "observations", "projects", "health")
)

#: Types of observations, in our kinds; an event names its type, or `observation-create` says it in the body.
_KINDS = {
    "generation": "llm", "embedding": "llm", "span": "span", "event": "span", "agent": "agent", "tool": "tool",
    "chain": "chain", "retriever": "retrieval", "evaluator": "evaluator", "guardrail": "span",
}  # fmt: skip
_TYPES = {kind: word for word, kind in reversed(_KINDS.items())}


@dataclass(slots=True)
class Batch:
    """What a batch brings, and the answer to each of its events."""

    records: list[Record] = field(default_factory=list)
    successes: list[Json] = field(default_factory=list)
    errors: list[Json] = field(default_factory=list)


#: Finds a record by its id; or, of a trace, the one that scores of the trace belong to.
Find = Callable[[str], Record | None]


def decode_batch(body: Json, find: Find, root_of: Find, most: int = NO_LIMIT) -> Batch:
    """Return the records that a batch amounts to; events about one thing are put together.

    Raises:
        Fault: 400, no batch; 413, more than `most` events.
    """
    events = body.get("batch")
    if not isinstance(events, list):
        raise Fault(400, "batch: is not a list of events")
    check_count(len(events), most)
    batch, things = Batch(), dict[str, Json]()
    for event in events:
        event_id = str(mapping(event).get("id") or "")
        try:
            _add(mapping(event), things, batch, find, root_of)
            batch.successes.append({"id": event_id, "status": 201})
        except Fault as fault:
            batch.errors.append(
                {"id": event_id, "status": fault.status, "message": fault.message, "error": fault.message}
            )
    batch.records += [_record(thing) for thing in things.values()]
    return batch


def _add(event: Json, things: dict[str, Json], batch: Batch, find: Find, root_of: Find) -> None:
    word, _, _ = str(event.get("type") or "").rpartition("-")
    given = event.get("body")
    if event.get("type") == "sdk-log":
        return
    if not isinstance(given, dict):
        raise Fault(400, "body: is not an object")
    if word == "score":
        batch.records.append(decode_score(given, root_of))
        return
    kind = "trace" if word == "trace" else str(given.get("type") or word).lower()
    if kind != "trace" and kind not in _KINDS:
        raise Fault(400, f"type: {str(event.get('type'))[:50]!r} is not an event")
    thing_id = given.get("id")
    if not isinstance(thing_id, str) or not 0 < len(thing_id) <= 200:
        raise Fault(400, "body.id: has 1 to 200 characters")
    for key in ("timestamp", "startTime", "endTime", "completionStartTime"):
        parse_time(given.get(key), key)
    if thing_id not in things:
        before = find(thing_id)
        things[thing_id] = {} if before is None or before.dialect != name else thing_of(before)
    known = things[thing_id]
    known.update({key: value for key, value in given.items() if value is not None})
    known["type"] = kind
    known.setdefault("timestamp" if kind == "trace" else "startTime", event.get("timestamp"))


def thing_of(record: Record) -> Json:
    """Return the trace or observation that a record was made of."""
    thing: Json = dict(record.extra.get("langfuse") or {})
    for key, body in (("input", record.request_body), ("output", record.response_body)):
        if body is not None:
            thing[key] = from_body(body)
    return thing


def _record(thing: Json) -> Record:
    is_trace, kind = thing["type"] == "trace", _KINDS.get(thing["type"], "chain")
    metadata = thing.get("metadata")
    trace_id = thing["id"] if is_trace else text(thing.get("traceId"))
    record = Record(
        id=thing["id"],
        dialect=name,
        kind=kind,
        name=text(thing.get("name")),
        trace_id=trace_id,
        span_id=thing["id"],
        parent_span_id=None if is_trace else text(thing.get("parentObservationId")) or trace_id,
        start_time=parse_time(thing.get("startTime"), "startTime"),
        end_time=parse_time(thing.get("endTime"), "endTime"),
        created_at=parse_time(thing.get("timestamp"), "timestamp"),
        user=text(thing.get("userId")),
        session=text(thing.get("sessionId")),
        tags=[tag for tag in thing.get("tags") or [] if isinstance(tag, str)],
        metadata=metadata if isinstance(metadata, dict) else {} if metadata is None else {"metadata": metadata},
        prompt_name=text(thing.get("promptName")),
        prompt_version=None if thing.get("promptVersion") is None else str(thing["promptVersion"]),
        extra={"langfuse": {key: value for key, value in thing.items() if key not in {"input", "output"}}},
    )
    if thing.get("level") == "ERROR":
        record.status, record.error_message = "error", text_of(thing.get("statusMessage"))
    given, made = thing.get("input"), thing.get("output")
    if kind != "llm":
        record.request_body, record.response_body = to_body(given), to_body(made)
        fill_times(record)
        return record
    _read_call(record, thing)
    fill_times(record)
    first = parse_time(thing.get("completionStartTime"), "completionStartTime")
    if first and record.start_time:
        record.time_to_first_chunk = max(0.0, (first - record.start_time).total_seconds())
    status, called = record.status, record.name
    derive(record)
    record.status, record.name = status, called
    return record


def _read_call(record: Record, thing: Json) -> None:
    given, made = thing.get("input"), thing.get("output")
    record.operation_name = "embeddings" if thing["type"] == "embedding" else "chat"
    record.request_model = text(thing.get("model"))
    asked = given if isinstance(given, dict) and "role" not in given else request_of(given) or {}
    record.request_body = to_body({**mapping(thing.get("modelParameters")), **asked})
    whole = isinstance(made, dict) and bool({"choices", "candidates", "output", "object"} & made.keys())
    record.response_body = to_body(made if whole else response_of(made) or made)
    usage = {**mapping(thing.get("usage")), **mapping(thing.get("usageDetails"))}
    for field_name, words in _USAGE.items():
        setattr(record, field_name, next((count(usage[word]) for word in words if usage.get(word) is not None), None))
    cached = (record.usage_cache_read_input_tokens or 0) + (record.usage_cache_creation_input_tokens or 0)
    whole_input, total = record.usage_input_tokens, count(usage.get("total"))
    beside = total is not None and total == (whole_input or 0) + (record.usage_output_tokens or 0) + cached
    if whole_input is not None and cached and (beside or whole_input < cached):
        record.usage_input_tokens = whole_input + cached
    total_cost = mapping(thing.get("costDetails")).get("total", mapping(thing.get("usage")).get("totalCost"))
    if isinstance(total_cost, (int, float)) and not isinstance(total_cost, bool) and 0 <= total_cost <= MAX_DOLLARS:
        record.cost, record.custom_cost = float(total_cost), True
        record.cost_details = {"certainty": "estimated", "why": "as the sender computed it"}


#: Our counts, and the words that SDKs and integrations have for each.
_USAGE = {
    "usage_input_tokens": ("input", "promptTokens", "prompt_tokens", "input_tokens"),
    "usage_output_tokens": ("output", "completionTokens", "completion_tokens", "output_tokens"),
    "usage_cache_read_input_tokens": ("cache_read_input_tokens", "input_cached_tokens", "input_cache_read"),
    "usage_cache_creation_input_tokens": ("cache_creation_input_tokens", "input_cache_creation"),
    "usage_reasoning_output_tokens": ("output_reasoning_tokens", "output_reasoning"),
}


def decode_score(body: Json, root_of: Find) -> Record:
    """Return a record that adds a score to its observation's or trace's.

    Raises:
        Fault: 400, a score without a name, a value or a trace.
    """
    called, value = text(body.get("name")), body.get("value")
    trace_id, observation = text(body.get("traceId")), text(body.get("observationId"))
    if called is None or value is None or (trace_id or observation) is None:
        raise Fault(400, "a score has name, value, and traceId or observationId")
    about = root_of(observation or trace_id or "")
    record = Record(id=_later_id(trace_id, observation) if about is None else about.id, dialect=name)
    comment = None if body.get("comment") is None else str(body["comment"])
    if isinstance(value, (int, float)):
        set_score(record, called, float(value), comment)
    else:
        record.scores = {called: {"value": value, "comment": comment}}
    return record


def _later_id(trace_id: str | None, observation: str | None) -> str:
    """Return the id that what a score is of will have when it comes: a span's, or the observation's own."""
    is_span = len(trace_id or "") == 32 and len(observation or "") == 16
    return f"{trace_id}-{observation}" if is_span else observation or trace_id or ""


def decode_scores(items: list[Any], root_of: Find, most: int = NO_LIMIT) -> Batch:
    """Return the records of several scores, each answered by its place.

    Raises:
        Fault: 413, more than `most`.
    """
    check_count(len(items), most)
    batch = Batch()
    for place, item in enumerate(items):
        try:
            batch.records.append(decode_score(mapping(item), root_of))
            batch.successes.append({"id": str(mapping(item).get("id") or place), "status": 201})
        except Fault as fault:
            batch.errors.append({"index": place, "id": mapping(item).get("id"), "message": fault.message})
    return batch


# Replies


def encode_scores(batch: Batch) -> Json:
    """Return the reply to several scores; with counts, present SDKs take it for one of a half refused list."""
    if not batch.errors:
        return {"message": "Accepted"}
    return {"accepted": len(batch.records), "rejected": len(batch.errors), "errors": batch.errors}


def encode_fault(fault: Fault) -> Json:
    """Return an error in this vendor's shape."""
    return {"message": fault.message, "error": "Error"}


def encode_observation(record: Record) -> Json:
    """Return a record as an observation."""
    counts = {"input": record.usage_input_tokens, "output": record.usage_output_tokens}
    known = {key: value for key, value in counts.items() if value is not None}
    return {
        "id": record.span_id or record.id,
        "traceId": record.trace_id,
        "type": _TYPES.get(record.kind, "span").upper(),
        "name": record.name,
        "startTime": format_time(record.start_time or record.created_at),
        "endTime": format_time(record.end_time),
        "model": record.request_model,
        "modelParameters": {},
        "input": from_body(record.request_body),
        "output": from_body(record.response_body),
        "metadata": record.metadata,
        "level": "ERROR" if record.status == "error" else "DEFAULT",
        "statusMessage": record.error_message,
        "parentObservationId": record.parent_span_id,
        "promptName": record.prompt_name,
        "usageDetails": known,
        "costDetails": {} if record.cost is None else {"total": record.cost},
        "usage": {**counts, "total": sum(known.values()) if known else None, "unit": "TOKENS"},
        "latency": record.duration,
        "environment": "default",
    }


def encode_trace(trace_id: str, records: list[Record]) -> Json:
    """Return a trace with all that is in it, of whichever dialect."""
    root = next((record for record in records if record.parent_span_id is None), records[0])
    observations = [record for record in records if record.id != trace_id]
    return {
        "id": trace_id,
        "timestamp": format_time(root.start_time or root.created_at),
        "name": root.name,
        "input": from_body(root.request_body),
        "output": from_body(root.response_body),
        "sessionId": root.session,
        "userId": root.user,
        "metadata": root.metadata,
        "tags": root.tags,
        "public": False,
        "environment": "default",
        "htmlPath": f"/ui/trace?id={trace_id}",
        "totalCost": sum(record.cost or 0.0 for record in records if record.kind == "llm"),
        "latency": root.duration or 0.0,
        "observations": [encode_observation(record) for record in observations],
        "scores": [
            {"id": f"{record.id}/{key}", "traceId": trace_id, "name": key,
             "value": score.get("value") if isinstance(score, dict) else score}
            for record in records for key, score in record.scores.items()
        ],
    }  # fmt: skip
