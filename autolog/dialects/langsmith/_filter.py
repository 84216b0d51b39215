"""LangSmith's filter language: `and(eq(run_type, "llm"), gt(latency, 2), has(tags, "shop"))`.

Source: https://docs.langchain.com/langsmith/trace-query-syntax. Filters compare the fields of a run as clients read it,
its metadata (`metadata_key`, `metadata_value`), its inputs and outputs (`input_key` and so on) and its feedback
(`feedback_key`, `feedback_score`).
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from autolog.dialects._convert import parse_time
from autolog.dialects._fault import Fault, Json
from autolog.dialects.langsmith._encode import THREADS
from autolog.providers._fields import mapping

#: Returns whether a run, as clients read it, matches.
Filter = Callable[[Json], bool]

_TOKEN = re.compile(r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)|"""
                    r"""(?P<word>[A-Za-z_]\w*)|(?P<sign>[(),\[\]]))""")  # fmt: skip
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip
_FIELDS = {
    "id", "name", "run_type", "status", "error", "tags", "trace_id", "parent_run_id", "start_time", "end_time",
    "latency", "is_root", "total_tokens", "prompt_tokens", "completion_tokens", "total_cost", "first_token_time",
    "metadata", "metadata_key", "metadata_value", "feedback_key", "feedback_score", "inputs", "outputs", "thread_id",
    "prompt_cost", "completion_cost", "input_key", "input_value", "output_key", "output_value",
    "reference_example_id", "session_id",
}  # fmt: skip
#: The fields in which `search` looks if it is given only a text.
_SEARCHED = ("name", "inputs", "outputs", "error", "tags", "metadata")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DEEPEST = 20
_LONGEST = 10_000


def parse_filter(text: str, name: str = "filter") -> Filter:
    """Parse a filter; `name` is the name of the client's parameter, for error messages.

    Raises:
        Fault: 422, if the text is not a filter, or uses fields that are not supported.
    """
    try:
        return _parse(text)
    except _FilterError as problem:
        raise Fault(422, f"{name}: {problem}") from problem


def _parse(text: str) -> Filter:
    if len(text) > _LONGEST:
        raise _FilterError("it is too long")
    tokens, end = [], 0
    while end < len(text.rstrip()):
        match = _TOKEN.match(text, end)
        if match is None:
            raise _FilterError(f"{text[end : end + 20]!r} is not understood")
        tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
        end = match.end()
    parser = _Parser(tokens)
    condition = parser.call(0)
    if parser.place < len(tokens):
        raise _FilterError(f"{tokens[parser.place][1]!r} comes after the end")
    return condition


class _FilterError(ValueError):
    """The text is not a filter."""


