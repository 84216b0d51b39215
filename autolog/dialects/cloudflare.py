"""Cloudflare AI Gateway logs: reading, filtering, feedback and deletion.

The API has no request that inserts logs; it shows those that were written in other formats. A row cannot express user,
trace, tags, error text, feedback or score.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pydantic

from autolog._record.record import Record
from autolog.dialects._convert import format_time, from_body, model_of, model_type, parse_time, text_of, url_path
from autolog.dialects._fault import Fault, Json, parse_json
from autolog.dialects._parameters import Parameters, read_flag
from autolog.dialects._schema import Body
from autolog.stores.query import Condition, Query

name = "cloudflare"
why_not_shipped = "that vendor's API has no call to insert logs"
key_headers = ("x-auth-key", "x-auth-user-service-key")
prefixes = ("/client/v4", "/accounts/")

HEAD = 4096
MAX_PER_PAGE = 1000

Pairs = list[tuple[str, str]]


class Patch(Body):
    feedback: float | None = pydantic.Field(default=None, ge=-1, le=1)
    score: float | None = pydantic.Field(default=None, ge=0, le=100)
    metadata: dict[str, str | int | float | bool] | None = None


# Replies


def encode_result(result: Any, info: Json | None = None) -> Json:
    """Return the envelope of every reply."""
    body: Json = {"success": True, "errors": [], "messages": [], "result": result}
    return body if info is None else {**body, "result_info": info}


_CODES = {401: 10000, 403: 10000, 404: 7002}


def encode_fault(fault: Fault) -> Json:
    """Encode an error in this vendor's shape."""
    code = _CODES.get(fault.status, 7001)
    return {"success": False, "errors": [{"code": code, "message": fault.message}], "messages": [], "result": {}}


def encode_row(record: Record) -> Json:
    """Encode a record as a row of a list."""
    return {
        "id": record.id,
        "cached": record.cached,
        "created_at": format_time(record.created_at),
        "duration": round((record.duration or 0) * 1000),
        "model": model_of(record),
        "path": url_path(record),
        "provider": record.provider_name or "unknown",
        "success": record.status == "ok",
        "tokens_in": record.usage_input_tokens,
        "tokens_out": record.usage_output_tokens,
        "cost": record.cost if record.cost is not None else 0,
        "custom_cost": record.custom_cost,
        "metadata": json.dumps(record.metadata),
        "model_type": model_type(record),
        "request_type": model_type(record),
        "request_content_type": record.request_content_type or "application/json",
        "response_content_type": record.response_content_type or "application/json",
        "status_code": record.status_code
        if record.status_code is not None
        else (200 if record.status == "ok" else 500),
        "step": 0,
    }


def encode_detail(record: Record) -> Json:
    """Encode a record as a row with the beginnings of its payloads."""
    row = encode_row(record)
    for side, body in (("request", record.request_body), ("response", record.response_body)):
        text = text_of(from_body(body)) or ""
        row[f"{side}_head"] = text[:HEAD]
        row[f"{side}_head_complete"] = len(text) <= HEAD
        row[f"{side}_size"] = len(text.encode(errors="surrogatepass"))
    return row


def encode_payload(body: bytes | None) -> Json:
    """Encode the reply to a request for a log's request or response."""
    payload = from_body(body)
    return encode_result({} if payload is None else payload)


# Parameters

ORDERS = {
    "created_at": "created_at", "provider": "provider", "model": "model", "model_type": "operation_name",
    "success": "success", "cached": "cached", "cost": "cost", "tokens_in": "tokens_in", "tokens_out": "tokens_out",
    "duration": "duration", "feedback": "feedback",
}  # fmt: skip

#: The keys that filters can compare, and the store's fields for them.
FILTERS = {
    "id": "id", "created_at": "created_at", "request_content_type": "request_content_type",
    "response_content_type": "response_content_type", "request_type": "operation_name", "success": "success",
    "cached": "cached", "provider": "provider", "model": "model", "model_type": "operation_name", "cost": "cost",
    "tokens": "tokens", "tokens_in": "tokens_in", "tokens_out": "tokens_out", "duration": "duration",
    "feedback": "feedback", "event_id": "id", "metadata.key": "metadata.key", "metadata.value": "metadata.value",
    "prompts.prompt_id": "prompt_id", "prompts.version_id": "prompt_version", "authentication": "nothing",
    "wholesale": "nothing", "compatibilityMode": "nothing", "dlp_action": "nothing", "user_agent": "nothing",
}  # fmt: skip
OPERATORS = ("eq", "neq", "contains", "lt", "gt")
_NUMBERS = {"cost", "tokens", "tokens_in", "tokens_out", "duration", "feedback"}
_FLAGS = {"success", "cached"}
_OPERATIONS = {"completion": "text_completion", "embedding": "embeddings", "image": "image_generation"}
_EXTREMES = ("cost", "duration", "tokens_in", "tokens_out", "total_tokens")


