"""Spans as records, decoded with the tables of `families`."""

from __future__ import annotations

import ast
import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

from autolog._reading.messages import Message, request_messages, response_messages
from autolog._record.record import USAGE_FIELDS, Record
from autolog._record.scores import set_score
from autolog.dialects._chat import parsed, request_of, response_of, with_usage
from autolog.dialects._convert import MAX_DOLLARS, MAX_SECONDS, host_of, text_of, to_body
from autolog.dialects._fault import NO_LIMIT, Json
from autolog.dialects._providers import operation_called, operation_of_span, provider_called, provider_response_id
from autolog.dialects._steps import Steps, at_once
from autolog.dialects.otlp._beside import parse_long, without_copies
from autolog.dialects.otlp._complete import complete_in_steps
from autolog.dialects.otlp._messages import from_events
from autolog.dialects.otlp._wire import Attributes, Batch, Event, Span, read_spans
from autolog.dialects.otlp.families import FAMILIES, braintrust, genai, litellm
from autolog.dialects.otlp.families._family import Family, everywhere, names_given, never, present, with_fields
from autolog.providers._fields import count


def decode_traces(request: Json, base64_ids: bool = False, most: int = NO_LIMIT) -> Batch[Record]:
    """Return the records of an export request, one for each span.

    Raises:
        Fault: 400, if the body is not an export request; 413, if it has more than `most` spans.
    """
    return read_spans(request, base64_ids, most).in_steps(_decode_in_steps)


def decode_span(span: Span) -> Record:
    """Decode a span as a record."""
    return at_once(_decode_in_steps(span))


def _decode_in_steps(span: Span) -> Steps[Record]:
    record = _decode(span)
    yield
    yield from complete_in_steps(record)
    return record


def _decode(span: Span) -> Record:
    attributes = {**from_events(span.events), **_flat(span.attributes)}
    applying = tuple([family for family in _OF_SOME if family.applies(span)])
    families, of_fields = _reading(applying, names_given(FAMILIES, attributes))
    record = Record(
        id=f"{span.trace_id}-{span.span_id}",
        dialect="otlp",
        kind=_kind(families, attributes, span),
        name=span.name or None,
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_id,
        start_time=span.start,
        end_time=span.end,
        extra={"resource": span.scope.resource, "scope": span.scope.name},
    )
    _read_duration(record, families, attributes)
    if any(str(attributes.get(key)) in values for family in families for key, values in family.streams.items()):
        record.request_stream = True
    read_attributes(record, of_fields, attributes, ours=span.scope.name == "autolog")
    record.response_id = provider_response_id(record.response_id)
    if record.kind == "llm" and (host := host_of(present(attributes, _ADDRESSES))) is not None:
        record.extra["server_address"] = host
    if record.kind == "agent" and span.scope.name != "autolog":
        record.cost, record.custom_cost, record.cost_details = None, False, None  # a sum over calls that have costs
    data = parse_long(attributes)
    bodies = _read_bodies(record, families, data)
    record.extra["attributes"] = without_copies(span.attributes, data, bodies)
    _read_scores(record, families, attributes, span.events)
    _read_status(record, families, span)
    return record


#: The families that apply to certain spans only.
_OF_SOME = tuple(family for family in FAMILIES if family.applies is not everywhere)


@functools.lru_cache(maxsize=256)
def _reading(applying: tuple[Family, ...], given: frozenset[str]) -> tuple[tuple[Family, ...], tuple[Family, ...]]:
    """Return the families that decode a span with the given attributes, narrowed to these, and those with fields.

    This is cached, because the spans of one sender have only a few different sets of attributes.

    Args:
        applying: those of `_OF_SOME` that apply to the span; they need not know its attributes.
        given: the names that the families and the span's attributes have in common.
    """
    pairs = [
        (family, family.narrowed(given)) for family in FAMILIES if family.applies is everywhere or family in applying
    ]
    families = tuple(narrow or family for family, narrow in pairs if narrow or family in applying)
    return families, with_fields(families, given)


