"""Chat streams without usage: left alone, requested without the caller seeing it, or estimated."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from sdk_http import openai_http as http

import autolog
from autolog._capture import stream_usage
from autolog._capture.stream_usage import UsageFilter
from autolog.errors import ConfigError
from autolog.testing import Records

MESSAGES: list[Any] = [{"role": "user", "content": "Say hello"}]


def event(**fields: Any) -> bytes:
    data = {"id": "c1", "object": "chat.completion.chunk", "created": 1793500000, "model": "gpt-4o", **fields}
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


def chat_stream(with_usage: bool) -> bytes:
    more: dict[str, Any] = {"usage": None} if with_usage else {}
    delta = {"index": 0, "delta": {"role": "assistant", "content": 'Hello, "usage":null'}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    usage = event(choices=[], usage={"prompt_tokens": 1000, "completion_tokens": 100}) if with_usage else b""
    filtered = event(choices=[], prompt_filter_results=[], **more)  # Azure begins so
    return filtered + event(choices=[delta], **more) + event(choices=[end], **more) + usage + b"data: [DONE]\n\n"


class Provider:
    """Answers as a provider does, in chunks of any size, and keeps what it was sent."""

    def __init__(self, size: int = 50, compress: bool = False) -> None:
        self.size, self.compress = size, compress
        self.requests: list[Any] = []

    def __call__(self, request: Any) -> Any:
        self.requests.append(request)
        body = json.loads(request.content)
        if not body.get("stream"):
            return http.Response(200, json={"object": "chat.completion", "model": "gpt-4o", "choices": []})
        content = chat_stream(bool((body.get("stream_options") or {}).get("include_usage")))
        headers = {"content-type": "text/event-stream"}
        if self.compress:
            content, headers["content-encoding"] = gzip.compress(content), "gzip"
        return http.Response(200, headers=headers, stream=Pieces(content, self.size))

    @property
    def options(self) -> list[Any]:
        return [json.loads(request.content).get("stream_options") for request in self.requests]


class Pieces(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc,name-defined]
    def __init__(self, content: bytes, size: int) -> None:
        self.pieces = [content[at : at + size] for at in range(0, len(content), size)]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    async def __aiter__(self) -> Any:
        for piece in self.pieces:
            yield piece


def client(provider: Provider) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", http_client=http.Client(transport=http.MockTransport(provider)))


def chunks(provider: Provider, **options: Any) -> list[str]:
    stream = client(provider).chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True, **options)
    return [chunk.model_dump_json(exclude_unset=True) for chunk in stream]


def test_by_default_nothing_is_changed_and_the_cost_says_why_it_is_unknown(patched: Records) -> None:
    provider = Provider()
    chunks(provider)
    assert provider.options == [None]
    (record,) = patched
    assert (record.usage_input_tokens, record.cost) == (None, None)
    assert "stream_usage" in (record.cost_details or {})["unknown"]


@pytest.mark.parametrize("size", [1, 7, 50, 100_000])
def test_the_caller_sees_no_difference_when_usage_is_asked_for(patched: Records, size: int) -> None:
    plain = chunks(Provider())
    autolog.configure(stream_usage="request")
    provider = Provider(size)
    assert chunks(provider) == plain
    assert provider.options == [{"include_usage": True}]
    assert patched[1].usage_input_tokens == 1000
    assert patched[1].cost == pytest.approx(0.0035)
    assert b'"usage":{' in (patched[1].response_body or b"")
    assert b"include_usage" in (patched[1].request_body or b"")


def test_a_caller_who_asks_gets_it(patched: Records) -> None:
    autolog.configure(stream_usage="request")
    provider = Provider()
    assert '"prompt_tokens":1000' in chunks(provider, stream_options={"include_usage": True})[-1]
    chunks(provider, stream_options={"include_obfuscation": False})
    assert provider.options[-1] == {"include_obfuscation": False, "include_usage": True}
    mine = {"model": "gpt-4o", "messages": MESSAGES, "stream": True}
    before = json.dumps(mine)
    list(
        client(provider).post(
            "/chat/completions", body=mine, cast_to=object, stream=True, stream_cls=openai.Stream[Any]
        )
    )
    assert json.dumps(mine) == before
    client(provider).chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert provider.options[-1] is None


def test_asynchronously_and_abandoned(patched: Records) -> None:
    autolog.configure(stream_usage="request")

    async def run() -> int:
        provider = Provider()
        http_client = http.AsyncClient(transport=http.MockTransport(provider))
        later = openai.AsyncOpenAI(api_key="k", http_client=http_client)
        stream = await later.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
        seen = len([chunk async for chunk in stream])
        async with await later.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True) as stream:
            async for _ in stream:
                break
        return seen

    assert asyncio.run(run()) == 3
    assert patched[0].usage_output_tokens == 100
    assert len(patched) == 2


def test_raw_streams_hide_it_too(patched: Records) -> None:
    autolog.configure(stream_usage="request")
    raw = client(Provider()).chat.completions.with_streaming_response
    with raw.create(model="gpt-4o", messages=MESSAGES, stream=True) as response:
        assert b"prompt_tokens" not in response.read()
    assert [record.usage_input_tokens for record in patched] == [1000]


def test_the_filter_keeps_what_is_not_complete() -> None:
    hiding = UsageFilter()
    assert hiding.feed(b"data: cut off") + hiding.rest() == b"data: cut off"
    hiding = UsageFilter()
    crlf = b'data: {"choices": [], "usage": {"prompt_tokens": 1}}\r\n\r\ndata: [DONE]\r\n\r\n'
    assert hiding.feed(crlf) == b"data: [DONE]\r\n\r\n"


def test_estimates_are_marked(patched: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    letters = tiktoken.Encoding(
        "letters", pat_str=r".", mergeable_ranks={bytes([n]): n for n in range(256)}, special_tokens={}
    )
    monkeypatch.setattr("autolog._processing.estimate._loading", {})
    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda model: letters)  # the real tables come from the network
    autolog.configure(stream_usage="estimate")
    provider = Provider()
    chunks(provider)
    assert provider.options == [None]
    (record,) = patched
    assert record.usage_input_tokens == len("user") + len("Say hello") + 3 + 3
    assert record.usage_output_tokens == len("assistant") + len('Hello, "usage":null')
    assert record.usage is None
    details = record.cost_details or {}
    assert (details["certainty"], record.extra["usage_estimated"]) == ("estimated", "tiktoken letters")
    assert record.cost == pytest.approx((record.usage_input_tokens * 2.5 + record.usage_output_tokens * 10) / 1e6)
    chunks(provider, stream_options={"include_usage": True})
    assert patched[1].cost_details is not None
    assert patched[1].cost_details["certainty"] == "exact"


def test_an_estimate_that_fails_says_so(patched: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    tiktoken = pytest.importorskip("tiktoken")

    def no_network(model: str) -> Any:
        raise OSError("no network")

    monkeypatch.setattr("autolog._processing.estimate._loading", {})
    monkeypatch.setattr(tiktoken, "encoding_for_model", no_network)
    autolog.configure(stream_usage="estimate")
    chunks(Provider())
    assert patched[0].cost is None
    assert "no network" in (patched[0].cost_details or {})["unknown"]


def test_the_environment_says_it_before_the_first_call(monkeypatch: pytest.MonkeyPatch, records: Records) -> None:
    monkeypatch.setenv("AUTOLOG_STREAM_USAGE", "request")
    autolog.patch_openai()
    provider = Provider()
    chunks(provider)
    assert provider.options == [{"include_usage": True}]


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(ConfigError, match="neither 'request' nor 'estimate'"):
        autolog.configure(stream_usage="guess")


@pytest.mark.parametrize("shape", ["read by a hook", "identity", "gzip in spite of it"])
def test_hidden_however_it_comes(patched: Records, shape: str) -> None:
    plain = chunks(Provider())
    autolog.configure(stream_usage="request")

    def handler(request: Any) -> Any:
        content, headers = chat_stream(with_usage=True), {"content-type": "text/event-stream"}
        if shape == "identity":
            headers["content-encoding"] = "identity"
        if shape.startswith("gzip"):
            content, headers["content-encoding"] = gzip.compress(content), "gzip"
        if shape == "read by a hook":
            return http.Response(200, headers=headers, content=content)
        return http.Response(200, headers=headers, stream=Pieces(content, 20))

    hooks: Any = {"response": [lambda response: response.read()]} if shape == "read by a hook" else {}
    sdk = openai.OpenAI(api_key="k", http_client=http.Client(transport=http.MockTransport(handler), event_hooks=hooks))
    stream = sdk.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    assert [chunk.model_dump_json(exclude_unset=True) for chunk in stream] == plain
    assert patched[1].usage_input_tokens == 1000


def test_a_host_that_refuses_the_question_is_not_asked_again(patched: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    from autolog._capture import stream_usage

    monkeypatch.setattr(stream_usage, "_refusing", set())
    autolog.configure(stream_usage="request")
    seen: list[Any] = []

    def handler(request: Any) -> Any:
        options = json.loads(request.content).get("stream_options")
        seen.append(options)
        if options:
            return http.Response(400, json={"error": {"message": "Unknown parameter: stream_options"}})
        return http.Response(200, headers={"content-type": "text/event-stream"}, content=chat_stream(with_usage=False))

    sdk = openai.OpenAI(api_key="k", http_client=http.Client(transport=http.MockTransport(handler)))
    for _ in range(2):
        assert len(list(sdk.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True))) == 3

    async def run() -> int:
        client = http.AsyncClient(transport=http.MockTransport(handler))
        later = openai.AsyncOpenAI(api_key="k", http_client=client, base_url="https://other.example/v1")
        return len(
            [chunk async for chunk in await later.chat.completions.create(model="m", messages=MESSAGES, stream=True)]
        )

    assert asyncio.run(run()) == 3
    assert seen == [{"include_usage": True}, None, None, {"include_usage": True}, None]


def test_a_long_event_in_small_pieces_takes_linear_time() -> None:
    hiding = UsageFilter()
    event = b'data: {"choices": [{"delta": {"content": "' + b"A" * 2_000_000 + b'"}}]}\n\n'
    kept = b""
    for at in range(0, len(event), 1000):
        kept += hiding.feed(event[at : at + 1000])
        assert hiding._seen >= min(len(event), at + 1000) - 3 or kept  # text is not searched twice
    assert kept == event


def refusing(second: Any) -> openai.OpenAI:
    """Return a client of a host that refuses the option, and then answers with `second`."""
    answers = iter([http.Response(400, json={"error": {"message": "Unknown parameter: stream_options"}}), second])
    http_client = http.Client(transport=http.MockTransport(lambda _: next(answers)))
    return openai.OpenAI(api_key="k", http_client=http_client, max_retries=0, base_url="https://refusing.example/v1")


@pytest.fixture
def nothing_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_usage, "_refusing", set())
    autolog.configure(stream_usage="request")


@pytest.mark.usefixtures("nothing_refused")
def test_the_program_sees_nothing_of_a_refusal_in_a_later_error(patched: Records) -> None:
    client = refusing(http.Response(429, json={"error": {"message": "slow down"}}))
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    seen, error = [], caught.value
    while error is not None:
        seen.append(type(error))
        error = error.__context__  # type: ignore[assignment]
    assert openai.BadRequestError not in seen


@pytest.mark.usefixtures("nothing_refused")
def test_usage_that_came_without_being_asked_for_is_the_callers(patched: Records) -> None:
    headers = {"content-type": "text/event-stream"}
    client = refusing(http.Response(200, headers=headers, content=chat_stream(with_usage=True)))
    *_, last = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    assert last.usage is not None
    assert last.usage.prompt_tokens == 1000


@pytest.mark.usefixtures("nothing_refused")
def test_a_retry_that_does_not_ask_hides_nothing(patched: Records) -> None:
    def handler(request: Any) -> Any:
        if json.loads(request.content).get("stream_options"):
            stream_usage._refusing.add("retried.example")  # another thread has just learned it
            return http.Response(500, headers={"retry-after-ms": "1"})
        return http.Response(200, headers={"content-type": "text/event-stream"}, content=chat_stream(with_usage=True))

    http_client = http.Client(transport=http.MockTransport(handler))
    client = openai.OpenAI(api_key="k", http_client=http_client, max_retries=1, base_url="https://retried.example/v1")
    *_, last = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    assert last.usage is not None


@pytest.mark.usefixtures("nothing_refused")
def test_a_host_that_sends_usage_to_everybody_is_not_asked(patched: Records) -> None:
    provider = Provider()
    http_client = http.Client(transport=http.MockTransport(provider))
    client = openai.OpenAI(api_key="k", http_client=http_client, base_url="https://openrouter.ai/api/v1")
    list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    assert provider.options == [None]
