"""Langfuse's `filter=`: a JSON array of conditions, each with its type, column, operator and value.

As `langfuse.api.observations` of langfuse 5 documents it. Conditions are those that the stores compare; any other is
refused, for a list that ignored it would hold more than was wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from autolog.dialects import langfuse as dialect
from autolog.dialects._convert import parse_time
from autolog.dialects._fault import Fault, Json, parse_json
from autolog.stores._texts import clean
from autolog.stores.query import Condition, Query

#: The fields that columns stand for.
_TEXTS = {
    "id": "span_id", "name": "name", "traceId": "trace_id", "parentObservationId": "parent_span_id", "userId": "user",
    "sessionId": "session", "model": "model", "providedModelName": "model", "promptName": "prompt_name",
}  # fmt: skip
_NUMBERS = {"latency": "duration", "inputTokens": "tokens_in", "outputTokens": "tokens_out", "totalTokens": "tokens",
            "tokens": "tokens", "totalCost": "cost"}  # fmt: skip
_TIMES = {"startTime": "created_at", "timestamp": "created_at"}
_TAGS = ("tags", "traceTags")
_COMPARE = {"=": "eq", ">": "gt", "<": "lt", ">=": "ge", "<=": "le"}
_COLUMNS = (*_TEXTS, *_NUMBERS, *_TIMES, *_TAGS, "type", "level", "isRootObservation", "metadata")
_MOST, _MOST_VALUES, _LARGEST = 50, 500, 2**53


def narrow(query: Query, given: str) -> Query:
    """Return a query with the conditions that a filter says.

    Raises:
        Fault: 400, it is none, or has a condition that cannot be asked for.
    """
    conditions = parse_json(clean(given).encode())
    are_objects = isinstance(conditions, list) and all(isinstance(one, dict) for one in conditions)
    if not are_objects or len(conditions) > _MOST:
        raise Fault(400, f"filter: is not a list of at most {_MOST} conditions, each an object")
    for one in conditions:
        query = _add(query, one)
    return query


def _add(query: Query, one: Json) -> Query:
    column, operator, value = str(one.get("column")), str(one.get("operator")), one.get("value")
    if column in _TEXTS:
        return query.where(_text(_TEXTS[column], one))
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST
    if column in _NUMBERS and operator in _COMPARE and is_number:
        return query.where(Condition(_NUMBERS[column], _COMPARE[operator], (value,)))
    if column in _TIMES and operator in _COMPARE and operator != "=" and isinstance(value, str):
        return query.where(Condition(_TIMES[column], _COMPARE[operator], (parse_time(value, "filter"),)))
    if column == "type":
        return query.where(_text("kind", one, lambda word: dialect.KINDS.get(word.lower(), word.lower())))
    if column == "level":
        return query.where(_text("status", one, lambda word: "error" if word.upper() == "ERROR" else "ok"))
    if column == "isRootObservation" and (operator, value) in (("=", True), ("<>", False)):
        return replace(query, roots=True)
    if column in _TAGS and (operator == "all of" or (operator == "any of" and len(_values(value)) == 1)):
        return replace(query, tags=(*query.tags, *_values(value)))
    if column == "metadata" and operator == "=" and isinstance(one.get("key"), str):
        return replace(query, metadata={**query.metadata, clean(one["key"]): clean(str(value))})
    why = f" with {str(operator)[:20]!r} and this value" if column in _COLUMNS else ""
    columns = ", ".join(_COLUMNS)
    raise Fault(400, f"filter: the column {str(column)[:50]!r}{why} cannot be asked for here; there are {columns}")


def _text(field: str, one: Json, translate: Callable[[str], str] = str) -> Condition:
    operator, value = one.get("operator"), one.get("value")
    if operator == "=" and isinstance(value, str):
        return Condition(field, "eq", (translate(clean(value)),))
    if operator == "contains" and isinstance(value, str) and translate is str:
        return Condition(field, "contains", (clean(value),))
    if operator in ("any of", "none of"):
        return Condition(field, "eq" if operator == "any of" else "neq", tuple(map(translate, _values(value))))
    raise Fault(400, f"filter: {one.get('column')} is compared by =, contains, any of or none of, with texts")


def _values(value: Any) -> list[str]:
    """Return the texts in a list of them.

    Raises:
        Fault: 400, something else.
    """
    if not isinstance(value, list) or len(value) > _MOST_VALUES or not all(isinstance(item, str) for item in value):
        raise Fault(400, f"filter: value is not a list of at most {_MOST_VALUES} texts")
    return [*map(clean, value)]
