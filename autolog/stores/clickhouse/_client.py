"""The connection to ClickHouse: statements, inserts, and the translation of errors."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from autolog.errors import StoreError, StoreFull, StoreUnavailable
from autolog.stores.clickhouse._url import Target

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

#: The oldest long-term support version whose FINAL uses indexes and is exact with them.
OLDEST = (25, 8)
#: ClickHouse's codes for temporary errors (its src/Common/ErrorCodes.cpp): timeouts, too many queries or parts, memory,
#: tables that are read-only while Keeper is unreachable, missing replicas.
_PASSING = frozenset({
    159, 160, 201, 202, 203, 209, 210, 225, 236, 241, 242, 252, 254, 265, 279, 285, 286, 289, 319, 341, 364, 369, 394,
    439, 473, 499, 519, 745, 999,
})  # fmt: skip
_FULL = frozenset({243})
#: The codes for a statement that reaches one of the limits of reading: time, memory, size of the result.
_LIMITED = frozenset({159, 241, 396})
#: The largest result of a statement, in bytes, which is read into memory here; bodies are read a few MB at a time.
_RESULT = 1024**3
#: The seconds that a statement's reply may come after the statement's own time limit.
_LATE = 5
_REFUSED = {
    192: "no such user",
    193: "the password is wrong",
    194: "a password is needed",
    516: "the user or the password is wrong",
    497: "the user lacks a right",
}
#: The messages of proxies while the server behind them is unreachable.
_BETWEEN = re.compile(r"(?i)\b(?:HTTP|status|code)\D{0,20}50[0234]\b")
#: The number of connections kept open for a server's threads.
_CONNECTIONS = 64
#: Settings for long statements, as those with many values are.
_LONG = {"max_query_size": 64 * 1024 * 1024, "max_ast_elements": 5_000_000, "max_expanded_ast_elements": 5_000_000}

#: Integers in JSON are numbers, also large ones.
_AS_JSON = {"output_format_json_quote_64bit_integers": 0}
_rows = msgspec.json.Decoder(list[Any])


def import_driver() -> None:
    """Import clickhouse-connect, and numpy and pandas if installed, which it imports at its first insert.

    Raises:
        ImportError: if clickhouse-connect is not installed.
    """
    import_module("clickhouse_connect.driver.httputil")
    for optional in ("numpy", "pandas"):
        with contextlib.suppress(ImportError):
            import_module(optional)


class Database:
    """One database of one server, for use by any thread and across forks.

    Raises (every method):
        StoreError: if the database cannot be reached or used; `StoreUnavailable` if the problem may be temporary.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._pid = 0
        self._connected: Client | None = None
        self._connecting = threading.Lock()
        self._reading: dict[str, Any] = {
            "database": target.database,
            "max_execution_time": target.timeout,
            "max_memory_usage": target.memory * 1024**2,
            "max_result_bytes": _RESULT,
        }
        if target.quorum is not None:
            self._reading["select_sequential_consistency"] = 1

    @property
    def _client(self) -> Client:
        if self._pid != os.getpid():
            self._connecting, self._connected, self._pid = threading.Lock(), None, os.getpid()
        with self._connecting:
            if self._connected is None:
                self._connected = self._connect()
            return self._connected

    def _connect(self) -> Client:
        try:
            import clickhouse_connect
            from clickhouse_connect.driver.httputil import get_pool_manager
        except ImportError as error:
            raise StoreError(
                self._target.shown, "ClickHouse needs clickhouse-connect: pip install 'autolog-llm[clickhouse]'"
            ) from error
        target = self._target
        logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)  # we report connection problems ourselves
        with self.translated():
            # No session, so that all threads may use the client at once; its own pool, because a fork shares sockets
            return clickhouse_connect.get_client(
                host=target.host, port=target.port, username=target.user, password=target.password,
                secure=target.secure, verify=target.verify, connect_timeout=target.connect_timeout,
                send_receive_timeout=target.timeout + _LATE,
                autogenerate_session_id=False, autogenerate_query_id=False, query_retries=1,
                pool_mgr=get_pool_manager(maxsize=_CONNECTIONS),
                client_name="autolog", show_clickhouse_errors=True,
            )  # fmt: skip

    @property
    def version(self) -> tuple[int, ...]:
        """The server's version, major and minor."""
        words = (self._client.server_version or "").split(".")
        return tuple(int(word) for word in words[:2] if word.isdigit())

    def databases(self) -> set[str]:
        """Return the names of all databases."""
        with self.translated():
            return {name for (name,) in self._client.query("SELECT name FROM system.databases").result_rows}

    def query(self, statement: str, values: dict[str, Any] | None = None, raw: Sequence[str] = ()) -> list[Any]:
        """Return the rows of a SELECT as tuples, with the columns `raw` as bytes."""
        with self.translated(reads=True):
            rows: list[Any] = self._client.query(
                statement,
                parameters=values or None,
                column_formats=dict.fromkeys(raw, "bytes"),
                settings=self._reading | (_LONG if _is_long(statement, values) else {}),
            ).result_rows  # type: ignore[assignment]
            return rows

    def ask(self, statement: str, values: dict[str, Any]) -> list[list[Any]]:
        """Return the rows of a SELECT of a few numbers and texts as lists.

        They come as JSON: for as many rows as a small write asks about, that takes a third less of our CPU time than
        the driver's own format does.
        """
        with self.translated(reads=True):
            lines = self._client.raw_query(
                statement,
                parameters=values,
                settings=self._reading | _AS_JSON | (_LONG if _is_long(statement, values) else {}),
                fmt="JSONCompactEachRow",
            )
            return _rows.decode_lines(lines)

    def command(self, statement: str, values: dict[str, Any] | None = None, database: bool = True) -> Any:
        """Run a statement that returns no rows."""
        settings = {"database": self._target.database} if database else {}
        with self.translated():
            return self._client.command(statement, parameters=values or None, settings=settings, use_database=False)

    def insert(self, table: str, types: dict[str, str], rows: Sequence[Sequence[Any]], at_once: bool = False) -> None:
        """Insert rows, which are stored when this returns; `at_once` avoids the delay of gathering small inserts."""
        if not rows:
            return
        gathered = self._target.async_insert and len(rows) < 1_000 and not at_once
        settings: dict[str, Any] = {
            "throw_on_max_partitions_per_insert_block": 0,
            "async_insert": int(gathered),  # which newer versions, and profiles of users, turn on by default
            "wait_for_async_insert": 1,
        }
        if self._target.distributed:
            settings["distributed_foreground_insert"] = 1
        if self._target.quorum is not None:
            settings |= {"insert_quorum": self._target.quorum, "insert_quorum_parallel": 0}
        with self.translated():
            self._client.insert(
                table, rows, column_names=list(types), column_type_names=list(types.values()),
                database=self._target.database, settings=settings,
            )  # fmt: skip

    def close(self) -> None:
        if self._connected is not None and self._pid == os.getpid():
            self._connected.close()
        self._connected = None

    @contextmanager
    def translated(self, reads: bool = False) -> Iterator[None]:
        """Return a block that turns the driver's errors into `StoreError`."""
        try:
            yield
        except StoreError:
            raise  # without the driver, which tells what its own errors mean
        except Exception as error:
            raise _translate(self._target, error, reads) from error


