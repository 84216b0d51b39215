"""Signing in and out: by session, and only from our own pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from live import KEY, Live, live
from starlette.testclient import TestClient

from autolog.server import create_app
from autolog.server._keys import create_key

OTHER_SITES = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1"},
]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path / "s.db") as server:
        yield server


def signed_in(running: Live) -> httpx2.Client:
    client = httpx2.Client(base_url=running.url)
    assert client.post("/ui/login", data={"key": KEY}).status_code == 303
    return client


@pytest.mark.parametrize("headers", OTHER_SITES)
def test_another_site_signs_nobody_in_or_out(running: Live, headers: dict[str, str]) -> None:
    client = signed_in(running)
    theirs = create_key(running.store, "theirs")
    for answer in (
        client.post("/ui/login", data={"key": theirs}, headers=headers),
        client.post("/ui/login", data={"key": KEY}, headers=headers),
        client.post("/ui/logout", headers=headers),
        client.post("/ui/score?id=x", data={"value": "1"}, headers=headers),
    ):
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    assert client.get("/ui/").status_code == 200


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "none"}, *OTHER_SITES])
def test_a_link_signs_in_by_the_servers_own_key_alone(running: Live, headers: dict[str, str]) -> None:
    theirs = create_key(running.store, "theirs")
    for key in (theirs, "no-key-at-all", "", "a\r\nset-cookie: b=c"):
        answer = httpx2.get(f"{running.url}/ui/enter", params={"key": key}, headers=headers)
        assert "set-cookie" not in answer.headers
        assert answer.status_code in {303, 403}
    own = httpx2.get(f"{running.url}/ui/enter?key={KEY}", headers=headers)
    assert ("set-cookie" in own.headers) == (headers in ({}, {"sec-fetch-site": "none"}))


def test_the_browser_never_holds_the_key(running: Live) -> None:
    client = signed_in(running)
    (cookie,) = client.cookies.jar
    assert KEY not in str(cookie.value)
    assert client.get("/ui/").status_code == 200
    assert client.get("/api/v1/records").status_code == 401  # a session is for pages
    entered = httpx2.get(f"{running.url}/ui/enter?key={KEY}")
    assert KEY not in str(entered.headers)


def test_signing_out_ends_the_session_and_not_only_the_cookie(running: Live) -> None:
    client = signed_in(running)
    stolen = dict(client.cookies)
    assert client.post("/ui/logout").headers["location"] == "/ui/login"
    assert httpx2.get(f"{running.url}/ui/", cookies=stolen).status_code == 303
    assert signed_in(running).get("/ui/").status_code == 200


def test_over_https_the_session_is_of_this_host_only(tmp_path: Path) -> None:
    app = create_app(f"sqlite:///{tmp_path}/s.db", api_key=KEY)
    with TestClient(app, base_url="https://logs.example") as client:  # type: ignore[arg-type]
        entered = client.post("/ui/login", data={"key": KEY}, follow_redirects=False)
        name, _, rest = entered.headers["set-cookie"].partition("=")
        assert name == "__Host-autolog_session_0"
        assert {"Secure", "Path=/", "HttpOnly"} <= set(rest.split("; "))
        assert client.get("/ui/", follow_redirects=False).status_code == 200
        client.cookies = {name.removeprefix("__Host-"): client.cookies[name]}  # as another host may set it
        assert client.get("/ui/", follow_redirects=False).status_code == 303


def test_our_own_forms_pass_behind_a_proxy_that_changes_the_host(running: Live) -> None:
    headers = {"origin": "https://logs.example", "x-forwarded-host": "logs.example"}
    answer = httpx2.post(f"{running.url}/ui/login", data={"key": KEY}, headers=headers)
    assert answer.status_code == 303


@pytest.mark.parametrize("scope", ["ingest"])
def test_a_key_that_may_not_read_opens_no_session(running: Live, scope: str) -> None:
    key = create_key(running.store, "writer", scopes=[scope])
    httpx2.get(f"{running.url}/ui/", headers={"x-api-key": key})
    running.store.documents("key")
    answer = httpx2.post(f"{running.url}/ui/login", data={"key": key})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_forms_are_small(running: Live) -> None:
    client = signed_in(running)
    assert client.post("/ui/score", data={"id": "x", "value": "1" * 200_000}).status_code == 413
    assert client.post("/ui/score", data={f"f{n}": "1" for n in range(100)}).status_code == 400


def test_pages_are_counted_and_limited_like_the_api(tmp_path: Path) -> None:
    from autolog.server import Limits

    with live(tmp_path / "s.db", Limits(requests_per_second=2)) as running:
        headers = {"x-api-key": KEY}
        statuses = [httpx2.get(f"{running.url}/ui/overview", headers=headers).status_code for _ in range(8)]
        assert statuses[0] == 200
        assert 429 in statuses
    with live(tmp_path / "t.db") as running:
        httpx2.get(f"{running.url}/ui/overview", headers=headers)
        figures = httpx2.get(f"{running.url}/metrics", headers=headers).text
        line = 'autolog_requests_total{dialect="dashboard",method="GET",path="/ui/overview",status="200"} 1.0'
        assert line in figures
