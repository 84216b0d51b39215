"""`autolog replay`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import openai
import pytest
from click.testing import CliRunner
from commands import run

import autolog
from autolog._record.record import Record, to_dict
from autolog.cli import cli
from autolog.cli._standin import standin
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.query import Query


def test_replay_sends_the_very_request_again(monkeypatch: pytest.MonkeyPatch) -> None:
    autolog.configure(store="sqlite:///.autolog/logs.db")
    autolog.patch()
    with standin() as address:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="k")
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello"}])
        autolog.flush()
        autolog.unpatch()  # the command itself records what a replay sends
        store = open_store("sqlite:///.autolog/logs.db")
        (first,) = store.find(Query(), bodies=True)
        refused = CliRunner().invoke(cli, ["replay", first.id])
        assert "which API key 127.0.0.1 accepts" in str(refused.exception)
        monkeypatch.setenv("MY_KEY", "sk-sec\rret")
        assert "sk-sec" not in str(CliRunner().invoke(cli, ["replay", first.id, "--key-env", "MY_KEY"]).exception)
        monkeypatch.setenv("MY_KEY", "sk-secret")
        assert "gpt-4o" in run("replay", first.id, "--key-env", "MY_KEY").output
        changed = run(
            "replay",
            first.id,
            "--key-env",
            "MY_KEY",
            "--model",
            "gpt-4o-mini",
            "--set",
            "temperature=0",
            "--set",
            "user=me",
            "--json",
        )
        failed = run("replay", first.id, "--key-env", "MY_KEY", "--model", "no-such-model")
    same_again, other = store.find(Query(), 10, newest_first=False, bodies=True)[1:3]
    assert same_again.request_body == first.request_body
    assert same_again.metadata == {"replay_of": first.id}
    assert same_again.cost == first.cost
    request = json.loads(other.request_body or b"")
    assert (request["model"], request["temperature"], request["user"]) == ("gpt-4o-mini", 0, "me")
    assert json.loads(changed.output)["request_model"] == "gpt-4o-mini"
    assert failed.exit_code == 1
    assert "sk-secret" not in str([to_dict(record) for record in store.find(Query(), 10)])
    with pytest.raises(autolog.errors.AutologError, match="did not answer"):
        run("replay", first.id, "--key-env", "MY_KEY")


def test_what_cannot_be_replayed(ten_records: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    ten_records.write([Record(id="span", kind="span"), Record(id="form", request_url="https://x", request_body=b"--x")])
    assert run("replay", "nobody").exit_code == 1
    with pytest.raises(autolog.errors.AutologError, match="no request"):
        run("replay", "span")
    with pytest.raises(autolog.errors.AutologError, match="not JSON"):
        run("replay", "form", "--model", "m")
    assert run("replay", "id-1", "--set", "nonsense").exit_code == 2


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://api.openai.com/v1", "unencrypted"),
        ("http://example.com/v1", "unencrypted"),
        ("https://api.openai.com:8443/v1", "which API key api.openai.com accepts"),
        ("https://api.openai.com.example.com/v1", "which API key"),
        ("https://api.openai.com@example.com/v1", "is not an address"),
        ("https://api.openai.com\\@example.com/v1", "is not an address"),
        ("ftp://api.openai.com/v1", "is not an address"),
    ],
)
def test_a_key_goes_nowhere_but_to_its_own_host_over_tls(
    ten_records: Store, monkeypatch: pytest.MonkeyPatch, address: str, words: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with pytest.raises(autolog.errors.AutologError, match=words) as refused:
        run("replay", "id-1", "--base-url", address)
    assert "sk-secret" not in str(refused.value)


class Redirects(BaseHTTPRequestHandler):
    """Redirects every request to an address that has a secret, and notes the requests' first lines."""

    lines: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.lines.append(self.requestline)
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(307)
        self.send_header("location", "http://ada:secret@elsewhere.example/v1?key=secret")
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def redirects() -> Iterator[str]:
    Redirects.lines.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Redirects) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_key_goes_to_no_redirect_and_past_no_proxy(monkeypatch: pytest.MonkeyPatch, redirects: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # would see the key, as there is no TLS on this machine
    monkeypatch.setenv("MY_KEY", "sk-secret")
    record = Record(id="one", request_url=f"{redirects}/v1/chat/completions", request_body=b"{}")
    store = open_store("sqlite:///.autolog/logs.db")
    store.write([record])
    done = CliRunner().invoke(cli, ["replay", "one", "--key-env", "MY_KEY"])
    assert "redirects to http" in str(done.exception)
    assert "elsewhere.example" in str(done.exception)
    assert "secret" not in str(done.exception)
    assert Redirects.lines == ["POST /v1/chat/completions HTTP/1.1"]
    assert store.count(Query()) == 1
