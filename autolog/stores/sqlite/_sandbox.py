"""A process that runs one SELECT over the views of `stores.sql`, and can do nothing else.

It reads the statement as a line of JSON from standard input. It replies with the names of the views whose rows it needs
(computed ones, or all if the store is not a file), and reads these rows, one per line, until the end of the input. It
then writes the answer as a line of JSON, and exits.

The statement is confined by an authorizer, which only allows reading the views and calling harmless functions. The
store is attached read-only under a random name, which no statement can know, and temporary views hide its tables under
their own names, because the authorizer alone would mistake a statement's own `WITH calls AS ...` for the view of that
name. A progress handler enforces the time limit, process limits bound memory and temporary files, and the parent kills
the process if it does not end.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from autolog._record.bodies import encode_json
from autolog.stores.sql import COMPUTED, RECORD_COLUMNS, VIEWS, rows_of
from autolog.stores.sqlite._bodies import Bodies
from autolog.stores.sqlite._records import add_bodies, load
from autolog.stores.sqlite._rows import COLUMNS, TIMES

#: Limits in bytes: of memory, a temporary file, a text and a statement.
_MEMORY, _FILE, _TEXT, _STATEMENT = 1024**3, 512 * 1024**2, 16 * 1024**2, 100_000
#: By how much the process yields to others, such as the server.
_NICE = 10
#: The functions that a statement may call.
_FUNCTIONS = frozenset(
    """
    abs avg ceil ceiling char coalesce concat concat_ws count cume_dist date datetime dense_rank exp first_value floor
    format glob group_concat hex ifnull iif instr json json_array json_array_length json_each json_extract
    json_group_array json_group_object json_object json_patch json_quote json_remove json_replace json_set json_tree
    json_type json_valid julianday lag last_value lead length like ln log log10 log2 lower ltrim max min mod nth_value
    ntile nullif octet_length percent_rank pow power printf quote radians rank replace round row_number rtrim sign sqrt
    strftime substr substring string_agg sum time timediff total trim trunc typeof unhex unicode unixepoch upper -> ->>
""".split()  # noqa: SIM905 - a table
)
_TABLES_OF_FUNCTIONS = frozenset({"json_each", "json_tree"})
_HELP = f"the views are {', '.join(VIEWS)}"


def main() -> None:
    """Run the statement on standard input, and write the answer."""
    task = json.loads(sys.stdin.buffer.readline())
    _limit_process(task["seconds"])
    try:
        answer = _answer(task)
    except MemoryError:
        answer = {"error": "the statement took too much memory"}
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
        answer = {"error": _explained(error, task["seconds"])}
    _say(answer)


def _say(data: dict[str, Any]) -> None:
    sys.stdout.buffer.write(encode_json(data) + b"\n")
    sys.stdout.buffer.flush()


def _limit_process(seconds: float) -> None:
    try:
        import resource
    except ImportError:  # Windows, where only the parent limits this process
        return
    os.nice(_NICE)
    for kind, bound in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_FSIZE, _FILE),
        (resource.RLIMIT_CPU, int(seconds) + 5),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(kind)
        resource.setrlimit(kind, (bound if most == resource.RLIM_INFINITY else min(bound, most), most))


def _answer(task: dict[str, Any]) -> dict[str, Any]:
    db = sqlite3.connect(":memory:", isolation_level=None, uri=True)
    name = f"s{secrets.token_hex(16)}"
    if task["path"] is None:
        _make_tables(db, VIEWS)
    else:
        _make_tables(db, COMPUTED)
        _attach(db, task, name)
    _say({"wants": _wanted(db, task["sql"], name, VIEWS if task["path"] is None else COMPUTED)})
    for line in sys.stdin.buffer:
        view, row = json.loads(line)
        marks = ", ".join("?" * len(row))
        db.execute(f"INSERT INTO temp.{view} VALUES ({marks})", row)
    deadline = time.monotonic() + task["seconds"]
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _TEXT)
    db.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _STATEMENT)
    db.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000)
    db.set_authorizer(_authorizer(name))
    db.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    return _read(db, task)


def _read(db: sqlite3.Connection, task: dict[str, Any]) -> dict[str, Any]:
    cursor = db.execute(task["sql"])
    if cursor.description is None:
        raise ValueError("write one SELECT; " + _HELP)
    rows: list[list[Any]] = []
    size = 0
    more = False
    for row in cursor:
        shown = [value.decode(errors="replace") if isinstance(value, bytes) else value for value in row]
        size += sum(len(value) if isinstance(value, str) else 8 for value in shown)
        if len(rows) == task["rows"] or (rows and size > task["bytes"]):
            more = True
            break
        rows.append(shown)
    return {"columns": [column[0] for column in cursor.description], "rows": rows, "more": more}


def _explained(error: Exception, seconds: float) -> str:
    message = re.sub(r"\bs[0-9a-f]{32}\.", "", str(error))
    if message == "interrupted":
        return f"the statement was stopped: it took more than {seconds:g} seconds"
    if "I/O error" in message or "disk is full" in message:  # the limit on temporary files
        return "the statement was stopped: it needs too much memory"
    if "prohibited" in message or "not authorized" in message:
        return f"only SELECT over the views is allowed ({message}); {_HELP}"
    if "no such column" in message:
        return f"{message}; the views calls and spans have {', '.join(RECORD_COLUMNS)}"
    return f"{message}; {_HELP}" if "no such table" in message else message


# What may be read


def _authorizer(name: str) -> Callable[..., int]:
    """Return the authorizer for statements; `name` is the name of the attached store."""

    def allow(action: int, first: str | None, second: str | None, place: str | None, source: str | None) -> int:
        if action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE}:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            known = (second or "").lower()
            return sqlite3.SQLITE_OK if known in _FUNCTIONS or known == name else sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_READ and not (first or "").lower().startswith(("sqlite_", "pragma_")):
            is_view = place == "temp" and (first or "").lower() in VIEWS
            unread = place in {None, name} and not second  # no column is read, only rows counted
            within = place == name and (source or "").lower() in VIEWS
            if is_view or within or unread or (first or "").lower() in _TABLES_OF_FUNCTIONS:
                return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    return allow


def _wanted(db: sqlite3.Connection, sql: str, name: str, fed: Iterable[str]) -> list[str]:
    """Return the views among `fed` that a statement names, after checking that the statement is allowed.

    The views are found by name, because the authorizer does not learn of everything that is read: columns in USING.
    """
    db.set_authorizer(_authorizer(name))
    try:
        db.execute(f"EXPLAIN {sql}")  # only compiled
    finally:
        db.set_authorizer(None)
    return sorted(view for view in fed if re.search(rf"\b{view}\b", sql, re.IGNORECASE))


# The views


def _make_tables(db: sqlite3.Connection, views: Iterable[str]) -> None:
    """Create tables in place of the views whose rows are read from standard input."""
    for view in views:
        named = ", ".join(f'"{column}"' for column in VIEWS[view])
        db.execute(f"CREATE TEMP TABLE {view} ({named})")


def _attach(db: sqlite3.Connection, task: dict[str, Any], name: str) -> None:
    """Attach the store's file under a secret name, and create the views over it."""
    uri = Path(task["path"]).as_uri() + "?mode=ro"
    db.execute(f"ATTACH ? AS {name}", (uri,))
    tables = [table for (table,) in db.execute(f"SELECT name FROM {name}.sqlite_master WHERE type = 'table'")]
    source = sqlite3.connect(uri, uri=True)
    bodies = Bodies()

    def messages_of(number: int) -> str:
        (record,) = load(source, "n = ?", (number,))
        return encode_json(list(rows_of("messages", add_bodies(source, record, bodies)))).decode(errors="replace")

    db.create_function(name, 1, messages_of)
    for view, sql in _view_sql(name, _condition(task)).items():
        db.execute(f"CREATE TEMP VIEW {view} AS {sql}")
    for table in tables:
        if table.startswith("sqlite_"):  # reserved names, which the authorizer denies
            continue
        # Hides the table, because names without a database are first resolved among temporary ones
        db.execute(f'CREATE TEMP VIEW IF NOT EXISTS "{table}" AS SELECT NULL AS hidden')


