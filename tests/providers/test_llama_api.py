"""Meta's Llama API: its own format, with usage in metrics; paths under `/compat/` use OpenAI's format."""

from __future__ import annotations

from typing import Any

from wire import read_call, sse, tokens

from autolog.providers import format_for

URL = "https://api.llama.com/v1/chat/completions"
ASKED = {"model": "Llama-3.3-70B-Instruct", "messages": [{"role": "user", "content": "Why?"}]}
METRICS = [{"metric": "num_prompt_tokens", "value": 9, "unit": "tokens"}, {"metric": "num_completion_tokens", "value": 4},
           {"metric": "num_total_tokens", "value": 13}]  # fmt: skip


def event(kind: str, delta: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "l1", "event": {"event_type": kind, "delta": delta, **more}}


def words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def test_chat() -> None:
    message = {"role": "assistant", "stop_reason": "stop", "content": {"type": "text", "text": "So."}}
    record = read_call(URL, ASKED, {"id": "l1", "completion_message": message, "metrics": METRICS})
    assert (record.provider_name, record.operation_name, record.response_id) == ("meta", "chat", "l1")
    assert (tokens(record)[:2], record.output_preview, record.response_finish_reasons) == ((9, 4), "So.", ["stop"])
    assert record.usage == {"num_prompt_tokens": 9, "num_completion_tokens": 4, "num_total_tokens": 13}


def test_a_stream() -> None:
    events = [event("start", words("S")), event("progress", words("o.")), event("complete", words(""), stop_reason="stop"),
              event("metrics", words(""), metrics=METRICS)]  # fmt: skip
    record = read_call(URL, {**ASKED, "stream": True}, sse(*events), "text/event-stream")
    assert (tokens(record)[:2], record.output_preview, record.response_finish_reasons) == ((9, 4), "So.", ["stop"])


def test_calls_of_tools_whole_and_in_pieces() -> None:
    call = {"id": "c1", "function": {"name": "f", "arguments": '{"x":1}'}}
    whole = read_call(URL, ASKED, {"completion_message": {"role": "assistant", "tool_calls": [call]}})

    def piece(identity: str, **function: str) -> dict[str, Any]:
        return event("progress", {"type": "tool_call", "id": identity, "function": function})

    pieces = [piece("c1", name="f"), piece("c1", arguments='{"x"'), piece("c1", arguments=":1}"), piece("c2", name="g")]
    streamed = read_call(URL, {**ASKED, "stream": True}, sse(*pieces), "text/event-stream")
    expected = {"id": "c1", "name": "f", "arguments": '{"x":1}'}
    assert whole.tool_calls == [expected]
    assert streamed.tool_calls == [expected, {"id": "c2", "name": "g", "arguments": None}]


def test_an_error() -> None:
    record = read_call(URL, ASKED, {"title": "Not Found", "detail": "no such model", "status": 404}, status=404)
    assert (record.status, record.error_message) == ("error", "no such model")


def test_the_compatible_paths_are_openais() -> None:
    native = format_for("api.llama.com", "/v1/chat/completions")
    compatible = format_for("api.llama.com", "/compat/v1/chat/completions")
    assert native is not None
    assert compatible is not None
    assert (native.name, compatible.name) == ("llama_api", "openai")
    assert not native.billable("POST", "/v1/models")
