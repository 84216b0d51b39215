"""OpenAI's API, and the many compatible APIs of other vendors."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autolog._record.bodies import decode_object
from autolog.providers._defaults import streams as streams
from autolog.providers._facts import BatchResult, Facts, failed_part, read_error
from autolog.providers._fields import count, kind_of, lines, mapping, objects, plain_path, seconds, text
from autolog.providers._openai_streams import assemble as assemble
from autolog.providers._openai_tasks import long_running, page_items
from autolog.providers._openai_usage import STATED, contradiction, cost_uncertainty, read_usage, reported_cost, usage_in

name = "openai"
provider_name = "openai"

_ROUTES = (
    (r"/chat/completions$|/async-result/|/async/chat/completions/", "chat"),
    (r"/completions$", "text_completion"),
    (r"/responses/input_tokens$", "count_tokens"),
    (r"/responses/compact$", "compact"),
    (r"/responses$|/realtime$", "chat"),
    (r"/(decisions|systemone)$", "decision"),
    (r"/(contextualized)?embeddings$", "embeddings"),
    (r"/rerank$", "rerank"),
    (r"/moderations$", "moderation"),
    (r"/images(/generations|/edits|/variations)?$", "image_generation"),
    (r"/workflows/.+/models/[^/]+(/(text|image)_to_image)?$", "image_generation"),  # Fireworks'
    (r"/audio/speech$", "speech"),
    (r"/audio/transcriptions$", "transcription"),
    (r"/audio/translations$", "translation"),
    (r"/videos(/[^/]+/remix|/edits|/extensions|/characters|/generations)?$", "video_generation"),
    (r"/layout_parsing$|/files/ocr$|/files/parser/(create|sync)$|/azure/ocr$", "ocr"),  # Z.ai's, and Mistral's at Azure
    (r"/api/(paas/v\d+/)?v1/agents$", "invoke_agent"),  # Z.ai's
    (r"/batches$|/batchInferenceJobs$", "batch"),
    (r"/evals/[^/]+/runs$|/evaluation$|/evaluationJobs$", "evaluation"),
    (r"/graders/run$", "evaluation"),
    (r"/fine_tuning/jobs$", "fine_tuning"),
    (r"/fine-tunes$|/rl/training-sessions(/[^/]+/operations/[^/]+)?$", "fine_tuning"),  # Together's
    (r"/(\w+FineTuning|dpo|rlorTrainer)Jobs(/[^/]+:executeTrainStep)?$", "fine_tuning"),  # Fireworks'
    (r"/vector_stores/[^/]+/search$", "retrieval"),
    (r"/agents/sessions$|/agents/automations/[^/]+/invocations$", "invoke_agent"),
    (r"/threads/runs$|/threads/[^/]+/runs(/[^/]+/submit_tool_outputs)?$", "invoke_agent"),
)
#: Path segments of management APIs, which compatible vendors serve at the same hosts: accounts, keys, machines.
_MANAGED = (
    "admin|analytics|api-keys|auth|byok|client|collections|compute|configs|external-users|guardrails|integrations|keys"
    "|labels|logs|mcp-integrations|mcp-servers|oauth|observability|organization|presets|private-endpoints|projects"
    "|prompts|providers|scim|telemetry|traces|vaults?|virtual-keys|voice_consents|webhooks|webhook_endpoints|workspaces"
)
#: Paths of calls that manage resources and cost nothing by themselves, or return what was billed before.
_FREE = (
    rf"^/?(.*/)?(files|uploads|models|assistants|conversations|skills|{_MANAGED})(/|$)"
    r"|/accounts/[^/]+/"  # at Fireworks, except for its jobs
    r"|/knowledge$|/deployments(/secrets|/storage/.*|/[^/]+/rollback)?$|/assistant/(conversation/)?list$"
    r"|/(feedback|estimate|estimate-price|estimate-cost|fine-tunes/preview|tokenize|tokenize-text)$"
    r"|[/:]cancel$|/batches/[^/]+/requests$|/(pause|reject|hangup|refer|delete|archive)$|/queue/clear$|/rl/.+/(stop|extend-expiry)$"
    r"|/(create_session|session_heartbeat|get_info|retrieve_future)$"  # of training at Fireworks, asked all the time
    r"|/chat/completions/[^/]+$"
    r"|/threads(/(?!runs$)[^/]+)?$|/threads/[^/]+/messages(/|$)|/threads/[^/]+/runs/[^/]+$"
    r"|/vector_stores(/[^/]+)?$|/vector_stores/[^/]+/files/[^/]+$"
    r"|/agents(/environments(/.*)?|/(?!sessions$|automations$)[^/]+|/sessions/[^/]+)?$"
    r"|/evals(/[^/]+)?$|/checkpoints/.*/permissions$|/graders/validate$"
)
_VECTOR_STORE_FILES = r"/vector_stores/[^/]+/(files|file_batches)$"
#: Paths that save the body of a call as a preset, at OpenRouter, without making the call.
_SAVED = r"/presets/[^/]+/"


#: Paths of calls that read, resume, continue or end what an earlier call began, by HTTP method.
_FOLLOW_UP = {
    "get": (
        r"/responses/[^/]+$|/batches/[^/]+(/results)?$|/files/[^/]+/content$|/videos/[^/]+$|/threads/[^/]+/runs/[^/]+$"
        r"|/evals/[^/]+/runs/[^/]+$|/fine_tuning/jobs/[^/]+$|/agents/sessions/[^/]+(/events)?$"
        r"|/async-result/[^/]+$|/async/chat/completions/[^/]+$|/deferred-completion/[^/]+$"  # Z.ai, Perplexity, xAI
    ),
    "post": (
        r"/responses/[^/]+/cancel$|/batches/[^/]+/cancel$|/threads/[^/]+/runs/[^/]+/(cancel|submit_tool_outputs)$"
        r"|/evals/[^/]+/runs/[^/]+$|/fine_tuning/jobs/[^/]+/(cancel|pause|resume)$|/api/(paas/v\d+/)?v1/agents/async-result$"
    ),
}
_NOT_FOLLOW_UP = r"/responses/(compact|input_tokens)$|/videos/(edits|extensions|characters)$|/organization/"


@functools.lru_cache(maxsize=1024)
def is_follow_up(method: str, path: str) -> bool:
    """Return whether a call reports on work that an earlier call began, which must not be billed twice."""
    path = plain_path(path)
    pattern = _FOLLOW_UP.get(method.lower())
    return pattern is not None and bool(re.search(pattern, path)) and not re.search(_NOT_FOLLOW_UP, path)


@functools.lru_cache(maxsize=1024)  # runs on the program's thread for every call, mostly with the same few paths
def billable(method: str, path: str) -> bool:
    """Return whether a call is recorded: it costs money, is a free model call, or completes an earlier call."""
    if is_follow_up(method, path):
        return True
    if method.lower() != "post":
        return False
    path = plain_path(path)
    known = any(re.search(pattern, path) for pattern, _ in _ROUTES)  # with whatever prefix a vendor adds
    recorded = known or not re.search(_FREE, path) or bool(re.search(_VECTOR_STORE_FILES, path))
    return recorded and not re.search(_SAVED, path)


_USAGE_OPTION = r"/completions$"


def has_usage_option(path: str) -> bool:
    """Return whether a stream from this path reports its usage only on request."""
    return bool(re.search(_USAGE_OPTION, path.partition("?")[0]))


@functools.lru_cache(maxsize=1024)
def operation(path: str) -> str:
    """Return the operation's name: the GenAI conventions' name if there is one, else the end of the path."""
    path = path.rstrip("/")
    for pattern, operation_name in _ROUTES:
        if re.search(pattern, path):
            return operation_name
    return re.split(r"/v\d+/", path)[-1].strip("/")


def guess_path(request: dict[str, Any]) -> str:
    """Return the path for a request of this shape, for logs that do not record one."""
    if "messages" in request:
        return "/v1/chat/completions"
    if "input" in request:
        return "/v1/embeddings" if "embedding" in str(request.get("model")) else "/v1/responses"
    return "/v1/completions" if "prompt" in request else ""


@functools.lru_cache(maxsize=1024)
def model_in(path: str) -> str | None:
    """Return the deployment named in an Azure path; None for other paths."""
    match = re.search(r"/deployments/([^/]+)/", path)
    return match[1] if match else None


# Reading a whole response


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a response."""
    facts = Facts()
    body = mapping(body)
    if isinstance(body.get("response"), dict) and "status" in body and "choices" not in body:
        body = {**body["response"], "id": body.get("id"), "status": body["status"]}  # a task at Perplexity
    if not body:
        return facts
    if (failed := failed_part(body)) is not None:
        facts.error_type, facts.error_message = read_error(failed)
    facts.model = text(body.get("model")) or text(mapping(body.get("agent")).get("model"))
    facts.id = text(body.get("id"))
    facts.service_tier = text(body.get("service_tier"))
    facts.long_running = long_running(path, body)
    name = operation(path)
    if name == "count_tokens":
        facts.usage.input = count(body.get("input_tokens"))
    elif body.get("object") == "batch":
        facts.raw_usage = mapping(body.get("usage")) or None
    else:
        _read_usage(facts, body)
    if name == "image_generation" and facts.usage.output_image is None:
        facts.usage.output_image = facts.usage.output  # older models do not report it, but all output is images
    if name in {"embeddings", "rerank"} and facts.usage.input is facts.usage.output is None:
        facts.usage.input = count(mapping(facts.raw_usage).get("total_tokens"))  # all tokens are input
    if not _BY_MODEL.isdisjoint(body):
        _read_models(facts, body)
    if isinstance(body.get("last_error"), dict):
        facts.error_type, facts.error_message = read_error(body["last_error"])
    if isinstance(body.get("choices"), list):
        _read_choices(facts, objects(body["choices"]))
    elif body.get("object") == "response" or isinstance(body.get("output"), list):
        _read_output(facts, body)
    elif isinstance(body.get("messages"), list):  # a list of messages, as some loggers store it
        _read_choices(facts, [{"message": message} for message in objects(body["messages"])])
    elif isinstance(body.get("text"), str):
        facts.output_text = body["text"]
    return facts