def _condition(task: dict[str, Any]) -> str:
    conditions = ["TRUE"]
    if task["project"] is not None:
        conditions.append("log.project = '{}'".format(task["project"].replace("'", "''")))
    for word, operator in (("since", ">="), ("until", "<")):
        if task[word] is not None:
            conditions.append(f"log.created_at {operator} {task[word]:d}")
    return " AND ".join(conditions)


def _expression(column: str) -> str:
    """Return SQL for a record's column, in the form that `stores.sql` describes, from the table `log`."""
    if column in TIMES:
        return (
            f"strftime('%Y-%m-%dT%H:%M:%S', log.{column} / 1000000, 'unixepoch') "
            f"|| printf('.%03dZ', log.{column} / 1000 % 1000)"
        )
    if column == "model":
        return "coalesce(log.request_model, log.response_model)"
    if column in {"tags", "metadata"}:
        return f"coalesce(log.{column}, '{'[]' if column == 'tags' else '{}'}')"
    return f'log."{column}"' if column in COLUMNS else f"json_extract(log.rest, '$.{column}')"


def _view_sql(name: str, condition: str) -> dict[str, str]:
    """Return the definitions of the views over a SQLite store."""
    columns = ", ".join(f'{_expression(column)} AS "{column}"' for column in RECORD_COLUMNS)
    at = _expression("created_at")
    log = f"{name}.log AS log"
    parts = ", ".join(
        f"json_extract(j.value, '$[{index}]') AS \"{column}\"" for index, column in enumerate(VIEWS["messages"][2:], 2)
    )
    is_object = "j.type = 'object'"
    return {
        "calls": f"SELECT {columns} FROM {log} WHERE {condition} AND log.kind = 'llm'",
        "spans": f"SELECT {columns} FROM {log} WHERE {condition}",
        "messages": (
            f"SELECT log.id AS id, {at} AS created_at, {parts} FROM {log}, json_each({name}(log.n)) AS j "
            f"WHERE {condition} AND log.kind = 'llm'"
        ),
        "tool_calls": (
            f"SELECT log.id AS id, {at} AS created_at, j.key AS position, json_extract(j.value, '$.id') AS call_id, "
            "json_extract(j.value, '$.name') AS name, json_extract(j.value, '$.arguments') AS arguments "
            f"FROM {log}, json_each(log.rest, '$.tool_calls') AS j WHERE {condition}"
        ),
        "scores": (
            f"SELECT log.id AS id, {at} AS created_at, 'default' AS name, log.score AS value, NULL AS comment "
            f"FROM {log} WHERE {condition} AND log.score IS NOT NULL UNION ALL "
            f"SELECT log.id, {at}, j.key, iif({is_object}, json_extract(j.value, '$.value'), j.value), "
            f"iif({is_object}, json_extract(j.value, '$.comment'), NULL) "
            f"FROM {log}, json_each(log.rest, '$.scores') AS j WHERE {condition}"
        ),
    }


if __name__ == "__main__":
    main()
