"""`autolog doctor`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from commands import run
from live import live
from otlp_backend import PROTOBUF, otlp_backend

import autolog
from autolog import _guard
from autolog._config import config_from
from autolog._delivery.journal import journal_for
from autolog._record.record import Record
from autolog.server._keys import create_key
from autolog.stores import open_store
from autolog.stores._contract import Store


def test_doctor(ten_records: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = json.loads(run("doctor", "--json").output)
    assert healthy["ok"]
    messages = {check["check"]: check["message"] for check in healthy["checks"]}
    assert "10 records" in messages["store"]
    assert "can be patched" in messages["openai"]
    assert not autolog.status()["patched"]
    assert (messages["journal"], messages["losses"][:10]) == ("nothing waiting; schema version 1", "none repor")
    assert f"schema version {ten_records.schema}" in messages["store"]
    journal = journal_for(config_from({}), {"endpoint": "http://logs.example"})
    journal.note_losses({"queue full": 7})
    journal.add([Record(id="a"), Record(id="b")])
    report = " ".join(run("doctor").output.split())
    assert "7 (queue full)" in report
    assert "2 records" in report
    assert "wait for http://logs.example native" in report
    assert run("doctor").exit_code == 1
    monkeypatch.setenv("AUTOLOG_ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be reached" in run("doctor").output
    assert run("doctor").exit_code == 1
    monkeypatch.setenv("AUTOLOG_ENDPOINT", "nonsense")
    assert "is not an http:// or https:// URL" in run("doctor").output


def test_an_sdk_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "together").mkdir()
    (tmp_path / "together/__init__.py").write_text("raise RuntimeError('half installed')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "together", raising=False)
    checks = {check["check"]: check for check in json.loads(run("doctor", "--json").output)["checks"]}
    assert checks["together"]["ok"] is False
    assert checks["together"]["message"] == "importing it raises RuntimeError: half installed"


BASE_CLIENT = """
class BaseClient:
    def _build_request(self, options): ...
class SyncAPIClient(BaseClient):
    def request(self, cast_to, options): ...
    def _process_response(self, response): ...
class AsyncAPIClient(BaseClient):
    async def request(self, cast_to, options): ...
    async def _process_response(self, response): ...
"""


@pytest.mark.parametrize(("package", "base_client", "says"), [
    ("import importlib, groq._base_client as base\nimportlib.reload(base)", BASE_CLIENT, "have been imported again"),
    ("", BASE_CLIENT.replace("request(self, cast_to,", "request(self,"), "does not exist in this version"),
])  # fmt: skip
def test_an_sdk_that_is_not_patched_once_it_has_been_imported_is_named(
    package: str, base_client: str, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_guard, "strict", False)  # the import is not to fail
    (tmp_path / "groq").mkdir()
    (tmp_path / "groq/__init__.py").write_text(package)
    (tmp_path / "groq/_base_client.py").write_text(base_client)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("groq", "groq._base_client"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))  # so that what is imported is removed afterwards
        monkeypatch.delitem(sys.modules, name)
    checks = {check["check"]: check for check in json.loads(run("doctor", "--json").output)["checks"]}
    _guard.failures.clear()
    assert checks["groq"]["ok"] is False
    assert says in checks["groq"]["message"]


@pytest.mark.parametrize(
    ("scopes", "ok", "says"),
    [(["read"], False, "lacks the ingest scope"), (["ingest"], True, "accepts records"),
     (["ingest", "read"], True, "accepts records"), ([], False, "does not know the API key")],
)  # fmt: skip
def test_a_key_of_the_server_must_be_able_to_send(
    scopes: list[str], ok: bool, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live(tmp_path / "server.db") as server:
        key = create_key(server.store, "default", scopes=scopes) if scopes else "unknown"
        monkeypatch.setenv("AUTOLOG_API_KEY", key)
        checks = json.loads(run("doctor", "--json", "--server", server.url).output)["checks"]
        (check,) = [check for check in checks if check["check"] == "server"]
        assert (check["ok"], says in check["message"]) == (ok, True)
        assert server.names() == []


def test_doctor_checks_the_store_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOLOG_ENDPOINT", "http://127.0.0.1:9")
    url = f"sqlite:///{tmp_path}/other.db"
    open_store(url).write([Record(id="a", kind="llm")])
    checks = {check["check"]: check for check in json.loads(run("doctor", "--json", "--store", url).output)["checks"]}
    assert checks["store"]["ok"]
    assert "other.db: 1 records" in checks["store"]["message"]
    assert "server" not in checks
    assert run("doctor", "--store", url, "--server", "http://127.0.0.1:9").exit_code == 2


def test_doctor_sends_an_opentelemetry_backend_a_span(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOLOG_DIALECT", "otlp")
    for takes, says in ((("application/json",), "as JSON"), ((PROTOBUF,), "as protobuf"), ((), "HTTP 415")):
        with otlp_backend(*takes) as backend:
            monkeypatch.setenv("AUTOLOG_ENDPOINT", backend.url)
            checks = {check["check"]: check for check in json.loads(run("doctor", "--json").output)["checks"]}
            assert says in checks["server"]["message"]
            assert checks["server"]["ok"] is bool(takes)
            assert [span["name"] for span in backend.spans] == ["autolog doctor"] * len(takes)
    monkeypatch.setenv("AUTOLOG_ENDPOINT", "http://127.0.0.1:9")
    assert "did not accept a span" in run("doctor").output
