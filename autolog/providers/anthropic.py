"""Anthropic's Messages API, at Anthropic itself and on other platforms, with its batches and agent sessions."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from autolog._record.bodies import decode_json
from autolog._record.streams import Event
from autolog.providers._defaults import has_usage_option as has_usage_option, streams as streams
from autolog.providers._facts import BatchResult, Facts, LongRunning, Usage, read_error
from autolog.providers._fields import count, kind_of, lines, mapping, money, objects, plain_path, seconds, text, total
from autolog.providers._pieces import Pieces, add_text, joined

name = "anthropic"
provider_name = "anthropic"

_MESSAGES = r"/messages/?$|:(raw|streamRaw)Predict$|/invoke(-with-response-stream)?$|/v1/complete$"
_ROUTES = (
    (r"/messages/batches/?$", "batch"),
    (r"/messages/count_tokens/?$|/count-tokens:rawPredict$", "count_tokens"),
    (_MESSAGES, "chat"),
)
#: Paths of calls that manage resources and cost nothing by themselves.
_FREE = (
    r"/(files|skills|models|organizations|environments|vaults|memory_stores|agents|user_profiles|webhooks|tunnels"
    r"|compliance)(/|$)|/sessions/[^/]+(/resources(/[^/]+)?)?$"
    r"|/batches/[^/]+/cancel$|/oauth/|/(cancel|archive|pause|interrupt|delete)/?$"
)


@functools.lru_cache(maxsize=1024)  # runs on the program's thread for every call, mostly with the same few paths
def billable(method: str, path: str) -> bool:
    """Return whether a call is recorded: it costs money, is a free model call, or completes an earlier call."""
    if is_follow_up(method, path):
        return True
    path = path.partition("?")[0]
    known = any(re.search(pattern, path) for pattern, _ in _ROUTES)  # with whatever prefix a platform adds
    return method.lower() == "post" and (known or not re.search(_FREE, path))


#: Paths of calls that report on work begun by an earlier call.
_FOLLOW_UP = (
    r"/messages/batches/[^/]+(/results)?$|/v1/sessions/[^/]+$|/v1/sessions/[^/]+(/threads/[^/]+)?/events/stream$"
    r"|/v1/sessions/[^/]+/threads/[^/]+/stream$|/v1/dreams/[^/]+$"
)


@functools.lru_cache(maxsize=1024)
def is_follow_up(method: str, path: str) -> bool:
    """Return whether a call reports on work that an earlier call began, which must not be billed twice."""
    path = plain_path(path)
    if method.lower() == "post":
        return bool(re.search(r"/messages/batches/[^/]+/cancel$|/v1/dreams/[^/]+/cancel$", path))
    return method.lower() == "get" and bool(re.search(_FOLLOW_UP, path))


@functools.lru_cache(maxsize=1024)
def operation(path: str) -> str:
    """Return the operation's name: `chat` as in the GenAI conventions, else the end of the path."""
    for pattern, operation_name in _ROUTES:
        if re.search(pattern, path):
            return operation_name
    return path.strip("/").rpartition("/v1/")[2] or path.strip("/")


def guess_path(request: dict[str, Any]) -> str:
    """Return the path for a request of this shape, for logs that do not record one."""
    return "/v1/messages"