class _Parser:
    """Parses tokens from left to right."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self.place = 0

    def _next(self, wanted: str = "") -> tuple[str, str]:
        kind, value = self._tokens[self.place] if self.place < len(self._tokens) else ("end", "its end")
        if wanted and value != wanted:
            raise _FilterError(f"{value!r} found where {wanted!r} was expected")
        self.place += 1
        return kind, value

    def _peek(self) -> str:
        return self._tokens[self.place][1] if self.place < len(self._tokens) else ""

    def call(self, depth: int) -> Filter:
        kind, word = self._next()
        if kind != "word" or depth > _DEEPEST:
            raise _FilterError(f"{word!r} stands where a comparison should")
        self._next("(")
        if word in {"and", "or", "not"}:
            inner = [self.call(depth + 1)]
            while self._peek() == ",":
                self._next()
                inner.append(self.call(depth + 1))
            self._next(")")
            if word == "not":
                return lambda run: not inner[0](run)
            every = all if word == "and" else any
            return lambda run: every(one(run) for one in inner)
        if word == "search" and self._tokens[self.place : self.place + 1] and self._tokens[self.place][0] == "text":
            wanted = self._value()
            self._next(")")
            found = [_comparison(word, field, wanted) for field in _SEARCHED]
            return lambda run: any(one(run) for one in found)
        _, field = self._next()
        if field not in _FIELDS:
            raise _FilterError(f"{field!r} is not a field of a run; choose one of {', '.join(sorted(_FIELDS))}")
        if word == "exists" and self._peek() == ")":
            self._next()
            return lambda run: any(value is not None for value in _values(run, field))
        self._next(",")
        value = self._value()
        self._next(")")
        return _comparison(word, field, value)

    def _value(self) -> Any:
        kind, value = self._next()
        if value == "[":
            items = []
            while self._peek() != "]":
                items.append(self._value())
                if self._peek() == ",":
                    self._next()
            self._next("]")
            return items
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", value[1:-1])
        if kind == "number":
            return float(value)
        if kind == "word" and value in {"true", "false", "null", "None"}:
            return {"true": True, "false": False}.get(value)
        raise _FilterError(f"{value!r} is not a value")


#: The comparisons that are the opposite of another one.
_OPPOSITES = {"nin": "in", "nlike": "like", "neq": "eq"}


def _comparison(word: str, field: str, value: Any) -> Filter:
    if word in _OPPOSITES:
        holds = _comparison(_OPPOSITES[word], field, value)
        return lambda run: not holds(run)
    if word == "exists":
        return lambda run: value in _keys(run, field)
    if word == "has":
        return lambda run: _has(run, field, value)
    if word == "in":
        return lambda run: any(one in (value if isinstance(value, list) else [value]) for one in _values(run, field))
    if word == "search":
        return lambda run: str(value).lower() in json.dumps(_values(run, field), default=str).lower()
    if word == "like" and isinstance(value, str):
        pattern = re.compile(".*".join(map(_one_by_one, value.split("%"))), re.DOTALL)
        return lambda run: any(isinstance(one, str) and pattern.fullmatch(one) for one in _values(run, field))
    compare = _COMPARE.get(word)
    if compare is None:
        known = ", ".join(("and, or, not, has, exists, in, search, like", *_OPPOSITES, *_COMPARE))
        raise _FilterError(f"{word!r} cannot compare with {str(value)[:50]!r}; choose one of {known}")
    if field in {"start_time", "end_time"}:
        value = parse_time(value, field, 422)
    if field == "latency" and isinstance(value, str):
        value = _seconds(value)
    return lambda run: any(_holds(compare, one, value) for one in _values(run, field))


def _one_by_one(part: str) -> str:
    """Return a regular expression for a part of a pattern without `%`, in which `_` matches any one character."""
    return ".".join(map(re.escape, part.split("_")))


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", text.strip())
    if match is None:
        raise _FilterError(f"latency: {text[:50]!r} is not a duration such as 1.5s")
    return float(match[1]) * _SECONDS[match[2] or "s"]


def _holds(compare: Callable[[Any, Any], bool], actual: Any, value: Any) -> bool:
    try:
        return compare(actual, value)
    except TypeError:
        return False


def _has(run: Json, field: str, value: Any) -> bool:
    if field in _OBJECTS and isinstance(value, str):
        there = _object(run, field)
        try:
            wanted = mapping(json.loads(value))
        except ValueError:
            return value in there
        return bool(wanted) and all(key in there and there[key] == item for key, item in wanted.items())
    return value in _values(run, field)


#: Fields that are objects, which `has` compares by their keys and values.
_OBJECTS = ("metadata", "inputs", "outputs")


def _object(run: Json, field: str) -> Json:
    return _metadata(run) if field == "metadata" else mapping(run.get(field))


def _keys(run: Json, field: str) -> list[Any]:
    """Return the keys of a field that is an object, else its values."""
    return [*_object(run, field)] if field in _OBJECTS else _values(run, field)


def _metadata(run: Json) -> Json:
    return mapping(mapping(run.get("extra")).get("metadata"))


def _values(run: Json, field: str) -> list[Any]:
    """Return the values of a field, one of which has to match a comparison."""
    special: dict[str, Callable[[], list[Any]]] = {
        "metadata_key": lambda: [*_metadata(run)],
        "metadata_value": lambda: [*_metadata(run).values()],
        "feedback_key": lambda: [*mapping(run.get("feedback_stats"))],
        "feedback_score": lambda: [
            mapping(feedback).get("avg") for feedback in mapping(run.get("feedback_stats")).values()
        ],
        "tags": lambda: list(run.get("tags") or []),
        "is_root": lambda: [run.get("parent_run_id") is None],
        "latency": lambda: [_latency(run)],
        "thread_id": lambda: [_metadata(run)[key] for key in THREADS if key in _metadata(run)] or [None],
        "input_key": lambda: [*mapping(run.get("inputs"))],
        "input_value": lambda: [*mapping(run.get("inputs")).values()],
        "output_key": lambda: [*mapping(run.get("outputs"))],
        "output_value": lambda: [*mapping(run.get("outputs")).values()],
    }
    if field in special:
        return special[field]()
    value = _metadata(run) if field == "metadata" else run.get(field)
    return [_time(value) if field in {"start_time", "end_time"} else value]


def _time(value: Any) -> datetime | None:
    return parse_time(value, "time", 422)


def _latency(run: Json) -> float | None:
    start, end = _time(run.get("start_time")), _time(run.get("end_time"))
    return None if start is None or end is None else (end - start).total_seconds()
