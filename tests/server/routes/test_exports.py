"""Portkey's exports: limited in number, size and age, and readable with the keys that may read the logs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from dialects.samples import Server
from live import KEY

from autolog._record.record import Record
from autolog.server._keys import create_key, list_keys, revoke_key
from autolog.server.routes import _exports
from autolog.stores._contract import Store

BASE = "/v1/logs/exports"


def make(server: Server, key: str = KEY, **filters: Any) -> str:
    answer = server.call("POST", BASE, {"filters": filters, "requested_data": ["id"]}, key=key)
    assert answer.status_code == 200
    export_id = str(answer.json()["id"])
    assert server.call("POST", f"{BASE}/{export_id}/start", {}, key=key).status_code == 200
    return export_id


def address(server: Server, export_id: str, key: str = KEY) -> str:
    url = str(server.call("GET", f"{BASE}/{export_id}/download", key=key).json()["signed_url"])
    return url[url.index("/v1") :]


def test_the_file_has_a_row_for_each_log(server: Server) -> None:
    server.store.write([Record(id=f"r{n}", kind="llm", request_model="m" if n else "other") for n in range(5)])
    answer = server.call("GET", address(server, make(server, ai_model="m")), key=None)
    assert answer.headers["content-type"].startswith("application/jsonl")
    assert {json.loads(line)["id"] for line in answer.text.splitlines()} == {"r1", "r2", "r3", "r4"}


def test_a_reader_cannot_fill_the_store(server: Server, store: Store) -> None:
    large = server.call("POST", BASE, {"filters": {"metadata": {"k": "x" * 20_000}}, "requested_data": ["id"]})
    assert large.status_code == 413
    first = make(server)
    grown = server.call("PUT", f"{BASE}/{first}", {"filters": {"metadata": {"k": "x" * 20_000}}})
    assert grown.status_code == 413
    for _ in range(_exports.MOST + 10):
        last = make(server)
    assert len(store.documents("portkey-export")) == _exports.MOST
    assert server.call("GET", f"{BASE}/{first}").status_code == 404
    assert server.call("GET", f"{BASE}/{last}").status_code == 200


def test_exports_and_addresses_expire(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    export_id = make(server)
    url = address(server, export_id)
    assert server.call("GET", url, key=None).status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr(_exports, "time", lambda: 2**33)
        assert server.call("GET", url, key=None).status_code == 403
    monkeypatch.setattr(_exports, "LIFETIME", timedelta(0))
    assert server.call("GET", url, key=None).status_code == 404
    assert server.call("GET", f"{BASE}/{export_id}").status_code == 404
    assert server.call("GET", BASE).json()["total"] == 0


def test_an_address_ends_with_its_key_and_cannot_be_made_up(server: Server, store: Store) -> None:
    key = create_key(store, "reader", "default", ["read"])
    server.client.app.state.services.keyring.refresh(at_once=True)  # type: ignore[attr-defined]
    export_id = make(server, key)
    url = address(server, export_id, key)
    assert server.call("GET", url, key=None).status_code == 200
    head, _, token = url.partition("token=")
    key_id, until, signature = token.split(".")
    for other in (f"fixed.{until}.{signature}", f"{key_id}.{until}0.{signature}", signature, "", "..", "é.1.x"):
        assert server.call("GET", f"{head}token={other}", key=None).status_code == 404
    (key_id,) = list_keys(store)
    revoke_key(store, key_id)
    server.client.app.state.services.keyring.refresh(at_once=True)  # type: ignore[attr-defined]
    assert server.call("GET", url, key=None).status_code == 401


def test_exports_of_another_project_are_not_there(server: Server, store: Store) -> None:
    key = create_key(store, "theirs", "theirs", ["read"])
    server.client.app.state.services.keyring.refresh(at_once=True)  # type: ignore[attr-defined]
    export_id = make(server)
    for method, path, body in (
        ("GET", "", None), ("PUT", "", {"filters": {}}), ("POST", "/start", {}), ("POST", "/cancel", {}), ("GET", "/download", None),
    ):  # fmt: skip
        assert server.call(method, f"{BASE}/{export_id}{path}", body, key=key).status_code == 404
