"""Decodes LangSmith's runs and feedback as records."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from autolog._reading.derive import derive_in_steps
from autolog._record.bodies import form_parts
from autolog._record.media import note_media
from autolog._record.record import DEFAULTS, Record
from autolog._record.scores import set_score
from autolog.dialects._chat import chat_messages, request_of, response_of
from autolog.dialects._convert import MAX_DOLLARS, fill_times, parse_time, text_of, to_body
from autolog.dialects._fault import NO_LIMIT, Fault, Json, check_count, parse_json
from autolog.dialects._providers import chat_or_embeddings, provider_called
from autolog.dialects._steps import Steps, at_once, in_steps
from autolog.dialects.litellm import decode_payload, is_payload
from autolog.providers._fields import count, mapping, text, texts

_KINDS = {"llm": "llm", "embedding": "llm", "chain": "chain", "tool": "tool", "retriever": "retrieval"}
#: The prefix of the ids of attachments, which are records of their own.
ATTACHMENT = "attachment-"
#: The most characters of a run's or feedback's id.
MAX_ID = 200

#: The fields of a run whose later values are added to the earlier ones.
_JOINED = ("extra", "attachments")


@dataclass(slots=True)
class Upload:
    """The contents of one request: runs by id, feedback, and how many of both could not be decoded."""

    runs: dict[str, Json] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)
    """The ids of runs that this request posts; the others are patches of earlier ones."""
    feedback: list[Json] = field(default_factory=list)
    attachments: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    """By run id and name, the content type and the content of each attachment."""
    rejected: int = 0
    problem: str = ""

    def merge(self, operation: str, run_id: str, values: Json) -> None:
        """Add values to a run. Values of a patch override those of a post, in any order."""
        if operation == "post":
            self.started.add(run_id)
        _add(self.runs.setdefault(run_id, {"id": run_id}), values, overrides=operation != "post")

    def attach(self, run_id: str, name: str, content_type: str, content: bytes) -> None:
        """Add an attachment to a run."""
        self.attachments[run_id, name] = content_type, content
        self.merge("patch", run_id, {"attachments": {name: {"content_type": content_type, "size": len(content)}}})

    def reject(self, problem: str) -> None:
        """Count an item that could not be decoded."""
        self.rejected, self.problem = self.rejected + 1, problem


def join(run: Json, later: Json) -> Json:
    """Return a run with later values, which override the earlier ones."""
    joined = run | {key: dict(mapping(run[key])) for key in _JOINED if run.get(key)}
    _add(joined, later, overrides=True)
    return joined


def _add(run: Json, values: Json, overrides: bool) -> None:
    """Add values to a run, in place as a form may have a part for each; null counts as absent, and the id stays."""
    for key, value in values.items():
        if value is None or key == "id":
            continue
        if key in _JOINED and value and (known := run.get(key)):
            run[key] = whole = mapping(known)
            for name, item in mapping(value).items():
                if overrides or name not in whole:
                    whole[name] = item
        elif overrides or key not in run:
            run[key] = value


def decode_batch(body: Json, most: int = NO_LIMIT) -> Upload:
    """Decode a JSON batch: `{"post": [...], "patch": [...]}`.

    Raises:
        Fault: 413, if it has more than `most` runs; 422, if it does not have this shape.
    """
    upload = Upload()
    given = {operation: body.get(operation) or [] for operation in ("post", "patch")}
    for operation, runs in given.items():
        if not isinstance(runs, list):
            raise Fault(422, f"{operation}: is not a list of runs")
    check_count(sum(map(len, given.values())), most)
    for operation, runs in given.items():
        for run in runs:
            run_id = run.get("id") if isinstance(run, dict) else None
            if isinstance(run_id, str) and 0 < len(run_id) <= MAX_ID:
                upload.merge(operation, run_id, run)
            else:
                upload.reject("a run has no id")
    return upload


def decode_multipart(data: bytes, content_type: str, most: int = NO_LIMIT) -> Upload:
    """Decode a form with parts `post.ID`, `post.ID.inputs`, `patch.ID`, `feedback.ID` and `attachment.ID.NAME`.

    Raises:
        Fault: 413, if it has more than `most` runs, feedbacks and attachments; 422, if it is not a form.
    """
    upload = Upload()
    unreadable: set[str] = set()
    part = None
    for part in form_parts(data, content_type):
        operation, _, rest = part.name.partition(".")
        run_id, _, key = rest.partition(".")
        content = data[part.start : part.end]
        if operation not in {"post", "patch", "feedback", "attachment"} or not 0 < len(run_id) <= MAX_ID:
            upload.reject(f"{part.name[:100]!r} is not a part of a run")
        elif operation == "attachment":
            upload.attach(run_id, key, part.content_type or "application/octet-stream", content)
        else:
            try:
                value = parse_json(content)
            except Fault as fault:
                unreadable.add(run_id)
                upload.reject(f"{part.name[:100]}: {fault.message}")
                continue
            if operation == "feedback":
                upload.feedback.append(mapping(value))
            else:
                upload.merge(operation, run_id, {key: value} if key else mapping(value))
        check_count(len(upload.runs) + len(upload.feedback) + len(upload.attachments), most)
    if part is None:
        raise Fault(422, "the body is not a multipart form")
    for run_id in unreadable:
        upload.runs.pop(run_id, None)
    return upload


def attachment_id(run_id: str, name: str) -> str:
    """Return the id of the record that stores an attachment."""
    return f"{ATTACHMENT}{run_id}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:16]}"


def decode_attachment(run: Record, name: str, content_type: str, content: bytes) -> Record:
    """Return an attachment of a run as a record of its own, a child of the run."""
    record = Record(
        id=attachment_id(run.id, name),
        dialect="langsmith",
        kind="span",
        name=f"attachment {name}",
        trace_id=run.trace_id,
        span_id=attachment_id(run.id, name),
        parent_span_id=run.id,
        start_time=run.start_time,
        created_at=run.created_at,
        response_body=content,
        response_content_type=content_type,
    )
    note_media(record)
    return record


# Runs

#: The numbers that are times in milliseconds, as the JavaScript client sends them, and not in seconds.
_MILLISECONDS = range(10**11, 10**15)


def _time(run: Json, name: str) -> datetime | None:
    """Return a time of a run.

    Raises:
        Fault: 422, if it is none.
    """
    value = run.get(name)
    if isinstance(value, (int, float)) and _MILLISECONDS.start <= value < _MILLISECONDS.stop:
        value = value / 1000
    return parse_time(value, name, 422)


def _start_in_order(run: Json) -> datetime | None:
    """Return the start of a run by its dotted order, which a patch has, too; None if it has none.

    Its last part is the time, as `20260102T030405250000Z`, and the run's id.
    """
    time = str(run.get("dotted_order") or "").rpartition(".")[2].partition("Z")[0]
    try:
        return datetime.strptime(time, "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
    except ValueError:
        return None


#: Fields of a run that fields of a record hold; the rest of the run is kept unchanged.
_OWN = {"id", "name", "trace_id", "parent_run_id", "start_time", "end_time", "inputs", "outputs", "tags"}


def decode_run(run: Json) -> Record:
    """Decode a run as a record.

    Raises:
        Fault: 422, if a time is invalid.
    """
    return at_once(_decode_run(run))


def decode_runs(runs: Iterable[Json]) -> list[Record | Exception]:
    """Decode runs as records; the result for a run that cannot be decoded is its error."""
    return in_steps(runs, _decode_run)


def _decode_run(run: Json) -> Steps[Record]:
    extra = mapping(run.get("extra"))
    metadata = mapping(extra.get("metadata"))
    run_type = text(run.get("run_type")) or ""
    record = Record(
        id=str(run["id"]),
        dialect="langsmith",
        kind=_KINDS.get(run_type, "span") if run_type else DEFAULTS["kind"],  # unknown if a patch arrives first
        name=text(run.get("name")),
        trace_id=text(run.get("trace_id")) or str(run["id"]),
        span_id=str(run["id"]),
        parent_span_id=text(run.get("parent_run_id")),
        start_time=_time(run, "start_time") or _start_in_order(run),
        end_time=_time(run, "end_time"),
        session=_first(metadata, "session_id", "thread_id", "conversation_id"),
        user=_first(metadata, "user_id"),
        tags=texts(run.get("tags")),
        metadata={key: value for key, value in metadata.items() if not _is_plumbing(key)},
        extra={"run": {key: value for key, value in run.items() if key not in _OWN and value is not None}},
    )
    if run.get("error"):
        record.status = "error"
        record.error_message = (text_of(run["error"]) or "").partition("Traceback (most recent call last)")[0].strip()
        named = re.match(r"([A-Za-z_][\w.]*)\(", record.error_message or "")
        record.error_type = named[1] if named else None
    inputs, outputs = run.get("inputs"), run.get("outputs")
    is_call = record.kind == "llm" and bool(run_type)
    if is_call and is_payload(mapping(inputs)):
        return _call_of_litellm(record, mapping(inputs))
    if is_call:
        _read_call(record, run_type, extra, mapping(inputs), mapping(outputs))
    else:
        record.request_body, record.response_body = to_body(inputs), to_body(outputs)
    fill_times(record)
    if is_call:
        yield
        status, name = record.status, record.name
        yield from derive_in_steps(record)
        record.status, record.name = status, name
    return record


def _call_of_litellm(run: Record, payload: Json) -> Record:
    """Return the call that LiteLLM reports, with the run's place in its tree."""
    call = decode_payload(payload)
    place = {name: getattr(run, name) for name in ("id", "dialect", "name", "trace_id", "span_id", "parent_span_id")}
    return msgspec.structs.replace(call, **place, extra={**call.extra, **run.extra})