def _read_usage(facts: Facts, body: dict[str, Any]) -> None:
    """Fill in the usage, and the cost and the service tier that some vendors report with it."""
    usage = usage_in(body)
    if usage is not None:
        facts.raw_usage, facts.usage = usage, read_usage(usage)
        if not STATED.isdisjoint(usage):
            facts.reported_cost, facts.uncertainty = reported_cost(usage), cost_uncertainty(usage)
        facts.uncertainty = facts.uncertainty or contradiction(usage)
        facts.service_tier = facts.service_tier or text(usage.get("service_tier"))
    if facts.service_tier is None and body.get("service_tier") not in (None, ""):
        facts.uncertainty = facts.uncertainty or "the response states its service tier in no readable form"


_BY_MODEL = {"per_model_usage", "model_grader_token_usage_per_model", "svg_usage"}


def _read_models(facts: Facts, body: dict[str, Any]) -> None:
    """Read usage that is reported by model, in evaluation runs and graders."""
    by_model = objects(body.get("per_model_usage"))
    graded = mapping(body.get("model_grader_token_usage_per_model"))
    by_model += [{"model_name": name, **mapping(usage)} for name, usage in graded.items()]
    used = [
        (text(usage.get("model_name")), read_usage({"prompt_tokens_details": usage, **usage})) for usage in by_model
    ]
    if svg := mapping(body.get("svg_usage")):
        facts.additional_usage.append((text(svg.get("model")), read_usage(svg)))
    if used:
        facts.raw_usage = {"per_model_usage": by_model}
        facts.additional_usage = used


