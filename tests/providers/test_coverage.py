"""Every billable call of both SDKs, sync and async, against a stand-in: recorded, with tokens, and a cost or a reason.

The table that comes of it is COVERAGE.md in `autolog/providers`; `PYTHONPATH=tests python tests/providers/test_coverage.py` writes it anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import openai
import pydantic
import pytest
from reference import IO_USAGE, RESPONSE, answer
from sdk_http import anthropic_http, openai_http

import autolog
from autolog._record.record import Record
from autolog.testing import capture

TABLE = Path(autolog.__file__).parent / "providers" / "COVERAGE.md"
NEWEST = (3, 57), (2, 14)  # the versions that the table is of

MESSAGES = [{"role": "user", "content": "Say hello"}]
FILE = ("a.wav", b"RIFF0000WAVE")
IMAGE = ("a.png", b"\x89PNG\r\n\x1a\n")


class City(pydantic.BaseModel):
    city: str


@dataclass(frozen=True)
class Call:
    """A method, what it is called with, and what is left to say of it."""

    sdk: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    recorded: bool = True

    @property
    def label(self) -> str:
        shown = [
            f"{key}={value!r}"
            for key, value in self.arguments.items()
            if key in {"stream", "background", "stream_format"}
        ]
        return self.name + (f"({', '.join(shown)})" if shown else "")


def free(sdk: str, name: str, note: str, **arguments: Any) -> Call:
    return Call(sdk, name, arguments, note, recorded=False)


def rows() -> Iterator[Call]:
    for stream in (False, True):
        more: dict[str, Any] = {"stream": True} if stream else {}
        usage = {"stream_options": {"include_usage": True}} if stream else {}
        yield Call("openai", "chat.completions.create", {"model": "gpt-4o", "messages": MESSAGES, **more, **usage})
        yield Call("openai", "completions.create", {"model": "gpt-3.5-turbo-instruct", "prompt": "Hi", **more, **usage})
        for beta in ("", "beta."):
            yield Call("openai", f"{beta}responses.create", {"model": "gpt-4o", "input": "Hi", **more})
        yield Call("openai", "images.generate", {"model": "gpt-image-1", "prompt": "A dot", **more})
        yield Call("openai", "images.edit", {"model": "gpt-image-1", "prompt": "A dot", "image": IMAGE, **more})
        yield Call("openai", "audio.transcriptions.create", {"model": "gpt-4o-transcribe", "file": FILE, **more})
    yield Call("openai", "chat.completions.create", {"model": "gpt-4o", "messages": MESSAGES, "stream": True},
               "without `include_usage`; see `stream_usage`")  # fmt: skip
    yield Call("openai", "chat.completions.parse", {"model": "gpt-4o", "messages": MESSAGES, "response_format": City})
    yield Call(
        "openai",
        "chat.completions.stream",
        {"model": "gpt-4o", "messages": MESSAGES, "stream_options": {"include_usage": True}},
    )
    yield free("openai", "chat.completions.retrieve", "repeats usage", completion_id="c")
    yield free("openai", "chat.completions.list", "repeats usage")
    yield free("openai", "chat.completions.update", "repeats usage", completion_id="c", metadata={})
    yield Call("openai", "responses.parse", {"model": "gpt-4o", "input": "Hi", "text_format": City})
    yield Call("openai", "responses.stream", {"model": "gpt-4o", "input": "Hi"})
    for beta in ("", "beta."):
        yield Call(
            "openai",
            f"{beta}responses.retrieve",
            {"response_id": "resp_later"},
            "completes the background response's record",
        )
        yield Call(
            "openai",
            f"{beta}responses.cancel",
            {"response_id": "resp_later"},
            "completes the background response's record",
        )
        yield free("openai", f"{beta}responses.retrieve", "read again: billed before", response_id="resp_1")
        yield Call("openai", f"{beta}responses.compact", {"model": "gpt-4o", "input": "Hi"})
        yield Call("openai", f"{beta}responses.connect", {}, "one record for each response")
    yield Call(
        "openai",
        "responses.retrieve",
        {"response_id": "resp_later", "stream": True},
        "completes the background response's record",
    )
    yield Call("openai", "responses.input_tokens.count", {"model": "gpt-4o", "input": "Hi"})
    yield Call("openai", "lib.responses_websocket", {}, "sessions over `responses.connect`")
    yield Call("openai", "decisions.create", {"model": "gpt-6-luna", "input": "Hi", "questions": []})
    yield Call("openai", "embeddings.create", {"model": "text-embedding-3-small", "input": "Hi"})
    yield Call("openai", "moderations.create", {"input": "Hi"})
    yield Call("openai", "images.create_variation", {"image": IMAGE}, "by the image")
    yield Call(
        "openai", "audio.speech.create", {"model": "tts-1", "voice": "alloy", "input": "Hello"}, "by the character"
    )
    yield Call(
        "openai",
        "audio.speech.create",
        {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello", "stream_format": "sse"},
    )
    yield Call(
        "openai",
        "audio.translations.create",
        {"model": "whisper-1", "file": FILE},
        "by the second, which it does not report",
    )
    yield Call("openai", "audio.voices.create", {"name": "n", "consent": "c", "audio_sample": FILE})
    yield Call("openai", "content_provenance_checks.create", {"file": FILE})
    yield Call("openai", "videos.create", {"model": "sora-2", "prompt": "A dot"}, "by the second")
    yield Call("openai", "videos.create_and_poll", {"model": "sora-2", "prompt": "A dot"}, "by the second")
    yield Call("openai", "videos.remix", {"video_id": "video_1", "prompt": "A dot"}, "by the second")
    yield Call("openai", "videos.edit", {"prompt": "A dot", "video": FILE}, "by the second")
    yield Call("openai", "videos.extend", {"prompt": "A dot", "seconds": "4", "video": FILE}, "by the second")
    yield Call("openai", "videos.create_character", {"name": "n", "video": FILE})
    yield Call("openai", "realtime.connect", {"model": "gpt-realtime"}, "one record for each response")
    yield Call("openai", "beta.realtime.connect", {"model": "gpt-realtime"}, "one record for each response")
    yield Call(
        "openai",
        "realtime.translations.connect",
        {"model": "gpt-realtime-translate"},
        "one record for the session, by the audio sent",
    )
    yield Call("openai", "realtime.calls.create", {"sdp": "v=0"})
    yield Call("openai", "realtime.calls.accept", {"call_id": "rtc_1", "type": "realtime"})
    yield Call("openai", "realtime.client_secrets.create", {})
    yield Call(
        "openai", "realtime.translations.client_secrets.create", {"session": {"model": "gpt-realtime-translate"}}
    )
    yield Call("openai", "beta.realtime.sessions.create", {})
    yield Call("openai", "beta.realtime.transcription_sessions.create", {})
    yield Call("openai", "live.connect", {}, "one record for each response, one for the session")
    yield Call(
        "openai", "live.forks.connect", {"session_id": "live_1"}, "one record for each response, one for the session"
    )
    yield Call(
        "openai", "live.sideband.connect", {"session_id": "live_1"}, "one record for each response, one for the session"
    )
    yield Call(
        "openai",
        "live.create",
        {"session": {"model": "gpt-live-1"}, "transport": {"type": "webrtc", "sdp": "v=0"}},
        "`live.sideband` sees it",
    )
    yield Call("openai", "live.sessions.accept", {"session_id": "live_1", "session": {}}, "`live.sideband` sees it")
    yield Call(
        "openai",
        "live.sessions.fork",
        {"session_id": "live_1", "transport": {"type": "webrtc", "sdp": "v=0"}},
        "`live.sideband` sees it",
    )
    runs: dict[str, Any] = {"thread_id": "t", "assistant_id": "a"}
    outputs: dict[str, Any] = {"thread_id": "t", "run_id": "run_1", "tool_outputs": []}
    for method in ("create", "create_and_poll", "create_and_stream", "stream"):
        yield Call("openai", f"beta.threads.runs.{method}", runs, "the run's record")
    for method in ("submit_tool_outputs", "submit_tool_outputs_and_poll", "submit_tool_outputs_stream"):
        yield Call("openai", f"beta.threads.runs.{method}", outputs, "completes the run's record")
    for method in ("poll", "retrieve", "cancel"):
        yield Call(
            "openai", f"beta.threads.runs.{method}", {"thread_id": "t", "run_id": "run_1"}, "completes the run's record"
        )
    for method in ("create_and_run", "create_and_run_poll", "create_and_run_stream"):
        yield Call("openai", f"beta.threads.{method}", {"assistant_id": "a"}, "the run's record")
    yield Call("openai", "beta.agents.sessions.create", {"environment": {"type": "none"}}, "the session's record")
    yield Call(
        "openai", "beta.agents.sessions.stream", {"session_id": "as_1", "input": "Hi"}, "completes the session's record"
    )
    yield Call("openai", "beta.agents.sessions.events.create", {"session_id": "as_1", "events": []})
    yield Call("openai", "beta.agents.sessions.events.stream", {"session_id": "as_1"}, "completes the session's record")
    yield Call(
        "openai",
        "beta.agents.automations.create",
        {"name": "n", "target": {}, "type": "one_time", "run_at": "2026-12-01T00:00:00Z"},
    )
    yield Call("openai", "beta.agents.automations.resume", {"automation_id": "auto_1"})
    yield Call("openai", "beta.agents.automations.invocations.create", {"automation_id": "auto_1"})
    yield Call("openai", "beta.chatkit.sessions.create", {"user": "u", "workflow": {"id": "w"}})
    yield Call(
        "openai",
        "batches.create",
        {"completion_window": "24h", "endpoint": "/v1/chat/completions", "input_file_id": "f"},
    )
    yield Call("openai", "batches.retrieve", {"batch_id": "batch_1"}, "completes the batch's record")
    yield Call("openai", "files.content", {"file_id": "file-1"}, "one record for each item of a batch's output")
    yield Call(
        "openai",
        "evals.runs.create",
        {"eval_id": "e", "data_source": {"type": "jsonl", "source": {"type": "file_id", "id": "f"}}},
    )
    yield Call("openai", "evals.runs.retrieve", {"eval_id": "e", "run_id": "run_e"}, "completes the run's record")
    yield Call(
        "openai", "fine_tuning.jobs.create", {"model": "gpt-4.1-mini", "training_file": "f"}, "by the token trained"
    )
    yield Call("openai", "fine_tuning.jobs.resume", {"fine_tuning_job_id": "ftjob-1"}, "completes the job's record")
    yield Call("openai", "fine_tuning.jobs.retrieve", {"fine_tuning_job_id": "ftjob-1"}, "completes the job's record")
    yield Call("openai", "fine_tuning.alpha.graders.run", {"grader": {"type": "string_check"}, "model_sample": "x"})
    yield Call("openai", "vector_stores.search", {"vector_store_id": "vs", "query": "q"})
    yield Call("openai", "vector_stores.files.create", {"vector_store_id": "vs", "file_id": "f"})
    yield Call("openai", "vector_stores.files.upload", {"vector_store_id": "vs", "file": FILE})
    yield Call("openai", "vector_stores.files.upload_and_poll", {"vector_store_id": "vs", "file": FILE})
    yield Call("openai", "vector_stores.file_batches.create", {"vector_store_id": "vs", "file_ids": ["f"]})
    yield Call("openai", "vector_stores.file_batches.upload_and_poll", {"vector_store_id": "vs", "files": [FILE]})
    yield Call("openai", "containers.create", {"name": "n"}, "by the container")
    yield Call(
        "openai",
        "post",
        {"path": "/chat/completions", "body": {"model": "gpt-4o", "messages": MESSAGES}, "cast_to": object},
        "raw verbs, to any path above",
    )
    message: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 10, "messages": MESSAGES}
    for beta in ("", "beta."):
        yield Call("anthropic", f"{beta}messages.create", message)
        yield Call("anthropic", f"{beta}messages.create", {**message, "stream": True})
        yield Call("anthropic", f"{beta}messages.parse", {**message, "output_format": City})
        yield Call("anthropic", f"{beta}messages.stream", message)
        yield Call("anthropic", f"{beta}messages.count_tokens", {"model": "claude-sonnet-4-5", "messages": MESSAGES})
        yield Call("anthropic", f"{beta}messages.batches.create", {"requests": [{"custom_id": "a", "params": message}]})
        yield Call(
            "anthropic",
            f"{beta}messages.batches.retrieve",
            {"message_batch_id": "msgbatch_1"},
            "completes the batch's record",
        )
        yield Call(
            "anthropic",
            f"{beta}messages.batches.results",
            {"message_batch_id": "msgbatch_1"},
            "one record for each item",
        )
    yield Call("anthropic", "beta.messages.tool_runner", {**message, "tools": []}, "one record for each turn")
    yield Call(
        "anthropic", "beta.messages.tool_runner", {**message, "tools": [], "stream": True}, "one record for each turn"
    )
    for method in ("send", "parse", "stream", "tool_runner"):
        yield Call("anthropic", f"beta.messages.thread().{method}", {}, "one record for each turn")
    yield Call("anthropic", "beta.sessions.create", {"agent": "a", "environment_id": "e"}, "the session's record")
    yield Call("anthropic", "beta.sessions.retrieve", {"session_id": "sesn_1"}, "completes the session's record")
    yield Call("anthropic", "beta.sessions.events.send", {"session_id": "sesn_1", "events": []})
    yield Call("anthropic", "beta.sessions.events.stream", {"session_id": "sesn_1"}, "completes the session's record")
    yield free(
        "anthropic",
        "beta.sessions.threads.events.stream",
        "part of what its session reports",
        session_id="sesn_1",
        thread_id="t",
    )
    yield Call("anthropic", "beta.dreams.create", {"inputs": [], "model": "claude-sonnet-4-5"})
    yield Call("anthropic", "beta.dreams.retrieve", {"dream_id": "drm_1"}, "completes the dream's record")
    yield Call(
        "anthropic", "beta.deployments.create", {"agent": "a", "environment_id": "e", "initial_events": [], "name": "n"}
    )
    yield Call("anthropic", "beta.deployments.run", {"deployment_id": "depl_1"})
    yield Call("anthropic", "beta.deployments.unpause", {"deployment_id": "depl_1"})


ROWS = list(rows())  # fmt: skip


# Calling


def handler(http: Any) -> Any:
    return lambda request: answer(http, request)


def client(sdk: str, asynchronous: bool, socket_url: str) -> Any:
    http = openai_http if sdk == "openai" else anthropic_http
    transport = http.MockTransport(handler(http))
    http_client = http.AsyncClient(transport=transport) if asynchronous else http.Client(transport=transport)
    if sdk == "openai":
        kind: Any = openai.AsyncOpenAI if asynchronous else openai.OpenAI
        return kind(api_key="k", http_client=http_client, websocket_base_url=socket_url)
    return (anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic)(api_key="k", http_client=http_client)


def method_of(call: Call, target: Any) -> Any:
    for part in call.name.split("."):
        if part.endswith("()"):
            target = getattr(target, part[:-2])(model="claude-sonnet-4-5", max_tokens=10, output_format=City)
        else:
            target = getattr(target, part)
    return target


def invoke(call: Call, target: Any) -> Any:
    method = method_of(call, target)
    if ".thread()" not in call.name:
        return method(**call.arguments)
    messages = [] if call.name.endswith("tool_runner") else MESSAGES
    if not messages:
        method.__self__.append(*MESSAGES)
    return method(*messages)


def consume(result: Any) -> None:
    if hasattr(result, "__enter__") and not hasattr(result, "model_dump"):
        with result as opened:
            consume_open(opened)
    elif hasattr(result, "__next__") or inspect.isgenerator(result):
        consume_open(result)


def consume_open(opened: Any) -> None:
    if hasattr(opened, "parse_event"):
        talk(opened)
    elif hasattr(opened, "__iter__"):
        for item in opened:
            consume(item)


async def consume_async(result: Any) -> None:
    if inspect.isawaitable(result):
        result = await result
    if hasattr(result, "__aenter__") and not hasattr(result, "model_dump"):
        async with result as opened:
            await consume_open_async(opened)
    elif hasattr(result, "__anext__"):
        await consume_open_async(result)


async def consume_open_async(opened: Any) -> None:
    if hasattr(opened, "parse_event"):
        await talk_async(opened)
    elif hasattr(opened, "__aiter__"):
        async for item in opened:
            await consume_async(item)


# WebSockets: one answer to every question, whatever it is


STARTS = ["response.create", "session.start"]


def talk(connection: Any) -> None:
    for kind in STARTS:
        connection.send({"type": kind})
    while json.loads(connection.recv_bytes()).get("type") != "session.usage.updated":
        pass


async def talk_async(connection: Any) -> None:
    for kind in STARTS:
        await connection.send({"type": kind})
    while json.loads(await connection.recv_bytes()).get("type") != "session.usage.updated":
        pass


@pytest.fixture(scope="module")
def socket_url() -> Iterator[str]:
    with socket_server() as url:
        yield url


@contextlib.contextmanager
def socket_server() -> Iterator[str]:
    server = pytest.importorskip("websockets.sync.server")

    def converse(connection: Any) -> None:
        path = connection.request.path
        model = {"/live": "gpt-live-1", "/translations": "gpt-realtime-translate"}
        name = next((value for key, value in model.items() if key in path), "gpt-realtime")
        for message in connection:
            kind = json.loads(message)["type"]
            if kind == "response.create" and "/translations" not in path:
                done = {**RESPONSE, "usage": {**IO_USAGE}}
                events: list[dict[str, Any]] = [
                    {"type": "response.created", "response": {"id": "resp_1"}},
                    {"type": "response.done" if "/realtime" in path else "response.completed", "response": done},
                ]
                if "/live" in path:
                    events = [{"type": "response.event", "event": event} for event in events]
            elif kind == "session.start":
                events = [{"type": "session.created", "session": {"model": name}},
                          {"type": "session.usage.updated", "usage": {"seconds": 60.0}}]  # fmt: skip
            else:
                events = []
            for event in events:
                connection.send(json.dumps(event))

    with server.serve(converse, "127.0.0.1", 0) as running, pytest.MonkeyPatch.context() as names:
        find = socket.getaddrinfo  # the price depends on the host, so resolve OpenAI's host to the stand-in
        names.setattr(socket, "getaddrinfo", lambda host, *rest, **more: find("127.0.0.1", *rest, **more))
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"ws://api.openai.com:{running.socket.getsockname()[1]}/v1"
        running.shutdown()


def play(call: Call, asynchronous: bool, socket_url: str) -> list[Record]:
    with capture() as records, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if call.name == "lib.responses_websocket":
            call = Call("openai", "responses.connect")
        target = client(call.sdk, asynchronous, socket_url)
        if asynchronous:

            async def run() -> None:
                await consume_async(invoke(call, target))

            asyncio.run(run())
        else:
            consume(invoke(call, target))
        return list(records)


# The table


def outcome(records: list[Record]) -> tuple[str, str]:
    """Return the table's words about tokens and cost."""
    if not records:
        return "", ""
    tokens = any(
        record.usage_input_tokens is not None or record.cost_details_have_tokens for record in map(Said, records)
    )
    costs = [(record.cost_details or {}).get("certainty", "?") for record in records]
    best = min(costs, key=["exact", "estimated", "unknown", "?"].index)
    reasons = [(record.cost_details or {}).get("unknown", "") for record in records]
    return (
        "yes" if tokens else "not reported",
        best if best != "unknown" else f"unknown: {reasons[0].partition(';')[0]}",
    )


