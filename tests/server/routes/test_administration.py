"""Keys and projects over HTTP: who may administer what, and that a key is shown once."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dialects.samples import Server
from engines import sqlite_alone

from autolog._record.record import Record
from autolog.server._keys import Keyring, create_key, list_keys
from autolog.server._projects import ProjectSettings, read_projects
from autolog.server.app import _delete_old
from autolog.stores._contract import Store
from autolog.stores.query import Query
from autolog.stores.retention import Retain

NOW = datetime.now(UTC)


def refresh(server: Server) -> None:
    server.client.app.state.services.refresh_keys(at_once=True)  # type: ignore[attr-defined]


def test_a_key_is_made_told_once_used_and_revoked(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "autolog.server.audit"):
        created = server.call("POST", "/api/v1/keys", {"name": "web", "project": "shop", "scopes": ["read"]})
        assert created.status_code == 201
        key, key_id = created.json()["key"], created.json()["id"]
        assert server.call("GET", "/api/v1/records", key=key).json()["records"] == []
        listed = server.call("GET", "/api/v1/keys").json()["keys"]
        assert [(entry["id"], entry["name"], entry["project"], entry["scopes"]) for entry in listed] == [
            (key_id, "web", "shop", ["read"])
        ]
        assert key not in server.call("GET", "/api/v1/keys").text
        assert "hash" not in listed[0]
        assert server.call("DELETE", f"/api/v1/keys/{key_id}").json()["revoked_at"]
    refused = server.call("GET", "/api/v1/records", key=key)
    assert refused.status_code == 401
    assert "revoked at" in refused.json()["error"]["message"]
    lines = [record.getMessage() for record in caplog.records]
    assert any(f"created the key {key_id} for shop: read" in line for line in lines)
    assert any(f"revoked the key {key_id}" in line for line in lines)
    assert not any(key in line for line in lines)


def test_an_expired_key_is_refused_and_told_when_it_expired(server: Server, store: Store) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answer = server.call("POST", "/api/v1/keys", {"name": "k", "expires_at": soon}).json()
    assert server.call("GET", "/api/v1/records", key=answer["key"]).status_code == 200
    data = store.documents("key")[answer["id"]]
    store.put_document("key", answer["id"], {**data, "expires_at": "2026-01-02T03:04:05+00:00"})
    refresh(server)
    refused = server.call("GET", "/api/v1/records", key=answer["key"])
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        401, "this API key expired at 2026-01-02T03:04:05+00:00",
    )  # fmt: skip
    assert server.call("POST", "/api/v1/keys", {"name": "k", "expires_at": "2020-01-01T00:00:00Z"}).status_code == 400


def test_the_last_use_is_noted_once_a_minute(server: Server, store: Store) -> None:
    key = create_key(store, "k")
    refresh(server)
    assert next(iter(list_keys(store).values()))["last_used_at"] is None
    for _ in range(5):
        server.call("GET", "/api/v1/records", key=key)
    server.call("POST", "/api/v1/records", [{"id": "a"}], key=key)  # the note was queued before
    noted = datetime.fromisoformat(next(iter(list_keys(store).values()))["last_used_at"])
    assert NOW - timedelta(seconds=1) <= noted <= datetime.now(UTC)
    keyring, writes = Keyring(store, None), list[Any]()
    for _ in range(3):
        keyring.note_use("k", writes.append)
        keyring.note_use("other", writes.append)
    assert len(writes) == 2


def test_an_admin_of_one_project_administers_that_one(server: Server, store: Store) -> None:
    shop, elsewhere = create_key(store, "a", "shop", ["admin"]), create_key(store, "b", "blog", ["read"])
    refresh(server)
    assert [entry["name"] for entry in server.call("GET", "/api/v1/keys", key=shop).json()["keys"]] == ["a"]
    assert server.call("POST", "/api/v1/keys", {"name": "c"}, key=shop).json()["project"] == "shop"
    for project in ("blog", "*"):
        assert server.call("POST", "/api/v1/keys", {"name": "c", "project": project}, key=shop).status_code == 403
    (blog_id,) = [key_id for key_id, data in list_keys(store).items() if data["project"] == "blog"]
    assert server.call("DELETE", f"/api/v1/keys/{blog_id}", key=shop).status_code == 404
    assert server.call("PUT", "/api/v1/projects/shop", {"retain": "1d"}, key=shop).status_code == 403
    assert [entry["name"] for entry in server.call("GET", "/api/v1/projects", key=shop).json()["projects"]] == ["shop"]
    for path in ("/api/v1/keys", "/api/v1/projects/blog"):
        method = "PUT" if "projects" in path else "GET"
        assert server.call(method, path, {} if method == "PUT" else None, key=elsewhere).status_code == 403


@sqlite_alone
@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("keys", {}, "name"),
        ("keys", {"name": ""}, "name"),
        ("keys", {"name": "k", "scopes": ["everything"]}, "scopes"),
        ("keys", {"name": "k", "scopes": []}, "scopes"),
        ("keys", {"name": "k", "colour": "red"}, "colour"),
        ("keys", {"name": "k", "expires_at": "soon"}, "expires_at"),
        ("keys", {"name": "k", "project": "x" * 65}, "project"),
        ("keys", {"name": "k", "project": "shop\n"}, "control characters"),
        ("projects/shop", {"retain": "a while"}, "retain"),
        ("projects/shop", {"retain": "0d"}, "retain"),
        ("projects/shop", {"budgets": [{"limit": -1}]}, "limit"),
        ("projects/shop", {"budgets": [{"limit": 5, "per": "fortnight"}]}, "per"),
        ("projects/shop", {"budgets": [{"limit": 5, "then": "http://127.0.0.1/"}]}, "then"),
        ("projects/*", {"retain": "1d"}, "name"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(server: Server, path: str, body: Any, says: str) -> None:
    answer = server.call("PUT" if path.startswith("projects") else "POST", f"/api/v1/{path}", body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]["message"]
    assert server.call("GET", "/api/v1/keys").json()["keys"] == []


def test_a_project_has_retention_and_budgets(server: Server, store: Store) -> None:
    settings = {"retain": "30d", "budgets": [{"limit": 5, "per": "day"}]}
    assert server.call("PUT", "/api/v1/projects/shop", settings).status_code == 200
    store.write([Record(id=f"r{n}", kind="llm", project="shop", cost=2.0, created_at=NOW) for n in range(2)])
    found = {project["name"]: project for project in server.call("GET", "/api/v1/projects").json()["projects"]}
    assert set(found) == {"default", "shop"}
    assert found["shop"]["retain"] == "30d"
    assert found["shop"]["budgets"] == [{"limit": 5.0, "per": "day", "spent": 4.0}]
    assert (found["shop"]["records"], found["shop"]["calls"], found["shop"]["cost"]) == (2, 2, 4.0)
    assert datetime.fromisoformat(found["shop"]["last"]) == NOW
    assert (found["default"]["records"], found["default"]["cost"], found["default"]["last"]) == (0, None, None)
    assert server.call("PUT", "/api/v1/projects/shop", {}).json() == {"name": "shop", "retain": None, "budgets": []}


def test_a_budget_of_a_project_holds_from_the_moment_that_it_is_set(server: Server) -> None:
    reservation = {"id": "one", "bound": 3.0}
    shop = {"x-autolog-project": "shop"}
    assert server.call("POST", "/api/v1/reservations", reservation, headers=shop).json()["reserved"]
    server.call("PUT", "/api/v1/projects/shop", {"budgets": [{"limit": 2}]})
    refused = server.call("POST", "/api/v1/reservations", {**reservation, "id": "two"}, headers=shop).json()
    assert not refused["reserved"]
    assert "$2.00" in refused["reason"]
    assert server.call("POST", "/api/v1/reservations", reservation).json()["reserved"]
    server.call("PUT", "/api/v1/projects/shop", {})
    assert server.call("POST", "/api/v1/reservations", {**reservation, "id": "three"}, headers=shop).json()["reserved"]


def test_a_project_keeps_its_records_for_a_time_of_its_own(store: Store, server: Server) -> None:
    for project, days in (("shop", 5), ("shop", 50), ("blog", 5), ("blog", 50)):
        at = NOW - timedelta(days=days)
        store.write([Record(id=f"{project}-{days}", project=project, created_at=at)])
    server.call("PUT", "/api/v1/projects/shop", {"retain": "60d"})
    server.call("PUT", "/api/v1/projects/blog", {"retain": "1d"})
    assert read_projects(store)["blog"] == ProjectSettings("1d")
    _delete_old(store, Retain(timedelta(days=10)))
    assert {record.id for record in store.find(Query())} == {"shop-5", "shop-50"}
    server.call("PUT", "/api/v1/projects/shop", {})
    _delete_old(store, Retain(timedelta(days=10)))
    assert {record.id for record in store.find(Query())} == {"shop-5"}


def test_alerts_are_set_listed_tried_and_removed(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    rule = {
        "when": "calls < 1 over 1h",
        "filters": {"tag": ["a", "b"]},
        "webhook": "https://us:er@hooks.example/T0/secret",
    }
    created = server.call("PUT", "/api/v1/alerts/quiet", rule).json()
    assert (created["name"], created["project"], created["webhook"]) == ("quiet", "*", "https://hooks.example/…")
    assert server.call("GET", "/api/v1/alerts").json()["alerts"] == [created]
    assert "secret" not in server.call("GET", "/api/v1/alerts").text
    with caplog.at_level(logging.INFO, "autolog.server.alerts"):
        server.call("PUT", "/api/v1/alerts/quiet", {"when": "calls < 1 over 1h"})
        tried = server.call("POST", "/api/v1/alerts/quiet/test").json()
    assert tried == {
        "name": "quiet", "text": "TEST quiet: calls 0 (below 1 over 1h) in all projects", "problems": [],
    }  # fmt: skip
    assert tried["text"] in [record.getMessage() for record in caplog.records]
    assert server.call("DELETE", "/api/v1/alerts/quiet").status_code == 200
    assert server.call("GET", "/api/v1/alerts").json()["alerts"] == []
    for method, path in (("DELETE", "quiet"), ("POST", "quiet/test")):
        assert server.call(method, f"/api/v1/alerts/{path}").status_code == 404


def test_alerts_belong_to_projects(server: Server, store: Store) -> None:
    shop, blog = create_key(store, "a", "shop", ["admin"]), create_key(store, "b", "blog", ["read", "admin"])
    refresh(server)
    rule = {"when": "cost > 5 over 1d"}
    assert server.call("PUT", "/api/v1/alerts/spend", rule, key=shop).json()["project"] == "shop"
    assert server.call("PUT", "/api/v1/alerts/spend", rule, key=blog).status_code == 409
    assert server.call("PUT", "/api/v1/alerts/more", {**rule, "project": "*"}, key=shop).status_code == 403
    assert server.call("DELETE", "/api/v1/alerts/spend", key=blog).status_code == 404
    assert server.call("GET", "/api/v1/alerts", key=blog).json()["alerts"] == []
    assert [alert["name"] for alert in server.call("GET", "/api/v1/alerts").json()["alerts"]] == ["spend"]
    for wrong, says in ((
        {"when": "much"}, "when"), ({}, "when"), ({**rule, "filters": {"x": "y"}}, "filters"), ({**rule, "colour": 1}, "colour"),
    ):  # fmt: skip
        answer = server.call("PUT", "/api/v1/alerts/wrong", wrong)
        assert answer.status_code == 400
        assert says in answer.json()["error"]["message"]
