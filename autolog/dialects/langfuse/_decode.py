"""Decodes Langfuse's batches and scores as records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from autolog._reading.derive import derive_in_steps
from autolog._record.record import Record
from autolog._record.scores import set_score
from autolog.dialects._chat import request_of, response_of
from autolog.dialects._convert import MAX_DOLLARS, fill_times, from_body, parse_time, text_of, to_body
from autolog.dialects._fault import MISREAD, NO_LIMIT, Fault, Json, check_count, why_misread
from autolog.dialects._providers import chat_or_embeddings
from autolog.dialects._steps import Steps, at_once, in_steps
from autolog.providers._fields import count, mapping, text, texts

#: Types of observations, and record kinds; an event's name is its type, or `observation-create` has it in the body.
KINDS = {
    "generation": "llm", "embedding": "llm", "span": "span", "event": "span", "agent": "agent", "tool": "tool",
    "chain": "chain", "retriever": "retrieval", "evaluator": "evaluator", "guardrail": "span",
}  # fmt: skip


@dataclass(slots=True)
class Batch:
    """The records of a batch, and the status of each of its events."""

    records: list[Record] = field(default_factory=list)
    successes: list[Json] = field(default_factory=list)
    errors: list[Json] = field(default_factory=list)

    def refuse(self, event_id: str, error: Exception) -> None:
        """Report an event as invalid."""
        status, why = error.status if isinstance(error, Fault) else 400, why_misread(error)
        self.errors.append({"id": event_id, "status": status, "message": why, "error": why})


#: Finds the records with given ids, with their bodies, as far as there are any.
Find = Callable[[Collection[str]], Iterable[Record]]
#: Finds the record to which a score belongs, by the id of an observation or of a trace.
RootOf = Callable[[str], Record | None]


def decode_batch(body: Json, find: Find, root_of: RootOf, most: int = NO_LIMIT) -> Batch:
    """Return the records of a batch; events about the same trace or observation are combined.

    Raises:
        Fault: 400, if the body is not a batch; 413, if it has more than `most` events.
    """
    events = body.get("batch")
    if not isinstance(events, list):
        raise Fault(400, "batch: is not a list of events")
    check_count(len(events), most)
    batch, objects = Batch(), dict[str, Json]()
    given = (mapping(mapping(event).get("body")).get("id") for event in events)
    ids = {thing_id for thing_id in given if _is_id(thing_id)}
    known = {record.id: thing_of(record) for record in find(ids) if record.dialect == "langfuse"}
    about: list[tuple[str, str]] = []
    for event in events:
        event_id = str(mapping(event).get("id") or "")
        try:
            about.append((event_id, _add(mapping(event), objects, known, batch, root_of)))
        except MISREAD as error:
            batch.refuse(event_id, error)
    decoded, refused = list[Record](), dict[str, Exception]()
    for thing_id, result in zip(objects, in_steps(objects.values(), _decode_thing), strict=True):
        if isinstance(result, Exception):
            refused[thing_id] = result
        else:
            decoded.append(result)
    batch.records[:0] = decoded  # before the scores of these, because the first record of a call decides its time
    for event_id, thing_id in about:
        if thing_id in refused:
            batch.refuse(event_id, refused[thing_id])
        else:
            batch.successes.append({"id": event_id, "status": 201})
    return batch


def _is_id(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= 200


def _add(event: Json, objects: dict[str, Json], known: Mapping[str, Json], batch: Batch, root_of: RootOf) -> str:
    """Add an event to the objects of its batch, which begin as they are known from earlier batches.

    Returns:
        The id of the trace or observation that it is about, or an empty string if it has none.
    """
    word, _, _ = str(event.get("type") or "").rpartition("-")
    given = event.get("body")
    if event.get("type") == "sdk-log":
        return ""
    if not isinstance(given, dict):
        raise Fault(400, "body: is not an object")
    if word == "score":
        batch.records.append(decode_score(given, root_of))
        return ""
    kind = "trace" if word == "trace" else str(given.get("type") or word).lower()
    if kind != "trace" and kind not in KINDS:
        raise Fault(400, f"type: {str(event.get('type'))[:50]!r} is not an event")
    thing_id = given.get("id")
    if not _is_id(thing_id):
        raise Fault(400, "body.id: must have 1 to 200 characters")
    for key in ("timestamp", "startTime", "endTime", "completionStartTime"):
        parse_time(given.get(key), key)
    thing = objects.setdefault(thing_id, known.get(thing_id, {}))
    thing.update({key: value for key, value in given.items() if value is not None})
    thing["type"] = kind
    thing.setdefault("timestamp" if kind == "trace" else "startTime", event.get("timestamp"))
    return thing_id


def thing_of(record: Record) -> Json:
    """Return the trace or observation from which a record was decoded."""
    thing: Json = dict(record.extra.get("langfuse") or {})
    for key, body in (("input", record.request_body), ("output", record.response_body)):
        if body is not None:
            thing[key] = from_body(body)
    return thing


def decode_thing(thing: Json) -> Record:
    """Decode a trace or an observation, with everything that is known about it, as a record.

    Raises:
        Fault: 400, if a time is invalid.
    """
    return at_once(_decode_thing(thing))


def _decode_thing(thing: Json) -> Steps[Record]:
    is_trace, kind = thing["type"] == "trace", KINDS.get(thing["type"], "chain")
    metadata = thing.get("metadata")
    trace_id = thing["id"] if is_trace else text(thing.get("traceId"))
    record = Record(
        id=thing["id"],
        dialect="langfuse",
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
        tags=texts(thing.get("tags")),
        metadata=metadata if isinstance(metadata, dict) else {} if metadata is None else {"metadata": metadata},
        prompt_name=text(thing.get("promptName")),
        prompt_version=None if thing.get("promptVersion") is None else str(thing["promptVersion"]),
        extra={"langfuse": {key: value for key, value in thing.items() if key not in {"input", "output"}}},
    )
    if thing.get("level") == "ERROR":
        record.status, record.error_message = "error", text_of(thing.get("statusMessage"))
    input_, output = thing.get("input"), thing.get("output")
    if kind != "llm":
        record.request_body, record.response_body = to_body(input_), to_body(output)
        fill_times(record)
        return record
    _read_call(record, thing)
    fill_times(record)
    first = parse_time(thing.get("completionStartTime"), "completionStartTime")
    if first and record.start_time:
        record.time_to_first_chunk = max(0.0, (first - record.start_time).total_seconds())
    yield
    status, called = record.status, record.name
    yield from derive_in_steps(record)
    record.status, record.name = status, called
    return record


def _read_call(record: Record, thing: Json) -> None:
    input_, output = thing.get("input"), thing.get("output")
    record.request_model = text(thing.get("model"))
    record.operation_name = "embeddings" if thing["type"] == "embedding" else chat_or_embeddings(record.request_model)
    request = input_ if isinstance(input_, dict) and "role" not in input_ else request_of(input_) or {}
    record.request_body = to_body({**mapping(thing.get("modelParameters")), **request})
    whole = isinstance(output, dict) and bool({"choices", "candidates", "output", "object"} & output.keys())
    record.response_body = to_body(output if whole else response_of(output) or output)
    usage = {**mapping(thing.get("usage")), **mapping(thing.get("usageDetails"))}
    for name in ("prompt_tokens_details", "input_tokens_details", "completion_tokens_details", "output_tokens_details"):
        usage |= mapping(usage.get(name))
    for field_name, words in _USAGE.items():
        setattr(record, field_name, next((count(usage[word]) for word in words if usage.get(word) is not None), None))
    _add_parts(record, usage)
    total_cost = mapping(thing.get("costDetails")).get("total", mapping(thing.get("usage")).get("totalCost"))
    if isinstance(total_cost, (int, float)) and not isinstance(total_cost, bool) and 0 < total_cost <= MAX_DOLLARS:
        record.cost, record.custom_cost = float(total_cost), True
        record.cost_details = {"certainty": "estimated", "why": "as the sender computed it"}


def _add_parts(record: Record, usage: Json) -> None:
    """Add cached tokens to the input, and reasoning tokens to the output, since types of usage add up to the total.

    This is not done if the total says otherwise, as in OpenAI's own usage
    (https://langfuse.com/docs/observability/features/token-and-cost-tracking).
    """
    cached = (record.usage_cache_read_input_tokens or 0) + (record.usage_cache_creation_input_tokens or 0)
    given = record.usage_input_tokens
    total = next((count(usage[word]) for word in _TOTALS if usage.get(word) is not None), None)
    is_whole = total is not None and total == (given or 0) + (record.usage_output_tokens or 0)
    if given is not None and (not is_whole or given < cached):
        record.usage_input_tokens = given + cached
    if not is_whole and record.usage_output_tokens is not None:
        record.usage_output_tokens += record.usage_reasoning_output_tokens or 0


_TOTALS = ("total", "totalTokens", "total_tokens")
#: The counts of a record, and the names that SDKs and integrations use for each.
_USAGE = {
    "usage_input_tokens": ("input", "promptTokens", "prompt_tokens", "input_tokens"),
    "usage_output_tokens": ("output", "completionTokens", "completion_tokens", "output_tokens"),
    "usage_cache_read_input_tokens": (
        "cache_read_input_tokens",
        "input_cached_tokens",
        "input_cache_read",
        "cached_tokens",
    ),
    "usage_cache_creation_input_tokens": ("cache_creation_input_tokens", "input_cache_creation"),
    "usage_reasoning_output_tokens": ("output_reasoning_tokens", "output_reasoning", "reasoning_tokens"),
}


def decode_score(body: Json, root_of: RootOf) -> Record:
    """Return a record that adds a score to the record of its observation or trace.

    Raises:
        Fault: 400, if the score has no name, value or trace.
    """
    called, value = text(body.get("name")), body.get("value")
    trace_id, observation = text(body.get("traceId")), text(body.get("observationId"))
    if called is None or value is None or (trace_id or observation) is None:
        raise Fault(
            400, "a score needs name, value, and traceId or observationId; sessions and datasets have none here"
        )
    about = root_of(observation or trace_id or "")
    record = Record(id=_later_id(trace_id, observation) if about is None else about.id, dialect="langfuse")
    comment = None if body.get("comment") is None else str(body["comment"])
    if isinstance(value, (int, float)):
        set_score(record, called, float(value), comment)
    else:
        record.scores = {called: {"value": value, "comment": comment}}
    return record


def _later_id(trace_id: str | None, observation: str | None) -> str:
    """Return the id that the subject of a score will have when it arrives: a span's, or the observation's own."""
    is_span = len(trace_id or "") == 32 and len(observation or "") == 16
    return f"{trace_id}-{observation}" if is_span else observation or trace_id or ""


def decode_scores(items: list[Any], root_of: RootOf, most: int = NO_LIMIT) -> Batch:
    """Return the records of several scores, with a status for each, by its position.

    Raises:
        Fault: 413, if there are more than `most`.
    """
    check_count(len(items), most)
    batch = Batch()
    for place, item in enumerate(items):
        try:
            batch.records.append(decode_score(mapping(item), root_of))
            batch.successes.append({"id": str(mapping(item).get("id") or place), "status": 201})
        except MISREAD as error:
            batch.errors.append({"index": place, "id": mapping(item).get("id"), "message": why_misread(error)})
    return batch
