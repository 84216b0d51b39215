"""The server itself: our own protocol, keys and projects, limits, the tail, mounting, instrumented programs, kill -9."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from dialects.samples import Server
from live import KEY, Live, live
from starlette.testclient import TestClient

from autolog._record.record import Record
from autolog._zstd import zstd
from autolog.errors import AutologError
from autolog.server import Limits, create_app
from autolog.server._keys import create_key, list_keys, revoke_key
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.query import Query

HERE = Path(__file__).parents[1]


@pytest.fixture
def store(store_url: str) -> Store:
    return open_store(store_url)


@pytest.fixture
def server(store: Store) -> Iterator[Server]:
    limits = Limits(body_bytes=50_000, decompressed_bytes=100_000, batch_items=10)
    with TestClient(create_app(store, api_key=KEY, limits=limits)) as client:  # type: ignore[arg-type]
        yield Server(client, store)


@pytest.fixture
def running(store_url: str) -> Iterator[Live]:
    with live(store_url) as made:
        yield made


# Our own protocol


def test_a_batch_with_a_bad_record(server: Server) -> None:
    batch = [{"id": "a", "user": "u", "request_body": {"big": 123456789012345678901234567890, "x": [1.0]}},
             {"id": "b", "user": 3}, {"name": "no id"}, {"id": "d", "created_at": "0001-01-01T00:00:00Z"}]  # fmt: skip
    answer = server.call("POST", "/api/v1/records", {"records": batch}).json()
    assert (answer["accepted"], answer["rejected"]) == (2, 2)
    assert [result["status"] for result in answer["results"]] == [200, 400, 200, 400]
    assert "user" in answer["results"][1]["error"]
    first = server.rows()[0]
    assert first.request_body == b'{"big": 123456789012345678901234567890, "x": [1.0]}'
    server.call("POST", "/api/v1/records", batch[:1])
    server.call("POST", "/api/v1/records", {"id": "a", "session": "s"})
    assert len(server.rows()) == 2
    assert (server.rows()[0].user, server.rows()[0].session) == ("u", "s")


@pytest.mark.parametrize("body", [b"", b"3", b"{", b'"x"', b"\xff", b"[" * 9000, b'{"records": 3}'])
def test_what_is_no_batch(server: Server, body: bytes) -> None:
    assert server.call("POST", "/api/v1/records", body).status_code == 400
    assert (
        server.call("POST", "/api/v1/records", body, headers={"content-type": "application/msgpack"}).status_code == 400
    )
    assert server.rows() == []


def test_queries_scores_and_sums(server: Server) -> None:
    server.store.write(
        [
            Record(id=f"r{n}", user="u" if n else None, request_model="m", tags=["t"], metadata={"k": str(n)})
            for n in range(3)
        ]
    )
    found = server.call("GET", "/api/v1/records", params={"user": "u", "metadata": "k=2", "tag": "t"}).json()
    assert ([record["id"] for record in found["records"]], found["total"]) == (["r2"], 1)
    assert server.call("GET", "/api/v1/records?limit=x").status_code == 400
    assert server.call("GET", "/api/v1/records?metadata=x").status_code == 400
    assert server.call("GET", "/api/v1/records?since=soon").status_code == 400
    refused = server.call("GET", "/api/v1/records?colour=red")
    assert (refused.status_code, "there are model, provider" in refused.text) == (400, True)
    assert server.call("GET", "/api/v1/records?by=user").status_code == 400
    assert server.call("GET", "/api/v1/tail?limit=5").status_code == 400
    assert server.call("GET", "/api/v1/records?since=today&zone=Mars").status_code == 400
    assert len(server.call("GET", "/api/v1/records?since=today&zone=Asia/Tokyo").json()["records"]) == 3
    assert server.call("GET", "/api/v1/records?project=other").json()["records"] == []
    assert server.call("GET", "/api/v1/aggregate?by=user").json()["groups"][0]["calls"] == 2
    assert server.call("GET", "/api/v1/aggregate?by=shoe-size").status_code == 400
    assert server.call("POST", "/api/v1/records/r1/scores", {"value": 0.5, "comment": "meh"}).status_code == 200
    assert server.call("GET", "/api/v1/records/r1").json()["scores"] == {"default": {"value": 0.5, "comment": "meh"}}
    assert server.call("POST", "/api/v1/records/r1/scores", {"value": "high"}).status_code == 400
    assert server.call("POST", "/api/v1/records/nobody/scores", {"value": 1}).status_code == 404
    assert server.call("DELETE", "/api/v1/records/r1").status_code == 200
    assert server.call("GET", "/api/v1/records/r1").status_code == 404


def test_the_tail(running: Live) -> None:
    seen: list[dict[str, Any]] = []

    def follow() -> None:
        headers = {"authorization": f"Bearer {KEY}"}
        with httpx2.stream("GET", f"{running.url}/api/v1/tail?user=u", headers=headers, timeout=20) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    seen.append(json.loads(line[6:]))
                    return

    thread = threading.Thread(target=follow)
    thread.start()
    deadline = time.monotonic() + 15
    while thread.is_alive() and time.monotonic() < deadline:
        running.store.write([Record(id=f"x{time.monotonic()}"), Record(id=f"y{time.monotonic()}", user="u")])
        time.sleep(0.2)
    thread.join(5)
    assert seen[0]["user"] == "u"


# Keys and projects


def test_keys(server: Server, store: Store) -> None:
    ingest = create_key(store, "in", "shop", ["ingest"])
    reader = create_key(store, "out", "shop", ["read"])
    other = create_key(store, "other", "blog", ["ingest", "read", "admin"])
    server.client.app.state.services.keyring.refresh(at_once=True)  # type: ignore[attr-defined]
    answer = server.call("POST", "/api/logs/insert", {"model": "m"}, key=ingest)
    assert answer.status_code == 200
    record_id = answer.json()["id"]
    assert server.call("GET", f"/api/v1/records/{record_id}", key=ingest).status_code == 403
    assert server.call("POST", "/api/logs/insert", {"model": "m"}, key=reader).status_code == 403
    assert server.call("GET", f"/api/v1/records/{record_id}", key=reader).status_code == 200
    gateways = "/client/v4/accounts/a/ai-gateway/gateways"
    for method, path, body in (
        ("GET", f"/api/v1/records/{record_id}", None), ("DELETE", f"/api/v1/records/{record_id}", None),
        ("POST", "/api/logs/update", {"id": record_id, "update_data": {"model": "x"}}), ("GET", f"/v5/logs/{record_id}", None),
        ("GET", f"/v1/logs/{record_id}", None), ("GET", f"{gateways}/shop/logs", None), ("GET", f"{gateways}/shop/logs/{record_id}", None),
        ("PATCH", f"{gateways}/shop/logs/{record_id}", {"score": 1}), ("DELETE", f"{gateways}/shop/logs", None),
        ("POST", "/rest/track-score", {"request_id": 1, "score": 1}), ("GET", "/api/public/v2/requests/1", None),
    ):  # fmt: skip
        assert server.call(method, path, body, key=other).status_code == 404, path
    server.call("DELETE", "/v5/logs", key=other, params={"id": record_id})
    server.call("POST", "/api/v1/records", [{"id": record_id, "user": "stolen"}], key=other)
    mine = store.get(record_id, "shop")
    assert mine is not None
    assert mine.user is None
    assert server.call("GET", f"{gateways}/shop/logs", key=reader).json()["result_info"]["total_count"] == 1
    assert server.call("GET", f"{gateways}/shop/logs").json()["result_info"]["total_count"] == 1
    assert [row["id"] for row in server.call("GET", gateways).json()["result"]] == ["blog", "default", "shop"]
    (key_id,) = [key for key, data in list_keys(store).items() if data["name"] == "out"]
    revoke_key(store, key_id)
    server.client.app.state.services.keyring.refresh(at_once=True)  # type: ignore[attr-defined]
    assert server.call("GET", f"/api/v1/records/{record_id}", key=reader).status_code == 401
    assert ingest not in json.dumps(store.documents("key"))
    if store.url.startswith("sqlite"):
        assert ingest.encode() not in Path(store.url.removeprefix("sqlite:///")).read_bytes()


def test_bad_keys(server: Server, store: Store) -> None:
    strange = server.client.post("/api/logs/insert", content=b"{}", headers=[(b"x-api-key", b"\xc3\xbc\xff")])
    assert strange.status_code == 401
    for key in (None, "", "wrong", "x" * 10_000, "unknown"):
        answer = server.call("POST", "/api/logs/insert", b"{malformed", key=key)
        assert answer.status_code == 401
        assert answer.json() == {"error": "the API key is missing or not known"}
    with pytest.raises(AutologError, match="scopes are"):
        create_key(store, "x", scopes=["everything"])
    with pytest.raises(AutologError, match="no key"):
        revoke_key(store, "nobody")


# Limits


def test_limits(server: Server) -> None:
    insert = "/api/logs/insert"
    large = json.dumps({"model": "m", "description": "x" * 50_000}).encode()
    assert server.call("POST", insert, large).status_code == 413
    bomb = gzip.compress(json.dumps({"model": "m", "description": "x" * 1_000_000}).encode())
    for coding, data, status in (
        ("gzip", bomb, 413), ("zstd", zstd.compress(b" " * 1_000_000), 413), ("gzip", b"junk", 400), ("zstd", b"junk", 400),
        ("gzip", gzip.compress(b'{"model":"m"}')[:-9], 400), ("br", b"x", 415), ("gzip", gzip.compress(b'{"model":"m"}'), 200),
        ("deflate", zlib.compress(b'{"model":"m"}'), 200), ("zstd", zstd.compress(b'{"model":"m"}'), 200),
    ):  # fmt: skip
        answer = server.call("POST", insert, data, headers={"content-encoding": coding})
        assert answer.status_code == status, (coding, answer.text)
    assert len(server.rows()) == 3
    assert server.call("POST", "/api/v1/records", [{}] * 11).status_code == 413
    assert server.call("POST", "/v1/logs", [{"request": {}, "response": {}}] * 11).status_code == 413
    assert server.call("POST", "/api/v1/records", b"x", headers={"content-type": "text/plain"}).status_code == 415
    assert (
        server.call("POST", "/v1/traces", b"x", headers={"content-type": "application/x-protobuf"}).status_code == 400
    )


def test_rate_limit(store: Store) -> None:
    with TestClient(create_app(store, api_key=KEY, limits=Limits(requests_per_second=1))) as client:  # type: ignore[arg-type]
        server = Server(client, store)
        statuses = [server.call("POST", "/v1/logs", []).status_code for _ in range(5)]
        assert statuses[:2] == [200, 200]
        assert statuses[-1] == 429
        answer = server.call("POST", "/v5/prompts/log", {"path": "x"})
        assert (answer.status_code, int(answer.headers["retry-after"])) == (429, 1)


def test_the_head_of_a_tail_ends(server: Server) -> None:
    assert server.call("HEAD", "/api/v1/tail").status_code == 200


def test_a_full_store_is_said_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    def full(*_: Any) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorname = "SQLITE_FULL"
        raise error

    from clickhouse_connect.driver.exceptions import DatabaseError
    from clickhouse_connect.driver.httpclient import HttpClient

    from autolog.stores.sqlite._records import RecordWriter

    def no_space(*_: Any, **__: Any) -> None:
        raise DatabaseError("server response: Code: 243. Cannot reserve 1.00 MiB, not enough space", code=243)

    monkeypatch.setattr(RecordWriter, "write", full)
    monkeypatch.setattr(HttpClient, "insert", no_space)
    answer = server.call("POST", "/api/logs/insert", {"model": "m"})
    assert (answer.status_code, answer.headers["retry-after"]) == (507, "30")
    monkeypatch.undo()
    assert server.call("POST", "/api/logs/insert", {"model": "m"}).status_code == 200


# Mounting, documents


def test_it_mounts_in_another_application(store: Store) -> None:
    from fastapi import FastAPI

    outer = FastAPI()
    outer.mount("/logs", create_app(store, api_key=KEY))
    with TestClient(outer) as client:
        answer = client.post("/logs/api/logs/insert", json={"model": "m"}, headers={"x-api-key": KEY})
        assert answer.status_code == 200
        assert client.get("/logs/health").json() == {"status": "ok"}


def test_documents(server: Server) -> None:
    document = server.call("GET", "/openapi.json", key=None).json()
    assert "/v5/prompts/{id}/log/{log_id}" in document["paths"]
    page = server.call("GET", "/docs", key=None).text
    assert "POST /log-request" in page
    assert "http" not in page.replace("https://", "").replace("http-equiv", "") or "//" not in page
    assert server.call("GET", "/nothing").json()["error"]["message"] == "there is nothing at this path"
    assert server.call("GET", "/v5/nothing").json() == {"detail": "there is nothing at this path"}


# Instrumented programs


CALL = """
import openai
client = openai.OpenAI(base_url={address!r} + "/v1", api_key="k")
client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "Say hello"}}])
"""
SETUPS = {
    "opentelemetry": """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument()
