"""WebSocket connections of the openai SDK: each response is one record, and the connection behaves as before."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest

import autolog
from autolog.testing import Records

pytest.importorskip("openai._websocket_connection", reason="this openai has no common WebSocket connection")
server = pytest.importorskip("websockets.sync.server")
ConnectionClosed = pytest.importorskip("websockets.exceptions").ConnectionClosed

Script = Callable[[Any, dict[str, Any]], Iterator[dict[str, Any]]]


@contextmanager
def serving(answers: Script, greeting: dict[str, Any] | None = None) -> Iterator[str]:
    """Run a WebSocket server that answers each message from a script."""

    def talk(socket: Any) -> None:
        if greeting:
            socket.send(json.dumps(greeting))
        for message in socket:
            for event in answers(socket, json.loads(message)):
                socket.send(json.dumps(event))

    with server.serve(talk, "127.0.0.1", 0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{running.socket.getsockname()[1]}/v1"
        running.shutdown()


def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", base_url=url.replace("ws:", "http:"), websocket_base_url=url)


USAGE = {"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 100,
         "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 1100}  # fmt: skip


def response(number: int, status: str = "completed", **more: Any) -> dict[str, Any]:
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": f"Answer {number}"}]}
    return {"id": f"resp_{number}", "object": "response", "model": "gpt-4o", "status": status, "output": [message],
            "usage": USAGE, "service_tier": "default", **more}  # fmt: skip


class Responses:
    """Answers `response.create` as the Responses API does over a WebSocket."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, socket: Any, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if event.get("type") != "response.create":
            return
        if event.get("model") == "wrong":
            yield {
                "type": "error",
                "status": 400,
                "error": {"type": "invalid_request_error", "message": "No such model"},
            }
            return
        self.count += 1
        lane = {"stream_id": event["stream_id"]} if "stream_id" in event else {}
        completed = response(self.count)
        started = {**completed, "status": "in_progress", "output": [], "usage": None}
        yield {"type": "response.created", "response": started, "sequence_number": 0, **lane}
        if event.get("model") == "hang":
            return
        yield {"type": "response.output_text.delta", "delta": "Ans", "item_id": "i", "output_index": 0, "content_index": 0,
               "logprobs": [], "sequence_number": 1, **lane}  # fmt: skip
        yield {"type": "response.completed", "response": completed, "sequence_number": 2, **lane}


def talk(connection: Any, model: str = "gpt-4o", **more: Any) -> list[str]:
    connection.send({"type": "response.create", "model": model, "input": "Say hello", **more})
    seen = []
    for event in connection:
        seen.append(event.type)
        if event.type in {"response.completed", "error"}:
            return seen
    return seen


def test_one_record_for_each_response(patched: Records) -> None:
    with serving(Responses()) as url, client(url).responses.connect() as connection:
        assert type(connection).__name__ == "ResponsesConnection"
        with autolog.context(user="u"), autolog.span("ask") as span:
            seen = talk(connection)
        talk(connection)
    assert seen == ["response.created", "response.output_text.delta", "response.completed"]
    first, second = [record for record in patched if record.kind == "llm"]
    assert (first.response_id, second.response_id) == ("resp_1", "resp_2")
    assert (first.usage_input_tokens, first.usage_output_tokens) == (1000, 100)
    assert first.cost == pytest.approx(0.0035)
    assert (first.input_preview, first.output_preview) == ("Say hello", "Answer 1")
    assert (first.user, first.parent_span_id, second.user) == ("u", span.span_id, None)
    assert first.request_stream
    assert first.request_model == "gpt-4o"
    assert 0 < (first.time_to_first_chunk or 0) <= (first.duration or 0)
    assert (first.request_url or "").endswith("/v1/responses")


def test_the_same_with_and_without(records: Records) -> None:
    with serving(Responses()) as url, client(url).responses.connect() as connection:
        plain = talk(connection)
        names = sorted(vars(type(connection)))
    autolog.patch_openai()
    with serving(Responses()) as url, client(url).responses.connect() as connection:
        assert talk(connection) == plain
        assert sorted(vars(type(connection))) == names
        connection.send_raw(json.dumps({"type": "response.create", "model": "gpt-4o"}))
        assert isinstance(connection.recv_bytes(), bytes)
        while connection.recv().type != "response.completed":
            pass
    assert len(records) == 2
    autolog.unpatch_openai()
    with serving(Responses()) as url, client(url).responses.connect() as connection:
        talk(connection)
    assert len(records) == 2


