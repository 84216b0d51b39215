"""Access rights, and that the contents of a log cannot run or reach anything."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from live import KEY, live

from autolog.server._connections import allow_hosts
from autolog.server._keys import create_key
from autolog.server.app import ROUTES
from autolog.server.dashboard._page import refuse_here
from autolog.server.dashboard.pages import PAGES
from autolog.stores import open_store
from autolog.stores.query import Query

#: Public routes: the server's health and its API description.
OPEN = {
    "/health",
    "/ready",
    "/docs",
    "/openapi.json",
    "/",
    "/ui",
    "/ui/login",
    "/ui/logout",
    "/ui/enter",
    "/ui/static/{name}",
}


def paths(app: Any) -> list[tuple[str, str]]:
    return [(method, route.path) for route in app.app.routes for method in (route.methods or {"GET"}) - {"HEAD"}]


@pytest.fixture
def app(tmp_path: Path) -> Any:
    from autolog.server import create_app

    return create_app(f"sqlite:///{tmp_path}/s.db", api_key=KEY)


def ask(app: Any, method: str, path: str, **options: Any) -> httpx2.Response:
    from starlette.testclient import TestClient

    filled = re.sub(r"\{[^}]*\}", "x", path)
    with TestClient(app) as client:
        return client.request(method, filled, follow_redirects=False, **options)


def test_no_route_without_a_key(app: Any) -> None:
    declared_open = {route.path for route in ROUTES if route.open}
    parts = {route.path for route in PAGES if route.refuse is refuse_here}  # without a redirect
    for method, path in paths(app):
        if path in OPEN | declared_open:
            continue
        answer = ask(app, method, path, **({"json": {}} if method in {"POST", "PUT", "PATCH"} else {}))
        if path.startswith("/ui/") and path not in parts:
            assert answer.status_code in {303, 403}, (method, path)
            assert answer.status_code == 403 or "/ui/login" in answer.headers["location"]
        else:
            assert answer.status_code == 401, (method, path, answer.status_code)
    assert all(route.scope in {"ingest", "read", "admin"} for route in ROUTES)


def test_every_scope_is_checked(app: Any) -> None:
    store = app.state.services.store
    keys = {scope: create_key(store, scope, scopes=[scope]) for scope in ("ingest", "read")}
    for scope, key in keys.items():
        for route in ROUTES:
            if route.scope == scope or route.open:
                continue
            given = {"json": {}} if route.method in {"POST", "PUT", "PATCH"} else {}
            answer = ask(app, route.method, route.path, headers={"x-api-key": key}, **given)
            assert answer.status_code == 403, (scope, route.method, route.path, answer.status_code)
    assert ask(app, "GET", "/metrics", headers={"x-api-key": keys["read"]}).status_code == 403


def test_keys_are_kept_as_hashes_only(app: Any, tmp_path: Path) -> None:
    key = create_key(app.state.services.store, "k")
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert key.encode() not in files
    assert key[4:].encode() not in files


def test_pages_of_other_names_cannot_read_the_local_ui(app: Any) -> None:
    local = allow_hosts({"127.0.0.1", "localhost"}, app)
    from starlette.testclient import TestClient

    for host, status in (
        ("127.0.0.1:8000", 303),
        ("localhost", 303),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
    ):
        with TestClient(local, base_url=f"http://{host}") as client:
            assert client.get("/ui/", follow_redirects=False).status_code == status, host


def test_other_sites_cannot_post_with_our_cookie(app: Any) -> None:
    from starlette.testclient import TestClient

    with TestClient(app) as client:
        client.get(f"/ui/enter?key={KEY}")
        for headers in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
            answer = client.post("/ui/score?id=x", data={"value": "1"}, headers=headers, follow_redirects=False)
            assert answer.status_code == 403
        answer = client.post("/api/v1/records", json=[{"id": "a"}])
        assert answer.status_code == 401  # a cookie is for pages, not for the API


HOSTILE = [
    "{{ 7 * 7 }}", "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}", "<script>alert(1)</script>",
    "'; DROP TABLE log; --", '" OR 1=1 --', "../../../../etc/passwd", "file:///etc/passwd", "http://127.0.0.1:{port}/canary",
    "http://169.254.169.254/latest/meta-data/", "%(asctime)s", "\x00", "\ud800", "${jndi:ldap://127.0.0.1:{port}/a}",
    "!!python/object/apply:os.system ['touch /tmp/pwned']", "gASVHAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAR0cnVllIWUUpQu",
]  # fmt: skip


def test_nothing_in_a_log_reaches_code_files_or_the_network(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as canary, live(tmp_path / "s.db") as server:
        canary.settimeout(0.2)
        port = str(canary.getsockname()[1])
        client = httpx2.Client(base_url=server.url, headers={"x-api-key": KEY}, follow_redirects=True, timeout=30)
        for number, text in enumerate(item.replace("{port}", port) for item in HOSTILE):
            part = [{"type": "image_url", "image_url": {"url": text}}, {"type": "text", "text": text},
                    {"type": "file", "file": {"file_data": text, "filename": text}}]  # fmt: skip
            record = {
                "id": f"h{number}", "kind": "llm", "name": text, "user": text, "tags": [text], "metadata": {text: text},
                "request_model": text, "request_url": text, "error_message": text, "status": "error",
                "request_headers": {"x": text}, "request_content_type": text, "response_content_type": text,
                "request_body": {"model": text, "messages": [{"role": "user", "content": part}], "tools": [text]},
                "response_body": {"choices": [{"message": {"role": text, "content": text, "audio": {"data": text}}}]},
                "media": [{"body": "request", "type": text, "size": 1, "sha256": text, "offset": 0, "length": 1, "encoding": "raw"}],
            }  # fmt: skip
            body = json.dumps([record], ensure_ascii=True).encode()
            assert client.post("/api/v1/records", content=body).status_code < 500
        client.get(f"/ui/enter?key={KEY}")
        pages = [
            "/ui/",
            "/ui/overview",
            "/api/v1/records?limit=100",
            "/v1/logs/exports",
            *(f"/ui/log/h{n}" for n in range(15)),
        ]
        for text in HOSTILE:
            safe = text.replace("{port}", port)
            for name in ("model", "user", "tag", "text", "name", "metadata", "sort", "since", "status", "kind"):
                if "\ud800" not in safe:
                    answer = client.get("/ui/", params={name: safe})
                    assert answer.status_code in {200, 400, 404}, (name, safe, answer.status_code)
        for page in pages:
            answer = client.get(page)
            assert answer.status_code < 500, page
            assert "<script>alert(1)" not in answer.text or page.startswith("/api"), page
            assert "root:x:0" not in answer.text
            assert ">49<" not in answer.text
        for number in range(len(HOSTILE)):
            for path in (f"/api/v1/records/h{number}", f"/ui/raw?id=h{number}&side=request"):
                assert client.get(path).status_code < 500
        with pytest.raises(TimeoutError):
            canary.accept()
        assert len(open_store(server.store.url).find(Query(), 100)) > 10
        assert not Path("/tmp/pwned").exists()


def test_comparisons_of_keys_take_the_same_time_by_construction() -> None:
    import inspect

    from autolog.server import _keys

    source = inspect.getsource(_keys.Keyring.find)
    assert source.count("compare_digest") == 1
    assert "==" not in source


def test_no_pickle_eval_or_template_from_data_in_the_package() -> None:
    import autolog

    package = Path(autolog.__file__).parent
    for file in package.rglob("*.py"):
        text = file.read_text()
        assert not re.search(
            r"\bpickle\b.*\bload|\byaml\.(unsafe_)?load\((?!.*SafeLoader)|from_string\(|\beval\(", text
        ), file
