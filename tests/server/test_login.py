"""Signing in by a trusted proxy's header, which counts only from that proxy and only on the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from live import KEY
from starlette.testclient import TestClient

from autolog._record.record import Record
from autolog.server import create_app
from autolog.server._login import HeaderLogin, Role, read_role
from autolog.server._proxy import BehindProxy
from autolog.stores import open_store

PROXY = ("10.0.0.7", 4711)
ROLES = ("ann@example.com=admin", "group:ops=admin", "*@shop.example=read,project=shop", "*@example.com=read")


def browser(tmp_path: Path, peer: tuple[str, int] = PROXY, **headers: str) -> TestClient:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    store.write([Record(id="a", project="shop", name="of shop"), Record(id="b", project="blog", name="of blog")])
    login = HeaderLogin("x-forwarded-user", "x-forwarded-groups", tuple(map(read_role, ROLES)))
    app = BehindProxy(create_app(store, api_key=KEY), "", ["10.0.0.7"], login)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return TestClient(app, follow_redirects=False, client=peer, headers=named)


def test_a_user_whom_the_proxy_names_sees_the_pages(tmp_path: Path) -> None:
    page = browser(tmp_path, x_forwarded_user="bob@example.com").get("/ui/")
    assert page.status_code == 200
    assert "of shop" in page.text
    assert "of blog" in page.text
    assert browser(tmp_path, x_forwarded_user="bob@example.com").get("/ui/settings").status_code == 403


@pytest.mark.parametrize("headers", [
    {"x_forwarded_user": "ann@example.com"},
    {"x_forwarded_user": "Ann@Example.COM"},
    {"x_forwarded_user": "carl@elsewhere.example", "x_forwarded_groups": "staff, ops"},
])  # fmt: skip
def test_an_admin_administers(tmp_path: Path, headers: dict[str, str]) -> None:
    client = browser(tmp_path, **headers)
    assert client.get("/ui/settings").status_code == 200
    form = {"name": "k", "project": "shop", "scope_read": "1"}
    assert client.post("/ui/settings/keys", data=form, headers={"sec-fetch-site": "same-origin"}).status_code == 200
    assert client.post("/ui/settings/keys", data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_a_role_is_of_a_project(tmp_path: Path) -> None:
    page = browser(tmp_path, x_forwarded_user="eve@shop.example").get("/ui/").text
    assert "of shop" in page
    assert "of blog" not in page


def test_who_has_no_role_is_refused_by_name(tmp_path: Path) -> None:
    answer = browser(tmp_path, x_forwarded_user="mallory@evil.example").get("/ui/")
    assert answer.status_code == 403
    assert "mallory@evil.example does not have the scope" in answer.text


def test_nobody_else_can_name_a_user(tmp_path: Path) -> None:
    for peer in (("10.0.0.8", 1), ("127.0.0.1", 1), ("testclient", 1)):
        answer = browser(tmp_path, peer, x_forwarded_user="ann@example.com").get("/ui/")
        assert answer.headers["location"].startswith("/ui/login"), peer
    forged = browser(tmp_path, ("10.0.0.8", 1), x_forwarded_user="ann@example.com", x_forwarded_for="10.0.0.7")
    assert forged.get("/ui/").status_code == 303


def test_a_header_that_is_there_twice_or_empty_names_nobody(tmp_path: Path) -> None:
    client = browser(tmp_path)
    for users in (["ann@example.com", "bob@example.com"], [""], ["x" * 1_000]):
        answer = client.get("/ui/", headers=[("x-forwarded-user", user) for user in users])
        assert answer.status_code == 303, users


def test_the_api_takes_keys_only(tmp_path: Path) -> None:
    client = browser(tmp_path, x_forwarded_user="ann@example.com")
    assert client.get("/api/v1/records").status_code == 401
    assert client.post("/api/v1/keys", json={"name": "k"}).status_code == 401
    assert client.get("/metrics").status_code == 401
    assert client.get("/api/v1/records", headers={"x-api-key": KEY}).status_code == 200


def test_without_the_option_the_header_is_nothing(tmp_path: Path) -> None:
    app: Any = BehindProxy(create_app(f"sqlite:///{tmp_path}/s.db", api_key=KEY), "", ["10.0.0.7"])
    client = TestClient(app, follow_redirects=False, client=PROXY, headers={"x-forwarded-user": "ann@example.com"})
    assert client.get("/ui/").status_code == 303


def test_case_decides_nothing_for_users_but_for_groups() -> None:
    assert Role("Ann@example.com", "read").is_for("aNN@EXAMPLE.com", [])
    assert not Role("kim@example.com", "read").is_for("\N{KELVIN SIGN}im@example.com", [])
    assert not Role("group:ops", "admin").is_for("ann", ["OPS"])


def test_roles_are_read() -> None:
    assert read_role("a=b@example.com=read,project=shop") == Role("a=b@example.com", "read", "shop")
    assert read_role("group:ops=admin") == Role("group:ops", "admin", "*")
    for wrong in ("", "ann", "ann=", "=read", "ann=everything", "ann=read,colour=red", "ann=read,project="):
        with pytest.raises(ValueError, match="is not a role"):
            read_role(wrong)
