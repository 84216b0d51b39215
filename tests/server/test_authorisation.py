"""Every route of every dialect and every page, with every kind of key; the cases come from the tables of routes."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from live import KEY, Live, live

from autolog._record.record import Record
from autolog.server._call import Route
from autolog.server.app import ROUTES
from autolog.server.dashboard.pages import PAGES

ALL = [*ROUTES, *PAGES]
CLOSED = [route for route in ALL if not route.open]
#: Text in everything of one project that has no name.
CONTENT = "zq7-what-nobody-else-may-read"
SENDS = {"POST", "PUT", "PATCH"}
ALL_SCOPES = ["ingest", "read", "admin"]


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Run a server with records, a score, a key, an export, an alert and a view of the project `alpha`."""
    with live(tmp_path_factory.mktemp("server") / "s.db") as running:
        fill(running)
        yield running


def fill(server: Live) -> None:
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": CONTENT}]}).encode()
    answer = {"model": "gpt-4o", "choices": [{"message": {"role": "assistant", "content": CONTENT}}],
              "usage": {"prompt_tokens": 7, "completion_tokens": 7}}  # fmt: skip
    record = Record(
        id="rec-a", kind="llm", project="alpha", trace_id="trace-a", span_id="span-a", session="session-a", user="user-a",
        name=CONTENT, tags=[CONTENT], metadata={"m": CONTENT}, request_body=body, request_model=f"model-{CONTENT}",
        response_body=json.dumps(answer).encode(), input_preview=CONTENT, output_preview=CONTENT, prompt_name=CONTENT,
        start_time=datetime.now(UTC), received_at=datetime.now(UTC), status="ok", cost=7.0,
    )  # fmt: skip
    server.store.write([record])
    key = new_key(server, "alpha", ALL_SCOPES, name=CONTENT)
    with client(server, key) as alpha:
        alpha.post("/api/v1/records/rec-a/scores", json={"name": CONTENT, "value": 1, "comment": CONTENT})
        alpha.post("/v1/logs/exports", json={"description": CONTENT, "filters": {}})
        alpha.put("/api/v1/alerts/alert-a", json={"metric": "cost", "over": 1, "notify": f"https://{CONTENT}.example"})
        alpha.post("/ui/views", data={"name": CONTENT, "query": "user=user-a"})


#: Each client would make one of its own.
TLS = httpx2.create_ssl_context()


def client(server: Live, key: str | None = None) -> httpx2.Client:
    return httpx2.Client(base_url=server.url, headers={"x-api-key": key} if key else {}, timeout=30, verify=TLS)


def new_key(server: Live, project: str, scopes: list[str], end: datetime | None = None, name: str = "k") -> str:
    given = {"name": name, "project": project, "scopes": scopes, "expires_at": end and end.isoformat()}
    with client(server, KEY) as admin:
        key: str = admin.post("/api/v1/keys", json=given).raise_for_status().json()["key"]
        return key


def ask(
    session: httpx2.Client, route: Route, headers: dict[str, str] | None = None, limit: float = 0.3
) -> tuple[int, str]:
    """Call a route for what belongs to `alpha`: its status, and all that it says; of a live stream the beginning."""
    ids = {"account_id": "x", "gateway_id": "alpha", "name": "alert-a"}
    path = re.sub(r"\{(\w+)(?::path)?\}", lambda found: ids.get(found[1], "rec-a"), route.path)
    wanted = {"id": "rec-a", "trace": "trace-a", "trace_id": "trace-a", "session": "session-a", "user": "user-a", "a": "rec-a",
              "b": "rec-a", "ids": "rec-a", "project": "alpha", "log_id": "rec-a", "sql": "select * from logs", "side": "request",
              "query": "select * from logs", "by": "user", "request_id": "rec-a"}  # fmt: skip
    options: dict[str, Any] = {"params": wanted}
    if route.method in SENDS and route.session:
        options["data"] = {**wanted, "name": CONTENT[:3], "value": "1", "key": "rec-a"}
    elif route.method in SENDS:
        options["json"] = {"id": "rec-a", "log_id": "rec-a", "logId": "rec-a", "trace_id": "rec-a", "ids": ["rec-a"], "value": 1,
                           "name": "n", "run_id": "rec-a", "key": "k", "request_id": "rec-a", "score": 1}  # fmt: skip
    content = ""
    with session.stream(route.method, path, headers=headers or {}, follow_redirects=False, **options) as answer:
        status, started = answer.status_code, time.monotonic()
        content = str(dict(answer.headers))
        live_stream = "event-stream" in answer.headers.get("content-type", "") or "tail" in path
        made_timeout = limit if live_stream else 30.0
        answer.request.extensions["timeout"]["read"] = made_timeout
        try:
            for piece in answer.iter_text():
                content += piece
                if live_stream and time.monotonic() - started > limit:
                    break
        except httpx2.ReadTimeout:
            assert live_stream, name(route)
    return status, content