@functools.lru_cache(maxsize=1024)
def model_in(path: str) -> str | None:
    """Return the model named in a Bedrock or Vertex path; None for other paths."""
    match = re.search(r"/model/([^/]+)/invoke|/models/([^/:]+):(?:raw|streamRaw)Predict", path)
    return (match[1] or match[2]) if match else None


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a response."""
    facts = Facts()
    body = mapping(body)
    facts.error_type, facts.error_message = read_error(body) if _is_error(body) else (None, None)
    facts.model = text(body.get("model"))
    facts.id = text(body.get("id"))
    operation_name = operation(path)
    facts.long_running = _long_running(body)
    if operation_name == "count_tokens":
        facts.usage.input = count(body.get("input_tokens"))
    if text(body.get("type")) in {"session", "dream"}:
        _read_work(facts, body)
    if operation_name != "chat" or facts.long_running:
        return facts
    stop = text(body.get("stop_reason"))
    facts.finish_reasons = [stop] if stop else None
    content = objects(body.get("content"))
    texts = [block["text"] for block in content if text(block.get("text"))]
    facts.output_text = "".join(texts) or text(body.get("completion"))
    facts.tool_calls = [
        {"id": block.get("id"), "name": block.get("name"), "arguments": block.get("input")}
        for block in content
        if block.get("type") == "tool_use"
    ]
    if isinstance(body.get("usage"), dict):
        facts.raw_usage = body["usage"]
        facts.service_tier = text(body["usage"].get("service_tier"))
        facts.speed = text(body["usage"].get("speed"))
        facts.geo = text(body["usage"].get("inference_geo"))
        facts.usage = read_usage(body["usage"])
        facts.additional_usage = _additional_usage(body["usage"])
        models = {text(entry.get("model")) for entry in objects(body["usage"].get("iterations"))}
        kinds = {kind_of(entry) for entry in objects(body["usage"].get("iterations"))}
        facts.uncertainty = _other_tools(mapping(body["usage"].get("server_tool_use")))
        if kinds - _KNOWN_ITERATIONS:
            facts.uncertainty = "the response has iterations of an unknown kind, which the totals may not include"
        if "fallback_message" in kinds or models - {None, facts.model} - {model for model, _ in facts.additional_usage}:
            facts.uncertainty = "several models were used, and the totals are not broken down by model"
    return facts


#: Work that outlives its call, by its `type`: the operation, the key of its status, and the final statuses (None: any).
_LONG_RUNNING = {
    "message_batch": ("batch", "processing_status", {"ended"}),
    "session": ("invoke_agent", "status", None),
    "dream": ("dream", "status", {"completed", "failed", "canceled"}),
}


def _long_running(body: dict[str, Any]) -> LongRunning | None:
    """Return the batch, session or dream that a response is about; None for other responses."""
    kind, identity = str(body.get("type")), text(body.get("id"))
    if kind not in _LONG_RUNNING or identity is None:
        return None
    operation_name, state, final = _LONG_RUNNING[kind]
    return LongRunning(f"{kind}:{identity}", operation_name, final is None or kind_of(body, state) in final)


def _read_work(facts: Facts, body: dict[str, Any]) -> None:
    """Fill in the facts in a session or a dream: the tokens so far and, for a session, the cost that it reports."""
    worker = body.get("model") or mapping(body.get("agent")).get("model")
    facts.model = text(worker) or text(mapping(worker).get("id"))
    usage = mapping(body.get("usage"))
    if usage:
        facts.raw_usage = usage
        facts.usage = read_usage(usage)
        facts.reported_cost = _dollars(usage.get("list_cost"))


@functools.lru_cache(maxsize=1024)
def unbilled_reason(path: str) -> str | None:
    """Return why a call to this path is not billed by itself; None if it is."""
    return "billed with its session" if re.search(r"/sessions/[^/]+/events$|/v1/deployments", path) else None


def billable_units(path: str, request: dict[str, Any], response: Any) -> dict[str, float]:
    """Return the quantities that are billed per unit, by the unit names in `_pricing.units.UNITS`."""
    active = seconds(mapping(mapping(response).get("usage")).get("active_seconds"))
    return {"hour of session": active / 3600} if active else {}


def _dollars(amount: Any) -> float | None:
    """Return a `BetaMonetaryAmount`, a decimal string in cents, as dollars; None if invalid or in another currency."""
    amount = mapping(amount)
    try:
        return money(float(amount["amount"]) / 100) if str(amount.get("currency", "USD")).upper() == "USD" else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _additional_usage(usage: dict[str, Any]) -> list[tuple[str | None, Usage]]:
    """Return the usage that the totals exclude: compactions, and advisors, which are billed by their own model."""
    return [
        (text(entry.get("model")), read_usage(entry))
        for entry in objects(usage.get("iterations"))
        if kind_of(entry) in {"compaction", "advisor_message"}
    ]


def _other_tools(used: dict[str, Any]) -> str | None:
    """Return why a cost is uncertain if tools of the server were used that have no known price; else None."""
    names = sorted(name for name, number in used.items() if count(number) and name not in _KNOWN_TOOLS)
    return f"{', '.join(names)}: it is not known whether they are billed" if names else None


_KNOWN_ITERATIONS = {"message", "compaction", "advisor_message", "fallback_message"}
#: The counts of tools whose uses are billed (searches) or free (fetches).
_KNOWN_TOOLS = {"web_search_requests", "web_fetch_requests"}


def _is_error(body: dict[str, Any]) -> bool:
    """Return whether a body is an error, in the format of Anthropic or of a platform."""
    return body.get("type") == "error" or "error" in body or ("message" in body and "content" not in body)


def read_usage(usage: dict[str, Any]) -> Usage:
    """Read a usage object, whose `input_tokens` exclude cache reads and writes; `Usage.input` includes them."""
    read, written = (
        count(usage.get("cache_read_input_tokens")),
        count(usage.get("cache_creation_input_tokens")),
    )
    classes = mapping(usage.get("cache_creation"))
    if written is None:
        written = total(*map(count, classes.values()))
    uncached = count(usage.get("input_tokens"))
    return Usage(
        input=None if uncached is None else total(uncached, read, written),
        output=count(usage.get("output_tokens")),
        cache_read=read,
        cache_creation=written,
        cache_creation_5m=count(classes.get("ephemeral_5m_input_tokens")),
        cache_creation_1h=count(classes.get("ephemeral_1h_input_tokens")),
        web_searches=count(mapping(usage.get("server_tool_use")).get("web_search_requests")),
        reasoning=count(mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
    )


def _session_in(path: str) -> str | None:
    match = re.search(r"/sessions/([^/]+)/events/stream", path)  # a thread's stream reports on that thread only
    return match[1] if match else None


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the message, session or completion assembled from a stream, as far as it arrived."""
    message: dict[str, Any] = {}
    blocks: list[dict[str, Any]] = []
    current: dict[int, dict[str, Any]] = {}  # by index, which some proxies leave out, or use again for the next block
    ended = False
    for event in events:
        data = event.data
        kind = text(data.get("type")) or event.name
        ended = ended or kind in {"message_delta", "message_stop"}
        if kind == "session.usage":  # the session's total usage so far
            message = {"type": "session", "id": _session_in(path), "usage": data.get("usage")}
        elif kind == "content_block_start":
            current[_index(data)] = block = dict(mapping(data.get("content_block")))
            blocks.append(block)
        elif kind == "content_block_delta":
            if _index(data) not in current:
                current[_index(data)] = {}
                blocks.append(current[_index(data)])
            _grow(current[_index(data)], mapping(data.get("delta")))
        elif kind in _ON_MESSAGE:
            _ON_MESSAGE[kind](message, data)
        elif kind == "error" or "error" in data:
            message["error"] = data.get("error", data)
        elif "completion" in data:
            _add_completion(message, data)
    if blocks:
        message["content"] = [_with_decoded_input(block) for block in blocks]
    if not ended and isinstance(message.get("usage"), dict) and message.get("type") == "message":
        # The output tokens in `message_start` are a placeholder, which `message_delta` replaces at the end.
        message["usage"] = {key: value for key, value in message["usage"].items() if key != "output_tokens"}
    return mapping(joined(message))


