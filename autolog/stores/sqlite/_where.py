"""Turn queries into SQL for SQLite. All values are bound; field names come from tables here, never from outside."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from autolog._record.times import to_micros
from autolog.stores._texts import clean
from autolog.stores.query import COMPARED_FIELDS, EQUAL_FIELDS, OPERATORS, Condition, Query

_SIGNS = {"eq": "=", "lt": "<", "gt": ">", "le": "<=", "ge": ">="}

_FIELD_SQL = {
    "id": "log.id",  # json_each also has a column of this name
    "seq": "n",
    "model": "coalesce(request_model, response_model, '')",
    "provider": "coalesce(provider_name, 'unknown')",
    "success": "(status = 'ok')",
    "tokens": "CASE WHEN usage_input_tokens IS NULL AND usage_output_tokens IS NULL THEN NULL "
    "ELSE coalesce(usage_input_tokens, 0) + coalesce(usage_output_tokens, 0) END",
    "tokens_in": "usage_input_tokens",
    "tokens_out": "usage_output_tokens",
    "request_content_type": "coalesce(request_content_type, 'application/json')",
    "response_content_type": "coalesce(response_content_type, 'application/json')",
    "created_at": "created_at",
}


def expression(name: str) -> str:
    """Return a field of COMPARED_FIELDS in SQL."""
    if name not in COMPARED_FIELDS:
        raise ValueError(f"cannot compare {name!r}; choose one of {', '.join(COMPARED_FIELDS)}")
    return _FIELD_SQL.get(name, f'"{name}"')


def order_sql(name: str, descending: bool) -> str:
    """Return an order by a field, and by arrival where it is equal."""
    direction = "DESC" if descending else "ASC"
    return f"{expression(name)} {direction}, n {direction}"


def text_has(text: str | None, wanted: str) -> bool:
    """Return whether a column contains a text, or its JSON-escaped form, ignoring case in all scripts."""
    if text is None:
        return False
    folded, needle = str(text).casefold(), wanted.casefold()
    return needle in folded or json.dumps(needle)[1:-1].casefold() in folded


#: Fields with their own index, whose values few records share.
_SELECTIVE = frozenset({"id", "user", "session", "prompt_id", "trace_id", "response_id"})


def source(query: Query) -> tuple[str, list[Any], Query]:
    """Return the source to read from: the index of a facet that the query names, if any, which avoids a sort.

    Returns:
        The FROM clause, the values of its placeholders, and the rest of the query, which is still to be checked.
    """
    facet: tuple[str, Any] | None = None
    if _SELECTIVE & query.equal.keys():
        return "log", [], query  # its own index leaves less to check
    if query.tags:
        facet, query = ("tag", query.tags[0]), replace(query, tags=query.tags[1:])
    elif query.scores:
        facet = "score", query.scores[0].name
    else:
        for kind in ("model", "caller"):
            if facet is None and isinstance(query.equal.get(kind), str):
                facet = kind, query.equal[kind]
                query = replace(query, equal={key: value for key, value in query.equal.items() if key != kind})
    if facet is not None:
        sql = "(SELECT n AS place, at FROM facet WHERE facet.kind = ? AND value = ?) CROSS JOIN log ON n = place"
        return sql, [facet[0], clean(facet[1])], query
    if query.metadata:
        key, value = next(iter(query.metadata.items()))
        rest = {name: text for name, text in query.metadata.items() if name != key}
        sql = "(SELECT n AS place, at FROM meta WHERE key = ? AND value = ?) CROSS JOIN log ON n = place"
        return sql, [clean(key), clean(value)], replace(query, metadata=rest)
    return "log", [], query


def score_value(name: str) -> str:
    """Return SQL for a record's score by name, or NULL if it has none; the expression `name` appears twice in it."""
    return f"""coalesce(CASE WHEN {name} = 'default' THEN score END, (
        SELECT CASE scored.type WHEN 'object' THEN json_extract(scored.value, '$.value')
            WHEN 'integer' THEN scored.value WHEN 'real' THEN scored.value END
        FROM json_each(log.rest, '$.scores') AS scored WHERE scored.key = {name}))"""  # noqa: S608 - our own words


_HAS_FACET = (
    "EXISTS (SELECT 1 FROM facet WHERE facet.kind = ? AND value = ? AND facet.at = created_at AND facet.n = log.n)"
)
_HAS_META = "EXISTS (SELECT 1 FROM meta WHERE key = ? AND value = ? AND meta.at = created_at AND meta.n = log.n)"