def kept_of_alpha(server: Live) -> list[str]:
    """Return all rows of the store that have to do with `alpha`."""
    with sqlite3.connect(server.store.url.removeprefix("sqlite:///")) as database:
        tables = [row[0] for row in database.execute("select name from sqlite_master where type = 'table'")]
        rows = [
            (table, row)
            for table in tables
            if not table.startswith("sqlite")
            for row in database.execute(f"select * from {table}")
        ]
    return sorted(f"{table} {row}" for table, row in rows if "alpha" in str(row) or CONTENT in str(row))


def refused(route: Route, status: int, content: str) -> bool:
    """Return whether a route turned somebody away: a page may send them to sign in."""
    return status in {401, 403} or (route.session and status == 303 and "/ui/login" in content)


@pytest.mark.parametrize("route", CLOSED, ids=name)
def test_nobody_gets_in_without_a_key_or_with_a_wrong_one(server: Live, route: Route) -> None:
    for key in (None, "alk_wrong", KEY + "x"):
        with client(server) as session:
            for headers in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}) if key is not None else ({},):
                status, content = ask(session, route, headers)
                assert refused(route, status, content), (key, status)
                assert CONTENT not in content


@pytest.fixture(scope="module")
def narrow(server: Live) -> dict[str, str]:
    """Keys for one scope each; one that administers may do all."""
    return {scope: new_key(server, "alpha", [scope]) for scope in ("ingest", "read")}


@pytest.mark.parametrize("route", CLOSED, ids=name)
def test_a_key_does_only_what_it_is_for(server: Live, narrow: dict[str, str], route: Route) -> None:
    for scope in narrow.keys() - ({"read"} & {route.scope}):
        with client(server, narrow[scope]) as session:
            status, content = ask(session, route)
        assert (status == 403) == (scope != route.scope), (scope, status)
        assert CONTENT not in content


@pytest.mark.parametrize("base", ["/sessions", "/api/v2/sessions", "/api/public/score-configs"])
def test_a_key_that_only_writes_gets_its_own_words_back(server: Live, base: str) -> None:
    writer, reader = (new_key(server, "alpha", scopes) for scopes in (["ingest"], ALL_SCOPES))
    with client(server, writer) as session:
        given = {"name": CONTENT, "description": CONTENT, "dataType": "NUMERIC"}
        path = f"{base}/{session.post(base, json=given).raise_for_status().json()['id']}"
        changed = session.patch(path, json={"description": "mine"})
        assert changed.json()["description"] == "mine"
        assert CONTENT not in changed.text
        assert CONTENT not in session.patch(path, json={}).text
    with client(server, reader) as session:
        assert session.patch(path, json={}).json()["name"] == CONTENT


@pytest.fixture(scope="module")
def beta(server: Live) -> str:
    return new_key(server, "beta", ALL_SCOPES)


@pytest.mark.parametrize("route", ALL, ids=name)
def test_a_key_of_another_project_reads_and_changes_nothing(server: Live, beta: str, route: Route) -> None:
    before = kept_of_alpha(server)
    with client(server, beta) as session:
        _, content = ask(session, route)
        assert CONTENT not in content
        status, content = ask(session, route, {"x-autolog-project": "alpha"})
        assert CONTENT not in content
        assert status == 403 or route.open or (route.session and status in {303, 403}), status
    after = kept_of_alpha(server)
    assert [row for row in before if row not in after] == []


