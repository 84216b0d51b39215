"""The OpenAI Agents SDK: the traces and spans that its `BackendSpanExporter` posts (openai-agents 0.24).

A batch is `{"data": [...]}`. A trace is sent when it begins, with only its name, group and metadata; a span is sent
when it has ended. A trace's record gets its times from its outermost spans.

The format cannot express the model, messages and tier of a `response` span: `ResponseSpanData.export` contains only the
response's id and, from Python, tokens; from JavaScript those of its turn are taken if both are in one batch. Such a
span has no price by itself. If the call was also recorded (by `autolog.patch()` in the
program), the two are matched by that id, are billed once, and the span gets the models. Nor can the format express the
service tier of other calls, raw bodies, HTTP status and headers, and retries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from autolog._reading.derive import derive_in_steps
from autolog._record.record import Record
from autolog.dialects._chat import parsed, request_of, response_of
from autolog.dialects._convert import fill_times, host_of, parse_time, to_body
from autolog.dialects._fault import NO_LIMIT, Fault, Json, check_count, why_misread
from autolog.dialects._steps import Steps, in_steps
from autolog.providers import provider_at
from autolog.providers._fields import count, mapping, text

name = "openai_agents"
why_not_shipped = "its endpoint accepts only that SDK's spans"
key_headers: tuple[str, ...] = ()
prefixes = ("/v1/traces/ingest",)

#: Record kinds by the SDK's types of spans; all others are `span`.
_KINDS = {
    "agent": "agent", "function": "tool", "mcp_tools": "tool", "guardrail": "guardrail", "handoff": "handoff",
    "generation": "llm", "response": "llm", "transcription": "llm", "speech": "llm", "task": "chain",
}  # fmt: skip
_OPERATIONS = {"generation": "chat", "response": "chat", "transcription": "transcription", "speech": "speech"}
#: Settings of a call that say where the model is served, and are no parameters.
_PLACES = {"base_url", "model_impl"}

#: Finds the records with given ids, as far as there are any.
Find = Callable[[Collection[str]], Iterable[Record]]


@dataclass(slots=True)
class Upload:
    """The records of one request, and the number of its items that could not be decoded."""

    traces: dict[str, Record] = field(default_factory=dict)
    spans: list[Record] = field(default_factory=list)
    rejected: int = 0
    problem: str = ""


def decode_items(body: Json, most: int = NO_LIMIT) -> Upload:
    """Return the traces and spans of a batch; items that cannot be decoded are left out and counted.

    Raises:
        Fault: 400, if the body is not a batch, or no item can be decoded; 413, if there are more than `most` items.
    """
    items = body.get("data")
    if not isinstance(items, list):
        raise Fault(400, "data: is not a list of traces and spans")
    check_count(len(items), most)
    upload = Upload()
    for item, result in zip(items, in_steps(items, _decode), strict=True):
        if isinstance(result, Exception):
            upload.rejected, upload.problem = upload.rejected + 1, why_misread(result)
        elif item["object"] == "trace":
            upload.traces[result.id] = result
        else:
            upload.spans.append(result)
    if upload.rejected and upload.rejected == len(items):
        raise Fault(400, upload.problem)
    _add_usage_of_turns(upload.spans)
    return upload


def _add_usage_of_turns(spans: list[Record]) -> None:
    """Set the tokens of responses from their turn's, if it has only one: the JavaScript SDK has them nowhere else."""
    calls = defaultdict[str | None, list[Record]](list)
    for span in spans:
        if span.kind == "llm":
            calls[span.parent_span_id].append(span)
    for span in spans:
        usage, inner = mapping(span.metadata.get("usage")), calls.get(span.id, [])
        if usage and len(inner) == 1 and inner[0].usage_input_tokens is None:
            details = {"cached_tokens": usage.get("cached_input_tokens"),
                       "cache_write_tokens": usage.get("cache_write_input_tokens")}  # fmt: skip
            _read_usage(inner[0], {**usage, "input_tokens_details": details})