#: Attributes with the host of a call, or its URL.
_ADDRESSES = ("server.address", "url.full", "http.url", "gen_ai.openai.api_base", f"{litellm.PARAMETERS}.api_base")


#: Attributes that are objects with further attributes.
_NESTED = frozenset({"mlflow.chat.tokenUsage", "mlflow.llm.cost", "langfuse.observation.usage_details",
                     "langfuse.observation.cost_details", litellm.USAGE, litellm.PARAMETERS,
                     *braintrust.OBJECTS})  # fmt: skip


def _flat(attributes: Attributes) -> Attributes:
    """Return the attributes, and additionally those inside objects, under their full names."""
    found = dict(attributes)
    for key in _NESTED.intersection(attributes):
        inner = _object_in(attributes.get(key))
        if isinstance(inner, dict):
            found |= {f"{key}.{word}": value for word, value in _leaves(inner)}
    for key, value in attributes.items():
        if key.startswith("mlflow.") and isinstance(value, str):
            found[key] = parsed(value)
    return found


def _object_in(value: Any) -> Any:
    """Return the object in a text, as JSON or as Python writes it; any other value unchanged."""
    found = parsed(value)
    if isinstance(found, str) and found.startswith("{'") and len(found) <= _MAX_LITERAL:
        with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            return ast.literal_eval(found)
    return found


#: The longest text, in characters, that is read as Python.
_MAX_LITERAL = 10_000


