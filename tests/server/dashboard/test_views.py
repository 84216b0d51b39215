"""Saved views: stored by name for each project, as whole URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import pytest
from live import KEY, Live, live


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("views") / "s.db") as server:
        yield server


def client(running: Live, project: str = "*", *scopes: str) -> httpx2.Client:
    session = httpx2.Client(base_url=running.url, headers={"x-api-key": KEY})
    if project != "*":
        answer = session.post("/api/v1/keys", json={"name": "k", "project": project, "scopes": list(scopes)})
        session.headers["x-api-key"] = answer.json()["key"]
    return session


def views(browser: httpx2.Client, path: str) -> dict[str, str]:
    found = re.findall(r'<div class="row"><a href="([^"]*)"[^>]*>([^<]*)</a>', browser.get(path).text)
    return {name: url.replace("&amp;", "&") for url, name in found}


def test_a_view_is_kept_by_name_and_removed_again(running: Live) -> None:
    browser = client(running)
    query = "project=shop&status=error&sort=-cost&column=name&column=cost&past=1.1"
    for name in ("Dear errors", "<script>alert(1)</script>"):
        saved = browser.post("/ui/views", data={"name": name, "path": "/ui/", "query": query})
        assert saved.status_code == 303
    kept = views(browser, "/ui/?project=shop")
    assert kept["Dear errors"] == "/ui/?project=shop&status=error&sort=-cost&column=name&column=cost"
    assert browser.get(kept["Dear errors"]).status_code == 200
    assert "<script>alert" not in browser.get("/ui/?project=shop").text
    assert not views(browser, "/ui/traces?project=shop")
    assert not views(browser, "/ui/?project=other")
    (key,) = [key for key in running.store.documents("view") if key.endswith("Dear errors")]
    assert browser.post("/ui/views/remove", data={"id": key}).status_code == 303
    assert "Dear errors" not in views(browser, "/ui/?project=shop")


def test_a_view_belongs_to_its_project(running: Live) -> None:
    mine, theirs = client(running, "mine", "read", "ingest"), client(running, "theirs", "read", "ingest")
    assert mine.post("/ui/views", data={"name": "all", "path": "/ui/", "query": "user=ada"}).status_code == 303
    assert views(mine, "/ui/") == {"all": "/ui/?user=ada"}
    assert not views(theirs, "/ui/")
    (key,) = [key for key, data in running.store.documents("view").items() if data["project"] == "mine"]
    assert theirs.post("/ui/views/remove", data={"id": key}).status_code == 404
    reader = client(running, "mine", "read")
    assert views(reader, "/ui/") == {"all": "/ui/?user=ada"}
    assert reader.post("/ui/views", data={"name": "x", "path": "/ui/", "query": ""}).status_code == 403
    assert reader.post("/ui/views/remove", data={"id": key}).status_code == 403


@pytest.mark.parametrize(
    "data",
    [
        {"name": "", "path": "/ui/", "query": ""},
        {"name": "x" * 81, "path": "/ui/", "query": ""},
        {"name": "x", "path": "//evil.example/", "query": ""},
        {"name": "x", "path": "/ui/", "query": "colour=red"},
        {"name": "x", "path": "/ui/", "query": "user=" + "a" * 5_000},
    ],
)
def test_what_is_no_view_is_refused(running: Live, data: dict[str, str]) -> None:
    assert client(running).post("/ui/views", data=data).status_code == 400
