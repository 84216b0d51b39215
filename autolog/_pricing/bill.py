"""What a call is billed: terms, doubts and what has no bill."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from autolog._pricing import cost
from autolog._record.record import Record
from autolog.providers import Facts, Usage
from autolog.providers._facts import invalid_usage
from autolog.providers._fields import count, mapping, text

#: Operations that have no bill of their own, and why.
_NOT_BILLED = {
    "batch": "billed with its items, when its results are read",
    "count_tokens": "counting tokens has no published price; believed free",
    "moderation": "moderation has no published price; believed free",
}


def _region(url: str | None) -> str | None:
    """The region that an address of OpenAI's binds the call to, for which it may charge more."""
    found = re.match(r"https://([a-z]{2})\.api\.openai\.com", url or "")
    return found[1] if found else None


def add_cost(record: Record, facts: Facts, usage: Usage, asked: dict[str, Any]) -> None:
    """Price the record's usage once; `cost_details` says how certain that is, or why it is not known."""
    if why := _NOT_BILLED.get(record.operation_name or ""):
        record.cost_details = cost.unknown(why).details
        return
    if record.status == "error" and usage.input is None:
        record.cost_details = cost.unknown("the call failed, and the answer says nothing of a bill").details
        return
    problem = invalid_usage(facts.raw_usage) or _half(record, usage)
    if problem and facts.reported_cost is None:
        record.cost_details = cost.unknown(problem, flaw=True).details
        return
    if record.operation_name == "speech" and usage.output is None and isinstance(asked.get("input"), str):
        usage.input_characters = len(asked["input"])
    batch = record.response_service_tier == "batch"
    terms = cost.Terms(
        tier=None if batch else record.response_service_tier,
        batch=batch,
        speed=facts.speed,
        geo=facts.geo or _region(record.request_url),
        reported=facts.reported_cost,
    )
    models = (record.response_model, record.request_model)
    decision = record.operation_name == "decision" and record.provider_name == "openai"
    seller = "openai-decisions" if decision else record.provider_name
    priced = cost.price(seller, models, usage, terms, record.start_time, facts.additional_usage)
    record.cost, record.cost_details = priced.cost, priced.details
    doubts = [*_doubts(record, facts, usage, asked)] if facts.reported_cost is None else []
    if priced.cost is not None and doubts:
        why = "; ".join(filter(None, [priced.details.get("why"), *doubts]))
        record.cost_details |= {"certainty": "estimated", "why": why}
    if priced.cost is None and record.request_stream and facts.raw_usage is None:
        record.cost_details["unknown"] += (
            "; a chat stream tells it with stream_options={'include_usage': True} or configure(stream_usage=...)"
        )


def _doubts(record: Record, facts: Facts, usage: Usage, asked: dict[str, Any]) -> Iterator[str]:
    """Why a bill may not be what the provider will ask for, though everything in it has a price."""
    if facts.uncertainty:
        yield facts.uncertainty
    if by := record.extra.get("usage_estimated"):
        yield f"tokens counted with {by}, not by the provider"
    if record.response_service_tier is None and text(asked.get("service_tier")) in {
        "flex",
        "priority",
        "scale",
        "fast",
    }:
        yield f"{asked['service_tier']} was asked for, and the answer does not say what was served"
    if any(name.startswith("container") for name in usage.units) and record.operation_name == "chat":
        yield "a container may serve several responses, and is billed once"
    whole = count(mapping(record.usage).get("total_tokens"))
    if whole is not None and None not in (usage.input, usage.output):
        more = whole - (usage.input or 0) - (usage.output or 0)
        if more > 0 and record.operation_name == "chat":
            yield f"the total says {more} tokens more than input and output together"


def _half(record: Record, usage: Usage) -> str | None:
    """A conversation is billed for both sides: one alone is no bill."""
    if record.operation_name not in {"chat", "text_completion"} or (usage.input is None) == (usage.output is None):
        return None
    if mapping(record.usage).get("total_tokens") == (usage.input if usage.output is None else usage.output):
        return None  # there was nothing else
    missing = "input" if usage.input is None else "output"
    return f"the response does not say how many {missing} tokens there were"
