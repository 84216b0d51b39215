"""The server's log: one line for each request and refusal, without keys, queries or bodies."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from live import KEY
from starlette.testclient import TestClient

from autolog.server import _logs, create_app
from autolog.server._keys import create_key, list_keys, revoke_key
from autolog.server._logs import REFUSALS_PER_SECOND, JsonFormatter, TextFormatter, set_up
from autolog.stores import open_store


def test_requests_refusals_and_changes_of_keys_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    with TestClient(create_app(store, api_key=KEY)) as client, caplog.at_level(logging.INFO, "autolog.server"):
        client.get("/api/v1/records?user=secret-user", headers={"x-api-key": KEY})
        client.post("/ui/login", data={"key": "wrong-key"})
        client.get("/ui/enter?key=also-wrong")
        key = create_key(store, "new")
        keyring = client.app.state.services.keyring  # type: ignore[attr-defined]
        keyring.refresh(at_once=True)
        (key_id,) = list_keys(store)
        revoke_key(store, key_id)
        keyring.refresh(at_once=True)
    lines = [(record.name.rpartition(".")[2], record.getMessage()) for record in caplog.records]
    assert any(name == "access" and "GET '/api/v1/records' 200" in line and "key=fixed" in line for name, line in lines)
    audit = [line for name, line in lines if name == "audit"]
    assert audit[0].startswith("refused: testclient POST '/ui/login' 401")
    assert audit[1:] == [f"key {key_id} was added", f"key {key_id} was revoked"]
    whole = "".join(JsonFormatter().format(record) for record in caplog.records)
    for secret in ("secret-user", "wrong-key", "also-wrong", KEY, key):
        assert secret not in whole


def test_refusals_do_not_flood_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        TestClient(create_app(f"sqlite:///{tmp_path}/s.db", api_key=KEY)) as client,
        caplog.at_level(logging.WARNING, "autolog.server"),
    ):
        for _ in range(10 * REFUSALS_PER_SECOND):
            client.get("/api/v1/records")
    lines = [record for record in caplog.records if record.name == "autolog.server.audit"]
    assert REFUSALS_PER_SECOND <= len(lines) < 5 * REFUSALS_PER_SECOND


def test_requests_that_cannot_be_parsed_do_not_flood_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("autolog", "uvicorn", "autolog.server.audit", "autolog.server.alerts"):
        for attribute in ("handlers", "level", "propagate"):
            monkeypatch.setattr(logging.getLogger(name), attribute, getattr(logging.getLogger(name), attribute))
    set_up("warning", as_json=False)
    for now in (100.0, 101.0):
        monkeypatch.setattr(_logs, "monotonic", lambda now=now: now)
        for _ in range(10 * REFUSALS_PER_SECOND):
            logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
        logging.getLogger("autolog.server").error("another")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 * (REFUSALS_PER_SECOND + 1)
    left_out = [line for line in lines if "left out" in line]
    assert len(left_out) == 1
    assert f"received. ({9 * REFUSALS_PER_SECOND} more lines were left out before)" in left_out[0]


def test_a_line_of_json_has_the_fields() -> None:
    record = logging.LogRecord("autolog.server.access", logging.INFO, "", 0, "%d", (200,), None)
    record.fields = {"status": 200, "path": "/\n"}
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line) == {**json.loads(line), "level": "info", "message": "200", "status": 200, "path": "/\n"}


def test_what_is_logged_neither_acts_on_a_terminal_nor_passes_for_another_line() -> None:
    words = "FIRING a: user=\x1b]0;taken over\x07\n2026-11-28 INFO key=k created the key x"
    line = TextFormatter("%(levelname)s %(message)s").format(logging.makeLogRecord({"msg": words, "levelname": "INFO"}))
    assert line == "INFO FIRING a: user=\\x1b]0;taken over\\x07\n  2026-11-28 INFO key=k created the key x"