def test_asynchronously(patched: Records) -> None:
    async def run(url: str) -> list[str]:
        later = openai.AsyncOpenAI(api_key="k", base_url=url.replace("ws:", "http:"), websocket_base_url=url)
        async with later.responses.connect() as connection:
            await connection.send({"type": "response.create", "model": "gpt-4o", "input": "Say hello"})
            seen = []
            async for event in connection:
                seen.append(event.type)
                if event.type == "response.completed":
                    break
        return seen

    with serving(Responses()) as url:
        assert asyncio.run(run(url))[-1] == "response.completed"
    (record,) = patched
    assert record.cost == pytest.approx(0.0035)
    assert record.input_preview == "Say hello"


def test_an_error_ends_the_response_that_it_belongs_to(patched: Records) -> None:
    with serving(Responses()) as url, client(url).responses.connect() as connection:
        talk(connection, "wrong")
        talk(connection)
    wrong, right = patched
    assert (wrong.status, wrong.error_type, wrong.error_message) == ("error", "invalid_request_error", "No such model")
    assert (wrong.cost, right.status) == (None, "ok")


def test_a_connection_that_closes_in_the_middle(patched: Records) -> None:
    with serving(Responses()) as url, client(url).responses.connect() as connection:
        connection.send({"type": "response.create", "model": "hang", "input": "Say hello"})
        assert connection.recv().type == "response.created"
    (record,) = patched
    assert (record.status, record.error_type) == ("error", "ConnectionClosed")
    assert record.input_preview == "Say hello"


def test_lanes_are_told_apart(patched: Records) -> None:
    with serving(Responses()) as url, client(url).responses.connect() as connection:
        for lane in ("a", "b"):
            connection.send({"type": "response.create", "model": "gpt-4o", "input": f"In {lane}", "stream_id": lane})
        ended = 0
        for event in connection:
            ended += event.type == "response.completed"
            if ended == 2:
                break
    assert [(record.input_preview, record.output_preview) for record in patched] == [
        ("In a", "Answer 1"),
        ("In b", "Answer 2"),
    ]


def test_a_dropped_connection_is_let_go(patched: Records) -> None:
    with serving(Responses()) as url:
        connection = client(url).responses.connect().enter()
        talk(connection)
        gone = weakref.ref(connection)
        connection.close()
        del connection
        gc.collect()
        assert gone() is None
    assert len(patched) == 1