def _is_plumbing(key: str) -> bool:
    return key.startswith(("ls_", "LANGSMITH_", "LANGCHAIN_")) or key in {"usage_metadata", "revision_id"}


def _first(values: Json, *names: str) -> str | None:
    return next((str(values[name]) for name in names if values.get(name) not in (None, "")), None)


def _read_call(record: Record, run_type: str, extra: Json, inputs: Json, outputs: Json) -> None:
    metadata, parameters = mapping(extra.get("metadata")), mapping(extra.get("invocation_params"))
    message = _answer(outputs)
    response = mapping(message.get("response_metadata"))
    record.provider_name = provider_called(_first(metadata, "ls_provider"))
    record.request_model = _first(metadata, "ls_model_name") or _first(parameters, "model", "model_name")
    record.operation_name = "embeddings" if run_type == "embedding" else chat_or_embeddings(record.request_model)
    record.response_model = _first(response, "model_name", "model")
    record.response_service_tier = _first(response, "service_tier")
    record.response_id = _first(response, "id")
    reason = _first(response, "finish_reason", "stop_reason") or _first(_generation(outputs), "finish_reason")
    record.response_finish_reasons = [reason] if reason else None
    request = request_of(inputs["messages"]) if isinstance(inputs.get("messages"), list) else None
    if request is None and "prompts" in inputs:
        request = {"prompt": inputs["prompts"]}
    settings = {key: value for key, value in parameters.items() if not key.startswith("_")}
    record.request_body = to_body({**settings, **inputs, **(request or {})})
    record.response_body = to_body(_response(outputs, message))
    usages = (metadata.get("usage_metadata"), outputs.get("usage_metadata"), message.get("usage_metadata"))
    _read_usage(record, next((usage for usage in usages if isinstance(usage, dict)), {}))


