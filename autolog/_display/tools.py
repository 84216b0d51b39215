"""The tools with which agents read logs, designed to use few tokens: one line per record, and excerpts of texts first.

Each tool answers in plain text, and says what it has left out and how to get it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from autolog._display.brief import (
    as_json,
    begin,
    detail_line,
    difference,
    heading,
    interesting,
    listed,
    parts_of_record,
    record_line,
    span_line,
)
from autolog._display.figures import dollars, number, safe, seconds
from autolog._display.trace import span_tree
from autolog._reading.caching.report import report
from autolog._reading.describe import bodies
from autolog._record.record import Record
from autolog.stores.filters import read_query
from autolog.stores.query import GROUPS, Aggregate, FilterError, Query
from autolog.stores.sql import VIEWS, Answer, SQLError

#: The number of characters of a text that are returned at a time.
_WHOLE = 4_000
_RECORDS, _MOST_RECORDS, _SPANS, _ROWS = 20, 200, 100, 100
#: The most calls that are analysed for prompt caching.
_JUDGED = 2_000
_FILTERS = ("model", "provider", "name", "function", "kind", "status", "error", "user", "session", "trace", "tag",
            "text", "since", "until")  # fmt: skip


class ToolError(Exception):
    """A tool was called with invalid arguments, or found nothing."""


class Source(Protocol):
    """A source of records: a store, or a server's logs."""

    def find(
        self, query: Query, limit: int = ..., *, newest_first: bool = ..., order_by: str = ...
    ) -> list[Record]: ...

    def with_bodies(self, records: Iterable[Record]) -> Iterable[Record]: ...

    def aggregate(self, query: Query, group: str | None = None) -> list[Aggregate]: ...


@dataclass(frozen=True, slots=True)
class Logs:
    """The logs that tools read.

    Attributes:
        store: where the logs are.
        project: the project whose logs are read; None for all.
        find_by_part: returns the records whose id begins or ends with a text.
        with_whole_trace: returns a query with the abbreviated trace id in it completed.
        select: answers a SELECT within a query, with at most the given number of rows.
        replay: sends a record's request again, with another model and changed parameters; None if not allowed.
        failures: exceptions whose messages are returned to the agent; any other is raised.
    """

    store: Source
    project: str | None
    find_by_part: Callable[[str], list[Record]]
    with_whole_trace: Callable[[Query], Query]
    select: Callable[[str, Query, int], Answer]
    replay: Callable[[Record, str | None, dict[str, Any]], Record] | None = None
    failures: tuple[type[Exception], ...] = (SQLError,)

    @property
    def query(self) -> Query:
        """The query for all of these logs."""
        return Query({"project": self.project} if self.project is not None else {})

    def record(self, part: str) -> Record:
        """Return a record with its bodies, found by its id or the beginning or end of it.

        Raises:
            ToolError: if no record or more than one matches.
        """
        found = self.find_by_part(part)
        if len(found) != 1:
            ids = ", ".join(record.id for record in found[:5])
            raise ToolError(f"several ids match {part!r}: {ids}" if found else f"no record has an id like {part!r}")
        return next(iter(self.store.with_bodies(found)))


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: its description, its arguments as JSON Schema, and the function that answers."""

    description: str
    arguments: dict[str, dict[str, Any]]
    answer: Callable[[Logs, dict[str, Any]], str]
    required: tuple[str, ...] = ()
    changes: bool = False
    """Whether the tool does more than read."""
    filtered: bool = False
    """Whether the tool also takes filters, which only `find` lists: they would take up most of the schemas' tokens."""

    def takes(self) -> dict[str, dict[str, Any]]:
        """Return the schemas of all arguments, including filters."""
        return self.arguments | (dict.fromkeys(_FILTERS, _TEXT) if self.filtered else {})

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the tool's arguments."""
        others: Any = _TEXT if self.filtered else False
        schema = {"type": "object", "properties": self.arguments, "additionalProperties": others}
        return schema | ({"required": list(self.required)} if self.required else {})


def call(name: str, arguments: dict[str, Any], logs: Logs) -> str:
    """Call a tool, and return its answer.

    Raises:
        ToolError: if there is no such tool, its arguments are invalid, or it finds nothing.
    """
    tool = available(logs).get(name)
    if tool is None:
        raise ToolError(f"there is no tool {name!r}; choose one of {', '.join(available(logs))}")
    takes = tool.takes()
    for given, value in arguments.items():
        if given not in takes:
            raise ToolError(f"{name} has no argument {given!r}; it has {', '.join(takes)}")
        kind = takes[given].get("type", "object")
        if not isinstance(value, _KINDS[kind][0]) or (kind == "integer" and isinstance(value, bool)):
            raise ToolError(f"{given}: {value!r} is not {_KINDS[kind][1]}")
    for needed in tool.required:
        if needed not in arguments:
            raise ToolError(f"{name} needs the argument {needed!r}")
    return safe(tool.answer(logs, arguments))