def _leaves(values: Json, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values in an object and the objects in it, each with its path."""
    for word, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{word}.")
        else:
            yield f"{prefix}{word}", value


def _read_duration(record: Record, families: Iterable[Family], attributes: Attributes) -> None:
    """Set the start of a record whose span has no duration and was sent at the end, from the attribute that has it."""
    if record.end_time is None or record.start_time != record.end_time:
        return
    for family in families:
        seconds = _number("time_to_first_chunk", attributes.get(family.seconds)) if family.seconds else None
        if seconds is not None:
            record.start_time = record.end_time - timedelta(seconds=seconds)


def _kind(families: Iterable[Family], attributes: Attributes, span: Span) -> str:
    kind = _named_kind(families, attributes)
    is_step = kind == "llm" and any(family.step(span) for family in families if family.step is not never)
    return "chain" if is_step else kind


def _named_kind(families: Iterable[Family], attributes: Attributes) -> str:
    for family in families:
        for key, kinds in family.kinds.items():
            if kind := kinds.get(str(attributes.get(key))):
                return kind
    for family in families:
        if any(key in attributes for key in family.tool):
            return "tool"
    return "llm" if any(key in attributes for family in families for key in family.calls) else "span"


def read_attributes(record: Record, families: Iterable[Family], attributes: Attributes, ours: bool = False) -> None:
    """Set the fields of a record from attributes; for each field, the first family that knows it decides.

    Of the families only those are needed that know any of the attributes (see `of_fields`). `ours` says that autolog
    made the span, so that the cost in it was computed by autolog.
    """
    for family in families:
        for field, names in family.texts.items():
            value = present(attributes, names)
            if value is not None and (getattr(record, field) is None or field == "name"):
                setattr(record, field, str(value))
        if family.counts or family.first_milliseconds:
            _read_counts(record, family, attributes)
        if family.reasons and record.response_finish_reasons is None:
            reasons = parsed(present(attributes, family.reasons))
            listed = reasons if isinstance(reasons, list) else [reasons]
            record.response_finish_reasons = [*map(_reason, listed)] if reasons else None
        if record.cost is None and family.costs:
            _read_cost(record, present(attributes, family.costs), attributes, ours)
        if family.tags and not record.tags:
            tags = parsed(present(attributes, family.tags))
            record.tags = [str(tag) for tag in (tags if isinstance(tags, list) else [])]
        _read_metadata(record, family, attributes)
    _rename(record, attributes)


def _read_counts(record: Record, family: Family, attributes: Attributes) -> None:
    unknown = [field for field in family.counts if getattr(record, field) is None]
    for field in unknown:
        setattr(record, field, _number(field, present(attributes, family.counts[field])))
    first = present(attributes, family.first_milliseconds)
    if record.time_to_first_chunk is None and isinstance(first, (int, float)):
        record.time_to_first_chunk = _number("time_to_first_chunk", first / 1000)
    # By the conventions the input includes cached tokens, and the output reasoning tokens; some senders exclude them.
    cached = (record.usage_cache_read_input_tokens or 0) + (record.usage_cache_creation_input_tokens or 0)
    whole = record.usage_input_tokens
    total = _number("", present(attributes, family.totals))
    is_whole = total is not None and total == (whole or 0) + (record.usage_output_tokens or 0)
    excluded = family.cache_beside and "usage_input_tokens" in unknown and not is_whole
    if whole is not None and (excluded or whole < cached):
        record.usage_input_tokens = whole + cached
    excluded = family.reasoning_beside and "usage_output_tokens" in unknown and not is_whole
    if excluded and record.usage_output_tokens is not None:
        record.usage_output_tokens += record.usage_reasoning_output_tokens or 0


def _reason(value: Any) -> str:
    """Return a finish reason; some senders write the member of a Python enumeration: `FinishReason.STOP`."""
    _, enumeration, member = str(value).rpartition("FinishReason.")
    return member.lower() if enumeration else member


def _number(field: str, value: Any) -> Any:
    """Return a count, which some senders write as text, or seconds; None if the value is neither."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 19:
        value = int(value)
    if field == "time_to_first_chunk":
        is_seconds = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MAX_SECONDS
        return float(value) if is_seconds else None
    return count(value)


#: Attributes with the currency of a cost.
_CURRENCIES = ("gen_ai.usage.cost.currency", "gen_ai.usage.cost_currency", "llm.cost.currency")


def _read_cost(record: Record, value: Any, attributes: Attributes, ours: bool) -> None:
    """Set a cost in dollars; a sender's zero is ignored, because senders without a price for a model report it."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return
    if str(present(attributes, _CURRENCIES) or "USD").upper() != "USD":
        return
    if isinstance(value, (int, float)) and not isinstance(value, bool) and (ours or value > 0) and value <= MAX_DOLLARS:
        record.cost, record.custom_cost = float(value), True
        if not ours:
            record.cost_details = {"certainty": "estimated", "why": "as the sender computed it"}


def _read_metadata(record: Record, family: Family, attributes: Attributes) -> None:
    for name in family.metadata:
        if name.endswith("."):
            found = {key[len(name) :]: parsed(value) for key, value in attributes.items() if key.startswith(name)}
        else:
            found = parsed(attributes.get(name))
        if isinstance(found, dict):
            record.metadata = {**{key: value for key, value in found.items() if value is not None}, **record.metadata}


def _rename(record: Record, attributes: Attributes) -> None:
    record.provider_name = provider_called(record.provider_name)
    if (record.session or "").startswith("resp_"):  # the previous response's id, which differs for every turn
        record.session = None
    if record.session and (record.prompt_name or "").startswith(record.session):  # Gemini CLI's id of a user's prompt
        record.prompt_name = None
    if record.operation_name is None:
        word = str(present(attributes, ("llm.request.type", "openinference.span.kind", "ai.operationId")))
        record.operation_name = operation_of_span(word, record.request_model if record.kind == "llm" else None)
    else:
        record.operation_name = operation_called(record.operation_name)


# Bodies


def _read_bodies(record: Record, families: Iterable[Family], attributes: Attributes) -> tuple[Any, Any]:
    """Set the bodies of a record; return them as data."""
    families = [family for family in families if family.bodies]
    requests = (value for family in families for value in family.requests(attributes))
    responses = (value for family in families for value in family.responses(attributes))
    is_call = record.kind == "llm"
    request = _best(requests, request_messages if is_call else None, request_of)
    if is_call and isinstance(request, dict):
        system = parsed(attributes.get("gen_ai.system_instructions"))
        if system and "system" not in request:
            request["system"] = [_text_block(item) for item in system] if isinstance(system, list) else system
        tools = parsed(present(attributes, ("gen_ai.tool.definitions", "ai.prompt.tools")))
        if tools and "tools" not in request:
            request["tools"] = [*map(parsed, tools)] if isinstance(tools, list) else tools
    if is_call and isinstance(request, dict) and isinstance(request.get("model"), str) and request["model"]:
        record.request_model = request["model"]  # the requested one; some senders report the answering one as both
    record.request_body = to_body(request)
    response = _best(responses, response_messages if is_call else None, response_of)
    raw = parsed(attributes.get("gen_ai.usage.raw"))
    if is_call and isinstance(raw, dict) and raw:
        response = with_usage(response, raw, record.provider_name)
        record.extra["usage_alone"] = True
        for field in USAGE_FIELDS:  # to be read from the response
            setattr(record, field, None)
    elif is_call and (usage := genai.usage_by_kind(attributes)):
        response = with_usage(response, usage, None)
        record.extra["usage_alone"] = True
    record.response_body = to_body(response)
    return request, response


def _best(
    values: Iterable[Any], read: Callable[[Any], list[Message]] | None, wrap: Callable[[Any], Json | None]
) -> Any:
    """Return the first value that is a conversation, else the first value; if `read` is None, the first value."""
    first: Any = None
    for value in values:
        if value in (None, "", [], {}):
            continue
        if read is not None and isinstance(value, dict) and value.keys() == {"role", "content"}:
            return wrap(value)
        if read is None or (isinstance(value, dict) and (_is_chat(value) or _is_conversation(read(value)))):
            return value
        first = value if first is None else first
    return wrap(first) if isinstance(first, (str, list)) and read is not None else first


def _is_chat(body: Json) -> bool:
    """Return whether a body is clearly a chat, by its first message: most are, and are parsed later anyway."""
    items = body.get("messages") or body.get("choices")
    first = items[0] if isinstance(items, list) and items else None
    message = first.get("message", first) if isinstance(first, dict) else None
    return isinstance(message, dict) and isinstance(message.get("content"), str) and message["content"] != ""


def _is_conversation(messages: list[Message]) -> bool:
    """Return whether any part of the messages was recognised; parts that were not are shown as JSON."""
    return any(part.kind != "json" for message in messages for part in message.parts)


def _text_block(item: Any) -> Json:
    if isinstance(item, dict) and item.get("type") == "text" and "text" not in item:
        return {"type": "text", "text": item.get("content")}
    return item if isinstance(item, dict) else {"type": "text", "text": str(item)}


# Status, scores


def _read_status(record: Record, families: Iterable[Family], span: Span) -> None:
    marks = [mark for family in families if family.errors for mark in family.errors.items()]
    marked = any(span.attributes.get(key) == value for key, value in marks)
    if span.failed or marked or record.error_type:
        record.status = "error"
        raised = _exception(record, span.events)
        record.error_message = span.message or record.error_message or raised
    elif record.status_code is not None and record.status_code >= 400:
        record.status = "error"
    else:
        record.error_message = None


def _exception(record: Record, events: Iterable[Event]) -> str | None:
    for event in events:
        if "exception.message" in event.attributes or "exception.type" in event.attributes:
            record.error_type = record.error_type or text_of(event.attributes.get("exception.type"))
            return text_of(event.attributes.get("exception.message"))
    return None


def _read_scores(record: Record, families: Iterable[Family], attributes: Attributes, events: Iterable[Event]) -> None:
    for family in families:
        scores = parsed(present(attributes, family.scores))
        for name, value in scores.items() if isinstance(scores, dict) else ():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                set_score(record, name, float(value))
    for event in events:
        if event.name == "gen_ai.evaluation.result":
            add_evaluation(record, event.attributes)


def add_evaluation(record: Record, attributes: Attributes) -> None:
    """Add the score of an evaluation event."""
    value = attributes.get("gen_ai.evaluation.score.value")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        explanation = present(attributes, ("gen_ai.evaluation.explanation", "gen_ai.evaluation.score.label"))
        name = str(attributes.get("gen_ai.evaluation.name") or "evaluation")
        set_score(record, name, float(value), None if explanation is None else str(explanation))
