"""Amazon SageMaker: models at endpoints of one's own, which answer in the format of their server.

The API: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations_Amazon_SageMaker_Runtime.html; the
formats of the servers: OpenAI's, Hugging Face's TGI, and DJL's
(https://docs.djl.ai/master/docs/serving/serving/docs/lmi/user_guides/lmi_input_output_schema.html), read 2026-11.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from autolog._record.streams import Event
from autolog.providers import huggingface, openai
from autolog.providers._defaults import (
    batch_results as batch_results,
    billable_units as billable_units,
    has_usage_option as has_usage_option,
    is_follow_up as is_follow_up,
    results_id as results_id,
    streams as streams,
)
from autolog.providers._facts import BY_THE_HOUR, Facts, read_error
from autolog.providers._fields import mapping, objects, plain_path, text

name = "sagemaker"
provider_name = "aws.sagemaker"

_CALL = (
    r"/(?:endpoints|inference-routers|global-inference-gateway)/([^/]+)"
    r"/(?:invocations|async-invocations|invocations-response-stream)$"
    r"|^(?:/training-sessions/[^/]+)?/sample(?:-with-response-stream)?$"  # a model in training, in OpenAI's format
)


def operation(path: str) -> str:
    """Return `prediction`, for models of every kind, which the path does not reveal."""
    return "prediction"


@functools.lru_cache(maxsize=1024)
def billable(method: str, path: str) -> bool:
    """Return whether a call invokes an endpoint, a router, a gateway or a model in training."""
    return method.lower() == "post" and bool(re.search(_CALL, plain_path(path)))


@functools.lru_cache(maxsize=1024)
def model_in(path: str) -> str | None:
    """Return the endpoint, router or gateway named in the path; None if there is none."""
    match = re.search(_CALL, plain_path(path))
    return match[1] if match else None


def guess_path(request: dict[str, Any]) -> str:
    """Return the path of an invocation, the only one that logs record without a path."""
    return "/endpoints/-/invocations"


def unbilled_reason(path: str) -> str | None:
    """Return why the cost of a call cannot be computed: it is never billed by itself."""
    return BY_THE_HOUR


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a response, in the format of OpenAI or of Hugging Face's servers."""
    if "choices" in mapping(body):
        chat = any("message" in choice for choice in objects(mapping(body).get("choices")))
        facts = openai.read("/v1/chat/completions" if chat else "/v1/completions", body, headers)
        facts.operation = "chat" if chat else "text_completion"
    elif _is_error(mapping(body)):
        facts = Facts()
        facts.error_type, facts.error_message = read_error(body)
        facts.error_type = text(mapping(body).get("ErrorCode")) or facts.error_type
        messages = (text(mapping(body).get(key)) for key in ("OriginalMessage", "Message"))
        facts.error_message = next(filter(None, messages), facts.error_message)
    else:
        facts = huggingface.read("/generate", body, headers)
        facts.operation = "text_completion" if facts.output_text else None
    if "embedding" in mapping(body) or mapping(body).get("object") == "list":
        facts.operation = "embeddings"
    return facts


def _is_error(body: dict[str, Any]) -> bool:
    """Return whether a body is an error of SageMaker or of the model's server."""
    return bool({"ErrorCode", "Message"} & body.keys()) or isinstance(body.get("error"), dict)


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from a stream, whose frames carry the stream of the model's server."""
    if failed := next((event.data for event in events if event.name == "error" and "error" in event.data), None):
        return {**_assembled(path, events), **failed}
    return _assembled(path, events)


def _assembled(path: str, events: list[Event]) -> dict[str, Any]:
    answers = [event for event in events if event.name != "error"]
    if any("choices" in event.data for event in answers):
        return openai.assemble("/v1/chat/completions", answers)
    return huggingface.assemble(path, answers)
