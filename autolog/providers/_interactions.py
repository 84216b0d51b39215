"""Gemini's Interactions API: responses made of steps, which may continue in the background, and their streams.

The format: https://ai.google.dev/api/interactions-api, read 2026-11, and google-genai 3.6; earlier releases have
`outputs` instead of `steps`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autolog._record.bodies import encode_json
from autolog._record.streams import Event
from autolog.providers._facts import Facts, LongRunning, Usage
from autolog.providers._fields import count, mapping, objects, text, total
from autolog.providers._pieces import add_text, child, children

#: The statuses of an interaction that is still running.
_GOES_ON = {"in_progress", "queued"}


def is_interaction(body: dict[str, Any]) -> bool:
    """Return whether a response is an interaction."""
    return "outputs" in body or "steps" in body or ("status" in body and "candidates" not in body)


def read_interaction(facts: Facts, body: dict[str, Any]) -> None:
    """Fill in the facts in an interaction, in its current state."""
    texts: list[str] = []
    steps = [*objects(body.get("outputs")), *objects(body.get("steps"))]
    for step in steps:
        if step.get("type") == "function_call":
            call = {"id": step.get("id"), "name": step.get("name"), "arguments": step.get("arguments")}
            facts.tool_calls.append(call)
        pieces = objects(step.get("content")) if step.get("type") == "model_output" else []
        texts += [text(piece.get("text")) or "" for piece in (step, *pieces)]
    facts.output_text = "".join(texts) or None
    status = text(body.get("status"))
    facts.finish_reasons = [status] if status and status not in _GOES_ON else None
    facts.service_tier = text(body.get("service_tier"))
    if facts.id is not None and status is not None:
        facts.long_running = LongRunning(f"interaction:{facts.id}", "chat", status not in _GOES_ON, certain=False)
    for error in objects(body.get("errors")):
        facts.error_type, facts.error_message = text(error.get("code")), text(error.get("message"))
    if usage := mapping(body.get("usage")):
        facts.raw_usage, facts.usage = usage, _read_usage(usage)
        facts.uncertainty = uneven_details(usage, _TOTALS, "tokens")


def read_decision(facts: Facts, body: dict[str, Any]) -> None:
    """Fill in the facts in a response of the Decisions API, whose usage is an interaction's."""
    blocked = mapping(body.get("prompt_feedback"))
    facts.finish_reasons = [reason] if (reason := text(blocked.get("block_reason"))) else None
    if answers := mapping(body.get("answers")):
        facts.output_text = encode_json(answers).decode()
    if usage := mapping(body.get("usage")):
        facts.raw_usage, facts.usage = usage, _read_usage(usage)
        facts.uncertainty = "decisions may have a price of their own; the price of the model's responses was used"


def read_voice(facts: Facts, body: dict[str, Any]) -> None:
    """Fill in the facts about a voice that was made, whose usage is an interaction's."""
    if usage := mapping(body.get("usage")):
        facts.raw_usage, facts.usage = usage, _read_usage(usage)
        facts.uncertainty = "voices may have a price of their own; the price of the model's responses was used"


def _read_usage(usage: dict[str, Any]) -> Usage:
    """Read an interaction's usage, in which output tokens exclude reasoning, and input tokens exclude tool use."""
    thoughts = count(usage.get("total_reasoning_tokens", usage.get("total_thought_tokens")))
    searches = [tool for tool in objects(usage.get("grounding_tool_count")) if tool.get("type") == "google_search"]
    read = Usage(
        input=total(count(usage.get("total_input_tokens")), count(usage.get("total_tool_use_tokens"))),
        output=total(count(usage.get("total_output_tokens")), thoughts),
        cache_read=count(usage.get("total_cached_tokens")),
        reasoning=thoughts,
        web_searches=total(*(count(tool.get("count")) for tool in searches)),
    )
    count_modalities(read, [usage.get(key) for key in _TOTALS], "tokens")
    return read