def _start(message: dict[str, Any], data: dict[str, Any]) -> None:
    """Add a `message_start`, which has the message without its content."""
    message.update(mapping(data.get("message")))


def _finish(message: dict[str, Any], data: dict[str, Any]) -> None:
    """Add a `message_delta`, whose values replace earlier ones, unless they are null.

    Its counts are totals so far. A proxy may know the input only at the start, and then says 0; only the output at the
    start is a placeholder, which may be more than there was in the end.
    """
    message.update((key, value) for key, value in mapping(data.get("delta")).items() if value is not None)
    before, usage = mapping(message.get("usage")), mapping(data.get("usage"))
    told = {
        key: value
        for key, value in usage.items()
        if value is not None and (value != 0 or key == "output_tokens" or not before.get(key))
    }
    if told:
        message["usage"] = {**before, **told}


def _add_completion(message: dict[str, Any], data: dict[str, Any]) -> None:
    """Add a piece of a text completion, from the API that preceded Messages."""
    message.update({key: value for key, value in data.items() if key != "completion" and value is not None})
    add_text(message, "completion", str(data.get("completion") or ""))


_ON_MESSAGE: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    "message_start": _start,
    "message_delta": _finish,
}


def _index(data: dict[str, Any]) -> int:
    return count(data.get("index")) or 0


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a delta to a content block: texts and partial JSON are appended, other values replaced."""
    kind = kind_of(delta)
    if kind == "input_json_delta":
        add_text(block, "_json", str(delta.get("partial_json") or ""))
    elif kind == "citations_delta":
        block["citations"] = [*objects(block.get("citations")), delta.get("citation")]
    else:
        for key, value in delta.items():
            if key == "type":
                continue
            if isinstance(block.get(key), (str, Pieces)) and isinstance(value, str):
                add_text(block, key, value)
            else:
                block[key] = value


def _with_decoded_input(block: dict[str, Any]) -> dict[str, Any]:
    """Return a content block with its tool input, which arrives as partial JSON, decoded if possible."""
    partial = joined(block.pop("_json", None))
    if isinstance(partial, str) and partial:
        parsed = decode_json(partial)
        block["input"] = partial if parsed is None else parsed
    return block


# The results of a batch

_RESULTS = r"/messages/batches/([^/]+)/results$"


def results_id(path: str) -> str | None:
    """Return the id of the batch whose results are downloaded from a path; None for other paths."""
    match = re.search(_RESULTS, path.rstrip("/"))
    return match[1] if match else None


def batch_results(path: str, body: bytes) -> Iterator[BatchResult]:
    """Yield the responses in a batch's results.

    The format: https://platform.claude.com/docs/en/build-with-claude/batch-processing, read 2026-11.
    """
    for line in lines(body):
        result = mapping(line.get("result"))
        kind = text(result.get("type"))
        if kind is None:
            continue
        message = mapping(result.get("message"))
        error: tuple[str | None, str | None] | None = None if message else (kind, None)
        if isinstance(result.get("error"), dict):
            error = read_error(result["error"])
        yield BatchResult(
            key=f"{results_id(path)}:{line.get('custom_id')}",
            custom_id=text(line.get("custom_id")),
            path="/v1/messages",
            answer=message or mapping(result.get("error")),
            error=error,
        )