SESSION = {"type": "realtime", "id": "sess_1", "model": "gpt-realtime", "instructions": "Be brief.",
           "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}  # fmt: skip
REALTIME_USAGE = {
    "total_tokens": 1300, "input_tokens": 1000, "output_tokens": 300,
    "input_token_details": {"text_tokens": 400, "audio_tokens": 600, "cached_tokens": 500,
                            "cached_tokens_details": {"text_tokens": 200, "audio_tokens": 300}},
    "output_token_details": {"text_tokens": 100, "audio_tokens": 200},
}  # fmt: skip


def realtime(socket: Any, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Answers an appended buffer by itself, as server-side voice detection does, and `response.create` when asked."""
    kind = event["type"]
    if kind == "session.update":
        yield {"type": "session.updated", "session": {**SESSION, **event["session"]}}
    if kind == "input_audio_buffer.commit":
        yield {
            "type": "conversation.item.input_audio_transcription.completed", "item_id": "i", "content_index": 0,
            "transcript": "What is the weather?", "event_id": "e",
            "usage": {"type": "tokens", "input_tokens": 50, "output_tokens": 10, "total_tokens": 60,
                      "input_token_details": {"audio_tokens": 50, "text_tokens": 0}},
        }  # fmt: skip
    if kind in {"response.create", "input_audio_buffer.commit"}:
        reply = {"id": f"resp_{kind}", "object": "realtime.response", "status": "completed", "output": [
            {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "It is fine."}]}],
            "usage": REALTIME_USAGE}  # fmt: skip
        yield {
            "type": "response.created",
            "response": {**reply, "status": "in_progress", "output": [], "usage": None},
        }
        yield {"type": "response.output_audio.delta", "response_id": reply["id"], "delta": "A" * 10_000}
        yield {"type": "response.output_audio.delta", "response_id": reply["id"], "delta": "A" * 10_000}
        yield {"type": "response.done", "response": reply, "event_id": "e2"}


def test_realtime(patched: Records) -> None:
    """gpt-realtime: 200 text at 4, 200 cached at 0.40, 300 audio at 32, 300 cached at 0.40; out 100 at 16, 200 at 64."""
    with (
        serving(realtime, {"type": "session.created", "session": SESSION}) as url,
        client(url).realtime.connect(model="gpt-realtime") as connection,
    ):
        connection.session.update(session={"type": "realtime", "instructions": "Be kind."})
        connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
        )
        connection.response.create()
        done = 0
        for event in connection:
            if event.type == "response.done":
                done += 1
                if done == 2:
                    break
                connection.input_audio_buffer.append(audio="A" * 100_000)
                connection.input_audio_buffer.commit()
    typed, transcribed, answered = patched
    cost = (200 * 4 + 200 * 0.4 + 300 * 32 + 300 * 0.4 + 100 * 16 + 200 * 64) / 1e6
    assert typed.cost == pytest.approx(cost)
    assert answered.cost == pytest.approx(cost)
    assert (typed.request_model, typed.input_preview, typed.output_preview) == ("gpt-realtime", "Hello", "It is fine.")
    assert b"Be kind." in (typed.request_body or b"")
    assert (typed.usage_input_audio_tokens, typed.usage_output_audio_tokens) == (600, 200)
    assert typed.time_to_first_chunk is not None
    assert answered.input_preview == "What is the weather?"
    assert (transcribed.operation_name, transcribed.request_model, transcribed.output_preview) == (
        "transcription",
        "gpt-4o-transcribe",
        "What is the weather?",
    )
    # 50 audio tokens at 6, 10 of output at 10
    assert transcribed.cost == pytest.approx((50 * 6 + 10 * 10) / 1e6)
    assert b"AAAA" not in b"".join((record.request_body or b"") + (record.response_body or b"") for record in patched)


def live(socket: Any, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if event["type"] == "session.start":
        yield {"type": "session.started", "event_id": "1", "session": {"id": "live_1", "model": "gpt-live-1"}}
        for number, kind in enumerate(("response.created", "response.completed")):
            inner = {"type": kind, "response": response(7), "sequence_number": number}
            yield {"type": "response.event", "event_id": f"n{number}", "delegation_id": "d1", "event": inner}
        yield {"type": "session.usage.updated", "event_id": "2", "usage": {"seconds": 30.0}}
    if event["type"] == "session.close":
        yield {"type": "session.closed", "event_id": "3", "reason": "close_requested", "session": {"id": "live_1"},
               "usage": {"seconds": 60.0, "active_seconds": 40, "paused_seconds": 20}}  # fmt: skip


@pytest.mark.skipif(not hasattr(openai.OpenAI, "live"), reason="this openai has no live sessions")
def test_live(patched: Records) -> None:
    """gpt-live-1 is billed by the hour of audio; the responses that it asks for, by tokens."""
    from genai_prices import data

    (hours,) = [
        model.prices.audio_hours  # type: ignore[union-attr]
        for provider in data.providers
        for model in provider.models
        if (provider.id, model.id) == ("openai", "gpt-live-1")
    ]
    with serving(live) as url, client(url).live.connect() as connection:
        connection.send({"type": "session.start", "session": {"model": "gpt-live-1"}})  # type: ignore[typeddict-item]
        for event in connection:
            if event.type == "session.usage.updated":
                connection.send({"type": "session.close"})
            if event.type == "session.closed":
                break
    delegated, session = patched
    assert (delegated.response_id, delegated.cost) == ("resp_7", pytest.approx(0.0035))
    assert (session.operation_name, session.request_model) == ("realtime_session", "gpt-live-1")
    assert session.cost == pytest.approx(float(hours) / 60)
    assert "paused time" in (session.cost_details or {})["why"]  # is billed at a rate of its own


def test_frames_out_of_nowhere_harm_nobody(patched: Records) -> None:
    def nonsense(socket: Any, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        socket.send("not JSON")
        socket.send(json.dumps(["response.done"]))
        yield {"type": "response.done"}
        yield {"type": "response.done", "response": {"id": 5, "usage": "many"}}
        yield {"type": "error", "error": "text"}

    with serving(nonsense) as url, client(url).responses.connect() as connection:
        connection.send_raw("{}")
        for _ in range(5):
            connection.recv_bytes()
    assert {record.cost for record in patched} == {None}


def test_a_method_keeps_its_connection_alive_as_any_bound_method_does(patched: Records) -> None:
    with serving(Responses()) as url:
        connection = client(url).responses.connect().enter()
        connection.send({"type": "response.create", "model": "gpt-4o", "input": "Say hello"})
        receive, close = connection.recv_bytes, connection.close
        del connection
        gc.collect()
        while b"response.completed" not in receive():
            pass
        close()
    assert [record.response_id for record in patched] == ["resp_1"]


@pytest.mark.parametrize("encode", [str, str.encode, lambda text: bytearray(text.encode())])
def test_frames_of_text_and_of_bytes_are_kept(patched: Records, encode: Any) -> None:
    from openai.resources.responses.responses import ResponsesConnection

    class Double:
        def recv(self, **_: Any) -> Any:
            return encode(json.dumps({"type": "response.completed", "response": response(1), "sequence_number": 1}))

        def send(self, _: Any) -> None: ...

        def close(self, **_: Any) -> None: ...

    connection = ResponsesConnection(Double())  # type: ignore[arg-type]
    connection.send_raw(encode('{"type": "response.create", "model": "gpt-4o", "input": "Say hello"}'))
    connection.recv_bytes()
    assert [(record.response_id, record.request_model) for record in patched] == [("resp_1", "gpt-4o")]


def test_a_class_that_overrides_a_method_passes_every_frame_once(patched: Records) -> None:
    from openai.resources.responses.responses import ResponsesConnection

    class Mine(ResponsesConnection):
        def recv_bytes(self) -> bytes:
            return super().recv_bytes()

        def _send(self, data: Any) -> None:
            super()._send(data)

    with serving(Responses()) as url, client(url).responses.connect() as opened:
        connection = Mine(opened._connection)
        talk(connection)
        talk(opened)
    assert [record.response_id for record in patched] == ["resp_1", "resp_2"]


def test_what_had_arrived_of_a_response_is_kept_if_the_connection_closes(patched: Records) -> None:
    def breaks_off(socket: Any, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        reply = {"id": "resp_1", "object": "realtime.response", "status": "in_progress", "output": []}
        yield {"type": "response.created", "response": reply}
        for piece in ("It is ", "fi"):
            yield {"type": "response.output_audio_transcript.delta", "response_id": "resp_1", "delta": piece}
        socket.close(1011)

    with serving(breaks_off) as url, client(url).realtime.connect(model="gpt-realtime") as connection:
        connection.response.create()
        with pytest.raises(ConnectionClosed):
            list(connection)
    (record,) = patched
    assert (record.status, record.response_id, record.output_preview) == ("error", "resp_1", "It is fi")
    assert "ConnectionClosedError" in (record.error_type or "")


def test_a_response_whose_end_arrives_again_is_recorded_once(patched: Records) -> None:
    def repeats(socket: Any, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        reply = {"id": "resp_1", "object": "realtime.response", "status": "completed", "usage": REALTIME_USAGE}
        yield from [{"type": "response.done", "response": reply}] * 2

    with serving(repeats) as url, client(url).realtime.connect(model="gpt-realtime") as connection:
        connection.response.create()
        assert [connection.recv().type for _ in range(2)] == ["response.done"] * 2
    assert [record.usage_input_tokens for record in patched] == [1000]


def test_what_is_no_message_is_refused_as_ever(patched: Records) -> None:
    with serving(Responses()) as url, client(url).responses.connect() as connection:
        for wrong in (5, None, object()):
            with pytest.raises(TypeError):
                connection.send_raw(wrong)  # type: ignore[arg-type]
        talk(connection)
    assert len(patched) == 1
    assert not autolog.status()["failures"]
