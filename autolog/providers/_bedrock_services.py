"""Bedrock's services besides model calls: guardrails, asynchronous invocations, jobs, agents, knowledge bases, flows.

The APIs: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html and
.../API_Operations_Agents_for_Amazon_Bedrock_Runtime.html, and
https://docs.aws.amazon.com/bedrock-agentcore/latest/APIReference, read 2026-11. The operations of Data Automation's
runtime are all at `/`, with their names in a header; here their paths are their names. Agents do not report which
models they called, except in their trace, which a request asks for with `enableTrace`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from autolog._record.streams import Event
from autolog.providers._bedrock_usage import read_usage
from autolog.providers._facts import Facts, LongRunning, Usage
from autolog.providers._fields import count, mapping, objects, plain_path, text, total

_ROUTES = (
    (r"/guardrail/.+/apply$|/guardrail-checks/invoke$", "apply_guardrail"),
    (r"/async-invoke(/.+)?$", "video_generation"),
    (r"/agents/[^/]+(/agentAliases/[^/]+/sessions/[^/]+/text)?$", "invoke_agent"),
    (r"/flows/[^/]+/aliases/[^/]+(/executions)?$", "invoke_agent"),
    (r"/runtimes/.+/invocations$|/harnesses/invoke$", "invoke_agent"),
    (r"/evaluations/(evaluate/[^/]+|batch-evaluate)$", "evaluation"),
    (r"/web-search/[^/]+/invoke$", "search"),
    (r"/retrieveAndGenerate(Stream)?$|/generateQuery$|/optimize-prompt$", "invoke_agent"),
    (r"/knowledgebases/.+/retrieve$|/agenticRetrieveStream$", "retrieval"),
    (r"/rerank$", "rerank"),
    (r"/datasources/[^/]+/(ingestionjobs|documents)$", "embeddings"),
    (r"/(InvokeDataAutomation(Async)?|GetDataAutomationStatus)$", "data_automation"),
    (r"/(invokeBlueprintOptimizationAsync$|getBlueprintOptimizationStatus/)", "optimization"),
    (r"/model-invocation-job(/.+)?$", "batch_prediction"),
    (r"/model-customization-jobs(/.+)?$", "fine_tuning"),
    (r"/evaluation-jobs(/.+)?$", "evaluation"),
    (r"/advanced-prompt-optimization-jobs(/.+)?$", "optimization"),
)
#: Paths of jobs that have begun, and those of calls that report on jobs, by method.
_BEGUN_JOB = (
    r"/(async-invoke|model-invocation-job|(model-customization|evaluation|advanced-prompt-optimization)-jobs)/.+$"
)
_POLLS = {"get": _BEGUN_JOB, "post": r"/(GetDataAutomationStatus$|getBlueprintOptimizationStatus/)"}
_ENDED = frozenset({"Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"})
_OF_ITS_MODELS = "billed with the models it called, which the response does not report"
_UNLISTED = "no price list covers it"
_UNBILLED = {
    "invoke_agent": _OF_ITS_MODELS, "retrieval": _OF_ITS_MODELS, "optimization": _OF_ITS_MODELS,
    "embeddings": _OF_ITS_MODELS,
    "evaluation": _UNLISTED, "search": _UNLISTED,
    "video_generation": "billed by its output, which is written to cloud storage",
    "batch_prediction": "billed with its items, whose results are written to storage that autolog does not see",
    "fine_tuning": "billed by the token trained, for which no price is known",
    "data_automation": "billed by the pages, images or minutes of its input, which the response does not report",
}  # fmt: skip


def operation_of(path: str) -> str | None:
    """Return the operation of a service's path; None if the path belongs to none of these services."""
    return next((name for pattern, name in _ROUTES if re.search(pattern, path)), None)


def is_billable(method: str, path: str) -> bool:
    """Return whether a call is one to these services, and does not list, change or report on what was begun before."""
    kind = operation_of(path)
    if kind == "embeddings":  # of a knowledge base's documents, which a POST lists
        return method.lower() == "put"
    return method.lower() == "post" and kind is not None and re.search(_BEGUN_JOB, path) is None


def is_poll(method: str, path: str) -> bool:
    """Return whether a call asks for the status of a job."""
    pattern = _POLLS.get(method.lower())
    return pattern is not None and re.search(pattern, path) is not None


