"""`autolog reconcile`, against a stand-in for OpenAI's and Anthropic's reports."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from click.testing import CliRunner
from commands import output, run

from autolog._record.record import Record
from autolog.cli import cli
from autolog.errors import AutologError
from autolog.stores import open_store

RANGE = ["--from", "2026-11-01", "--to", "2026-11-01"]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    store = open_store(f"sqlite:///{tmp_path}/.autolog/logs.db")
    for provider, model in (("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5")):
        store.write([Record(id=provider, provider_name=provider, response_model=model, cost=0.5,
                            request_meta={"key_hint": "WXYZ"}, created_at=datetime(2026, 11, 1, 23, tzinfo=UTC))])  # fmt: skip

    class Reports(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            parameters = parse_qsl(address.query)
            results: dict[str, list[dict[str, object]]] = {
                "/v1/organization/costs": [
                    {"amount": {"value": 0.5}, "line_item": "gpt-4o-2024-08-06, input", "api_key_id": "key_1"}
                ],
                "/v1/organizations/cost_report": [{"amount": "75.0", "model": "claude-sonnet-4-5"}],
            }
            known = "sk-admin" in (self.headers.get("authorization") or self.headers.get("x-api-key") or "")
            listed: dict[str, list[dict[str, object]]] = {
                "/v1/organization/projects": [{"id": "proj_1"}],
                "/v1/organization/projects/proj_1/api_keys": [
                    {"id": "key_1", "name": "web", "redacted_value": "sk-...WXYZ"}
                ],
                "/v1/organizations/api_keys": [],
            }
            if known and address.path in listed:
                body = json.dumps({"data": listed[address.path], "has_more": False}).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)
                return
            start = {"start_time": 1_793_491_200, "starting_at": "2026-11-01T00:00:00Z"}
            assert (
                not known
                or ("start_time", "1793491200") in parameters
                or ("ending_at", "2026-11-02T00:00:00Z") in parameters
            )
            body = json.dumps(
                {"data": [{**start, "results": results.get(address.path, [])}], "has_more": False}
            ).encode()
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Reports)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_what_agrees_and_what_is_dearer(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin")
    monkeypatch.setenv("ANTHROPIC_ADMIN_KEY", "sk-admin")
    done = CliRunner().invoke(cli, ["reconcile", "openai", *RANGE, "--base-url", url])
    assert "1 of 1 days, models and keys agree" in done.output
    done = CliRunner().invoke(cli, ["reconcile", "openai", *RANGE, "--base-url", url, "--all"])
    assert "2026-11-01  gpt-4o  web (…WXYZ)  agreed" in done.output
    assert done.exit_code == 0
    done = CliRunner().invoke(cli, ["reconcile", "anthropic", *RANGE, "--base-url", url, "--json"])
    (line,) = json.loads(done.output)
    assert (line["verdict"], line["logged"], line["billed"]) == ("dearer", 0.5, 0.75)
    assert done.exit_code == 1


def test_a_downloaded_report(url: str, tmp_path: Path) -> None:
    report = tmp_path / "costs.csv"
    report.write_text("date,model,cost\n2026-11-01,gpt-4o,0.5\n2026-11-02,gpt-4o,9\n")
    done = CliRunner().invoke(cli, ["reconcile", "openai", *RANGE, "--csv", str(report), "--all"])
    assert "2026-11-01  gpt-4o  agreed" in done.output
    assert done.exit_code == 0
    report.write_text("date,model,cost\n2026-11-01,gpt-4o,0.75\n")
    differs = output("reconcile", "openai", *RANGE, "--csv", str(report), code=1).splitlines()
    assert differs[0].split() == ["day", "model", "verdict", "logged", "billed"]
    assert differs[2].split() == ["2026-11-01", "gpt-4o", "dearer", "$0.50", "$0.75"]
    assert differs[3].strip().startswith("the report has no tokens")


def test_a_key_that_is_missing_or_wrong_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_ADMIN_KEY", raising=False)
    with pytest.raises(AutologError, match="set OPENAI_ADMIN_KEY"):
        run("reconcile", "openai", *RANGE)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "wrong")
    with pytest.raises(AutologError, match=r"127\.0\.0\.1, .*401"):
        run("reconcile", "openai", *RANGE, "--base-url", url)
