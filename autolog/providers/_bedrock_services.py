"""Bedrock's services besides model calls: guardrails, asynchronous invocations, agents, knowledge bases, flows.

The APIs: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html and
.../API_Operations_Agents_for_Amazon_Bedrock_Runtime.html, and
https://docs.aws.amazon.com/bedrock-agentcore/latest/APIReference, read 2026-11. Agents do not report which models they
called.
"""

from __future__ import annotations

import re
from typing import Any

from autolog._record.streams import Event
from autolog.providers._facts import Facts, LongRunning
from autolog.providers._fields import count, mapping, objects, text, total

_ROUTES = (
    (r"/guardrail/.+/apply$|/guardrail-checks/invoke$", "apply_guardrail"),
    (r"/async-invoke(/.+)?$", "video_generation"),
    (r"/agents/[^/]+(/agentAliases/[^/]+/sessions/[^/]+/text)?$", "invoke_agent"),
    (r"/flows/[^/]+/aliases/[^/]+(/executions)?$", "invoke_agent"),
    (r"/runtimes/.+/invocations$|/harnesses/invoke$", "invoke_agent"),
    (r"/evaluations/evaluate/[^/]+$", "evaluation"),
    (r"/web-search/[^/]+/invoke$", "search"),
    (r"/retrieveAndGenerate(Stream)?$|/generateQuery$|/optimize-prompt$", "invoke_agent"),
    (r"/knowledgebases/.+/retrieve$|/agenticRetrieveStream$", "retrieval"),
    (r"/rerank$", "rerank"),
)


def operation_of(path: str) -> str | None:
    """Return the operation of a service's path; None if the path belongs to none of these services."""
    return next((name for pattern, name in _ROUTES if re.search(pattern, path)), None)


def unbilled_reason(path: str) -> str | None:
    """Return why the cost of a call to this path cannot be computed; None if it can."""
    kind = operation_of(path)
    if kind in {"invoke_agent", "retrieval"}:
        return "billed with the models it called, which the response does not report"
    if kind in {"evaluation", "search"}:
        return "no price list covers it"
    return "billed by its output, which is written to cloud storage" if kind == "video_generation" else None


def guardrail_units(response: dict[str, Any]) -> dict[str, float]:
    """Return the billed text and image units of a guardrail, by policy."""
    usage = mapping(response.get("usage"))
    counted = {key.removesuffix("Units"): count(number) for key, number in usage.items() if key.endswith("Units")}
    return {f"unit of {policy}": number for policy, number in counted.items()
            if number and "Free" not in policy and policy != "wordPolicy"}  # fmt: skip


def read_service(facts: Facts, body: dict[str, Any]) -> None:
    """Fill in the facts in a service's response."""
    if arn := text(body.get("invocationArn")):
        status = text(body.get("status"))
        facts.id, facts.model = arn, (text(body.get("modelArn")) or "").rpartition("/")[2] or None
        facts.long_running = LongRunning(f"async:{arn}", "video_generation", status in {"Completed", "Failed"})
        facts.finish_reasons = [status] if facts.long_running.final and status else None
        facts.error_message = text(body.get("failureMessage"))
        return
    action = text(body.get("action"))
    facts.finish_reasons = [action] if action else None
    facts.raw_usage = mapping(body.get("usage")) or None
    judged = [mapping(result.get("tokenUsage")) for result in objects(body.get("evaluationResults"))]
    facts.usage.input = total(*(count(used.get("inputTokens")) for used in judged))
    facts.usage.output = total(*(count(used.get("outputTokens")) for used in judged))
    texts = [text(item.get("text")) for item in (mapping(body.get("output")), *objects(body.get("outputs")))]
    facts.output_text = "".join(filter(None, texts)) or None
    facts.id = text(body.get("sessionId"))


def assemble_service(events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from the stream of an agent, a flow or a knowledge base."""
    texts: list[str] = []
    body: dict[str, Any] = {}
    for event in events:
        if event.name == "error":
            body["error"] = event.data.get("error")
        texts.append(
            event.text or text(event.data.get("text")) or text(mapping(event.data.get("content")).get("document")) or ""
        )
    return {**body, "output": {"text": "".join(texts)}}
