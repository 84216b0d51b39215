"""The server reads the same from a call as the client process would."""

from __future__ import annotations

import gc
import json
from typing import Any

import anthropic
import msgspec
import openai
import pytest
from invoices import chat
from sdk_http import anthropic_http, openai_http
from traffic import FOLDER, Player, Recording, play_either, recordings

from autolog import Record
from autolog._capture.patch import make_patches
from autolog._capture.span import Span
from autolog._config import Config
from autolog._processing.deferred import describes_here
from autolog._processing.pipeline import Pipeline
from autolog._reading.derive import fill_in
from autolog.dialects import native

SERVER = Config(endpoint="http://logs:8790", journal="")
TIMES = {"created_at", "start_time", "end_time"}
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5", "stop_reason": "tool_use",
    "content": [{"type": "text", "text": "Hello"}, {"type": "tool_use", "id": "t", "name": "look", "input": {"a": 1}}],
    "usage": {"input_tokens": 9, "output_tokens": 3, "service_tier": "standard"},
}  # fmt: skip


def ended_spans(work: Any) -> list[Span]:
    """Return what the SDKs' patches emit while `work()` runs, each with an id."""
    ended: list[Span] = []
    patches = make_patches(ended.append, lambda: None)
    for name in ("openai", "anthropic"):
        patches[name].apply()
    try:
        work()
        gc.collect()
    finally:
        for name in ("openai", "anthropic"):
            patches[name].remove()
    for number, span in enumerate(ended):
        span.record_id = f"r{number}"
    return ended


def read_here(span: Span) -> list[Record]:
    return Pipeline(Config(), None)(span)


def read_there(span: Span) -> list[Record]:
    """Return the records as the server has them after it has read what was shipped."""
    shipped = native.encode_batch(Pipeline(SERVER, None, describes=False)(span))
    records = [record for record in native.decode_batch(shipped, native.MSGPACK) if isinstance(record, Record)]
    for record in records:
        if record.operation_name is None and (record.request_body or record.response_body):
            fill_in(record)
    return records


def assert_same(spans: list[Span]) -> None:
    assert spans
    for span in spans:
        here, there = ([msgspec.structs.asdict(record) for record in read(span)] for read in (read_here, read_there))
        for one, other in zip(here, there, strict=True):
            assert {name: value for name, value in one.items() if name not in TIMES} == {
                name: value for name, value in other.items() if name not in TIMES
            }


def ask_openai(content: bytes, kind: str = "application/json", status: int = 200, stream: bool = False) -> None:
    def answer(request: Any) -> Any:
        return openai_http.Response(status, content=content, headers={"content-type": kind, "x-request-id": "req_1"})

    transport = openai_http.Client(transport=openai_http.MockTransport(answer))
    client = openai.OpenAI(api_key="k" * 20, http_client=transport, max_retries=0)
    try:
        chunks = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], stream=stream
        )
        list(chunks)
    except openai.APIError:
        pass


def ask_anthropic() -> None:
    transport = anthropic_http.MockTransport(lambda request: anthropic_http.Response(200, json=MESSAGE))
    client = anthropic.Anthropic(api_key="k" * 20, http_client=anthropic_http.Client(transport=transport))
    client.messages.create(model="claude-sonnet-5", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])


def ask_for_response(path: str = "responses", **options: Any) -> None:
    usage = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}]
    answer = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-4o", "output": output,
              "usage": usage, **options}  # fmt: skip
    transport = openai_http.MockTransport(lambda request: openai_http.Response(200, json=answer))
    client = openai.OpenAI(api_key="k" * 20, http_client=openai_http.Client(transport=transport))
    client.post(f"/{path}", cast_to=object, body={"model": "gpt-4o", "input": "Hi", **options})


def test_calls_of_each_kind_are_read_alike_here_and_there() -> None:
    pieces = [{"id": "c", "choices": [{"index": 0, "delta": {"content": f"w{at}"}}]} for at in range(30)]
    stream = b"".join(b"data: %s\n\n" % json.dumps(piece).encode() for piece in pieces) + b"data: [DONE]\n\n"
    error = {"error": {"type": "server_error", "message": "No"}}

    def work() -> None:
        ask_openai(json.dumps(chat("gpt-4o", 1000, 100)).encode())
        ask_openai(stream, "text/event-stream", stream=True)
        ask_openai(json.dumps(error).encode(), status=500)
        ask_openai(b"<html>", "text/html", status=502)
        ask_openai(json.dumps({**chat("gpt-4o", 1, 1), "note": "sk-proj-" + "a1B2c3D4e5" * 4}).encode())
        ask_anthropic()
        ask_for_response()

    spans = ended_spans(work)
    assert len(spans) == 7
    assert_same(spans)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/traffic is not here")
@pytest.mark.parametrize("recording", recordings(), ids=lambda recording: recording.id)
def test_recorded_calls_are_read_alike_here_and_there(recording: Recording) -> None:
    if not Player(recording.load(), False).offered:
        pytest.skip("this version of the SDK does not have the method")
    assert_same(ended_spans(lambda: play_either(recording, "plain", False)))


@pytest.mark.parametrize("work", [lambda: ask_openai(json.dumps(chat("gpt-4o", 1000, 100)).encode()), ask_for_response])
def test_a_call_is_left_to_the_server_as_it_is(work: Any) -> None:
    (span,) = ended_spans(work)
    (record,) = Pipeline(SERVER, None, describes=False)(span)
    assert (record.operation_name, record.usage_input_tokens, record.cost) == (None, None, None)
    assert record.status_code == 200


@pytest.mark.parametrize(
    ("body", "path"), [({"background": True}, "responses"), ({"deferred": True}, "chat/completions"),
                       ({}, "async/chat/completions")]
)  # fmt: skip
def test_a_call_that_begins_a_long_running_operation_is_read_here(body: dict[str, Any], path: str) -> None:
    (span,) = ended_spans(lambda: ask_for_response(path, **body))
    (record,) = Pipeline(SERVER, None, describes=False)(span)
    assert record.operation_name is not None


@pytest.mark.parametrize(
    "options",
    [
        {}, {"endpoint": "http://logs", "dialect": "portkey"}, {"endpoint": "http://logs", "redact": "pii"},
        {"endpoint": "http://logs", "prices": {"m": {"input": 1}}}, {"endpoint": "http://logs", "sinks": ("sqlite:///a.db",)},
        {"endpoint": "http://logs", "capture_bodies": False}, {"endpoint": "http://logs", "stream_usage": "estimate"},
        {"endpoint": "http://logs", "budgets": ({"limit": 1.0, "per": "day", "then": "log"},)},
        {"endpoint": "http://logs", "max_field_chars": 10},
    ],
)  # fmt: skip
def test_a_call_is_read_here_where_an_option_or_another_place_needs_it(options: dict[str, Any]) -> None:
    assert describes_here(Config(**options))
    assert not describes_here(SERVER)
