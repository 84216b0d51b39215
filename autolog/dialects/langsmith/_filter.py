"""LangSmith's language of filters: `and(eq(run_type, "llm"), gt(latency, 2), has(tags, "shop"))`.

https://docs.langchain.com/langsmith/trace-query-syntax. Compared are the fields of a run as clients read it, its
metadata (`metadata_key`, `metadata_value`) and its feedback (`feedback_key`, `feedback_score`).
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
from autolog.providers._fields import mapping

#: Says whether a run, as clients read it, is wanted.
Filter = Callable[[Json], bool]

_TOKEN = re.compile(r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)|"""
                    r"""(?P<word>[A-Za-z_]\w*)|(?P<sign>[(),\[\]]))""")  # fmt: skip
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "neq": operator.ne, "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip
_FIELDS = {
    "id", "name", "run_type", "status", "error", "tags", "trace_id", "parent_run_id", "start_time", "end_time",
    "latency", "is_root", "total_tokens", "prompt_tokens", "completion_tokens", "total_cost", "first_token_time",
    "metadata", "metadata_key", "metadata_value", "feedback_key", "feedback_score", "inputs", "outputs",
}  # fmt: skip
_DEEPEST = 20
_LONGEST = 10_000


def parse_filter(text: str, name: str = "filter") -> Filter:
    """Return the filter that a text says; `name` is what the client calls it.

    Raises:
        Fault: 422, it is none, or asks for what runs here do not have.
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
        found = _TOKEN.match(text, end)
        if found is None:
            raise _FilterError(f"{text[end : end + 20]!r} is not understood")
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        end = found.end()
    parser = _Parser(tokens)
    made = parser.call(0)
    if parser.place < len(tokens):
        raise _FilterError(f"{tokens[parser.place][1]!r} comes after its end")
    return made


class _FilterError(ValueError):
    """A text that is no filter."""


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self.place = 0

    def _next(self, wanted: str = "") -> tuple[str, str]:
        kind, value = self._tokens[self.place] if self.place < len(self._tokens) else ("end", "its end")
        if wanted and value != wanted:
            raise _FilterError(f"{value!r} stands where {wanted!r} should")
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
        _, field = self._next()
        if field not in _FIELDS:
            raise _FilterError(f"{field!r} is no field of a run; there are {', '.join(sorted(_FIELDS))}")
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
        raise _FilterError(f"{value!r} is no value")


def _comparison(word: str, field: str, value: Any) -> Filter:
    if word == "has":
        return lambda run: _has(run, field, value)
    if word == "in":
        return lambda run: any(one in (value if isinstance(value, list) else [value]) for one in _values(run, field))
    if word == "search":
        return lambda run: str(value).lower() in json.dumps(_values(run, field)).lower()
    compare = _COMPARE.get(word)
    if compare is None:
        raise _FilterError(f"{word!r} is no comparison; there are and, or, not, has, in, search, {', '.join(_COMPARE)}")
    if field in {"start_time", "end_time"}:
        value = parse_time(value, field, 422)
    if word == "neq":
        return lambda run: value not in _values(run, field)
    return lambda run: any(_holds(compare, one, value) for one in _values(run, field))


def _holds(compare: Callable[[Any, Any], bool], one: Any, value: Any) -> bool:
    try:
        return compare(one, value)
    except TypeError:
        return False


def _has(run: Json, field: str, value: Any) -> bool:
    if field == "metadata" and isinstance(value, str):
        try:
            wanted = mapping(json.loads(value))
        except ValueError:
            return value in _metadata(run)
        return (
            bool(wanted)
            and wanted.items() <= {key: one for key, one in _metadata(run).items() if key in wanted}.items()
        )
    return value in _values(run, field)


def _metadata(run: Json) -> Json:
    return mapping(mapping(run.get("extra")).get("metadata"))


def _values(run: Json, field: str) -> list[Any]:
    """Return the values of a field that a comparison may hold for."""
    special: dict[str, Callable[[], list[Any]]] = {
        "metadata_key": lambda: [*_metadata(run)],
        "metadata_value": lambda: [*_metadata(run).values()],
        "feedback_key": lambda: [*mapping(run.get("feedback_stats"))],
        "feedback_score": lambda: [mapping(one).get("avg") for one in mapping(run.get("feedback_stats")).values()],
        "tags": lambda: list(run.get("tags") or []),
        "is_root": lambda: [run.get("parent_run_id") is None],
        "latency": lambda: [_latency(run)],
    }
    if field in special:
        return special[field]()
    value = run.get(field)
    return [_time(value) if field in {"start_time", "end_time"} else value]


def _time(value: Any) -> datetime | None:
    return parse_time(value, "time", 422)


def _latency(run: Json) -> float | None:
    start, end = _time(run.get("start_time")), _time(run.get("end_time"))
    return None if start is None or end is None else (end - start).total_seconds()