#: The types of arguments, by their names in JSON Schema, with words for them.
_KINDS: dict[str, tuple[type, str]] = {
    "string": (str, "a string"),
    "integer": (int, "an integer"),
    "object": (dict, "an object"),
}


def available(logs: Logs) -> dict[str, Tool]:
    """Return the tools that are available for these logs."""
    return {name: tool for name, tool in TOOLS.items() if not tool.changes or logs.replay is not None}


# Finding


def _query(logs: Logs, given: dict[str, Any]) -> Query:
    try:
        query = read_query((name, value) for name, value in given.items() if name in _FILTERS)
        return logs.with_whole_trace(query if logs.project is None else query.where(project=logs.project))
    except FilterError as error:
        raise ToolError(str(error)) from None


def _find(logs: Logs, given: dict[str, Any]) -> str:
    limit = max(1, min(given.get("limit", _RECORDS), _MOST_RECORDS))
    sort = {"time": "created_at", "latency": "duration"}.get(given.get("sort", "time"), given.get("sort", "time"))
    if sort not in {"created_at", "duration", "cost", "tokens"}:
        raise ToolError("sort: time, latency, cost or tokens")
    records = logs.store.find(_query(logs, given), limit + 1, newest_first=True, order_by=sort)
    lines = [record_line(record) for record in records[:limit]]
    if len(records) > limit:
        lines.append(f"… more; narrow the filters or raise limit (up to {_MOST_RECORDS})")
    return "\n".join(lines) or "nothing matches"


# Showing


def _show(logs: Logs, given: dict[str, Any]) -> str:
    record = logs.record(given["id"])
    parts = parts_of_record(record)
    wanted = given.get("part")
    if wanted is None:
        return "\n".join([heading(record), *detail_line(record), *listed(parts)])
    if wanted.isdigit() and int(wanted) < len(parts):
        whole = parts[int(wanted)][1]
    elif wanted in _SECTIONS:
        whole = _SECTIONS[wanted](record)
    else:
        raise ToolError(f"part: a number below {len(parts)}, or one of {', '.join(_SECTIONS)}")
    offset = max(0, given.get("offset", 0))
    rest = len(whole) - offset - _WHOLE
    more = f"\n… {rest:,} more characters: offset={offset + _WHOLE}" if rest > 0 else ""
    return (whole[offset : offset + _WHOLE] or "(empty)") + more


_SECTIONS: dict[str, Callable[[Record], str]] = {
    "request": lambda record: as_json(bodies(record)[0]),
    "response": lambda record: as_json(bodies(record)[1]),
    "headers": lambda record: as_json({"request": record.request_headers, "response": record.response_headers}),
    "usage": lambda record: as_json({"usage": record.usage, "cost": record.cost_details}),
    "metadata": lambda record: as_json(record.metadata),
    "error": lambda record: f"{record.error_type}: {record.error_message}" if record.status == "error" else "",
}


# Traces


def _trace(logs: Logs, given: dict[str, Any]) -> str:
    records = logs.store.find(_query(logs, {"trace": given["id"]}), 2_000, newest_first=False)
    if not records:
        record = logs.record(given["id"])
        records = [record]
        if record.trace_id:
            records = logs.store.find(logs.query.where(trace_id=record.trace_id), 2_000, newest_first=False)
    nodes = span_tree(records)
    shown = nodes if len(nodes) <= _SPANS else interesting(nodes, _SPANS)
    lines = [span_line(node) for node in shown]
    if len(shown) < len(nodes):
        lines.append(f"… {len(nodes) - len(shown):,} of {len(nodes):,} spans without errors are left out")
    return "\n".join(lines)


# Comparing and counting


def _diff(logs: Logs, given: dict[str, Any]) -> str:
    return difference(logs.record(given["left"]), logs.record(given["right"]))


def _stats(logs: Logs, given: dict[str, Any]) -> str:
    by = given.get("by", "model")
    if by not in GROUPS:
        raise ToolError(f"by: one of {', '.join(GROUPS)}")
    rows = logs.store.aggregate(_query(logs, given), by)
    lines = [f"{by} | calls | errors | input | output | cost | p50 | p95"]
    for row in rows[:_ROWS]:
        figures = (number(row.calls), number(row.errors), number(row.input_tokens), number(row.output_tokens),
                   dollars(row.cost), seconds(row.p50), seconds(row.p95))  # fmt: skip
        lines.append(" | ".join((begin(row.group or "–", 60), *figures)))
    if len(rows) > _ROWS:
        lines.append(f"… {len(rows) - _ROWS:,} more")
    return "\n".join(lines) if rows else "nothing matches"


