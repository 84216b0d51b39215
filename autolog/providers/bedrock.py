"""Amazon Bedrock: Converse, and the models' native formats with `invoke`.

Converse: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html; the native formats:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html, read 2026-11. For models that report no
usage in the body, it is in headers (`x-amzn-bedrock-input-token-count`, ...) or in the last chunk of a stream.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from autolog._record.bodies import decode_json
from autolog._record.streams import Event
from autolog.providers import _bedrock_services as services, anthropic, openai
from autolog.providers._bedrock_models import assemble_invoke, read_invoke
from autolog.providers._bedrock_services import unbilled_reason as unbilled_reason
from autolog.providers._bedrock_usage import METRICS, fill_usage, read_usage
from autolog.providers._defaults import (
    batch_results as batch_results,
    has_usage_option as has_usage_option,
    results_id as results_id,
    streams as streams,
)
from autolog.providers._facts import Facts, read_error
from autolog.providers._fields import count, kind_of, mapping, objects, plain_path, text
from autolog.providers._pieces import add_text, child, joined

name = "bedrock"
provider_name = "aws.bedrock"

_CALL = r"/model/(.+)/(converse|converse-stream|invoke|invoke-with-response-stream|count-tokens)$"
#: The operations of models other than chat models, by their names.
_KINDS = (
    (r"embed", "embeddings"),
    (r"rerank", "rerank"),
    (r"titan-image|nova-canvas|stability\.|stable-", "image_generation"),
)


@functools.lru_cache(maxsize=1024)
def billable(method: str, path: str) -> bool:
    """Return whether a call is a model call, uses a service that calls models, or asks for the status of a job."""
    path = plain_path(path)
    if method.lower() == "post" and re.search(_CALL, path):
        return True
    return services.is_billable(method, path) or is_follow_up(method, path)


def is_follow_up(method: str, path: str) -> bool:
    """Return whether a call asks for the status of a job, such as an asynchronous invocation."""
    return services.is_poll(method, plain_path(path))


@functools.lru_cache(maxsize=1024)
def operation(path: str) -> str:
    """Return the operation's name; for `invoke` it depends on the model."""
    path = plain_path(path)
    match = re.search(_CALL, path)
    if match is None:
        return services.operation_of(path) or path.rpartition("/")[2]
    if match[2] == "count-tokens":
        return "count_tokens"
    if not match[2].startswith("invoke"):
        return "chat"
    return next((kind for pattern, kind in _KINDS if re.search(pattern, match[1])), "chat")


@functools.lru_cache(maxsize=1024)
def model_in(path: str) -> str | None:
    """Return the model, inference profile or ARN named in the path; None if there is none."""
    match = re.search(_CALL, plain_path(path))
    return match[1] if match else None


def billable_units(path: str, request: dict[str, Any], response: Any) -> dict[str, float]:
    """Return the billed units of a guardrail; an empty dict for all other calls."""
    return services.guardrail_units(mapping(response)) if operation(path) == "apply_guardrail" else {}


def guess_path(request: dict[str, Any]) -> str:
    """Return the path of Converse, the only one that logs record without a path."""
    return "/model/-/converse"


# Reading a response


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a response and its headers."""
    if _is_service(path):
        facts = Facts()
        services.read_service(facts, plain_path(path), mapping(body))
    elif not _is_invoke(path) or isinstance(
        mapping(body).get("output"), dict
    ):  # Nova responds to `invoke` in Converse's format
        facts = _read_converse(mapping(body))
    elif _speaks_anthropic(path, body):
        facts = anthropic.read("/v1/messages", body, headers)
    elif isinstance(body, dict) and "choices" in body:
        facts = openai.read("/v1/chat/completions", body, headers)
    else:
        facts = read_invoke(mapping(body))
    if facts.error_type is None and facts.error_message is None and _is_error(mapping(body)):
        facts.error_type, facts.error_message = read_error(body)
    fill_usage(facts, mapping(body), headers)
    tier = mapping(mapping(body).get("serviceTier")).get("type") or headers.get("x-amzn-bedrock-service-tier")
    if _is_harness(path):
        facts.uncertainty = "the machine time of an agent and its tools are billed, too"
    latency = mapping(mapping(body).get("performanceConfig")).get("latency")
    facts.service_tier = text(tier) or facts.service_tier
    facts.speed = text(latency) or text(headers.get("x-amzn-bedrock-performanceconfig-latency")) or facts.speed
    return facts


def _is_service(path: str) -> bool:
    """Return whether a path is a service's, and not a model's."""
    path = plain_path(path)
    return re.search(_CALL, path) is None and not _is_harness(path) and services.operation_of(path) is not None


def _is_harness(path: str) -> bool:
    """Return whether a path invokes an agent's harness, which answers in Converse's format."""
    return plain_path(path).endswith("/harnesses/invoke")


def _is_invoke(path: str) -> bool:
    return bool(re.search(r"/model/.+/invoke(-with-response-stream)?$", plain_path(path)))


def _is_error(body: dict[str, Any]) -> bool:
    return bool(body.get("error")) or (bool(text(body.get("message") or body.get("Message"))) and len(body) <= 2)


def _speaks_anthropic(path: str, body: Any) -> bool:
    """Return whether a body is Claude's, by the model or, where that is an ARN, by the body itself."""
    if "anthropic" in (model_in(path) or ""):
        return True
    return kind_of(body) in {"message", "completion"}