def _generation(outputs: Json) -> Json:
    """Return the `generation_info` of LangChain's first generation, such as its finish reason."""
    return mapping(next(_generations(outputs), {}).get("generation_info"))


def _generations(outputs: Json) -> Iterator[Json]:
    """Yield LangChain's generations: a list of lists, because several prompts may be sent at once."""
    outer = outputs.get("generations")
    for inner in outer if isinstance(outer, list) else []:
        for generation in inner if isinstance(inner, list) else [inner]:
            if isinstance(generation, dict):
                yield generation


def _answer(outputs: Json) -> Json:
    """Return the message that answered a call, in LangChain's serialisation, with its fields in `kwargs`."""
    found = next(
        (mapping(generation.get("message")) for generation in _generations(outputs) if generation.get("message")), {}
    )
    return mapping(found.get("kwargs")) or found or outputs


def _response(outputs: Json, message: Json) -> Any:
    """Return the response: the provider's own if the run has it, else one made from its messages."""
    if isinstance(outputs.get("choices"), list) or outputs.get("type") == "message":
        return {key: value for key, value in outputs.items() if key != "usage_metadata"}
    generations = list(_generations(outputs))
    if generations:
        return response_of(
            [generation.get("message") or {"content": generation.get("text")} for generation in generations]
        )
    if "messages" in outputs or "role" in outputs or "content" in outputs:
        return response_of(outputs)
    if set(outputs) <= {"output", "usage_metadata"} and chat_messages(outputs.get("output"), "assistant"):
        return response_of(outputs["output"])
    return outputs or message or None


