"""Turn queries into SQL for ClickHouse. All values are bound; field names come from tables here, never from outside."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from autolog.stores._texts import clean
from autolog.stores.clickhouse._rows import BEYOND, COLUMNS, micros
from autolog.stores.query import COMPARED_FIELDS, EQUAL_FIELDS, OPERATORS, Condition, Query, Scored

_FIELD_SQL = {
    "model": "coalesce(request_model, response_model, '')",
    "provider": "coalesce(provider_name, 'unknown')",
    "success": "(status = 'ok')",
    "tokens": "if(usage_input_tokens IS NULL AND usage_output_tokens IS NULL, NULL, "
    "ifNull(usage_input_tokens, 0) + ifNull(usage_output_tokens, 0))",
    "tokens_in": "usage_input_tokens",
    "tokens_out": "usage_output_tokens",
    "request_content_type": "coalesce(request_content_type, 'application/json')",
    "response_content_type": "coalesce(response_content_type, 'application/json')",
    "created_at": "toUnixTimestamp64Micro(created_at)",
}
_NUMERIC = {"seq", "success", "tokens", "tokens_in", "tokens_out", "created_at"} | {
    name for name, kind in COLUMNS.items() if "Int" in kind or "Float" in kind
}

#: The texts that are searched, besides the bodies.
_SEARCHED = (
    "input_preview", "output_preview", "name", "error_message", "toString(request_model)", "texts",
)  # fmt: skip


class Values(dict[str, Any]):
    """The values of a statement's placeholders."""

    def mark(self, value: Any) -> str:
        """Add a value, and return its placeholder."""
        name = f"v{len(self)}"
        self[name] = value
        return f"%({name})s"

    def marks(self, values: Iterable[Any]) -> str:
        """Add several values, and return their placeholders."""
        return ", ".join(self.mark(value) for value in values)

    def at(self, at: datetime) -> str:
        """Add a time, and return an expression for it."""
        return f"fromUnixTimestamp64Micro(toInt64({self.mark(micros(at, BEYOND))}), 'UTC')"


def of_keys(keys: Any, values: Values, columns: str = "project, id") -> str:
    """Return a test whether two columns have one of the pairs of values `keys`."""
    pairs = ", ".join(f"({values.mark(one)}, {values.mark(other)})" for one, other in keys)
    return f"({columns}) IN ({pairs})"


def expression(name: str) -> str:
    """Return a field of COMPARED_FIELDS in SQL."""
    if name not in COMPARED_FIELDS:
        raise ValueError(f"cannot compare {name!r}; choose one of {', '.join(COMPARED_FIELDS)}")
    return _FIELD_SQL.get(name, name)


def order_sql(name: str, descending: bool) -> str:
    """Return an order by a field, with unknown values lowest, and by arrival where it is equal."""
    direction = "DESC NULLS LAST" if descending else "ASC NULLS FIRST"
    field = "created_at" if name == "created_at" else expression(name)
    return f"{field} {direction}, seq {direction}"


def where(query: Query, values: Values) -> str:
    """Return a query as a condition on `log`, and add its values to `values`.

    Raises:
        ValueError: if a field cannot be compared.
    """
    clauses = ["1"]
    for name, value in query.equal.items():
        if name == "model" and isinstance(value, str):
            mark = values.mark(clean(value))
            clauses.append(f"(ifNull(request_model = {mark}, 0) OR ifNull(response_model = {mark}, 0))")
        elif name == "caller":
            clauses.append(f"caller = {values.mark(clean(str(value)))}")
        elif name in EQUAL_FIELDS:
            clauses.append(f"{name} IS NULL" if value is None else _comparison(name, name, "eq", (value,), values))
        else:
            raise ValueError(f"cannot filter by {name!r}; choose one of {', '.join(('model', *EQUAL_FIELDS))}")
    clauses += [f"has(tags, {values.mark(clean(tag))})" for tag in query.tags]
    clauses += [_scored(score, values) for score in query.scores]
    for key, value in query.metadata.items():
        mark = values.mark(clean(key))
        clauses.append(f"(mapContains(metadata, {mark}) AND metadata[{mark}] = {values.mark(clean(value))})")
    if query.past is not None:
        clauses.append(f"(created_at, seq) < ({values.at(query.past[0])}, {values.mark(query.past[1])})")
    clauses += [_condition(given, values) for given in query.conditions]
    if query.ids:
        clauses.append(_any(f"position(id, {values.mark(clean(part))}) > 0" for part in query.ids))
    if query.metadata_text:
        clauses.append(_has_text(("coalesce(metadata_json, '{}')",), query.metadata_text, values))
    if query.text:
        clauses.append(_has_text((*_SEARCHED, "request_body", "response_body"), query.text, values))
    if query.since is not None:
        clauses.append(f"created_at >= {values.at(query.since)}")
    if query.until is not None:
        clauses.append(f"created_at < {values.at(query.until)}")
    if query.roots:
        clauses.append("parent_span_id IS NULL")
    return " AND ".join(clauses)


