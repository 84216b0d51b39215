"""Shipping from the client: natively, in a vendor's format, to several places, and when the backend does not behave."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from live import KEY, Live, live
from test_wire import MESSAGES, Clients

import autolog
from autolog import dialects
from autolog.cli._standin import standin
from autolog.errors import ConfigError
from autolog.stores import open_store
from autolog.stores.query import Query


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path / "server.db") as running:
        yield running


def call(metadata: dict[str, Any] | None = None) -> None:
    autolog.patch_openai()
    with standin() as address, autolog.context(user="u", metadata=metadata or {"plan": "gold"}):
        Clients(address).openai.chat.completions.create(model="gpt-4o", messages=MESSAGES)


BASES = {"native": "", "otlp": "", "responselog": "", "promptlayer": "", "portkey": "/v1", "humanloop": "/v5"}


@pytest.mark.parametrize("dialect", dialects.shipping())
def test_every_dialect(server: Live, dialect: str) -> None:
    autolog.configure(endpoint=server.url + BASES[dialect], api_key=KEY, dialect=dialect)
    call()
    assert autolog.flush()
    (record,) = server.records()
    assert (record.dialect, record.request_model, record.provider_name) == (dialect, "gpt-4o", "openai")
    assert (record.usage_output_tokens or 0) > 0
    assert record.cost
    assert record.metadata["plan"] == "gold"
    assert autolog.status()["written"] == 1
    assert autolog.status()["endpoint"] == server.url + BASES[dialect]


def test_natively_nothing_is_lost_on_the_way(server: Live, tmp_path: Path) -> None:
    autolog.configure(store=f"sqlite:///{tmp_path}/local.db", sinks=[{"endpoint": server.url, "api_key": KEY}])
    call()
    with autolog.span("s", kind="chain") as span:
        span.set(n=1)
    assert autolog.flush()
    here = open_store(f"sqlite:///{tmp_path}/local.db").find(Query(), order_by="seq", newest_first=False, bodies=True)
    there = server.records()
    assert len(here) == len(there) == 2
    for mine, theirs in zip(here, there, strict=True):
        theirs.received_at, theirs.updated_at = mine.received_at, mine.updated_at
        assert theirs == mine


def test_a_dead_sink_does_not_hold_up_another(tmp_path: Path) -> None:
    autolog.configure(
        store=f"sqlite:///{tmp_path}/local.db", sinks=[{"endpoint": "http://127.0.0.1:9", "dialect": "portkey"}]
    )
    call()
    autolog.flush(2)
    assert len(open_store(f"sqlite:///{tmp_path}/local.db").find(Query())) == 1
    assert "ConnectError" in autolog.status()["last_error"]
    assert (autolog.status()["queued"], autolog.status()["journalled"]) == (0, 1)


class Moody(BaseHTTPRequestHandler):
    """Answers as its server's list says, then well."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        server: Any = self.server
        server.asked.append(time.monotonic())
        status, headers = server.answers.pop(0) if server.answers else (200, {})
        self.send_response(status)
        for name, value in {"content-length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def moody() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    server.answers, server.asked = [], []
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_retries_until_it_is_taken(moody: Any) -> None:
    moody.answers = [(500, {}), (429, {"retry-after": "1"}), (503, {})]
    autolog.configure(endpoint=moody.url)
    call()
    deadline = time.monotonic() + 15
    while autolog.status()["written"] == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert autolog.status()["written"] == 1
    assert len(moody.asked) == 4
    assert moody.asked[2] - moody.asked[1] >= 0.9
    assert autolog.status()["dropped"] == {}


def test_what_is_refused_for_good_is_counted(moody: Any) -> None:
    moody.answers = [(400, {})]
    autolog.configure(endpoint=moody.url)
    call()
    assert autolog.flush()
    assert autolog.status()["dropped"] == {"refused by the backend": 1}


def test_one_by_one_formats_do_not_repeat_what_was_taken(moody: Any) -> None:
    autolog.configure(endpoint=moody.url, dialect="responselog")
    moody.answers = [(200, {}), (500, {})]
    for _ in range(3):
        with autolog.span("s"):
            pass
    deadline = time.monotonic() + 10
    while autolog.status()["written"] < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert autolog.status()["written"] == 3
    assert len(moody.asked) == 4


def test_a_batch_that_is_too_large_goes_in_halves(moody: Any) -> None:
    moody.answers = [(413, {})]
    autolog.configure(endpoint=moody.url)
    for _ in range(4):
        with autolog.span("s"):
            pass
    assert autolog.flush()
    assert len(moody.asked) == 3
    assert autolog.status()["dropped"] == {}


def test_scores(server: Live) -> None:
    autolog.configure(endpoint=server.url, api_key=KEY)
    call()
    autolog.flush()
    autolog.score(server.records()[0].id, 0.9, comment="good")
    assert autolog.flush()
    (record,) = server.records()
    assert record.scores == {"default": {"value": 0.9, "comment": "good"}}
    assert record.request_model == "gpt-4o"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"endpoint": "localhost:8790"}, "is not an http:// or https:// URL"),
        ({"dialect": "cloudflare"}, "has no call that inserts"),
        ({"dialect": "klingon"}, "is not one of native"),
        ({"sinks": [3]}, "is neither a store URL nor a mapping"),
        ({"sinks": [{"endpoint": "http://x", "key": "y"}]}, "is neither a store URL nor a mapping"),
    ],
)
def test_bad_options(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        autolog.configure(**options)
