"""The application: mounted in another, documented, and served under a path."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from dialects.samples import Server
from live import KEY
from starlette.testclient import TestClient
from waiting import until

from autolog._record.record import Record
from autolog.server import create_app
from autolog.stores._contract import Store
from autolog.stores.query import Query
from autolog.stores.retention import Retain


@pytest.fixture(autouse=True)
def _dropped() -> Iterator[None]:
    """Let go of the test's applications: a mounted one is not closed, but its background tasks end with it."""
    yield
    gc.collect()


def test_it_mounts_in_another_application(store: Store) -> None:
    from fastapi import FastAPI

    outer = FastAPI()
    outer.mount("/logs", create_app(store, api_key=KEY))
    with TestClient(outer) as client:
        answer = client.post("/logs/api/logs/insert", json={"model": "m"}, headers={"x-api-key": KEY})
        assert answer.status_code == 200
        assert client.get("/logs/health").json() == {"status": "ok"}


def test_it_keeps_house_from_the_first_request_on_where_it_is_mounted(store: Store) -> None:
    from fastapi import FastAPI

    store.write([Record(id="old", created_at=datetime.now(UTC) - timedelta(days=40)), Record(id="new")])
    outer = FastAPI()
    outer.mount("/logs", create_app(store, api_key=KEY, retain=Retain(timedelta(days=30))))
    assert store.count(Query()) == 2
    TestClient(outer).get("/logs/health")
    until(lambda: [record.id for record in store.find(Query())] == ["new"])
    assert {"autolog-alerts", "autolog-retention"} <= {thread.name for thread in threading.enumerate()}


def test_what_an_application_does_by_itself_ends_with_it(store: Store) -> None:
    def running() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "autolog-retention"}

    before, app = running(), create_app(store, api_key=KEY)
    TestClient(app).get("/health")
    (started,) = running() - before
    del app
    gc.collect()  # the client is a cycle
    until(lambda: not started.is_alive())


def test_documents(server: Server) -> None:
    document = server.call("GET", "/openapi.json", key=None).json()
    assert "/v5/prompts/{id}/log/{log_id}" in document["paths"]
    page = server.call("GET", "/docs", key=None).text
    assert "POST /log-request" in page
    assert "http" not in page.replace("https://", "").replace("http-equiv", "") or "//" not in page
    assert server.call("GET", "/nothing").json()["error"]["message"] == "there is nothing at this path"
    assert server.call("GET", "/v5/nothing").json() == {"detail": "there is nothing at this path"}
    missing = server.call("GET", "/ui/nothing")
    assert (missing.status_code, "<h1>Not found</h1>" in missing.text) == (404, True)