class Listing:
    """The parameters of a list request: filters, order and page."""

    def __init__(self, pairs: Pairs) -> None:
        given = Parameters(pairs)
        self.page = given.integer("page", 1, least=1)
        self.per_page = given.integer("per_page", 20, least=1, most=MAX_PER_PAGE)
        self.order_by, self.descending = decode_order(given)
        self.meta_info = given.flag("meta_info")
        conditions = [*decode_filters(pairs), *_deprecated(given)]
        if (until := given.time("end_date")) is not None:
            conditions.append(Condition("created_at", "le", (until,)))
        self.query = Query(
            metadata_text=given.text("search"), conditions=tuple(conditions), since=given.time("start_date")
        )


def decode_order(given: Parameters) -> tuple[str, bool]:
    """Return the order of a list or delete request: the store's field, and whether it is descending."""
    order = given.text("order_by") or "created_at"
    if order not in ORDERS:
        raise Fault(400, f"order_by: {order[:50]!r} is not one of {', '.join(ORDERS)}")
    direction = given.text("order_by_direction") or given.text("direction") or "desc"
    if direction not in {"asc", "desc"}:
        raise Fault(400, f"order_by_direction: {direction[:50]!r} is neither asc nor desc")
    return ORDERS[order], direction == "desc"


#: The parameters of a delete request; others are refused, so that a misspelt filter does not delete everything.
_DELETE = {"limit", "order_by", "order_by_direction", "direction"}


def check_delete(pairs: Pairs) -> None:
    """Check that a delete request has no unknown parameters.

    Raises:
        Fault: 400, if it has one.
    """
    for key, _ in pairs:
        if key not in _DELETE and key != "filters" and not key.startswith(("filters.", "filters[")):
            raise Fault(400, f"{key[:50]!r} is not a parameter of this call")


def decode_limit(given: Parameters) -> int | None:
    """Return how many logs a delete request may delete; None for all.

    Raises:
        Fault: 400, if the limit is not a number, or is empty, since a request that lost its limit must not delete all.
    """
    if not given.has("limit"):
        return None
    if given.text("limit") is None:
        raise Fault(400, "limit: is empty")
    return given.integer("limit", 1, least=1)


def encode_info(listing: Listing, count: int, total: int, extremes: dict[str, tuple[Any, Any]] | None) -> Json:
    """Encode the `result_info` of a list."""
    info: Json = {"page": listing.page, "per_page": listing.per_page, "count": count, "total_count": total}
    for word in _EXTREMES if extremes is not None else ():
        least, most = (extremes or {}).get("tokens" if word == "total_tokens" else word, (None, None))
        scale = 1000 if word == "duration" else 1
        info[f"min_{word}"] = 0 if least is None else round(least * scale, 12)
        info[f"max_{word}"] = 0 if most is None else round(most * scale, 12)
    return info


def _deprecated(given: Parameters) -> list[Condition]:
    """Return conditions for the older parameters with one field each; ranges include both ends."""
    conditions = [
        _condition(key, "eq", [value])
        for key in (
            "cached",
            "success",
            "model",
            "model_type",
            "provider",
            "request_content_type",
            "response_content_type",
            "feedback",
        )
        if (value := given.text(key))
    ]
    for word in _EXTREMES:
        for prefix, operator in (("min_", "ge"), ("max_", "le")):
            if text := given.text(prefix + word):
                key = "tokens" if word == "total_tokens" else word
                (value,) = _condition(key, "eq", [text]).values
                conditions.append(Condition(FILTERS[key], operator, (value,)))
    return conditions