_UNSEEN = (
    (r"/(realtime|live|chatkit)/", "spent over WebRTC, SIP or in a browser, which this program cannot see"),
    (r"/live$", "spent over WebRTC, SIP or in a browser, which this program cannot see"),
    (r"/vector_stores/", "vector stores are billed by storage, not per call"),
    (r"/agents/(sessions/[^/]+/events|automations)", "billed with its session"),
    (r"/(voices|content_provenance_checks|characters)$", "no price is published"),
)


@functools.lru_cache(maxsize=1024)
def unbilled_reason(path: str) -> str | None:
    """Return why a call to this path is not billed by itself; None if it is."""
    return next((why for pattern, why in _UNSEEN if re.search(pattern, path)), None)


def billable_units(path: str, request: dict[str, Any], response: Any) -> dict[str, float]:
    """Return the quantities that are billed per unit, by the unit names in `_pricing.units.UNITS`."""
    response = mapping(response)
    if "usage_info" in response:
        pages = count(mapping(response["usage_info"]).get("pages_processed"))
        return {f"page of {response.get('model')}": pages} if pages else {}
    kind = response.get("object")
    if kind == "video" and response.get("status") == "completed":
        length = request.get("seconds") if path.endswith("/extensions") else response.get("seconds")
        duration = seconds(_number(length))
        return {f"second of {response.get('model')}, {response.get('size')}": duration} if duration else {}
    if length := seconds(mapping(response.get("video")).get("duration")):  # xAI
        return {f"second of {response.get('model')}": length}
    if kind == "fine_tuning.job" and (trained := count(response.get("trained_tokens"))):
        model = re.sub(r"-(\d{4}-\d\d-\d\d|\d{4})$", "", str(response.get("model")))
        return {f"million tokens of training {model}": trained / 1_000_000}
    if kind == "container":
        return {f"container {response.get('memory_limit') or '1g'}": 1}
    if kind == "response":
        calls = [item for item in objects(response.get("output")) if item.get("type") == "code_interpreter_call"]
        containers = {str(call.get("container_id")) for call in calls}
        asked_for = [tool.get("container") for tool in objects(request.get("tools")) if tool.get("container")]
        if any(isinstance(container, str) for container in asked_for):
            return {}  # a container that exists already, and was billed when it was created
        sizes = [size for container in asked_for if (size := kind_of(container, "memory_limit"))]
        return {f"container {(sizes or ['1g'])[0]}": len(containers)} if containers else {}
    if operation(path) == "image_generation" and str(request.get("model", "dall-e-2")).startswith("dall-e"):
        hd = " hd" if request.get("quality") == "hd" else ""
        name = f"image of {request.get('model', 'dall-e-2')}, {request.get('size') or '1024x1024'}{hd}"
        made_images = len(objects(response.get("data")))
        return {name: made_images} if made_images else {}
    return {}