def _decode(item: Any) -> Steps[Record]:
    item = mapping(item)
    item_id = item.get("id")
    if item.get("object") not in {"trace", "trace.span"}:
        raise Fault(400, "object: is neither 'trace' nor 'trace.span'")
    if not isinstance(item_id, str) or not 0 < len(item_id) <= 200:
        raise Fault(400, "id: must have 1 to 200 characters")
    if item["object"] == "trace":
        return _trace(item_id, item)
    return (yield from _span(item_id, item))


def _trace(trace_id: str, item: Json) -> Record:
    return Record(
        id=trace_id,
        dialect=name,
        kind="chain",
        name=text(item.get("workflow_name")),
        trace_id=trace_id,
        span_id=trace_id,
        session=text(item.get("group_id")),
        metadata=mapping(item.get("metadata")),
    )


def join_traces(upload: Upload, find: Find) -> list[Record]:
    """Return the records of a batch: spans with their trace's session, and traces with the times of their spans."""
    spans = {trace_id: list[Record]() for trace_id in upload.traces}
    for span in upload.spans:
        spans.setdefault(span.trace_id or "", []).append(span)
    before = {record.id: record for record in find(spans)}
    for trace_id, of_trace in spans.items():
        trace = upload.traces.setdefault(trace_id, Record(id=trace_id, dialect=name, kind="chain", trace_id=trace_id))
        stored = before.get(trace_id)
        _add_times(trace, stored, of_trace)
        for span in of_trace:
            span.session = trace.session or (stored.session if stored is not None else None)
    return [*upload.traces.values(), *upload.spans]


def _add_times(trace: Record, stored: Record | None, spans: list[Record]) -> None:
    """Set a trace's times from its outermost spans; the start is known once one of them has ended."""
    outermost = [span for span in spans if span.parent_span_id == trace.id]
    starts = [span.start_time for span in outermost if span.start_time]
    ends = [span.end_time for span in (*outermost, *([stored] if stored else ())) if span.end_time]
    trace.start_time = (stored.start_time if stored else None) or min(starts, default=None)
    trace.end_time = max(ends, default=None)
    trace.span_id = trace.id
    fill_times(trace)


def _span(span_id: str, item: Json) -> Steps[Record]:
    data = mapping(item.get("span_data"))
    if data.get("type") == "custom":
        data = {**data, **mapping(data.get("data"))}
    kind = str(data.get("sdk_span_type") or data.get("type") or "")
    trace_id = text(item.get("trace_id"))
    if trace_id is None:
        raise Fault(400, "trace_id: is missing")
    record = Record(
        id=span_id,
        dialect=name,
        kind=_KINDS.get(kind, "span"),
        name=_name(kind, data),
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=text(item.get("parent_id")) or trace_id,
        start_time=parse_time(item.get("started_at"), "started_at"),
        end_time=parse_time(item.get("ended_at"), "ended_at"),
        metadata=mapping(item.get("metadata")),
    )
    if error := mapping(item.get("error")):
        record.status, record.error_type, record.error_message = "error", "agents.SpanError", text(error.get("message"))
        if error.get("data"):
            record.metadata = {**record.metadata, "error_data": error["data"]}
    if record.kind == "llm":
        _read_call(record, kind, data)
        fill_times(record)
        yield
        yield from _derive(record)
    else:
        _read_step(record, kind, data)
        fill_times(record)
    return record


def _name(kind: str, data: Json) -> str:
    if kind == "handoff":
        return f"handoff to {data['to_agent']}" if data.get("to_agent") else "handoff"
    if kind == "mcp_tools":
        return f"tools of {data['server']}" if data.get("server") else "tools"
    if kind == "turn":
        return f"turn {data['turn']}" if data.get("turn") is not None else "turn"
    return text(data.get("name")) or kind or "span"