def decode_filters(pairs: Pairs) -> list[Condition]:
    """Return the filters of a request, in any of the three notations that clients use.

    The Python client sends parallel lists, `filters.key=a&filters.key=b&...`, which do not say which values belong to
    which filter: a single key takes all values, as many values as keys are paired, and everything else is refused.

    Raises:
        Fault: 400, if a filter is invalid.
    """
    given: dict[str, list[str]] = {}
    for key, value in pairs:
        if key == "filters" or key.startswith(("filters.", "filters[")):
            given.setdefault(key, []).append(value)
    if not given:
        return []
    if "filters" in given:
        return [condition for text in given["filters"] for condition in _json_filters(text)]
    if any(key.startswith("filters[") for key in given):
        return _bracketed(given)
    for key in given:
        if key not in {"filters.key", "filters.operator", "filters.value"}:
            raise Fault(400, f"{key[:50]!r} is not part of a filter")
    return _parallel(given.get("filters.key", []), given.get("filters.operator", []), given.get("filters.value", []))


def _parallel(keys: list[str], operators: list[str], values: list[str]) -> list[Condition]:
    if not keys or len(keys) != len(operators):
        raise Fault(400, "filters: each needs one key and one operator")
    if len(keys) == 1:
        return [_condition(keys[0], operators[0], list(values))]
    if len(values) != len(keys):
        raise Fault(400, "filters: it is ambiguous which values belong to which filter; send filters as a JSON array")
    return [_condition(key, operator, [value]) for key, operator, value in zip(keys, operators, values, strict=True)]


def _json_filters(text: str) -> list[Condition]:
    value = parse_json(text.encode(errors="replace"))
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Fault(400, "filters: is not a JSON array of filters")
    return [_condition(item.get("key"), item.get("operator"), _listed(item.get("value"))) for item in items]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _bracketed(given: dict[str, list[str]]) -> list[Condition]:
    filters: dict[str, dict[str, list[str]]] = {}
    for key, values in given.items():
        match = re.fullmatch(r"filters\[(\d{1,6})\]\[(key|operator|value)\](?:\[\d*\])?", key)
        if not match:
            raise Fault(400, f"{key[:50]!r} is not part of a filter")
        filters.setdefault(match[1], {}).setdefault(match[2], []).extend(values)
    return [
        _condition("".join(parts.get("key", [])[:1]), "".join(parts.get("operator", [])[:1]), [*parts.get("value", [])])
        for _, parts in sorted(filters.items(), key=lambda item: int(item[0]))
    ]


def _condition(key: Any, operator: Any, values: list[Any]) -> Condition:
    if not isinstance(key, str) or key not in FILTERS:
        raise Fault(400, f"filters: {str(key)[:50]!r} is not a key; choose one of {', '.join(FILTERS)}")
    if operator not in OPERATORS:
        raise Fault(400, f"filters: {str(operator)[:50]!r} is not an operator; choose one of {', '.join(OPERATORS)}")
    values = [value for value in values if value is not None]
    if not values and FILTERS[key] != "nothing":
        raise Fault(400, f"filters: {key} has no value")
    if operator == "contains":
        typed: list[Any] = [text_of(value) for value in values]
    else:
        typed = [_typed(key, value) for value in values]
    return Condition(FILTERS[key], operator, tuple(typed))


def _typed(key: str, value: Any) -> Any:
    if key in _FLAGS:
        flag = read_flag(str(value))
        if flag is None:
            raise Fault(400, f"{key}: {str(value)[:50]!r} is neither true nor false")
        return int(flag)
    if key in _NUMBERS:
        try:
            if isinstance(value, bool):
                raise TypeError
            number = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise Fault(400, f"{key}: {str(value)[:50]!r} is not a number") from error
        if number != number or number in (float("inf"), float("-inf")):
            raise Fault(400, f"{key}: {str(value)[:50]!r} is not a number")
        return number / 1000 if key == "duration" else number
    if key == "created_at":
        return parse_time(value, key)
    text = text_of(value) or ""
    if "\ud800" <= max(text, default="") <= "\udfff":
        text = text.encode(errors="replace").decode()
    return _OPERATIONS.get(text, text) if key in {"model_type", "request_type"} else text


def apply_patch(record: Record, patch: Patch) -> None:
    """Apply a PATCH: null clears feedback and score, and metadata is merged by key."""
    if "feedback" in patch.model_fields_set:
        record.feedback = None if patch.feedback is None else round(patch.feedback)
    if "score" in patch.model_fields_set:
        record.score = patch.score
    if patch.metadata:
        record.metadata = {**record.metadata, **patch.metadata}