def unbilled_reason(path: str) -> str | None:
    """Return why the cost of a call to this path cannot be computed; None if it can."""
    return _UNBILLED.get(operation_of(plain_path(path)) or "")


def guardrail_units(response: dict[str, Any]) -> dict[str, float]:
    """Return the billed text and image units of a guardrail, by policy."""
    usage = mapping(response.get("usage"))
    counted = {key.removesuffix("Units"): count(number) for key, number in usage.items() if key.endswith("Units")}
    return {f"unit of {policy}": number for policy, number in counted.items()
            if number and "Free" not in policy and policy != "wordPolicy"}  # fmt: skip


def read_service(facts: Facts, path: str, body: dict[str, Any]) -> None:
    """Fill in the facts in a service's response."""
    if arn := text(body.get("invocationArn")) or text(body.get("jobArn")):
        _read_job(facts, arn, operation_of(path) or "", body)
        return
    action = text(body.get("action"))
    facts.finish_reasons = [action] if action else None
    facts.raw_usage = mapping(body.get("usage")) or None
    judged = [mapping(result.get("tokenUsage")) for result in objects(body.get("evaluationResults"))]
    facts.usage.input = total(*(count(used.get("inputTokens")) for used in judged))
    facts.usage.output = total(*(count(used.get("outputTokens")) for used in judged))
    if _TRACED in body:
        _read_traced(facts, objects(body[_TRACED]))
    texts = [text(item.get("text")) for item in (mapping(body.get("output")), *objects(body.get("outputs")))]
    for segment in objects(body.get("outputSegments")):  # of Data Automation
        texts += [text(segment.get("standardOutput")), text(segment.get("customOutput"))]
    facts.output_text = "".join(filter(None, texts)) or None
    facts.id = text(body.get("sessionId"))


def _read_job(facts: Facts, arn: str, operation: str, body: dict[str, Any]) -> None:
    """Fill in the facts about work that outlives its call."""
    status = text(body.get("status"))
    models = (text(body.get(key)) for key in ("modelArn", "modelId", "baseModelArn"))
    facts.id, facts.model = arn, next(filter(None, models), "").rpartition("/")[2] or None
    facts.long_running = LongRunning(f"async:{arn}", operation, status in _ENDED)
    facts.finish_reasons = [status] if facts.long_running.final and status else None
    facts.error_message = text(body.get("failureMessage")) or text(body.get("message"))


#: The key under which an assembled response has the model calls in its trace.
_TRACED = "tracedModelCalls"


def _read_traced(facts: Facts, calls: list[dict[str, Any]]) -> None:
    """Fill in the usage of the model calls in a trace: as the response's own if all called one model."""
    used: dict[str | None, Usage] = {}
    for call in calls:
        usage, so_far = read_usage(mapping(call.get("usage"))), used.setdefault(text(call.get("model")), Usage())
        so_far.input, so_far.output = total(so_far.input, usage.input), total(so_far.output, usage.output)
    facts.raw_usage = {_TRACED: calls}
    facts.uncertainty = "an agent's trace need not have all of its model calls"
    if len(used) == 1:
        ((facts.model, facts.usage),) = used.items()
    else:
        facts.additional_usage = list(used.items())


def _model_calls(trace: Any) -> Iterator[dict[str, Any]]:
    """Yield the models and the usages in a trace or a part of it, in their order."""
    for key, value in mapping(trace).items():
        if key == "modelInvocationInput":
            yield {"model": text(mapping(value).get("foundationModel"))}
        elif key == "modelInvocationOutput":
            yield {"usage": mapping(mapping(mapping(value).get("metadata")).get("usage"))}
        else:
            for part in objects(value) if isinstance(value, list) else [value]:
                yield from _model_calls(part)


def assemble_service(events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from the stream of an agent, a flow or a knowledge base."""
    texts: list[str] = []
    body: dict[str, Any] = {}
    model = None
    for event in events:
        for call in _model_calls(event.data.get("trace")):
            model = call.get("model") or model
            if call.get("usage"):
                body.setdefault(_TRACED, []).append({"model": model, **call})
        if event.name == "error":
            body["error"] = event.data.get("error")
        texts.append(
            event.text or text(event.data.get("text")) or text(mapping(event.data.get("content")).get("document")) or ""
        )
    return {**body, "output": {"text": "".join(texts)}}
