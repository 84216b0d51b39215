"""The application: mounted, described, and reached under a path."""

from __future__ import annotations

from dialects.samples import Server
from live import KEY
from starlette.testclient import TestClient

from autolog.server import create_app
from autolog.stores._contract import Store


def test_it_mounts_in_another_application(store: Store) -> None:
    from fastapi import FastAPI

    outer = FastAPI()
    outer.mount("/logs", create_app(store, api_key=KEY))
    with TestClient(outer) as client:
        answer = client.post("/logs/api/logs/insert", json={"model": "m"}, headers={"x-api-key": KEY})
        assert answer.status_code == 200
        assert client.get("/logs/health").json() == {"status": "ok"}


def test_documents(server: Server) -> None:
    document = server.call("GET", "/openapi.json", key=None).json()
    assert "/v5/prompts/{id}/log/{log_id}" in document["paths"]
    page = server.call("GET", "/docs", key=None).text
    assert "POST /log-request" in page
    assert "http" not in page.replace("https://", "").replace("http-equiv", "") or "//" not in page
    assert server.call("GET", "/nothing").json()["error"]["message"] == "there is nothing at this path"
    assert server.call("GET", "/v5/nothing").json() == {"detail": "there is nothing at this path"}