def _cache(logs: Logs, given: dict[str, Any]) -> str:
    limit = max(1, min(given.get("limit", _RECORDS), _MOST_RECORDS))
    records = logs.store.find(_query(logs, given).where(kind="llm"), _JUDGED, newest_first=True, order_by="created_at")
    judged = report(logs.store.with_bodies(records[::-1]))
    total = judged.total
    lines = [
        f"{number(total.calls)} calls, {100 * total.rate:.1f}% of {number(total.tokens)} input tokens from the cache",
        f"saved {dollars(total.saved)}, lost to avoidable misses {dollars(total.lost)}",
    ]
    for cause in judged.causes()[:limit]:
        example = cause.example
        words = f"{cause.cause} {cause.where}: {number(cause.misses)} misses, {number(cause.tokens)} tokens"
        lines.append(f"{words}, {dollars(cause.dollars)}; e.g. {example.id}: {begin(example.explanation)}")
        lines += [f"- {example.before}", f"+ {example.after}"] if example.before or example.after else []
    if len(records) == _JUDGED:
        lines.append(f"… only the newest {_JUDGED:,} calls; narrow the filters")
    return "\n".join(lines) if total.calls else "no matching call uses a prompt cache"


def _sql(logs: Logs, given: dict[str, Any]) -> str:
    answer = logs.select(given["select"], logs.query, max(1, min(given.get("limit", _ROWS), 1_000)))
    rows = [" | ".join("" if value is None else begin(str(value), 200) for value in row) for row in answer.rows]
    return "\n".join([" | ".join(answer.columns), *rows, *(f"… {note}" for note in answer.notes)])


def _replay(logs: Logs, given: dict[str, Any]) -> str:
    if logs.replay is None:
        raise ToolError("replaying is not allowed here")
    record = logs.record(given["id"])
    replayed = logs.replay(record, given.get("model"), given.get("set", {}))
    return f"{heading(replayed)}\n{difference(record, replayed)}"


_TEXT, _NUMBER = {"type": "string"}, {"type": "integer"}
#: The columns of `calls` and `spans` that the description lists: those that agents use; an error lists them all.
_COLUMNS = ("id", "created_at", "kind", "name", "caller", "trace_id", "request_model", "usage_input_tokens",
            "usage_output_tokens", "usage_cache_read_input_tokens", "cost", "status", "error_type", "error_message",
            "duration", "user", "session", "tags", "metadata", "score")  # fmt: skip
TOOLS = {
    "find": Tool(
        f"Find records, newest first, a line each. Filters: {', '.join(_FILTERS)}; times are 2h, yesterday, "
        "2026-11-20.",
        {"limit": _NUMBER, "sort": {**_TEXT, "description": "time, latency, cost or tokens"}},
        _find, filtered=True,
    ),
    "show": Tool(
        "One record: figures, and the beginning of each part of the conversation; with part all of it.",
        {"id": {**_TEXT, "description": "or its beginning or end"},
         "part": {**_TEXT, "description": f"a number, {', '.join(_SECTIONS)}"}, "offset": _NUMBER},
        _show, ("id",),
    ),
    "trace": Tool("A trace as a tree, by its id or a record's.", {"id": _TEXT}, _trace, ("id",)),
    "diff": Tool("What differs between two records.", {"left": _TEXT, "right": _TEXT}, _diff, ("left", "right")),
    "stats": Tool("Calls, errors, tokens, cost, latency. Filters as find.",
                  {"by": {**_TEXT, "description": ", ".join(GROUPS)}}, _stats, filtered=True),
    "cache": Tool("Why prompts missed the provider's cache, and what that cost. Filters as find.",
                  {"limit": _NUMBER}, _cache, filtered=True),
    "sql": Tool(
        f"One SELECT (SQLite). Views: calls({', '.join(_COLUMNS)}, ...); spans(as calls: functions and tools, too); "
        + "; ".join(f"{view}({', '.join(VIEWS[view])})" for view in VIEWS if view not in {"calls", "spans"}),
        {"select": _TEXT, "limit": _NUMBER}, _sql, ("select",),
    ),
    "replay": Tool(
        "Send a record's request again, changed or not, and show what differs. The provider bills it.",
        {"id": _TEXT, "model": _TEXT, "set": {"type": "object", "description": "Parameters to change."}},
        _replay, ("id",), changes=True,
    ),
}  # fmt: skip