def where(query: Query, order_by: str = "created_at") -> tuple[str, list[Any]]:
    """Return a query as a condition on `log`, and the values of its placeholders.

    The index on the project serves queries for its newest records; with another filter or order, the index is not used.

    Raises:
        ValueError: if a field cannot be compared.
    """
    others = query.equal.keys() - {"project"} or query.tags or query.scores or query.metadata
    alone = order_by == "created_at" and not others and not any(map(_names_few, query.conditions))
    clauses, values = _equal(query, alone)
    for tag in query.tags:
        clauses.append(_HAS_FACET)
        values += ["tag", clean(tag)]
    for scored in query.scores:
        clauses.append(_HAS_FACET)
        values += ["score", clean(scored.name)]
        if scored.operator is not None:
            clauses.append(f"{score_value('?')} {_SIGNS[scored.operator]} ?")
            values += [clean(scored.name)] * 2 + [scored.value]
    for key, value in query.metadata.items():
        clauses.append(_HAS_META)
        values += [clean(key), clean(value)]
    if query.past is not None:
        clauses.append("(created_at, n) < (?, ?)")
        values += [to_micros(query.past[0]), query.past[1]]
    for given in query.conditions:
        clause, more = _condition(given)
        clauses.append(clause)
        values += more
    if query.ids:
        clauses.append("EXISTS (SELECT 1 FROM json_each(?) AS wanted WHERE instr(log.id, wanted.value))")
        values.append(json.dumps([clean(part) for part in query.ids]))
    if query.metadata_text:
        clauses.append("text_has(coalesce(metadata, '{}'), ?)")
        values.append(clean(query.metadata_text))
    if query.text:
        fields = ("input_preview", "output_preview", "name", "error_message", "request_model")
        tests = [f"text_has({name}, ?)" for name in fields]
        tests += [f"text_has(json_extract(rest, '$.{path}'), ?)" for path in ("prompt_variables", "extra.output")]
        tests.append("EXISTS (SELECT 1 FROM body WHERE body.n = log.n AND body_has(request_body, response_body, ?))")
        clauses.append("(" + " OR ".join(tests) + ")")
        values += [clean(query.text)] * len(tests)
    for clause, at in (("created_at >= ?", query.since), ("created_at < ?", query.until)):
        if at is not None:
            clauses.append(clause)
            values.append(to_micros(at))
    if query.roots:
        clauses.append("parent_span_id IS NULL")
    return " AND ".join(clauses), values


def _equal(query: Query, project_alone: bool) -> tuple[list[str], list[Any]]:
    clauses: list[str] = ["1"]
    values: list[Any] = []
    for name, value in query.equal.items():
        if name in {"model", "caller"} and isinstance(value, str):
            clauses.append(_HAS_FACET)
            values += [name, clean(value)]
        elif name == "status" and value in {"ok", "error"}:
            clauses.append(f"status = '{value}'")  # a literal, because the index on errors is partial
        elif name == "project" and not project_alone:
            clauses.append('+"project" = ?')
            values.append(_bindable(value))
        elif name in EQUAL_FIELDS:
            column = "n" if name == "seq" else f'"{name}"'
            clauses.append(f"{column} IS NULL" if value is None else f"{column} = ?")
            values += [] if value is None else [_bindable(value)]
        else:
            raise ValueError(f"cannot filter by {name!r}; choose one of {', '.join(('model', *EQUAL_FIELDS))}")
    return clauses, values


def _names_few(condition: Condition) -> bool:
    """Return whether few records meet a condition, all of which an index finds."""
    return condition.field in _SELECTIVE and condition.operator == "eq" and None not in condition.values


def _condition(condition: Condition) -> tuple[str, list[Any]]:
    values = [_bindable(value) for value in condition.values]
    if condition.field == "nothing":
        return "0", []
    if condition.field in {"metadata.key", "metadata.value"}:
        column = "meta." + condition.field.rpartition(".")[2]
        test, more = _comparison(column, "eq" if condition.operator == "neq" else condition.operator, values)
        exists = f"EXISTS (SELECT 1 FROM meta WHERE meta.n = log.n AND {test})"  # noqa: S608
        return (f"NOT {exists}" if condition.operator == "neq" else exists), more
    compared = expression(condition.field)
    if condition.operator == "neq":
        test, more = _comparison(compared, "eq", values)
        return f"NOT coalesce({test}, 0)", more
    return _comparison(compared, condition.operator, values)


def _comparison(expression: str, operator: str, values: list[Any]) -> tuple[str, list[Any]]:
    if operator not in OPERATORS:
        raise ValueError(f"cannot compare with {operator!r}; choose one of {', '.join(OPERATORS)}")
    if operator == "contains":
        exists = f"EXISTS (SELECT 1 FROM json_each(?) AS wanted WHERE instr({expression}, wanted.value))"  # noqa: S608
        return exists, [json.dumps([str(value) for value in values])]
    known = [value for value in values if value is not None]
    tests = [f"{expression} IS NULL"] if len(known) < len(values) and operator == "eq" else []
    if operator == "eq" and known:
        several = f"{expression} IN (SELECT value FROM json_each(?))"  # noqa: S608
        tests.append(several if len(known) > 1 else f"{expression} = ?")
        known = [json.dumps(known)] if len(known) > 1 else known
    elif known:  # being below any of the values means being below the greatest
        tests.append(f"{expression} {_SIGNS[operator]} ?")
        known = [max(known) if operator in {"lt", "le"} else min(known)]
    return f"({' OR '.join(tests) or '0'})", known


def _bindable(value: Any) -> Any:
    """Return a value that SQLite accepts: times as microseconds, text as valid UTF-8, huge integers as floats."""
    if isinstance(value, datetime):
        return to_micros(value)
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return 1e308 if value > 0 else -1e308
    return value
