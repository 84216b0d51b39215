"""Langfuse's `filter=`: a JSON array of conditions, each with its type, column, operator and value.

The format is documented in `langfuse.api` of langfuse 3 to 5, for lists of traces and of observations. The store
evaluates the conditions that it can compare exactly; the others are evaluated on each item as clients read it.
Conditions on unknown columns are refused, because a list that ignored them would contain too much.
"""

from __future__ import annotations

import operator as compare
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from autolog.dialects._convert import parse_time, text_of
from autolog.dialects._fault import Fault, Json, parse_json
from autolog.stores._texts import clean
from autolog.stores.query import Condition, Query

#: Returns whether an item, given by its columns, matches.
Accepts = Callable[[Json], bool]

_MOST, _MOST_VALUES, _LARGEST = 50, 500, 2**53


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns by which the items of a list can be filtered, grouped by type.

    Attributes:
        stored: text columns that the store compares exactly, with the names of their fields in the store.
        texts: all other text columns.
        numbers: columns of numbers.
        times: columns of times.
        flags: columns of booleans.
        lists: columns of lists of texts.
        objects: columns of objects, each compared by the value of one key.
    """

    stored: Mapping[str, str]
    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    times: tuple[str, ...]
    flags: tuple[str, ...]
    lists: tuple[str, ...] = ("tags",)
    objects: tuple[str, ...] = ("metadata",)

    def all(self) -> tuple[str, ...]:
        """Return the names of all columns."""
        return (*self.stored, *self.texts, *self.numbers, *self.times, *self.flags, *self.lists, *self.objects)


_COUNTED = ("latency", "inputTokens", "outputTokens", "totalTokens", "inputCost", "outputCost", "totalCost")
OBSERVATIONS = Columns(
    stored={"id": "span_id", "traceId": "trace_id", "userId": "user", "sessionId": "session", "model": "model",
            "name": "name", "promptName": "prompt_name"},
    texts=("type", "level", "statusMessage", "version", "environment", "traceName", "parentObservationId", "input",
           "output"),
    numbers=(*_COUNTED, "timeToFirstToken", "tokensPerSecond", "promptVersion"),
    times=("startTime", "endTime"),
    flags=("isRootObservation",),
)  # fmt: skip
TRACES = Columns(
    stored={"id": "trace_id", "userId": "user", "sessionId": "session"},
    texts=("name", "environment", "version", "release", "level", "input", "output"),
    numbers=(*_COUNTED, "errorCount", "warningCount", "defaultCount", "debugCount"),
    times=("timestamp",),
    flags=("bookmarked",),
    objects=("metadata", "scores_avg", "score_categories", "score_booleans"),
)
#: Alternative names of columns.
_ALIASES = {"providedModelName": "model", "traceTags": "tags", "tokens": "totalTokens", "scores": "scores_avg"}

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "=": compare.eq, ">": compare.gt, "<": compare.lt, ">=": compare.ge, "<=": compare.le,
}  # fmt: skip
_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "=": compare.eq,
    "contains": compare.contains,
    "does not contain": lambda text, part: part not in text,
    "starts with": str.startswith,
    "ends with": str.endswith,
    "matches": lambda text, part: part.lower() in text.lower(),
}
_CHOICES: dict[str, Callable[[set[str], set[str]], bool]] = {
    "any of": lambda found, wanted: bool(found & wanted),
    "none of": set.isdisjoint,
    "all of": set.issuperset,
}
_IS_SET = {"is null": False, "is not null": True, "is not set": False, "is set": True}


def parse_conditions(given: str) -> list[Json]:
    """Parse the conditions of a filter.

    Raises:
        Fault: 400, if it is not a list of at most 50 objects.
    """
    conditions = parse_json(clean(given).encode())
    are_objects = isinstance(conditions, list) and all(isinstance(condition, dict) for condition in conditions)
    if not are_objects or len(conditions) > _MOST:
        raise Fault(400, f"filter: is not a list of at most {_MOST} conditions, each an object")
    return list(conditions)


def narrow(query: Query, conditions: list[Json], columns: Columns) -> tuple[Query, Accepts | None]:
    """Return a query with the conditions that the store compares, and a function that checks items for the others.

    Raises:
        Fault: 400, if a condition is not supported.
    """
    others = []
    for given in conditions:
        condition = {**given, "column": _ALIASES.get(str(given.get("column")), str(given.get("column")))}
        if condition["column"] not in columns.all():
            known = ", ".join((*columns.all(), *_ALIASES))
            raise Fault(400, f"filter: there is no column {condition['column'][:50]!r} here; choose from {known}")
        accepts, stored = _accepting(condition, columns), _stored(condition, columns)
        if stored is None:
            others.append(accepts)
        else:
            query = query.where(stored)
    return query, (lambda item: all(accepts(item) for accepts in others)) if others else None


def _stored(condition: Json, columns: Columns) -> Condition | None:
    """Return a condition as the store compares it; None if the store cannot compare it exactly."""
    field = columns.stored.get(condition["column"])
    if field is not None and condition["operator"] == "=":
        return Condition(field, "eq", (clean(condition["value"]),))
    if field is not None and condition["operator"] == "any of":
        return Condition(field, "eq", tuple(map(clean, condition["value"])))
    return None


def _accepting(condition: Json, columns: Columns) -> Accepts:
    """Return a function that checks whether an item matches a condition.

    Raises:
        Fault: 400, if the operator or the value does not suit the column.
    """
    column, operator, key = condition["column"], str(condition.get("operator")), str(condition.get("key"))
    if column in columns.objects and not isinstance(condition.get("key"), str):
        raise Fault(400, f"filter: {column} needs a key, the name of what is in it")
    is_nested = column in columns.objects

    def value_of(item: Json) -> Any:
        value = item.get(column)
        return value if not is_nested else value.get(key) if isinstance(value, dict) else None

    if operator in _IS_SET:
        return lambda item: (value_of(item) is not None) is _IS_SET[operator]
    fits = _comparison(condition, columns)
    if fits is None:
        raise Fault(
            400, f"filter: {column} is not compared by {operator[:20]!r} with {text_of(condition.get('value'))!s:.50}"
        )
    return lambda item: fits(value_of(item))


def _comparison(condition: Json, columns: Columns) -> Callable[[Any], bool] | None:
    """Return a function that compares a value, perhaps None, as a condition says; None if there is no comparison."""
    column, operator, wanted = condition["column"], str(condition.get("operator")), condition.get("value")
    is_flag = isinstance(wanted, bool)
    is_number = isinstance(wanted, (int, float)) and not is_flag and abs(wanted) < _LARGEST
    if is_flag and operator in {"=", "<>"} and (column in columns.flags or column in columns.objects):
        return lambda value: (value is wanted) is (operator == "=")
    if is_number and operator in _ORDERS and (column in columns.numbers or column in columns.objects):
        return lambda value: isinstance(value, (int, float)) and _ORDERS[operator](value, wanted)
    if column in columns.times and operator in _ORDERS and isinstance(wanted, str):
        at = parse_time(wanted, "filter")
        return lambda value: value is not None and _ORDERS[operator](parse_time(value), at)
    if column in (*columns.numbers, *columns.times, *columns.flags):
        return None
    if operator in _CHOICES and (operator != "all of" or column in columns.lists):
        choices = set(_values(wanted))
        return lambda value: _CHOICES[operator](_texts(value), choices)
    if operator in _TEXTS and isinstance(wanted, str) and column not in columns.lists:
        if operator == "does not contain":
            return lambda value: wanted not in (text_of(value) or "")
        return lambda value: value is not None and _TEXTS[operator](text_of(value) or "", wanted)
    return None


def _texts(value: Any) -> set[str]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    return {text_of(item) or "" for item in values}


def _values(value: Any) -> list[str]:
    """Return a value that is a list of texts.

    Raises:
        Fault: 400, if the value is anything else.
    """
    if not isinstance(value, list) or len(value) > _MOST_VALUES or not all(isinstance(item, str) for item in value):
        raise Fault(400, f"filter: value is not a list of at most {_MOST_VALUES} texts")
    return value
