"""Measure the logs per CPU second of our server in every format, of MLflow's and Phoenix, and the upper limit.

All get the same logs of 4 kB. A server's CPU time is that of its whole process tree, from the first request until it is
idle, so that deferred work counts, too. The limit is that of decoding and writing the same records without HTTP.

Batches in all formats are sent in turn, for several rounds, because a machine is not equally fast at all times: `times
native` is the median over the rounds of a format's CPU time a log, divided by that of native logs in the same round.
These native logs are complete, as a client sends them that reads and prices its calls itself, and their rows hold as
much as those of the other formats: previews, usage, and the cost in parts.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
from databases import engine
from environments import environment
from faults.real import free_port
from live import KEY

from autolog._reading.derive import fill_in_all
from autolog._record.record import Record
from autolog._record.zstd import zstd
from autolog.dialects import humanloop, native, portkey, promptlayer, responselog
from autolog.stores import open_store

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "while",
    "seven",
    "wizards",
    "box",
    "quietly",
    "in",
    "the",
    "old",
    "harbour",
]
BATCH = 500
#: The number of calls in a trace.
CALLS = 10


def records(count: int, name: str) -> Iterator[Record]:
    """Yield distinct logs of about 4 kB; similar ones would be compared as reports of one call."""
    import random

    chance = random.Random(name)
    trace_id = ""
    for number in range(count):
        trace_id = trace_id if number % CALLS else f"{chance.getrandbits(128):032x}"
        text, reply = (" ".join(chance.choices(WORDS, k=320)) for _ in range(2))
        at, input_tokens, output_tokens = (
            datetime.now(UTC),
            300 + chance.randrange(20_000),
            300 + chance.randrange(20_000),
        )
        yield Record(
            id=f"{name}-{number}", name="answer", created_at=at, start_time=at, end_time=at, duration=0.8,
            trace_id=trace_id, span_id=f"{chance.getrandbits(64):016x}", operation_name="chat", provider_name="openai",
            request_model="gpt-4o", response_model="gpt-4o-2024-08-06", response_id=f"chatcmpl-{name}-{number}",
            usage_input_tokens=input_tokens, usage_output_tokens=output_tokens, cost=0.0048, user=f"u{number % 100}", tags=["prod"],
            metadata={"tenant": f"t{number % 20}"}, request_content_type="application/json",
            request_body=json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}).encode(),
            response_body=json.dumps({"id": f"chatcmpl-{name}-{number}", "object": "chat.completion", "model": "gpt-4o-2024-08-06",
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": reply}}],
                "usage": {"prompt_tokens": input_tokens, "completion_tokens": output_tokens, "total_tokens": input_tokens + output_tokens}}).encode(),
        )  # fmt: skip


def unread(batch: list[Record]) -> list[Record]:
    """Return the same logs unread, as a client ships them by default, so that our server reads and prices them."""
    kept = ("id", "created_at", "start_time", "end_time", "duration", "trace_id", "span_id", "user", "tags", "metadata",
            "request_content_type", "request_body", "response_body")  # fmt: skip
    address = "https://api.openai.com/v1/chat/completions"
    return [
        Record(**{name: getattr(record, name) for name in kept}, request_url=address, status_code=200, sdk="openai")
        for record in batch
    ]


def complete(batch: list[Record]) -> list[Record]:
    """Return the same logs read and priced, as a client ships them whose options need the result."""
    records = unread(batch)
    fill_in_all(records)
    return records


def otlp(batch: list[Record]) -> bytes:
    """Return the same logs as an OTLP export in OpenInference's conventions."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for record in batch:
        now = time.time_ns()
        span = scope.spans.add(
            trace_id=bytes.fromhex(record.trace_id or ""), span_id=bytes.fromhex(record.span_id or ""), name="answer", kind=3,
            start_time_unix_nano=now - 800_000_000, end_time_unix_nano=now,
        )  # fmt: skip
        for key, value in (
            ("openinference.span.kind", "LLM"), ("llm.model_name", "gpt-4o"), ("input.mime_type", "application/json"),
            ("input.value", (record.request_body or b"").decode()), ("output.mime_type", "application/json"),
            ("output.value", (record.response_body or b"").decode()), ("user.id", record.user or ""),
        ):  # fmt: skip
            span.attributes.add(key=key).value.string_value = value
        for key, number in (
            ("llm.token_count.prompt", record.usage_input_tokens),
            ("llm.token_count.completion", record.usage_output_tokens),
        ):
            span.attributes.add(key=key).value.int_value = number or 0
    data: bytes = request.SerializeToString()
    return data