class Said:
    """A record, asked what a reader of the table asks."""

    def __init__(self, record: Record) -> None:
        self._record = record

    @property
    def usage_input_tokens(self) -> int | None:
        return self._record.usage_input_tokens

    @property
    def cost_details_have_tokens(self) -> bool:
        return "mtok" in json.dumps((self._record.cost_details or {}).get("unit_prices", {}))


def line(call: Call, sync: list[Record], later: list[Record]) -> str:
    assert outcome(sync) == outcome(later), call.name
    tokens, cost = outcome(sync)
    mark = "recorded" if sync else "not recorded"
    return f"| `{call.sdk}` `{call.label}` | {mark} | {mark} | {tokens} | {cost} | {call.note} |"


HEAD = """# What is recorded

This table lists every call of the openai and anthropic SDKs that costs money or repeats what was billed before, tested
against a stand-in that answers as the published API references say (openai 3.57, anthropic 2.14). It is generated by
`PYTHONPATH=tests python tests/providers/test_coverage.py`, which also runs as a test that keeps it true. The same holds
for `with_raw_response`, `with_streaming_response`, `with_options()` and every client class, because all of them use
the same methods.

| call | sync | async | tokens | cost | |
| --- | --- | --- | --- | --- | --- |
"""


def newest() -> bool:
    versions = [tuple(map(int, module.__version__.split(".")[:2])) for module in (openai, anthropic)]
    return versions[0] >= NEWEST[0] and versions[1] >= NEWEST[1]


@pytest.mark.skipif(not newest(), reason="the table is of newer SDKs")
@pytest.mark.parametrize("call", ROWS, ids=lambda call: f"{call.sdk}.{call.label}")
def test_call(call: Call, socket_url: str) -> None:
    autolog.patch()
    both = [play(call, asynchronous, socket_url) for asynchronous in (False, True)]
    for records in both:
        assert bool(records) == call.recorded
        assert len({record.id for record in records}) == len(records)
        for record in records:
            assert record.operation_name
            details = record.cost_details or {}
            assert (record.cost is None) == (details["certainty"] == "unknown"), details
    assert line(call, *both) in TABLE.read_text()


@pytest.mark.skipif(not newest(), reason="the table is of newer SDKs")
def test_no_row_is_missing() -> None:
    assert sum(row.startswith("| `") for row in TABLE.read_text().splitlines()) == len(ROWS)


def write() -> None:
    autolog.patch()
    lines = []
    with socket_server() as url:
        for call in ROWS:
            both = [play(call, asynchronous, url) for asynchronous in (False, True)]
            lines.append(line(call, *both))
    TABLE.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    write()
    sys.stdout.write(TABLE.read_text())
