"""Read-only SQL over the logs: `select` runs one statement over the views in `VIEWS`, the same on every store.

The statement is in SQLite's SQL, and runs in a separate process (`sqlite._sandbox`) that only sees this project's logs,
may neither write nor open files, and is stopped if it takes too long or too much memory. A SQLite store is read in
place. Of a ClickHouse store, the newest records are copied into the process first; the user's SQL never reaches it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

from autolog._reading.caching.calls import CachedCall
from autolog._reading.caching.causes import Miss
from autolog._reading.caching.report import Earlier
from autolog._reading.describe import bodies
from autolog._reading.messages import request_messages, response_messages
from autolog._record.bodies import encode_json
from autolog._record.record import Record
from autolog._record.scores import entries_of
from autolog._record.times import to_micros
from autolog.errors import AutologError
from autolog.stores._contract import Store
from autolog.stores.query import Query

#: The columns of `calls` and `spans`, named after a record's fields.
RECORD_COLUMNS = (
    "id", "created_at", "kind", "name", "project", "dialect", "trace_id", "span_id", "parent_span_id", "caller",
    "operation_name", "provider_name", "model", "request_model", "response_model", "response_service_tier",
    "usage_input_tokens", "usage_output_tokens", "usage_cache_read_input_tokens",
    "usage_cache_creation_input_tokens", "usage_reasoning_output_tokens", "cost", "cached", "status", "status_code",
    "error_type", "error_message", "retries", "duration", "time_to_first_chunk", "user", "session", "tags", "metadata",
    "score", "feedback", "prompt_name", "prompt_id", "prompt_version", "input_preview", "output_preview",
)  # fmt: skip
#: The views and their columns. `model` is the requested one or, if unknown, the one that answered. Times are texts in
#: UTC (2026-11-20T12:00:00.000Z), durations are in seconds, and costs in US dollars; `tags`, `metadata` and `arguments`
#: are JSON. In all but the first two views, `id` refers to a record.
VIEWS = {
    "calls": RECORD_COLUMNS,
    "spans": RECORD_COLUMNS,
    "messages": ("id", "created_at", "side", "position", "role", "kind", "name", "text", "call_id"),
    "tool_calls": ("id", "created_at", "position", "call_id", "name", "arguments"),
    "scores": ("id", "created_at", "name", "value", "comment"),
    "cache_misses": (
        "id",
        "created_at",
        "against",
        "model",
        "function",
        "session",
        "cause",
        "place",
        "avoidable",
        "tokens",
        "dollars",
        "explanation",
        "before",
        "after",
    ),
}
DESCRIPTIONS = {
    "calls": "The calls to providers.",
    "spans": "All records: calls, functions, tools, agents.",
    "messages": "What was said in the calls: side is request or response; kind text, tool_call, tool_result, image ...",
    "tool_calls": "The tools that models called.",
    "scores": "Scores; a record's main score has the name default.",
    "cache_misses": "Tokens that the provider's prompt cache could have served, and why it did not; see autolog cache.",
}
#: Views whose rows are computed from whole records, on every store.
COMPUTED = ("cache_misses",)

#: The limits of one statement: seconds, rows, bytes of the answer, and records read from a store that is not a file.
SECONDS, ROWS, BYTES, RECORDS = 10.0, 1_000, 16 * 1024 * 1024, 100_000
#: The seconds after its time limit at which the process is killed, and the most processes at once.
_GRACE, _AT_ONCE = 3.0, 4
_slots = threading.BoundedSemaphore(_AT_ONCE)


class SQLError(AutologError):
    """A statement was refused, is invalid, or was stopped."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a statement.

    Attributes:
        columns: the names of the columns.
        rows: the rows.
        more: whether there were more rows.
        only: how many of the newest records were considered; None if all were.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    more: bool = False
    only: int | None = None

    @property
    def notes(self) -> list[str]:
        """Notes for the reader: whether there are more rows, and whether not all records were considered."""
        found = [f"only the first {len(self.rows):,} rows"] if self.more else []
        return [*found, f"only the newest {self.only:,} records were looked at"] if self.only else found

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as mappings; of columns with the same name, the last one wins."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def select(store: Store, sql: str, query: Query | None = None, seconds: float = SECONDS, rows: int = ROWS) -> Answer:
    """Run a SELECT over the views.

    Args:
        store: the store to read.
        sql: the statement.
        query: restricts the records by its `project`, `since` and `until`.
        seconds: the time limit.
        rows: the most rows of the answer.

    Raises:
        SQLError: if the statement is not a SELECT over the views, does not compile, or takes too much time or memory.
    """
    query = query or Query()
    if not _slots.acquire(timeout=seconds):
        raise SQLError("too many statements are running; try again later")
    try:
        return _run(store, sql, query, seconds, rows)
    finally:
        _slots.release()