def genai(batch: list[Record]) -> dict[str, Any]:
    """Return the same logs as an OTLP export in JSON in the GenAI conventions."""
    spans = []
    for record in batch:
        request, response = (json.loads(body or b"") for body in (record.request_body, record.response_body))
        now = time.time_ns()
        values = {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.id": response["id"], "gen_ai.input.messages": json.dumps(request["messages"]),
            "gen_ai.output.messages": json.dumps([choice["message"] for choice in response["choices"]]),
            "user.id": record.user or "",
        }  # fmt: skip
        attributes: list[Any] = [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]
        counts = {
            "gen_ai.usage.input_tokens": str(record.usage_input_tokens),
            "gen_ai.usage.output_tokens": str(record.usage_output_tokens),
        }
        attributes += [{"key": key, "value": {"intValue": value}} for key, value in counts.items()]
        spans.append({"traceId": record.trace_id, "spanId": record.span_id, "name": "answer", "kind": 3,
                      "startTimeUnixNano": str(now - 800_000_000), "endTimeUnixNano": str(now),
                      "attributes": attributes})  # fmt: skip
    return {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "bench"}, "spans": spans}]}]}


def litellm(batch: list[Record]) -> list[dict[str, Any]]:
    """Return the same logs as sent by LiteLLM's generic logger."""
    return [
        {"litellm_call_id": record.id, "call_type": "acompletion", "status": "success", "model": "gpt-4o",
         "custom_llm_provider": "openai", "messages": json.loads(record.request_body or b"")["messages"],
         "response": json.loads(record.response_body or b""), "startTime": time.time() - 0.8, "endTime": time.time()}
        for record in batch
    ]  # fmt: skip


def langsmith(batch: list[Record]) -> dict[str, Any]:
    """Return the same logs as a batch of LangSmith's client."""
    runs = []
    for record in batch:
        times = {"start_time": str(record.start_time), "end_time": str(record.end_time)}
        metadata = {"ls_provider": "openai", "ls_model_name": "gpt-4o"}
        runs.append({"id": str(uuid.uuid4()), "run_type": "llm", "name": "answer", **times,
                     "inputs": {"messages": json.loads(record.request_body or b"")["messages"]},
                     "outputs": json.loads(record.response_body or b""), "extra": {"metadata": metadata}})  # fmt: skip
    return {"post": runs}


def langfuse(batch: list[Record]) -> dict[str, Any]:
    """Return the same logs as a batch of Langfuse's older clients."""
    events = []
    for record in batch:
        body = {"id": str(uuid.uuid4()), "traceId": record.trace_id, "model": "gpt-4o", "startTime": str(record.start_time),
                "endTime": str(record.end_time), "input": json.loads(record.request_body or b"")["messages"],
                "output": json.loads(record.response_body or b""), "usageDetails": {"input": record.usage_input_tokens, "output": record.usage_output_tokens}}  # fmt: skip
        events.append(
            {"id": body["id"], "type": "generation-create", "timestamp": str(record.start_time), "body": body}
        )
    return {"batch": events}


def openai_agents(batch: list[Record]) -> dict[str, Any]:
    """Return the same logs as sent by the OpenAI Agents SDK's exporter."""
    data = []
    for record in batch:
        request, response = (json.loads(body or b"") for body in (record.request_body, record.response_body))
        span_data = {"type": "generation", "model": "gpt-4o", "input": request["messages"],
                "output": [choice["message"] for choice in response["choices"]],
                "usage": {"input_tokens": record.usage_input_tokens, "output_tokens": record.usage_output_tokens}}  # fmt: skip
        data.append({"object": "trace.span", "id": f"span_{uuid.uuid4().hex[:24]}", "trace_id": f"trace_{record.trace_id}",
                     "started_at": str(record.start_time), "ended_at": str(record.end_time), "span_data": span_data})  # fmt: skip
    return {"data": data}


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU time that a process and its children have used."""
    total, ticks = 0.0, os.sysconf("SC_CLK_TCK")
    for member in tree(pid):
        try:
            parts = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(parts[11]) + int(parts[12])) / ticks
    return total


def tree(pid: int) -> list[int]:
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in task.read_text().split()]
    return [pid, *(member for child in children for member in tree(child))]


def memory_of(pid: int) -> float:
    """Return the resident memory of a process tree in MiB."""
    pages = sum(int(Path(f"/proc/{member}/statm").read_text().split()[1]) for member in tree(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Running:
    """A server's process that has started and answers requests."""

    def __init__(self, command: list[str], port: int, alive: str, folder: Path, **variables: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        started = time.monotonic()
        self.process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while True:
            try:
                if httpx2.get(self.url + alive, timeout=5).status_code < 500:
                    break
            except httpx2.HTTPError:
                pass
            if self.process.poll() is not None or time.monotonic() - started > 180:
                raise RuntimeError(f"{command[0]} does not start")
            time.sleep(0.02)
        self.ready = time.monotonic() - started
        time.sleep(2)
        self.idle = memory_of(self.process.pid)

    def end(self) -> None:
        for member in reversed(tree(self.process.pid)):
            os.kill(member, 9)
        self.process.wait()

    def take(self, requests: list[Sent], logs: int) -> dict[str, float]:
        """Send requests from 32 connections, and return the logs per CPU second of the server, and per second."""
        from concurrent.futures import ThreadPoolExecutor

        connections = threading.local()  # http.client needs a fifth of other clients' time, which keeps the server busy

        def send(request: Sent) -> int:
            path, body, headers = request
            if not hasattr(connections, "mine"):
                connections.mine = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=120)
            connections.mine.request("POST", path, body, headers)
            response = connections.mine.getresponse()
            response.read()
            return int(response.status)

        before, started = cpu_of(self.process.pid), time.monotonic()
        with ThreadPoolExecutor(32) as pool:
            statuses = list(pool.map(send, requests))
        took = time.monotonic() - started
        if any(status >= 300 for status in statuses):
            raise RuntimeError(f"refused: {set(statuses)}")
        spent = cpu_of(self.process.pid)
        while True:  # until the server is idle
            time.sleep(1)
            now = cpu_of(self.process.pid)
            if now - spent < 0.05:
                break
            spent = now
        return {"logs / CPU s": logs / max(now - before, 1e-3), "logs / s": logs / took}


