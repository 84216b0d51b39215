"""The record: the data model shared by capture, delivery, stores, dialects and the dashboard.

Fields are named after the attributes of the OpenTelemetry semantic conventions for generative AI
(https://opentelemetry.io/docs/specs/semconv/gen-ai/), without `gen_ai.` and with underscores for dots. Following those
conventions, `usage_input_tokens` is the whole input, including tokens read from and written to a cache. `usage` is the
provider's own usage object, verbatim. Unknown values are None, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from autolog._record.bodies import decode_json, decode_text, encode_json
from autolog._record.times import Datetime

Time: TypeAlias = Datetime | None


class Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One logged call, function or span. Times are in UTC, durations in seconds, and costs in US dollars."""

    id: str
    seq: int | None = None
    """The record's sequence number in its store, in the order of arrival; set by the store."""
    kind: str = "llm"
    name: str | None = None
    project: str = "default"
    dialect: str = "native"
    """The wire format in which the record arrived: a name in `autolog.dialects`."""

    caller: str | None = None
    """The name of the enclosing function or span."""

    # Position in the trace: W3C ids, of 32 (trace) and 16 (span) hexadecimal digits
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None

    # Request and response
    operation_name: str | None = None
    provider_name: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    request_stream: bool | None = None
    response_finish_reasons: list[str] | None = None
    response_service_tier: str | None = None
    tool_calls: list[dict[str, Any]] | None = None

    # Tokens
    usage_input_tokens: int | None = None
    usage_output_tokens: int | None = None
    usage_cache_read_input_tokens: int | None = None
    usage_cache_creation_input_tokens: int | None = None
    usage_cache_creation_5m_input_tokens: int | None = None
    usage_cache_creation_1h_input_tokens: int | None = None
    usage_reasoning_output_tokens: int | None = None
    usage_input_audio_tokens: int | None = None
    usage_output_audio_tokens: int | None = None
    usage: dict[str, Any] | None = None

    # Cost
    cost: float | None = None
    cost_details: dict[str, Any] | None = None
    custom_cost: bool = False
    """Whether the cost was given by the caller instead of being computed."""
    cached: bool = False
    """Whether a gateway answered from its cache."""

    # Outcome
    status: str = "ok"
    status_code: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    retries: int | None = None

    # Timing
    created_at: Time = None
    start_time: Time = None
    end_time: Time = None
    duration: float | None = None
    time_to_first_chunk: float | None = None
    received_at: Time = None
    updated_at: Time = None

    # Context
    user: str | None = None
    session: str | None = None
    tags: list[str] = []
    metadata: dict[str, Any] = {}

    # Evaluation
    score: float | None = None
    scores: dict[str, Any] = {}
    feedback: int | None = None

    # Prompt template
    prompt_name: str | None = None
    prompt_id: str | None = None
    prompt_version: str | None = None
    prompt_variables: dict[str, Any] | None = None
    prompt_template: Any = None

    # HTTP
    request_id: str | None = None
    request_method: str | None = None
    request_url: str | None = None
    request_headers: dict[str, str] | None = None
    request_content_type: str | None = None
    response_headers: dict[str, str] | None = None
    response_content_type: str | None = None
    truncated: bool = False
    sdk: str | None = None
    media: list[dict[str, Any]] | None = None
    """Descriptions of the images, audio and files in the bodies; see `_record.media`."""
    request_meta: dict[str, Any] = {}
    response_meta: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    """Data of a dialect that has no field of its own."""
    input_preview: str | None = None
    output_preview: str | None = None
    request_body: bytes | None = None
    response_body: bytes | None = None


#: The token fields, by their names in `providers.Usage`.
USAGE_FIELDS_BY_COUNT = {
    "input": "usage_input_tokens",
    "output": "usage_output_tokens",
    "cache_read": "usage_cache_read_input_tokens",
    "cache_creation": "usage_cache_creation_input_tokens",
    "cache_creation_5m": "usage_cache_creation_5m_input_tokens",
    "cache_creation_1h": "usage_cache_creation_1h_input_tokens",
    "reasoning": "usage_reasoning_output_tokens",
    "input_audio": "usage_input_audio_tokens",
    "output_audio": "usage_output_audio_tokens",
}
USAGE_FIELDS = tuple(USAGE_FIELDS_BY_COUNT.values())

FIELDS: tuple[str, ...] = Record.__struct_fields__
BODIES = ("request_body", "response_body")