def _read_converse(body: dict[str, Any]) -> Facts:
    """Return the facts in a response of Converse, or of `count-tokens`."""
    facts = Facts()
    if input_tokens := count(body.get("inputTokens")):  # a response of count-tokens
        facts.usage.input = input_tokens
        return facts
    reason = text(body.get("stopReason"))
    facts.finish_reasons = [reason] if reason else None
    content = objects(mapping(mapping(body.get("output")).get("message")).get("content"))
    cited = [objects(mapping(block.get("citationsContent")).get("content")) for block in content]
    written = [item for block, inside in zip(content, cited, strict=True) for item in (block, *inside)]
    facts.output_text = "".join(item["text"] for item in written if text(item.get("text"))) or None
    facts.tool_calls = [
        {"id": used.get("toolUseId"), "name": used.get("name"), "arguments": used.get("input")}
        for block in content
        if (used := mapping(block.get("toolUse")))
    ]
    routed = mapping(mapping(body.get("trace")).get("promptRouter"))
    facts.model = text(routed.get("invokedModelId"))
    if isinstance(body.get("usage"), dict):
        facts.raw_usage, facts.usage = body["usage"], read_usage(body["usage"])
    return facts


# Streams


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from a stream, in the format of Converse, of Claude or of another model."""
    if _is_service(path):
        return services.assemble_service(events)
    if not _is_invoke(path):
        return _assemble_converse([(event.name or "", event.data) for event in events])
    metrics = next((event.data[METRICS] for event in reversed(events) if METRICS in event.data), None)
    named = [(key, mapping(value)) for event in events for key, value in event.data.items()]
    if any(key in _CONVERSE_EVENTS for key, _ in named):  # Nova sends Converse's events, with their names as keys
        body = _assemble_converse(named)
    elif any("choices" in event.data for event in events):
        body = openai.assemble(path, events)
    elif _speaks_anthropic(path, events[0].data if events else {}) or any(
        event.name == "message_start" for event in events
    ):
        body = anthropic.assemble("/v1/messages", events)
    else:
        body = assemble_invoke(events)
    return {**body, METRICS: metrics} if metrics else body


_CONVERSE_EVENTS = {"messageStart", "contentBlockStart", "contentBlockDelta", "messageStop", "metadata"}


def _assemble_converse(events: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return the response of Converse, assembled from its named events."""
    body: dict[str, Any] = {}
    message: dict[str, Any] = {"role": "assistant"}
    blocks: dict[int, dict[str, Any]] = {}
    for kind, data in events:
        index = count(data.get("contentBlockIndex")) or 0
        if kind == "messageStart":
            message["role"] = data.get("role") or "assistant"
        elif kind == "contentBlockStart":
            blocks[index] = {key: dict(mapping(value)) for key, value in mapping(data.get("start")).items()}
        elif kind == "contentBlockDelta":
            _grow(blocks.setdefault(index, {}), mapping(data.get("delta")))
        elif kind in {"messageStop", "metadata"}:
            body.update({key: value for key, value in data.items() if key != "p"})  # padding
        elif kind == "error":
            body["error"] = data.get("error") or data
    if blocks:
        message["content"] = [_with_decoded_input(joined(blocks[index])) for index in sorted(blocks)]
        body["output"] = {"message": message}
    return body


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a delta to a content block: texts are appended, objects merged, other values replaced."""
    for key, value in delta.items():
        if isinstance(value, str) and key not in {"signature", "redactedContent"}:
            add_text(block, key, value)
        elif key == "reasoningContent" and "text" in mapping(value):
            add_text(child(child(block, key), "reasoningText"), "text", str(value["text"]))
        elif key == "reasoningContent" and "signature" in mapping(value):
            child(child(block, key), "reasoningText")["signature"] = value["signature"]
        elif isinstance(value, dict):
            _grow(child(block, key), value)
        else:
            block[key] = value


def _with_decoded_input(block: dict[str, Any]) -> dict[str, Any]:
    """Return a content block with its tool input, which arrives as text, decoded from JSON if possible."""
    used = mapping(block.get("toolUse"))
    if isinstance(used.get("input"), str):
        parsed = decode_json(used["input"])
        used["input"] = used["input"] if parsed is None else parsed
    return block