def limit(count: int) -> float:
    """Return the logs per CPU second of decoding and writing batches without HTTP, as many as the server is sent."""
    pending, spent = records(count, "limit"), 0.0
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/limit.db")
        while batch := list(islice(pending, BATCH)):
            body = zstd.compress(native.encode_batch(batch), 3)
            started = time.process_time()
            decoded = native.decode_batch(zstd.decompress(body), native.MSGPACK)
            store.write([item for item in decoded if isinstance(item, Record)])
            spent += time.process_time() - started
    return count / spent


def chunks(items: list[Record]) -> list[list[Record]]:
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]


def singles(dialect: ModuleType, base: str, count: int) -> list[Sent]:
    """Return requests with one log each to the base URL that the vendor's SDK would be given."""
    key = {"authorization": f"Bearer {KEY}", "x-api-key": KEY}
    requests = (dialect.encode_request([record]) for record in records(count, dialect.__name__))
    return [(base + request.path, request.body, {**request.headers, **key}) for request in requests]


#: A request: its path, its body and its headers.
Sent = tuple[str, bytes, dict[str, str]]

#: The batches of loggers above the SDKs: their names, paths, and the functions that make them.
ABOVE: tuple[tuple[str, str, Callable[[list[Record]], Any]], ...] = (
    ("OTLP JSON, batches", "/v1/traces", genai),
    ("LangSmith, batches", "/runs/batch", langsmith),
    ("Langfuse, batches", "/api/public/ingestion", langfuse),
    ("LiteLLM, batches", "/litellm", litellm),
    ("OpenAI Agents, batches", "/v1/traces/ingest", openai_agents),
)


#: How often each format is measured, and the logs that it gets in a round.
ROUNDS, A_ROUND = 5, 2_000
_BEARER = {"authorization": f"Bearer {KEY}"}
_PACKED = {**_BEARER, "content-type": native.MSGPACK}
_PROTOBUF = {**_BEARER, "content-type": "application/x-protobuf"}
_JSON = {**_BEARER, "x-api-key": KEY, "content-type": "application/json"}


def packed(batch: list[Record]) -> Sent:
    """Return a batch as our client ships it, compressed."""
    headers = {**_PACKED, "content-encoding": "zstd"}
    return "/api/v1/records", zstd.compress(native.encode_batch(batch), 3), headers


#: What makes the request with a batch in each format; the first is what the others are compared with.
BATCHES: dict[str, Callable[[list[Record]], Sent]] = {
    "native, batches, complete": lambda batch: packed(complete(batch)),
    "native, batches to be read": lambda batch: packed(unread(batch)),
    "OTLP, batches": lambda batch: ("/v1/traces", otlp(batch), _PROTOBUF),
    **{
        way: lambda batch, path=path, encode=encode: (path, json.dumps(encode(batch)).encode(), _JSON)  # type: ignore[misc]
        for way, path, encode in ABOVE
    },
}