def test_a_project_has_nothing_of_one_whose_name_begins_with_its_own(server: Live) -> None:
    inner, outer = (new_key(server, project, ALL_SCOPES) for project in ("alpha/b", "alpha"))
    with client(server, inner) as session:
        session.post("/sessions", json={"name": "runs", "description": CONTENT}).raise_for_status()
        prompt = {"path": "p", "prompt": {"model": "m", "template": CONTENT}, "output": "x"}
        file = session.post("/v5/prompts/log", json=prompt).raise_for_status().json()["prompt_id"]
    with client(server, outer) as session:
        assert CONTENT not in session.post("/sessions", json={"name": "b/runs"}).raise_for_status().text
        assert session.post("/v5/prompts/log", json={"id": f"b/{file}", "output": "x"}).status_code == 404
    with client(server, inner) as session:
        assert CONTENT in session.get("/sessions").text


def test_replies_are_not_kept_by_caches(server: Live) -> None:
    with client(server, KEY) as session:
        for path in ("records", "records/rec-a", "aggregate", "keys", "projects", "nothing"):
            assert session.get(f"/api/v1/{path}").headers["cache-control"] == "no-store"
        assert session.post("/api/v1/keys", json={"name": "k"}).headers["cache-control"] == "no-store"
        assert session.get("/v5/logs?file_id=logs").headers["cache-control"] == "no-store"
        assert session.get("/ui/static/app.js").headers["cache-control"] == "max-age=3600"


def test_the_other_project_is_there_to_be_read_by_a_key_of_its_own_that_only_reads(server: Live) -> None:
    fill(server)  # keys that may write have changed the record
    key = new_key(server, "alpha", ["read"])
    with client(server, key) as session:
        found = {name(route) for route in CLOSED if route.scope == "read" and CONTENT in ask(session, route)[1]}
    assert found >= {"GET /api/v1/records/{id}", "GET /ui/log/{id}", "GET /ui/raw", "GET /v1/logs/{id}"}
    assert len(found) > 15, sorted(found)


@pytest.mark.parametrize("route", CLOSED, ids=name)
def test_a_key_is_refused_once_it_has_expired(server: Live, route: Route, expired: str) -> None:
    with client(server, expired) as session:
        status, content = ask(session, route)
    assert refused(route, status, content), status
    assert CONTENT not in content


@pytest.fixture(scope="module")
def expired(server: Live) -> str:
    end = datetime.now(UTC) + timedelta(seconds=8)
    key = new_key(server, "alpha", ALL_SCOPES, end)
    with client(server, key) as session:
        assert session.get("/api/v1/records/rec-a").status_code == 200
    time.sleep(8.1)
    return key


def test_a_session_ends_with_its_key(server: Live) -> None:
    end = datetime.now(UTC) + timedelta(seconds=8)
    key = new_key(server, "alpha", ["read"], end)
    with client(server) as browser:
        assert browser.post("/ui/login", data={"key": key}).status_code == 303
        assert browser.get("/ui/log/rec-a").status_code == 200
        time.sleep(8.1)
        answer = browser.get("/ui/log/rec-a")
        assert answer.status_code == 303
        assert CONTENT not in answer.text
        assert browser.post("/ui/login", data={"key": key}).status_code != 303


CHANGES = [route for route in PAGES if route.method in SENDS]


@pytest.mark.parametrize("headers", [
    {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "cross-site", "origin": "{url}"},
    {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "{url}.evil.example"}, {"sec-fetch-site": "Cross-Site"},
    {"origin": "http://["}, {"origin": ""}, {"origin": "{url}/evil"},
], ids=str)  # fmt: skip
def test_no_other_site_changes_anything_through_a_page(server: Live, headers: dict[str, str]) -> None:
    before = kept_of_alpha(server)
    with client(server) as browser:
        browser.post("/ui/login", data={"key": KEY})
        sent = {header: value.replace("{url}", server.url) for header, value in headers.items()}
        for route in CHANGES:
            status, _ = ask(browser, route, sent)
            assert status == 403, name(route)
        assert browser.get("/ui/overview").status_code == 200  # still signed in
    assert [row for row in before if row not in kept_of_alpha(server)] == []