def _read_step(record: Record, kind: str, data: Json) -> None:
    """Read a span that is not a model call: its input and output, and everything else as metadata."""
    facts = {
        key: value
        for key, value in data.items()
        if value is not None and key not in {"type", "sdk_span_type", "name", "data"}
    }
    given, result = facts.pop("input", None), facts.pop("output", None)
    if kind == "guardrail":
        result = {"triggered": facts.pop("triggered", None)}
    elif kind == "mcp_tools":
        result = facts.pop("result", None)
    record.request_body, record.response_body = to_body(parsed(given)), to_body(parsed(result))
    record.metadata = {**record.metadata, **facts}


# Calls to models


def _read_call(record: Record, kind: str, data: Json) -> None:
    record.operation_name = _OPERATIONS[kind]
    record.name = None
    record.request_model = text(data.get("model"))
    record.response_id = text(data.get("response_id"))
    settings = mapping(data.get("model_config"))
    host = host_of(settings.get("base_url"))
    record.provider_name = provider_at(host) if host else None
    parameters = {key: value for key, value in settings.items() if value is not None and key not in _PLACES}
    input_, output = data.get("input"), data.get("output")
    request = {"model": record.request_model, **parameters} if record.request_model else parameters
    if kind == "generation":
        request |= request_of(input_) or {}
        record.response_body = to_body(_response(output))
    elif kind == "transcription":
        request |= {"input_audio": input_} if input_ else {}
        record.response_body = to_body({"text": output} if isinstance(output, str) else output)
    elif kind == "speech":
        request |= {"input": input_} if input_ else {}
        record.response_body = to_body({"audio": output} if output else None)
        first = parse_time(data.get("first_content_at"), "first_content_at")
        if first and record.start_time:
            record.time_to_first_chunk = max(0.0, (first - record.start_time).total_seconds())
    record.request_body = to_body(request or None)
    _read_usage(record, mapping(data.get("usage")))


def _response(output: Any) -> Any:
    """Return the response: a message as a choice, or a stream as the SDK assembled it, in the Responses API's shape.

    The JavaScript SDK sends the provider's own response, which is kept as it is. The usage in a stream's response is
    dropped, because it is the SDK's and not the provider's; so is the id that the SDK makes up for other providers than
    OpenAI.
    """
    first = mapping(output[0]) if isinstance(output, list) and output else {}
    if isinstance(first.get("choices"), list):
        return first
    if first.get("object") == "response":
        return {key: value for key, value in first.items() if key != "usage" and value != "__fake_id__"}
    return response_of(output)


def _read_usage(record: Record, usage: Json) -> None:
    """Read the SDK's counts: the input includes cached tokens, and the output includes reasoning tokens."""
    input_details, output_details = (
        mapping(usage.get("input_tokens_details")),
        mapping(usage.get("output_tokens_details")),
    )
    record.usage_input_tokens = count(usage.get("input_tokens"))
    record.usage_output_tokens = count(usage.get("output_tokens"))
    record.usage_cache_read_input_tokens = count(input_details.get("cached_tokens"))
    record.usage_cache_creation_input_tokens = count(input_details.get("cache_write_tokens"))
    record.usage_reasoning_output_tokens = count(output_details.get("reasoning_tokens"))


def _derive(record: Record) -> Iterator[None]:
    status, message = record.status, record.error_message
    yield from derive_in_steps(record)
    record.status, record.error_message = status, message
    if record.cost is None and record.request_model is None and record.response_model is None:
        why = "the SDK does not report the model of a response; autolog.patch() in the program records the call"
        record.cost_details = {"certainty": "unknown", "unknown": why}


# Replies


def encode_fault(fault: Fault) -> Json:
    """Encode an error in OpenAI's shape."""
    kind = "server_error" if fault.status >= 500 else "invalid_request_error"
    return {"error": {"message": fault.message, "type": kind, "param": None, "code": None}}


def encode_reply(upload: Upload) -> Json:
    """Encode the reply to a batch, which the SDK does not read."""
    return {"object": "list", "rejected": upload.rejected, "problem": upload.problem or None}
