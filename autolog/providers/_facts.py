"""The facts that a provider's module extracts from the bodies of a call."""

from __future__ import annotations

from types import NoneType
from typing import Any

import msgspec

from autolog.providers._fields import MAX_COUNT, count, mapping, objects, text

#: The `unbilled_reason` of calls that are never billed by their usage, even if they report it.
BY_THE_HOUR = "billed by the hour for the endpoint's machines"


class Usage(msgspec.Struct):
    """The tokens and other quantities that a call used.

    `input` counts the whole input, including tokens read from and written to the cache; None means not reported.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_creation: int | None = None
    cache_creation_5m: int | None = None
    cache_creation_1h: int | None = None
    cache_creation_12h: int | None = None
    reasoning: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None
    input_image: int | None = None
    output_image: int | None = None
    web_searches: int | None = None
    file_searches: int | None = None
    audio_seconds: float | None = None
    input_characters: int | None = None
    cache_audio_read: int | None = None
    cache_image_read: int | None = None
    units: dict[str, float] = {}
    """Quantities that are billed per unit, by the unit names in `_pricing.units.UNITS`."""


class LongRunning(msgspec.Struct, frozen=True):
    """Work that outlives the call that began it: a background response, a batch, a run, a session.

    Attributes:
        key: the kind of work and its id, the same in every response that reports on it.
        operation: the operation's name.
        final: whether no more is to come, or this response covers everything so far.
        certain: whether the response alone shows that the work outlives its call; else the request must show it.
        other_keys: other keys by which a later response without the id may refer to the work.
    """

    key: str
    operation: str
    final: bool
    certain: bool = True
    other_keys: tuple[str, ...] = ()


class BatchResult(msgspec.Struct, frozen=True):
    """One item of a batch, out of a body with many.

    Attributes:
        key: the item's id, the same whenever the results are read.
        custom_id: the id given by the user.
        path: the URL path of the item's request.
        answer: the response body, or an error body.
        status_code: the item's HTTP status, if reported.
        error: the error's type and message, if the item failed.
    """

    key: str
    custom_id: str | None
    path: str
    answer: dict[str, Any]
    status_code: int | None = None
    error: tuple[str | None, str | None] | None = None


class Facts(msgspec.Struct):
    """The facts in one request and its response.

    Attributes:
        format: the name of the module that read the bodies.
        path: the URL path by which the bodies were read.
        request: the decoded request body.
        response: the decoded response body; of a stream, the assembled response.
    """

    format: str = ""
    path: str = ""
    request: dict[str, Any] = {}
    response: Any = None
    model: str | None = None
    id: str | None = None
    finish_reasons: list[str] | None = None
    tool_calls: list[dict[str, Any]] = []
    service_tier: str | None = None
    usage: Usage = msgspec.field(default_factory=Usage)
    billed_usage: Usage | None = None
    """The billed quantities, where reported apart from the used ones: Cohere's `billed_units`."""
    raw_usage: dict[str, Any] | None = None
    speed: str | None = None
    geo: str | None = None
    reported_cost: float | None = None
    long_running: LongRunning | None = None
    additional_usage: list[tuple[str | None, Usage]] = []
    """Usage that `usage` does not include, such as compactions, advisors and graders, each with its model.

    The model is None if it is the call's own.
    """
    uncertainty: str | None = None
    """Why the usage may not account for the whole cost."""
    unbilled_reason: str | None = None
    """Why the call may have no usage to bill."""
    operation: str | None = None
    """The operation as seen in the response, where the path does not determine it."""
    output_text: str | None = None
    error_type: str | None = None
    error_message: str | None = None


#: The ends of the names of counts, and of objects or lists with further counts.
_COUNTED = ("_tokens", "_requests", "_used", "Tokens", "okenCount")
_DETAILED = ("_details", "Details")
#: The names of other such objects and lists, which contain counts at Anthropic and Cohere.
_CONTAINERS = frozenset({"cache_creation", "server_tool_use", "iterations", "billed_units"})


def invalid_usage(usage: Any) -> str | None:
    """Return what is wrong in a usage object, such as text for a number, or a negative count; None if nothing is."""
    for key, value in mapping(usage).items():
        if type(value) is int and 0 <= value < MAX_COUNT and not (key.endswith(_DETAILED) or key in _CONTAINERS):
            continue  # a fast path: nearly all fields are valid counts
        if (value is not None and key.endswith(_COUNTED) and count(value) is None) or (
            (key.endswith(_DETAILED) or key in _CONTAINERS) and not isinstance(value, (dict, list, NoneType))
        ):
            return f"the response says {key}: {str(value)[:50]!r}"
        if isinstance(value, dict):
            if inner := invalid_usage(value):
                return inner
        elif key.endswith("_details") and value is not None:
            return f"the response says {key}: {str(value)[:50]!r}"
        elif isinstance(value, list) and (inner := next(filter(None, map(invalid_usage, value)), None)):
            return inner
    return None


#: The keys of an error body without `error`, and the keys that rule one out.
_MESSAGE_ALONE = {"message", "detail", "msg"}
_ANSWER = {
    "object", "id", "model", "choices", "output", "data", "usage", "text", "messages", "content", "task_id", "success",
}  # fmt: skip


def failed_part(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return the part of a response that holds an error, for `read_error`: the body, or a choice; None if none does.

    OpenRouter reports a provider's error in the choice (https://openrouter.ai/docs/api-reference/overview), MiniMax its
    own in `base_resp`, whose status is otherwise 0 (https://platform.minimax.io/docs/api-reference/errorcode), and Groq
    in `x_groq` why it ended a stream early (groq 1.7).
    """
    alone = _MESSAGE_ALONE & body.keys() and (not _ANSWER & body.keys() or body.get("object") == "error")  # as vLLM's
    if body.get("error") or alone:
        return body
    if "base_resp" in body and (code := mapping(body["base_resp"]).get("status_code")):
        return {"code": code, "message": mapping(body["base_resp"]).get("status_msg")}
    if "x_groq" in body and (error := mapping(body["x_groq"]).get("error")):
        return {"error": error}
    choices = body.get("choices")
    return next((choice for choice in objects(choices) if choice.get("error")), None) if choices else None


def read_error(body: Any) -> tuple[str | None, str | None]:
    """Return the type and message in an error body, in any of the shapes that providers use."""
    if not isinstance(body, dict):
        return None, None
    inner = body.get("error")
    if isinstance(inner, str):
        return text(body.get("type")) or text(body.get("code")), inner
    error = inner if isinstance(inner, dict) else body
    kind = error.get("type") or error.get("code")
    if kind == "error":  # the type of an event that is an error, as in OpenAI's Responses
        kind = error.get("code") or kind
    message = error.get("message") or error.get("detail") or error.get("msg")
    if message is not None and not isinstance(message, str):
        message = str(message)
    return None if kind is None else str(kind), message