#: The keys of the details of each kind of tokens, and of their total.
_TOTALS = {f"{part}_tokens_by_modality": f"total_{part}_tokens" for part in ("input", "tool_use", "output", "cached")}


def count_modalities(read: Usage, details: Sequence[Any], tokens: str) -> None:
    """Fill in the numbers of audio and image tokens in `read`.

    Args:
        read: the usage to fill in.
        details: the details of the prompt, the tools' prompt, the output and the cache, in this order. Each is a list
            of objects with a `modality`, in upper or lower case, and a token count.
        tokens: the key of the token count in those objects.
    """
    prompt, tool_prompt, output, kept = (_by_modality(items, tokens) for items in details)
    read.input_audio = total(prompt.get("audio"), tool_prompt.get("audio"))
    read.input_image = total(prompt.get("image"), tool_prompt.get("image"))
    read.output_audio, read.output_image = output.get("audio"), output.get("image")
    no_cache = 0 if kept else None
    read.cache_audio_read, read.cache_image_read = kept.get("audio", no_cache), kept.get("image", no_cache)


def uneven_details(usage: dict[str, Any], totals: dict[str, str], tokens: str) -> str | None:
    """Return a message if details by modality do not add up to their total; None if they do, or are not there.

    Args:
        usage: the usage object.
        totals: the keys of the details, each with the key of their total.
        tokens: the key of the token count in the details.
    """
    for key, name in totals.items():
        items, whole = objects(usage.get(key)), count(usage.get(name))
        by_modality = sum(count(item.get(tokens)) or 0 for item in items if text(item.get("modality")))
        if items and whole is not None and by_modality != whole:
            return f"the tokens in {key} add up to {by_modality}, but {name} is {whole}"
    return None


def _by_modality(items: Any, tokens: str) -> dict[str, int]:
    """Return token counts by modality, in lower case."""
    counted = [(str(item.get("modality")).lower(), count(item.get(tokens))) for item in objects(items)]
    return {modality: number for modality, number in counted if number is not None}


def is_stream(events: list[Event]) -> bool:
    """Return whether events are an interaction's, which have an `event_type`."""
    return any("event_type" in event.data for event in events)


def assemble_interaction(events: list[Event]) -> dict[str, Any]:
    """Return the interaction assembled from a stream."""
    body: dict[str, Any] = {}
    steps: dict[Any, dict[str, Any]] = {}
    for event in events:
        data = event.data
        interaction = mapping(data.get("interaction"))
        body.update({key: value for key, value in interaction.items() if value not in (None, "", {}, [])})
        body.update({key: data[key] for key in ("status", "usage", "error") if data.get(key)})
        step = mapping(data.get("step")) or mapping(data.get("content"))
        if step:
            steps[data.get("index")] = dict(step)
        if delta := mapping(data.get("delta")):
            _grow(steps.setdefault(data.get("index"), {"type": "model_output"}), delta)
    if not objects(body.get("steps")):
        body["steps"] = [steps[index] for index in sorted(steps, key=lambda index: count(index) or 0)]
    return body


def _grow(step: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a delta to a step, such as a piece of its text or of its arguments."""
    if delta.get("type") == "arguments_delta":
        if step.get("arguments") == {}:  # the placeholder that a step begins with
            del step["arguments"]
        add_text(step, "arguments", text(delta.get("arguments")) or "")
    elif delta.get("type") == "text" and step.get("type") == "model_output":
        content = children(step, "content")
        if not content or not isinstance(content[-1], dict) or content[-1].get("type") != "text":
            content.append({"type": "text", "text": ""})
        add_text(content[-1], "text", text(delta.get("text")) or "")
    elif delta.get("type") == "text":
        add_text(step, "text", text(delta.get("text")) or "")
    elif delta.get("type") != "thought_signature":
        child(step, "deltas").setdefault(str(delta.get("type")), []).append(delta)