""",
    "openinference": """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
from openinference.instrumentation.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument(tracer_provider=provider)
""",
    "openllmetry": """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument(tracer_provider=provider)
""",
    "logfire": """
import logfire
logfire.configure(send_to_logfire=False, console=False)
logfire.instrument_openai()
""",
    "anthropic": """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
""",
}
ANTHROPIC = """
import anthropic
client = anthropic.Anthropic(base_url={address!r}, api_key="k")
client.messages.create(model="claude-sonnet-5", max_tokens=9, messages=[{{"role": "user", "content": "Say hello"}}])
"""


PATCH = """
import autolog
autolog.configure(endpoint={url!r}, api_key={key!r})
autolog.patch()
"""


@pytest.mark.parametrize("layers", ["alone", "above autolog"])
@pytest.mark.parametrize("name", SETUPS)
def test_instrumented_programs_ship_to_us(running: Live, name: str, layers: str, tmp_path: Path) -> None:
    """A span of somebody else's is a record; if autolog saw the same call on the wire, both are one."""
    from autolog.cli._standin import standin

    with standin() as address:
        call = (ANTHROPIC if name == "anthropic" else CALL).format(address=address)
        patch = PATCH.format(url=running.url, key=KEY) if layers == "above autolog" else ""
        done = subprocess.run(
            [sys.executable, "-c", patch + SETUPS[name] + call],
            env={
                **os.environ,
                "OTEL_EXPORTER_OTLP_ENDPOINT": running.url,
                "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {KEY}",
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true",
                "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
                "OTEL_TRACES_EXPORTER": "otlp",
            },
            cwd=tmp_path,
            timeout=60,
            check=False,
            capture_output=True,
            text=True,
        )
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip(f"{name} is not installed")
    assert done.returncode == 0, done.stderr
    calls = [record for record in running.records() if record.kind == "llm"]
    assert len(calls) == 1, (done.stderr, [record.extra for record in running.records()])
    (record,) = calls
    if layers == "above autolog":
        assert record.sdk
        assert record.extra["otel"]["span_id"]
        assert record.cost
        return
    assert record.provider_name == ("anthropic" if name == "anthropic" else "openai")
    assert record.request_model == ("claude-sonnet-5" if name == "anthropic" else "gpt-4o")
    assert record.operation_name == "chat"
    assert record.status == "ok"
    assert record.usage_input_tokens
    assert record.usage_output_tokens
    assert record.cost
    assert record.duration
    if name in {"openinference", "logfire", "openllmetry"}:
        assert record.input_preview == "Say hello"