def _read_usage(record: Record, usage: Json) -> None:
    """Read LangChain's counts: the input includes cached tokens, and the output includes reasoning tokens."""
    input_details, output_details = (
        mapping(usage.get("input_token_details")),
        mapping(usage.get("output_token_details")),
    )
    lives = [count(input_details.get(f"ephemeral_{life}_input_tokens")) for life in ("5m", "1h")]
    record.usage_input_tokens = count(usage.get("input_tokens"))
    record.usage_output_tokens = count(usage.get("output_tokens"))
    record.usage_cache_read_input_tokens = count(input_details.get("cache_read"))
    written = count(input_details.get("cache_creation"))
    record.usage_cache_creation_input_tokens = sum(life or 0 for life in lives) or written
    record.usage_cache_creation_5m_input_tokens, record.usage_cache_creation_1h_input_tokens = lives
    record.usage_reasoning_output_tokens = count(output_details.get("reasoning"))
    record.usage_input_audio_tokens = count(input_details.get("audio"))
    record.usage_output_audio_tokens = count(output_details.get("audio"))
    total = usage.get("total_cost")
    if isinstance(total, (int, float)) and not isinstance(total, bool) and 0 < total <= MAX_DOLLARS:
        record.cost, record.custom_cost = float(total), True
        record.cost_details = {"certainty": "estimated", "why": "as the sender computed it"}


# Feedback


def decode_feedback(items: Iterable[Json]) -> list[Record]:
    """Return records that add the scores of feedback to the records of its runs.

    Raises:
        Fault: 422, if a feedback has no run or no key.
    """
    records = []
    for item in items:
        run_id, key = item.get("run_id") or item.get("trace_id"), text(item.get("key"))
        if not isinstance(run_id, str) or key is None or len(run_id) > MAX_ID:
            raise Fault(422, "feedback needs run_id and key")
        record = Record(id=run_id, dialect="langsmith")
        comment = None if item.get("comment") is None else str(item["comment"])
        score = item.get("score")
        if isinstance(score, (int, float)):
            set_score(record, key, float(score), comment)
        else:
            record.scores = {key: {"value": item.get("value", score), "comment": comment}}
        if isinstance(feedback_id := item.get("id"), str) and 0 < len(feedback_id) <= MAX_ID:
            known = record.scores[key]
            record.scores[key] = {**(known if isinstance(known, dict) else {"value": known}), "id": feedback_id}
        records.append(record)
    return records
