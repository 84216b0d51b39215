"""Errors as HTTP responses."""

from __future__ import annotations

from typing import Any

import pytest
from dialects.samples import Server


def test_a_full_store_is_said_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    def full(*_: Any) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorname = "SQLITE_FULL"
        raise error

    from clickhouse_connect.driver.exceptions import DatabaseError
    from clickhouse_connect.driver.httpclient import HttpClient

    from autolog.stores.sqlite._records import RecordWriter

    def no_space(*_: Any, **__: Any) -> None:
        raise DatabaseError("server response: Code: 243. Cannot reserve 1.00 MiB, not enough space", code=243)

    monkeypatch.setattr(RecordWriter, "write", full)
    monkeypatch.setattr(HttpClient, "insert", no_space)
    answer = server.call("POST", "/api/logs/insert", {"model": "m"})
    assert (answer.status_code, answer.headers["retry-after"]) == (507, "30")
    monkeypatch.undo()
    assert server.call("POST", "/api/logs/insert", {"model": "m"}).status_code == 200


_FILTERS = {"filters": [{"field": "name", "operator": "contains", "value": "x"}] * 201}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/api/v1/records?" + "tag=x&" * 1_500, None), ("GET", "/ui/sums?" + "tag=x&" * 1_500, None),
     ("GET", "/v5/logs?file_id=logs&" + "id=x&" * 1_500, None),
     ("POST", "/api/public/v2/requests/search", {"filter_group": _FILTERS})],
)  # fmt: skip
def test_more_conditions_than_a_database_accepts_are_refused(server: Server, method: str, path: str, body: Any) -> None:
    answer = server.call(method, path, body)
    assert answer.status_code == 400
    assert "at most 200 conditions" in answer.text