# Processes


def start(path: Path, port: int = 0, **environ: str) -> tuple[subprocess.Popen[str], str, list[str]]:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "autolog", "serve", "--port", str(port), "--store", f"sqlite:///{path}"],
        env={**os.environ, "PYTHONPATH": str(HERE), **environ},
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    assert process.stderr is not None
    while not lines or not lines[-1].startswith("autolog serves"):
        line = process.stderr.readline()
        assert line, "".join(lines)
        lines.append(line)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx2.get(f"{url}/health")
            break
        except httpx2.HTTPError:
            time.sleep(0.05)
    return process, url, lines


def test_the_first_start_shows_a_key_once(tmp_path: Path) -> None:
    process, url, lines = start(tmp_path / "s.db")
    key = next(line for line in lines if "Admin key" in line).split()[-1]
    answer = httpx2.post(f"{url}/api/logs/insert", json={"model": "m"}, headers={"x-api-key": key})
    assert answer.status_code == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) in (0, -signal.SIGTERM)
    process, url, lines = start(tmp_path / "s.db")
    process.kill()
    process.wait()
    assert not any("Admin key" in line for line in lines)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_acknowledged_is_kept(tmp_path: Path, how: signal.Signals) -> None:
    process, url, _ = start(tmp_path / "s.db", AUTOLOG_SERVER_API_KEY=KEY)
    acknowledged: list[str] = []

    def insert(worker: int) -> None:
        with httpx2.Client(headers={"authorization": f"Bearer {KEY}"}) as client:
            for number in range(10_000):
                record_id = f"{worker}-{number}"
                try:
                    answer = client.post(f"{url}/api/v1/records", json=[{"id": record_id}])
                except httpx2.HTTPError:
                    return
                if answer.status_code == 200:
                    acknowledged.append(record_id)

    threads = [threading.Thread(target=insert, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 200:
        time.sleep(0.01)
    process.send_signal(how)
    for thread in threads:
        thread.join()
    process.wait(20)
    kept = {record.id for record in open_store(f"sqlite:///{tmp_path}/s.db").find(Query(), 1_000_000)}
    assert set(acknowledged) <= kept