def _number(value: Any) -> Any:
    """Return a number that may be given as text; None if it is no number."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return None


def _read_choices(facts: Facts, choices: list[dict[str, Any]]) -> None:
    """Fill in the texts, tool calls and finish reasons of choices."""
    reasons = [reason for choice in choices if (reason := text(choice.get("finish_reason")))]
    facts.finish_reasons = reasons or None
    texts = []
    for choice in choices:
        message = mapping(choice.get("message"))
        content = message.get("content")
        if isinstance(content, list):
            content = "".join(part for block in objects(content) if (part := text(block.get("text"))))
        said = text(content) or text(message.get("refusal")) or text(choice.get("text"))
        texts.append(said or text(mapping(message.get("audio")).get("transcript")))
        calls = objects(message.get("tool_calls"))
        if isinstance(message.get("function_call"), dict):
            calls.append({"id": None, "function": message["function_call"]})
        for call in calls:
            called = mapping(call.get("function") or call.get("custom"))
            facts.tool_calls.append(
                {
                    "id": call.get("id"),
                    "name": called.get("name"),
                    "arguments": called.get("arguments", called.get("input")),
                }
            )
    facts.output_text = "\n".join(filter(None, texts)) or None


_BY_THE_CALL = {"web_search_call", "file_search_call"}


def _searched(item: dict[str, Any]) -> bool:
    """Return whether an item is a billed web search; opening a page and searching in it are free."""
    return item["type"] == "web_search_call" and kind_of(item.get("action")) in {"", "search"}


def _read_output(facts: Facts, body: dict[str, Any]) -> None:
    """Read a response of the Responses API; the finish reason is its status, or why it is incomplete."""
    reason = text(mapping(body.get("incomplete_details")).get("reason")) or text(body.get("status"))
    facts.finish_reasons = [reason] if reason else None
    if body.get("status") == "failed" and not facts.error_message:
        facts.error_type, facts.error_message = read_error(mapping(body.get("status_details")))
        facts.error_type = facts.error_type or "failed"
    texts: list[str | None] = []
    called = [item for item in objects(body.get("output")) if kind_of(item) in _BY_THE_CALL]
    facts.usage.web_searches = sum(_searched(item) for item in called) or None
    facts.usage.file_searches = sum(item["type"] == "file_search_call" for item in called) or None
    for item in objects(body.get("output")):
        if kind_of(item) in {"function_call", "custom_tool_call"}:
            facts.tool_calls.append(
                {
                    "id": item.get("call_id"),
                    "name": item.get("name"),
                    "arguments": item.get("arguments", item.get("input")),
                }
            )
        if item.get("type") == "message":
            texts += [
                text(part.get("text")) or text(part.get("refusal")) or text(part.get("transcript"))
                for part in objects(item.get("content"))
            ]
    facts.output_text = "".join(filter(None, texts)) or None


# The results of a batch

_RESULTS = r"/files/([^/]+)/content$|/batches/([^/]+)/results$"
#: The URL path of a batch item's request, by the `object` of its response.
_PATHS = {
    "chat.completion": "/v1/chat/completions",
    "response": "/v1/responses",
    "text_completion": "/v1/completions",
    "list": "/v1/embeddings",
}


def results_id(path: str) -> str | None:
    """Return the id of the file, which may be a batch's output, or of the batch, whose results are read from a path."""
    match = re.search(_RESULTS, plain_path(path))
    return (match[1] or match[2]) if match else None