def _scored(scored: Scored, values: Values) -> str:
    """Return a test for a score filter."""
    mark = values.mark(clean(scored.name))
    test = f"mapContains(scores, {mark})"
    if scored.operator is None:
        return test
    return f"({test} AND scores[{mark}] {_SIGNS[scored.operator]} {values.mark(scored.value)})"


def _any(tests: Any) -> str:
    return f"({' OR '.join(tests) or '0'})"


def _has_text(fields: tuple[str, ...], text: str, values: Values) -> str:
    """Return a test whether any of the fields contains a text, or its JSON-escaped form, ignoring case."""
    folded = clean(text).casefold()
    # ß is the one letter whose case the engine does not fold
    spelled = [folded, clean(text), folded.replace("ss", "ß")]
    spelled += [json.dumps(spelling)[1:-1] for spelling in spelled]
    needles = [values.mark(needle) for needle in dict.fromkeys(spelled)]
    return _any(
        f"positionCaseInsensitiveUTF8(ifNull({field}, ''), {needle}) > 0" for field in fields for needle in needles
    )


def _condition(condition: Condition, values: Values) -> str:
    if condition.field == "nothing":
        return "0"
    negated = condition.operator == "neq"
    operator = "eq" if negated else condition.operator
    if condition.field in {"metadata.key", "metadata.value"}:
        items = "mapKeys(metadata)" if condition.field.endswith("key") else "mapValues(metadata)"
        test = f"arrayExists(item -> {_comparison('item', 'name', operator, condition.values, values)}, {items})"
    else:
        test = _comparison(expression(condition.field), condition.field, operator, condition.values, values)
    return f"NOT ifNull({test}, 0)" if negated else test


_SIGNS = {"eq": "=", "lt": "<", "gt": ">", "le": "<=", "ge": ">="}


def _comparison(compared: str, field: str, operator: str, given: tuple[Any, ...], values: Values) -> str:
    if operator not in OPERATORS:
        raise ValueError(f"cannot compare with {operator!r}; choose one of {', '.join(OPERATORS)}")
    if operator == "contains":
        return _any(f"position(toString({compared}), {values.mark(clean(str(value)))}) > 0" for value in given)
    known = [typed for value in given if value is not None and (typed := _typed(field, value)) is not None]
    tests = [f"{compared} IS NULL"] if None in given and operator == "eq" else []
    if operator == "eq":
        tests += [f"{compared} IN ({values.marks(known)})"] if known else []
    elif known:  # being below any of the values means being below the greatest
        bound = max(known) if operator in {"lt", "le"} else min(known)
        tests.append(f"{compared} {_SIGNS[operator]} {values.mark(bound)}")
    return _any(tests)


def _typed(field: str, value: Any) -> Any:
    """Return a value in the type of the field's column; None if no value of the column can equal it."""
    if isinstance(value, datetime):
        return micros(value, BEYOND)
    if field not in _NUMERIC:
        return clean(value if isinstance(value, str) else str(value))
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if isinstance(value, int) or number.is_integer():
        whole = int(value) if isinstance(value, int) else int(number)
        return whole if -(2**63) <= whole < 2**63 else number
    return number