def _run(store: Store, sql: str, query: Query, seconds: float, rows: int) -> Answer:
    path = getattr(store, "path", None)
    task = {
        "sql": sql, "seconds": seconds, "rows": rows, "bytes": BYTES, "path": None if path is None else str(path),
        "project": query.equal.get("project"),
        "since": None if query.since is None else to_micros(query.since),
        "until": None if query.until is None else to_micros(query.until),
    }  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, "-m", "autolog.stores.sqlite._sandbox"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment(),
    )  # fmt: skip
    stdin, stdout = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)
    killer = threading.Timer(2 * seconds + _GRACE, child.kill)  # for reading records, and for the statement
    killer.start()
    reply, only = None, None
    try:
        _send(stdin, task)
        reply = json.loads(stdout.readline())
        if "wants" in reply:
            only = _feed(store, query, reply["wants"], stdin, time.monotonic() + seconds)
            reply = json.loads(stdout.readline())
    except (BrokenPipeError, ValueError):  # the process was killed
        reply = None
    finally:
        killer.cancel()
        child.kill()
        child.wait()
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
        stdout.close()
    if reply is None:
        raise SQLError(f"the statement was stopped: it took more than {seconds:g} seconds, or too much memory")
    if "error" in reply:
        raise SQLError(reply["error"])
    return Answer(tuple(reply["columns"]), [tuple(row) for row in reply["rows"]], reply["more"], only)


def _environment() -> dict[str, str]:
    """Return the environment of the process, in which it finds the same modules as this one, but no API keys."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "SYSTEMROOT", "LANG", "TMPDIR"}}
    folders = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
    # With `-m`, modules of the working directory, which may be anybody's, would be imported instead of Python's own.
    return {**kept, "PYTHONPATH": os.pathsep.join(dict.fromkeys(folders)), "PYTHONSAFEPATH": "1"}


def _send(stdin: IO[bytes], data: Any) -> None:
    stdin.write(encode_json(data) + b"\n")
    stdin.flush()


def _feed(store: Store, query: Query, views: Sequence[str], stdin: IO[bytes], deadline: float) -> int | None:
    """Send the process the rows of the requested views; return how many records were read, if not all."""
    found, only = _newest(store, query, bodies=not {"messages", *COMPUTED}.isdisjoint(views)) if views else ([], None)
    for view, row in _rows(views, _in_time(found, deadline)):
        stdin.write(encode_json([view, row]) + b"\n")
    stdin.close()
    return only


def _in_time(records: Iterable[Record], deadline: float) -> Iterator[Record]:
    for record in records:
        if time.monotonic() > deadline:
            raise SQLError("the records could not be read in time; choose fewer with --since and --until")
        yield record


def _rows(views: Sequence[str], records: Iterable[Record]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield the rows of views for records, which must be given from the oldest to the newest."""
    simple = [view for view in views if view not in COMPUTED]
    earlier = Earlier()
    for record in records:
        for view in simple:
            yield from ((view, row) for row in rows_of(view, record))
        if "cache_misses" in views and (judged := earlier.judge(record)) is not None and (miss := judged[1]):
            yield "cache_misses", _miss_row(judged[0], miss)


def _miss_row(call: CachedCall, miss: Miss) -> Sequence[Any]:
    return [
        miss.id, _time_text(call.start), miss.against, call.model, call.function, call.session, miss.cause, miss.where,
        int(miss.avoidable), miss.tokens, miss.dollars, miss.explanation, miss.before, miss.after,
    ]  # fmt: skip


def _newest(store: Store, query: Query, bodies: bool) -> tuple[Iterable[Record], int | None]:
    query = Query({"project": query.equal["project"]} if query.equal.get("project") else {}, since=query.since,
                  until=query.until)  # fmt: skip
    records = store.find(query, RECORDS + 1)
    only = RECORDS if len(records) > RECORDS else None
    oldest_first = records[:RECORDS][::-1]
    return (store.with_bodies(oldest_first) if bodies else oldest_first), only


# Rows of views


def rows_of(view: str, record: Record) -> Iterator[Sequence[Any]]:
    """Yield a record's rows in a view."""
    yield from _ROWS[view](record)


def _record_row(record: Record) -> Sequence[Any]:
    model = record.request_model or record.response_model
    return [_value(model if name == "model" else getattr(record, name)) for name in RECORD_COLUMNS]


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return _time_text(value)
    if isinstance(value, bool):
        return int(value)
    return encode_json(value).decode(errors="replace") if isinstance(value, (dict, list)) else value


def _time_text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at.microsecond // 1000:03}Z"


def _message_rows(record: Record) -> Iterator[Sequence[Any]]:
    if record.kind != "llm":
        return
    request, response = bodies(record)
    at = _value(record.created_at)
    for side, messages in (("request", request_messages(request)), ("response", response_messages(response))):
        for position, message in enumerate(messages):
            for part in message.parts:
                content = part.text or (
                    None if part.value is None else encode_json(part.value).decode(errors="replace")
                )
                yield [record.id, at, side, position, message.role, part.kind, part.name, content, part.id]


def _tool_call_rows(record: Record) -> Iterator[Sequence[Any]]:
    for position, called in enumerate(record.tool_calls or ()):
        fields = (called.get(name) for name in ("id", "name", "arguments"))
        yield [record.id, _value(record.created_at), position, *map(_value, fields)]


def _score_rows(record: Record) -> Iterator[Sequence[Any]]:
    for name, value, comment in entries_of(record):
        yield [record.id, _value(record.created_at), name, _value(value), comment]


_ROWS: dict[str, Callable[[Record], Iterable[Sequence[Any]]]] = {
    "calls": lambda record: [_record_row(record)] if record.kind == "llm" else [],
    "spans": lambda record: [_record_row(record)],
    "messages": _message_rows,
    "tool_calls": _tool_call_rows,
    "scores": _score_rows,
}