def batch_results(path: str, body: bytes) -> Iterator[BatchResult]:
    """Yield the responses in a batch's output or error file or on a page of its results; none in other files.

    The format: https://platform.openai.com/docs/guides/batch, read 2026-11.
    """
    if plain_path(path).endswith("/results"):
        yield from batch_items(results_id(path), page_items(decode_object(body)))
    elif b'"custom_id"' in body[:100_000]:
        yield from batch_items(results_id(path), lines(body))


def batch_items(holder: str | None, items: Iterable[dict[str, Any]]) -> Iterator[BatchResult]:
    """Yield the responses in the items of a batch, skipping objects that are none.

    Args:
        holder: the id of the file or batch that has the items.
        items: the objects in it.
    """
    for line in items:
        response, error = mapping(line.get("response")), mapping(line.get("error"))
        if not text(line.get("custom_id")) or not (error or "body" in response or "status_code" in response):
            continue
        answer = mapping(response.get("body"))
        yield BatchResult(
            key=text(line.get("id")) or f"{holder}:{line['custom_id']}",
            custom_id=text(line["custom_id"]),
            path=_path_of(answer),
            answer=answer,
            status_code=count(response.get("status_code")),
            error=read_error(error) if error else None,
        )


def _path_of(answer: dict[str, Any]) -> str:
    """Return the URL path of a batch item's request, judging by its response."""
    if "object" not in answer and isinstance(answer.get("data"), list):
        return "/v1/images/generations"
    if "results" in answer and "object" not in answer:
        return "/v1/moderations"
    return _PATHS.get(str(answer.get("object")), "/v1/chat/completions")