#: The default of each field; None for `id`, which has none.
DEFAULTS = {
    name: getattr(default, "factory", lambda default=default: default)()  # mutable defaults have a factory
    for name, default in zip(FIELDS, [None, *Record.__struct_defaults__], strict=True)
}
#: Mappings to which a later record of the same id adds its entries.
MERGED = frozenset({"metadata", "scores", "request_meta", "response_meta", "extra"})
#: The cost and its explanation, which are only ever replaced together.
BILL = ("cost", "cost_details", "custom_cost")
#: The beginning of the keys in `extra` under which pieces of bodies are, from which `_reading.pieces` joins the bodies.
PIECE = "piece "
#: Fields that follow from all pieces together, and not from the latest.
_OF_PIECES = (*BODIES, "input_preview", "output_preview", "tool_calls", "media")
#: Fields that a retry of the same call resets, even where the retry has no value for them.
_OUTCOME = ("status", "status_code", "error_type", "error_message", "response_body", "output_preview")


def merge(old: Record, new: Record) -> None:
    """Merge `new` into `old`, an earlier record of the same id.

    Values of `new` replace those of `old`; missing values do not, except that a retry resets the outcome. The time of
    arrival and the original name are kept. If the records arrived out of order, so that `new` is the beginning of a
    call whose completion is `old`, it only fills gaps.
    """
    late = bool(old.extra.get("completed")) and not new.extra.get("completed") and new.request_body is not None
    if late:
        new, details = msgspec.structs.replace(new), new.cost_details
        for name in FIELDS:
            if name not in MERGED and getattr(old, name) != DEFAULTS[name] and name not in {"id", "name"}:
                setattr(new, name, DEFAULTS[name])
        if new.cost is not None:
            new.cost_details = details
    if any(key.startswith(PIECE) for key in new.extra):
        new = msgspec.structs.replace(new, **{name: None for name in _OF_PIECES if getattr(old, name) is not None})
    replaced = {side for side in ("request", "response") if getattr(new, f"{side}_body") is not None}
    stays = [entry for entry in old.media or () if entry["body"] not in replaced]
    old.media = [*stays, *(new.media or ())] or None  # a new body replaces the old one's media
    left = {"seq", "received_at", "media"} | {name for name in ("created_at", "start_time") if getattr(old, name)}
    if new.extra.get("completed") and old.name is not None:
        left.add("name")
    if new.cost is None and old.cost is not None:
        left.update(BILL)  # why a cost is unknown only matters while it is unknown
    elif new.cost is not None and new.cost != old.cost:
        old.cost_details = None  # the details belong to the old cost
    if (new.retries or 0) > (old.retries or 0):
        for name in _OUTCOME:
            setattr(old, name, DEFAULTS[name])
    for name in FIELDS:
        value = getattr(new, name)
        if value is not None and value != DEFAULTS[name] and name not in left:
            setattr(old, name, {**getattr(old, name), **value} if name in MERGED else value)


_pack = msgspec.msgpack.Encoder().encode


def pack(records: Sequence[Record]) -> bytes:
    """Pack records as MessagePack, replacing what it cannot hold.

    Lone surrogates are replaced by `?`, huge integers by hexadecimal text, and the program's own objects, which its
    `redact` function may have set, by their text.
    """
    try:
        return _pack(records)
    except (UnicodeEncodeError, OverflowError, TypeError):
        return _pack([packable(record) for record in records])


def packable(record: Record) -> Record:
    """Return a record in which text or hexadecimal text replaces what MessagePack cannot hold; see `pack`."""
    values = {name: _replaced(getattr(record, name)) for name in FIELDS}
    for name, value in values.items():
        if isinstance(value, str) and isinstance(getattr(record, name), int):
            values[name] = DEFAULTS[name]  # a huge integer in an integer field cannot become text
    return Record(**values)


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return hex(value)
    if isinstance(value, dict):
        return {_replaced(key): _replaced(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_replaced(item) for item in value]
    return value if value is None or isinstance(value, (int, float, bytes, datetime)) else _described(value)


def _described(value: Any) -> str:
    """Return an object as text, or the name of its type if its own code raises an error."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - the object's own code may raise anything
        return f"<{type(value).__qualname__}: {type(error).__qualname__} while reading it>"


def to_dict(record: Record, bodies: bool = False) -> dict[str, Any]:
    """Return the record as JSON data with every field present; with `bodies`, those too, decoded if they are JSON."""
    data: dict[str, Any] = {name: getattr(record, name) for name in FIELDS if name not in BODIES}
    if bodies:
        data["request_body"] = readable(record.request_body)
        data["response_body"] = readable(record.response_body)
    result: dict[str, Any] = msgspec.to_builtins(data)
    return result


def to_json(record: Record, bodies: bool = False) -> str:
    """Return the record as one line of JSON."""
    return encode_json(to_dict(record, bodies)).decode()


def readable(body: bytes | None) -> Any:
    """Return a body as JSON data if it is JSON, else as text, else as `base64:...`."""
    if body is None:
        return None
    parsed = decode_json(body)
    return decode_text(body) if parsed is None and body.strip() != b"null" else parsed
