"""Errors as HTTP responses."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dialects.samples import Server
from live import KEY
from starlette.requests import Request
from starlette.testclient import TestClient

from autolog._record.record import Record
from autolog.dialects._fault import Fault
from autolog.server import create_app
from autolog.server._endpoint import refusal
from autolog.server.app import ROUTES
from autolog.stores import open_store


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


@contextmanager
def no_search_for_cycles() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Body:
    """Stands for the body of a request; unlike bytes, it can be referred to weakly."""


def test_a_refused_request_is_let_go_of_at_once() -> None:
    bodies: list[weakref.ref[Body]] = []

    def fail() -> None:
        body, kept = Body(), list[Exception]()
        bodies.append(weakref.ref(body))
        try:
            try:
                raise ValueError("malformed")
            except ValueError as error:
                raise Fault(400, "not JSON") from error
        except Fault as fault:
            kept.append(fault)  # as a future does, through which the error passes from its thread
            raise

    with no_search_for_cycles():
        try:
            fail()
        except Fault as fault:
            reply = refusal(Request({"type": "http"}), ROUTES[0], fault)
        assert reply.status == 400
        assert bodies[0]() is None


@pytest.mark.parametrize("path", ["/ui/", "/ui/log/shown"])
def test_a_page_lets_go_at_once_of_the_logs_that_it_showed(tmp_path: Path, path: str) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    store.write([Record(id="shown", name="chat", created_at=datetime.now(UTC))])
    with TestClient(create_app(store, api_key=KEY)) as client, no_search_for_cycles():
        assert client.get(path, headers={"x-api-key": KEY}).status_code == 200
        assert not [item for item in gc.get_objects() if type(item) is Record and item.id == "shown"]
