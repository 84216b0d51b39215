"""The attributes of a record's span: those of the GenAI conventions and OpenInference, and the raw bodies.

Raw bodies have Logfire's names; they tell autolog's own server more than messages derived from them would.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from autolog._reading.messages import Message, Part, last_user_text, plain_text, request_messages, response_messages
from autolog._record.record import Record
from autolog.dialects._convert import from_body, read_bodies, text_of
from autolog.dialects._fault import Json
from autolog.dialects.otlp._wire import Attributes
from autolog.dialects.otlp.families import genai, openinference

_KINDS = {"tool": "TOOL", "agent": "AGENT", "retrieval": "RETRIEVER", "evaluator": "EVALUATOR"}


def span_attributes(record: Record) -> Attributes:
    """Return the attributes of a record's span; those that are unknown are None."""
    attributes: Attributes = {}
    for family in (openinference.FAMILY, genai.FAMILY):
        names = {**family.texts, **family.counts}
        attributes |= {first: getattr(record, field) for field, (first, *_) in names.items()}
    attributes |= {
        "gen_ai.response.finish_reasons": record.response_finish_reasons,
        "llm.model_name": record.request_model or record.response_model,
        "gen_ai.conversation.id": record.session,
        "operation.cost": record.cost,
        "llm.cost.total": record.cost,
        "metadata": text_of(record.metadata) if record.metadata else None,
        "tag.tags": record.tags or None,
    }
    request, response = from_body(record.request_body), from_body(record.response_body)
    attributes["request_data"], attributes["response_data"] = text_of(request), text_of(response)
    if record.kind == "llm":
        attributes |= _conversation(record, *read_bodies(record))
    else:
        attributes |= {"input.value": text_of(request), "output.value": text_of(response)}
    if record.kind != "span":
        attributes["openinference.span.kind"] = _openinference_kind(record)
    return attributes


def _openinference_kind(record: Record) -> str:
    if record.kind == "llm":
        return "EMBEDDING" if record.operation_name == "embeddings" else "LLM"
    return _KINDS.get(record.kind, "CHAIN")


def _conversation(record: Record, request: Any, response: Any) -> Attributes:
    """Return the messages of a model call, in the form of both conventions."""
    sent = request_messages(request) if request is not None else []
    received = response_messages(response) if response is not None else []
    if record.status == "error":  # without a part of an answer, the body is the error's
        received = [message for message in received if any(part.kind != "json" for part in message.parts)]
    text = "\n".join(filter(None, map(plain_text, received)))
    reasons = record.response_finish_reasons or ["unknown"]
    answered = [
        {**_genai(message), "finish_reason": reason}
        for message, reason in zip(
            received, [*reasons, *reasons[-1:] * len(received)], strict=False
        )  # one choice may be several
    ]
    return {
        "input.value": last_user_text(request) if request is not None else None,
        "output.value": text or None,
        "gen_ai.input.messages": json.dumps([_genai(message) for message in sent], default=str) if sent else None,
        "gen_ai.output.messages": json.dumps(answered, default=str) if received else None,
        **_openinference("llm.input_messages", sent),
        **_openinference("llm.output_messages", received),
    }


# The GenAI conventions: gen-ai-input-messages.json and gen-ai-output-messages.json


def _genai(message: Message) -> Json:
    return {"role": message.role, "parts": [_genai_part(part) for part in message.parts]}


def _genai_part(part: Part) -> Json:
    if part.kind == "tool_call":
        return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": part.value}
    if part.kind == "tool_result":
        return {"type": "tool_call_response", "id": part.id, "response": part.value}
    if part.kind in {"text", "reasoning"}:
        return {"type": part.kind, "content": part.text}
    if part.kind == "json":
        return {"type": "json", "content": part.value}
    return {"type": part.kind, "content": part.text or None}  # media are only in the raw body


# OpenInference: attributes with numbers in their names


def _openinference(prefix: str, messages: Sequence[Message]) -> Attributes:
    found: Attributes = {}
    for number, message in enumerate(messages):
        start = f"{prefix}.{number}.message."
        found[start + "role"] = message.role
        texts = (text_of(part.value) if part.kind == "json" else part.text for part in message.parts)
        found[start + "content"] = "\n".join(filter(None, texts)) or None
        calls = [part for part in message.parts if part.kind == "tool_call"]
        for at, call in enumerate(calls):
            called = f"{start}tool_calls.{at}.tool_call."
            found |= {called + "id": call.id, called + "function.name": call.name}
            found[called + "function.arguments"] = text_of(call.value)
        call_id = next((part.id for part in message.parts if part.kind == "tool_result"), None)
        found[start + "tool_call_id"] = call_id
    return found