def in_turn(server: Running, rounds: int = ROUNDS, count: int = A_ROUND) -> list[dict[str, Any]]:
    """Measure batches in all formats in turn; return a row for each."""
    figures: dict[str, list[dict[str, float]]] = {way: [] for way in BATCHES}
    for turn in range(rounds + 1):
        for way in sorted(BATCHES, reverse=bool(turn % 2)):
            requests = [BATCHES[way](batch) for batch in chunks(list(records(count, f"{way} {turn}")))]
            measured = server.take(requests, count)
            if turn:  # in the first, a server still imports and fills its caches
                figures[way].append(measured)
        print(f"  batches in turn, {turn} of {rounds}", file=sys.stderr)
    first = [measured["logs / CPU s"] for measured in next(iter(figures.values()))]
    rows = []
    for way, measured in figures.items():
        row = {name: statistics.median(each[name] for each in measured) for name in measured[0]}
        times = [whole / each["logs / CPU s"] for whole, each in zip(first, measured, strict=True)]
        spread = {"times native": statistics.median(times), "least": min(times), "most": max(times)}
        rows.append({"case": "batches in turn", "subject": f"autolog, {way}", **row, **spread})
    return rows


def compare(folder: Path, logs: int, store: str = "sqlite") -> list[dict[str, Any]]:
    """Return a row for each server and format; peers are included only on SQLite."""
    fewer = max(1000, logs // 20)
    rows: list[dict[str, Any]] = [{"case": "ingest", "subject": "limit, no HTTP", "logs / CPU s": limit(logs)}]
    with tempfile.TemporaryDirectory() as name, engine(store) as under:
        port = free_port()
        url = under.url("logs")
        server = Running(
            [sys.executable, "-m", "autolog", "serve", "--port", str(port), "--store", url],
            port, "/ready", Path(name), AUTOLOG_SERVER_API_KEY=KEY,
        )  # fmt: skip
        start = {"ready after s": server.ready, "idle MiB": server.idle}
        ways: dict[str, tuple[list[Sent], int]] = {
            "native, batches": ([packed(batch) for batch in chunks(list(records(logs, "batch")))], logs),
            "native, one by one": ([("/api/v1/records", native.encode_batch([record]), _PACKED)
                                    for record in records(fewer, "single")], fewer),
            "ResponseLog": (singles(responselog, "", fewer), fewer),
            "Portkey": (singles(portkey, "/v1", fewer), fewer),
            "Humanloop": (singles(humanloop, "/v5", fewer), fewer),
            "PromptLayer": (singles(promptlayer, "", fewer), fewer),
        }  # fmt: skip
        for way, (requests, count) in ways.items():
            before = under.cpu()
            row = {"case": "ingest", "subject": f"autolog, {way}", **server.take(requests, count), **start}
            if under.pid is not None:
                row["logs / CPU s of the engine"] = count / max(under.cpu() - before, 1e-3)
            rows.append(row)
            start = {}
            print(f"  {way}", file=sys.stderr)
            if way == "native, batches":
                opened = open_store(url)
                rows[-1]["bytes a log"] = opened.size() / logs
                opened.close()
        rows += in_turn(server)
        server.end()
    if store != "sqlite":
        return rows
    peers = {
        "phoenix": (["arize-phoenix"], "phoenix", ["serve"], "/healthz", "/v1/traces", {}),
        "mlflow": (["mlflow"], "mlflow", ["server", "--backend-store-uri", "sqlite:///mlflow.db", "--workers", "1"], "/health",
                   "/v1/traces", {"x-mlflow-experiment-id": "0"}),
    }  # fmt: skip
    for peer, (wanted, command, options, alive, target, extra) in peers.items():
        python = environment(folder, peer, wanted)
        if python is None:
            continue
        with tempfile.TemporaryDirectory() as name:
            port = free_port()
            listen = {"PHOENIX_PORT": str(port), "PHOENIX_GRPC_PORT": str(free_port()), "PHOENIX_WORKING_DIR": name}
            arguments = [*options, "--port", str(port)] if peer == "mlflow" else options
            try:
                server = Running([str(python.with_name(command)), *arguments], port, alive, Path(name), **listen)
                few = max(500, fewer // 2)
                requests = [
                    (target, otlp(batch), {**_PROTOBUF, **extra}) for batch in chunks(list(records(few, "peer")))
                ]
                figures = server.take(requests, few)
                rows.append({"case": "ingest", "subject": f"{peer}, OTLP batches", **figures,
                             "ready after s": server.ready, "idle MiB": server.idle})  # fmt: skip
                requests = [(target, otlp([record]), {**_PROTOBUF, **extra}) for record in records(300, "peer")]
                rows.append({"case": "ingest", "subject": f"{peer}, OTLP one by one", **server.take(requests, 300)})
                server.end()
            except RuntimeError as error:
                print(f"  {peer}: {error}", file=sys.stderr)
    return rows