def _is_long(statement: str, values: dict[str, Any] | None) -> bool:
    return len(statement) > 50_000 or sum(len(str(value)) for value in (values or {}).values()) > 50_000


def _translate(target: Target, error: Exception, reads: bool) -> Exception:
    from clickhouse_connect.driver import exceptions

    if not isinstance(error, exceptions.Error):
        return error
    code, message = error.code, _summary(error)
    if code in _FULL or "No space left on device" in message:
        return StoreFull(target.shown, message)
    if code is None and (isinstance(error, exceptions.OperationalError) or _BETWEEN.search(str(error))):
        return StoreUnavailable(target.shown, f"cannot be reached: {message}")
    if code in _LIMITED and reads:
        limits = f"{target.timeout} s or {target.memory} MiB (the options `timeout` and `memory`)"
        problem = f"too many logs for one statement, which may take {limits}, and return {_RESULT >> 20} MiB: {message}"
        return StoreUnavailable(target.shown, problem)
    if code in _REFUSED:
        return StoreError(target.shown, f"{_REFUSED[code]}: {message}")
    return (StoreUnavailable if code in _PASSING else StoreError)(target.shown, message)


def _summary(error: Exception) -> str:
    text = str(error).partition("server response: ")[2] or str(error)
    return " ".join(text.split())[:300]
