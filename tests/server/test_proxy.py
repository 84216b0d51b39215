"""Serving under a path, set by an option or a trusted proxy, whether or not the proxy strips it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from live import KEY
from starlette.testclient import TestClient

from autolog.server import create_app
from autolog.server._proxy import BehindProxy, clean_prefix, trusted_networks

PROXY = ("10.0.0.7", 4711)


def client(tmp_path: Path, root_path: str = "", peer: tuple[str, int] = PROXY, **options: Any) -> TestClient:
    app = BehindProxy(create_app(f"sqlite:///{tmp_path}/s.db", api_key=KEY), root_path, ["10.0.0.0/8"])
    return TestClient(app, follow_redirects=False, client=peer, **options)


@pytest.mark.parametrize("taken_off", [True, False])
@pytest.mark.parametrize("how", ["option", "header"])
def test_all_is_under_the_path(tmp_path: Path, how: str, taken_off: bool) -> None:
    browser = client(tmp_path, "/tools/logs" if how == "option" else "")
    if how == "header":
        browser.headers["x-forwarded-prefix"] = "/tools/logs/"
    base = "" if taken_off else "/tools/logs"
    assert browser.get(base + "/ui/?user=a").headers["location"] == "/tools/logs/ui/login?next=/ui/%3Fuser%3Da"
    entered = browser.post(base + "/ui/login", data={"key": KEY, "next": "/ui/?user=a"})
    assert entered.headers["location"] == "/tools/logs/ui/?user=a"
    assert "Path=/tools/logs/ui" in entered.headers["set-cookie"]
    page = browser.get(base + "/ui/", headers={"x-api-key": KEY}).text
    addresses = re.findall(r'(?:href|src|action|data-events)="(/[^"]*)"', page)
    assert addresses
    assert all(address.startswith("/tools/logs/ui/") for address in addresses)
    headers = {"x-api-key": KEY}
    assert browser.post(base + "/api/v1/records", json=[{"id": "a"}], headers=headers).status_code == 200
    assert browser.get(base + "/ui/log/a", headers=headers).status_code == 200


def test_nobody_else_is_believed(tmp_path: Path) -> None:
    headers = {"x-forwarded-prefix": "/evil", "x-forwarded-proto": "https"}
    answer = client(tmp_path, peer=("192.0.2.1", 1)).get("/ui/", headers=headers)
    assert answer.headers["location"].startswith("/ui/login")
    entered = client(tmp_path, peer=("192.0.2.1", 1)).post("/ui/login", data={"key": KEY}, headers=headers)
    assert "Secure" not in entered.headers["set-cookie"]
    entered = client(tmp_path).post("/ui/login", data={"key": KEY}, headers=headers)
    assert "Secure" in entered.headers["set-cookie"]


@pytest.mark.parametrize("prefix", ["//evil.example", "https://evil.example", '/"><script>', "/a/../b", "a", "/a b"])
def test_what_is_no_path_is_none(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        clean_prefix(prefix)
    answer = client(tmp_path).get("/ui/", headers={"x-forwarded-prefix": prefix})
    assert answer.headers["location"].startswith("/ui/login")


def test_trusted_proxies_are_addresses_or_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    assert trusted_networks() == ("127.0.0.1", "::1")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "10.0.0.1, 10.1.0.0/16")
    assert trusted_networks() == ("10.0.0.1", "10.1.0.0/16")
    with pytest.raises(ValueError, match="proxy"):
        trusted_networks(["proxy.example"])
