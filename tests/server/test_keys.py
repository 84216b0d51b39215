"""Keys and projects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dialects.samples import Server

from autolog.errors import AutologError
from autolog.server._keys import create_key, list_keys, revoke_key
from autolog.stores._contract import Store


def test_keys(server: Server, store: Store) -> None:
    ingest = create_key(store, "in", "shop", ["ingest"])
    reader = create_key(store, "out", "shop", ["read"])
    other = create_key(store, "other", "blog", ["ingest", "read", "admin"])
    server.client.app.state.services.keyring.refresh(at_once=True)  # type: ignore[attr-defined]
    answer = server.call("POST", "/api/logs/insert", {"model": "m"}, key=ingest)
    assert answer.status_code == 200
    record_id = answer.json()["id"]
    assert server.call("GET", f"/api/v1/records/{record_id}", key=ingest).status_code == 403
    assert server.call("POST", "/api/logs/insert", {"model": "m"}, key=reader).status_code == 403
    assert server.call("GET", f"/api/v1/records/{record_id}", key=reader).status_code == 200
    gateways = "/client/v4/accounts/a/ai-gateway/gateways"
    for method, path, body in (
        ("GET", f"/api/v1/records/{record_id}", None), ("DELETE", f"/api/v1/records/{record_id}", None),
        ("POST", "/api/logs/update", {"id": record_id, "update_data": {"model": "x"}}), ("GET", f"/v5/logs/{record_id}", None),
        ("GET", f"/v1/logs/{record_id}", None), ("GET", f"{gateways}/shop/logs", None), ("GET", f"{gateways}/shop/logs/{record_id}", None),
        ("PATCH", f"{gateways}/shop/logs/{record_id}", {"score": 1}), ("DELETE", f"{gateways}/shop/logs", None),
        ("POST", "/rest/track-score", {"request_id": 1, "score": 1}), ("GET", "/api/public/v2/requests/1", None),
    ):  # fmt: skip
        assert server.call(method, path, body, key=other).status_code == 404, path
    server.call("DELETE", "/v5/logs", key=other, params={"id": record_id})
    server.call("POST", "/api/v1/records", [{"id": record_id, "user": "stolen"}], key=other)
    mine = store.get(record_id, "shop")
    assert mine is not None
    assert mine.user is None
    assert server.call("GET", f"{gateways}/shop/logs", key=reader).json()["result_info"]["total_count"] == 1
    assert server.call("GET", f"{gateways}/shop/logs").json()["result_info"]["total_count"] == 1
    assert [row["id"] for row in server.call("GET", gateways).json()["result"]] == ["blog", "default", "shop"]
    (key_id,) = [key for key, data in list_keys(store).items() if data["name"] == "out"]
    revoke_key(store, key_id)
    server.client.app.state.services.keyring.refresh(at_once=True)  # type: ignore[attr-defined]
    assert server.call("GET", f"/api/v1/records/{record_id}", key=reader).status_code == 401
    assert ingest not in json.dumps(store.documents("key"))
    if store.url.startswith("sqlite"):
        assert ingest.encode() not in Path(store.url.removeprefix("sqlite:///")).read_bytes()


def test_bad_keys(server: Server, store: Store) -> None:
    strange = server.client.post("/api/logs/insert", content=b"{}", headers=[(b"x-api-key", b"\xc3\xbc\xff")])
    assert strange.status_code == 401
    for key in (None, "", "wrong", "x" * 10_000, "unknown"):
        answer = server.call("POST", "/api/logs/insert", b"{malformed", key=key)
        assert answer.status_code == 401
        assert answer.json() == {"error": "the API key is missing or unknown"}
    with pytest.raises(AutologError, match="scopes are"):
        create_key(store, "x", scopes=["everything"])
    with pytest.raises(AutologError, match="no key"):
        revoke_key(store, "nobody")
