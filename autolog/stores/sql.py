"""SQL over the logs, for reading: `select` answers one statement over the views of `VIEWS`, the same on every store.

The statement is SQLite's SQL, and runs in a process of its own (`sqlite._sandbox`), which has only this project's logs,
may neither write nor open a file, and is stopped when it takes too long or too much memory. A SQLite store is read
where it lies. Of a ClickHouse store the newest records are read first, by statements of ours; what a user writes never
reaches it.
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
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, cast

from autolog._reading.caching.calls import CachedCall
from autolog._reading.caching.causes import Miss
from autolog._reading.caching.report import Earlier
from autolog._reading.describe import bodies
from autolog._reading.messages import request_messages, response_messages
from autolog._record.bodies import encode_json
from autolog._record.record import Record
from autolog.errors import AutologError
from autolog.stores._contract import Store
from autolog.stores.query import Query

#: What `calls` and `spans` have columns of, by the names of a record's fields.
RECORD_COLUMNS = (
    "id", "created_at", "kind", "name", "project", "dialect", "trace_id", "span_id", "parent_span_id", "caller",
    "operation_name", "provider_name", "model", "request_model", "response_model", "response_service_tier",
    "usage_input_tokens", "usage_output_tokens", "usage_cache_read_input_tokens",
    "usage_cache_creation_input_tokens", "usage_reasoning_output_tokens", "cost", "cached", "status", "status_code",
    "error_type", "error_message", "retries", "duration", "time_to_first_chunk", "user", "session", "tags", "metadata",
    "score", "feedback", "prompt_name", "prompt_id", "prompt_version", "input_preview", "output_preview",
)  # fmt: skip
#: The views, with their columns. `model` is the one asked for, else the one that answered. Times are texts in UTC
#: (2026-11-20T12:00:00.000Z), durations seconds, money US dollars; `tags`, `metadata` and `arguments` are JSON. In all
#: but the first two, `id` is the record's.
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
        "says",
        "before",
        "after",
    ),
}
SAYS = {
    "calls": "The calls to providers.",
    "spans": "All records: calls, functions, tools, agents.",
    "messages": "What was said in the calls: side is request or response; kind text, tool_call, tool_result, image ...",
    "tool_calls": "The tools that models called.",
    "scores": "Scores; a record's main score has the name default.",
    "cache_misses": "Tokens that the provider's prompt cache could have given, and why it did not: as autolog cache.",
}
#: Views whose rows are computed from whole records, whatever the store.
COMPUTED = ("cache_misses",)

#: The bounds of one statement: seconds, rows, bytes of the answer, and records that are read from a store that is not
#: a file.
SECONDS, ROWS, BYTES, RECORDS = 10.0, 1_000, 16 * 1024 * 1024, 100_000
#: How long after its own time the process is killed, in seconds; how many there are at once.
_GRACE, _AT_ONCE = 3.0, 4
_slots = threading.BoundedSemaphore(_AT_ONCE)


class SQLError(AutologError):
    """A statement that is refused, wrong, or was stopped."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a statement: `more` if there were more rows, `only` if not all records were looked at."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    more: bool = False
    only: int | None = None

    @property
    def notes(self) -> list[str]:
        """Return what a reader should know: that there is more, or that not all was looked at."""
        found = [f"only the first {len(self.rows):,} rows"] if self.more else []
        return [*found, f"only the newest {self.only:,} records were looked at"] if self.only else found

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return the rows with their columns' names; of columns with one name the last."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def select(store: Store, sql: str, query: Query | None = None, seconds: float = SECONDS, rows: int = ROWS) -> Answer:
    """Answer a SELECT over the views.

    Args:
        query: of which `project`, `since` and `until` say which records there are.
        seconds: how long it may take. rows: how many rows the answer may have.

    Raises:
        SQLError: it is no SELECT over the views, does not compile, or took too much time or memory.
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
        "since": None if query.since is None else _micros(query.since),
        "until": None if query.until is None else _micros(query.until),
    }  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, "-m", "autolog.stores.sqlite._sandbox"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment(),
    )  # fmt: skip
    stdin, stdout = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)
    killer = threading.Timer(2 * seconds + _GRACE, child.kill)  # once for reading records, once for the statement
    killer.start()
    reply, only = None, None
    try:
        _send(stdin, task)
        reply = json.loads(stdout.readline())
        if "wants" in reply:
            only = _feed(store, query, reply["wants"], stdin, time.monotonic() + seconds)
            reply = json.loads(stdout.readline())
    except (BrokenPipeError, ValueError):  # it was killed
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
    """Return the environment of the process: it imports what this one does, and knows no key."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "SYSTEMROOT", "LANG", "TMPDIR"}}
    folders = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
    return {**kept, "PYTHONPATH": os.pathsep.join(dict.fromkeys(folders))}


def _send(stdin: IO[bytes], data: Any) -> None:
    stdin.write(encode_json(data) + b"\n")
    stdin.flush()


def _feed(store: Store, query: Query, views: Sequence[str], stdin: IO[bytes], deadline: float) -> int | None:
    """Give the process the rows of the views that it wants; returns how many records were looked at if not all."""
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
    """Yield the rows of views, given records from the oldest to the newest."""
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
        int(miss.avoidable), miss.tokens, miss.dollars, miss.says, miss.before, miss.after,
    ]  # fmt: skip


def _newest(store: Store, query: Query, bodies: bool) -> tuple[Iterable[Record], int | None]:
    query = Query({"project": query.equal["project"]} if query.equal.get("project") else {}, since=query.since,
                  until=query.until)  # fmt: skip
    found = store.find(query, RECORDS + 1)
    only = RECORDS if len(found) > RECORDS else None
    oldest_first = found[:RECORDS][::-1]
    return (store.with_bodies(oldest_first) if bodies else oldest_first), only


# Rows of views


def rows_of(view: str, record: Record) -> Iterator[Sequence[Any]]:
    """Yield the rows that a record has in a view."""
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


def _micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


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
                said = part.text or (None if part.value is None else encode_json(part.value).decode(errors="replace"))
                yield [record.id, at, side, position, message.role, part.kind, part.name, said, part.id]


def _tool_call_rows(record: Record) -> Iterator[Sequence[Any]]:
    for position, called in enumerate(record.tool_calls or ()):
        fields = (called.get(name) for name in ("id", "name", "arguments"))
        yield [record.id, _value(record.created_at), position, *map(_value, fields)]


def _score_rows(record: Record) -> Iterator[Sequence[Any]]:
    scores = record.scores if record.score is None else {"default": record.score, **record.scores}
    for name, given in scores.items():
        value, comment = (given.get("value"), given.get("comment")) if isinstance(given, dict) else (given, None)
        yield [record.id, _value(record.created_at), name, _value(value), comment]


_ROWS: dict[str, Callable[[Record], Iterable[Sequence[Any]]]] = {
    "calls": lambda record: [_record_row(record)] if record.kind == "llm" else [],
    "spans": lambda record: [_record_row(record)],
    "messages": _message_rows,
    "tool_calls": _tool_call_rows,
    "scores": _score_rows,
}
