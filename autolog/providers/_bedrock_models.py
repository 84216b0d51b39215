"""The native formats of models called with Bedrock's `invoke`: Titan, Llama, Mistral, Cohere, AI21 and others.

A format is recognised by the keys of a body, because an inference profile may hide the model's name. Each format has
its own keys for texts, finish reasons and token counts:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html, read 2026-11.
"""

from __future__ import annotations

from typing import Any

from autolog._record.streams import Event
from autolog.providers._facts import Facts
from autolog.providers._fields import count, mapping, objects, text, total
from autolog.providers._pieces import add_text, joined

#: The keys of lists of answers, from Titan, Mistral, Cohere and AI21.
_LISTS = ("results", "outputs", "generations", "completions")
_TEXTS = ("outputText", "text", "generation", "completion")
_REASONS = ("completionReason", "stop_reason", "finish_reason", "finishReason")
_INPUTS = ("inputTextTokenCount", "prompt_token_count")
_OUTPUTS = ("generation_token_count", "totalOutputTextTokenCount")


def read_invoke(body: dict[str, Any]) -> Facts:
    """Return the facts in a response in a model's native format."""
    answers = next((objects(body[key]) for key in _LISTS if isinstance(body.get(key), list)), [body])
    answers = [{**answer, **mapping(answer.get("data"))} for answer in answers]  # AI21 has its text in `data`
    facts = Facts()
    facts.finish_reasons = [reason for answer in answers if (reason := _reason(answer))] or None
    facts.output_text = (
        "\n".join(first_text for answer in answers if (first_text := _first_text(answer, _TEXTS))) or None
    )
    usage = {key: body[key] for key in (*_INPUTS, *_OUTPUTS) if count(body.get(key)) is not None}
    facts.usage.input = next((usage[key] for key in _INPUTS if key in usage), None)
    facts.usage.output = next((usage[key] for key in _OUTPUTS if key in usage), None)
    output_tokens = [count(answer.get("tokenCount")) for answer in answers]
    if facts.usage.output is None and "inputTextTokenCount" in body and total(*output_tokens) is not None:
        facts.usage.output = total(*output_tokens)
        usage["tokenCount"] = total(*output_tokens)
    facts.raw_usage = usage or None
    return facts


def _reason(answer: dict[str, Any]) -> str | None:
    """Return an answer's finish reason, which is a string, or AI21's object with a `reason`."""
    for key in _REASONS:
        value = answer.get(key)
        if reason := text(value) or text(mapping(value).get("reason")):
            return reason
    return None


def _first_text(answer: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((value for key in keys if (value := text(answer.get(key)))), None)


def assemble_invoke(events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from a stream: texts are joined, other values are replaced by later ones."""
    body: dict[str, Any] = {}
    answers: dict[int, dict[str, Any]] = {}
    name = "results" if any("outputText" in event.data for event in events) else "generations"
    for event in events:
        listed = next((key for key in _LISTS if isinstance(event.data.get(key), list)), None)
        name = listed or name
        if listed is None and "index" in event.data:  # Titan, or one of Cohere's interleaved generations
            _grow(answers.setdefault(count(event.data["index"]) or 0, {}), event.data)
        elif listed is not None:
            for position, part in enumerate(objects(event.data[listed])):
                _grow(answers.setdefault(position, {}), part)
        else:
            _grow(body, event.data)
    if answers:
        body[name] = [answers[index] for index in sorted(answers)]
        for key in (*_INPUTS, *_OUTPUTS):  # Titan repeats its counts in its chunks
            known = [answer[key] for answer in answers.values() if count(answer.get(key)) is not None]
            if known:
                body[key] = known[-1]
        if reason := _reason(body):  # Cohere reports it once for all generations
            answers[max(answers)].setdefault("finish_reason", reason)
    return mapping(joined(body))


def _grow(answer: dict[str, Any], part: dict[str, Any]) -> None:
    for key, value in part.items():
        if key in _TEXTS and isinstance(value, str):
            add_text(answer, key, value)
        elif value is not None:
            answer[key] = value
