"""Every kind of call of both SDKs over a real socket: the caller sees no difference with and without autolog."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import importlib.util
import inspect
import json
import pickle
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import openai
import pydantic
import pytest
from sdk_http import SYNC_STREAMS, anthropic_http, openai_http as http

import autolog
from autolog.cli._standin import standin
from autolog.testing import Records, capture

MESSAGES: list[Any] = [{"role": "user", "content": "Say hello"}]


class Answer(pydantic.BaseModel):
    city: str


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with standin() as url:
        yield url


class Clients:
    """One client of each kind, and the bytes that each sent."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.sent: list[bytes] = []
        hooks: Any = {"request": [lambda request: self.sent.append(request.read())]}

        async def on_request(request: Any) -> None:
            self.sent.append(await request.aread())

        later: Any = {"request": [on_request]}
        mine: dict[str, Any] = {"base_url": f"{address}/v1", "api_key": "k", "max_retries": 0}
        theirs: dict[str, Any] = {"base_url": address, "api_key": "k", "max_retries": 0}
        self.openai = openai.OpenAI(http_client=http.Client(event_hooks=hooks), **mine)
        self.anthropic = anthropic.Anthropic(http_client=anthropic_http.Client(event_hooks=hooks), **theirs)
        self.async_openai = openai.AsyncOpenAI(http_client=http.AsyncClient(event_hooks=later), **mine)
        self.async_anthropic = anthropic.AsyncAnthropic(
            http_client=anthropic_http.AsyncClient(event_hooks=later), **theirs
        )


def closed(stream: Any) -> list[Any]:
    with stream:
        return [type(stream).__name__, *stream]


def helper(manager: Any) -> list[Any]:
    with manager as stream:
        events = [type(event).__name__ for event in stream]
        return [type(stream).__name__, *events]


def raised(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        return type(error), str(error), pickle.dumps(str(error)), type(error.__cause__), error.__suppress_context__


def module_level(clients: Clients) -> Any:
    openai.api_key, openai.base_url = "k", f"{clients.address}/v1/"
    try:
        return openai.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    finally:
        openai.api_key = openai.base_url = None
        openai._reset_client()  # type: ignore[attr-defined]


def raw(client: Any) -> Any:
    response = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=MESSAGES)
    return type(response).__name__, response.headers["content-type"], response.parse(), response.http_response.content


def streaming(client: Any) -> Any:
    with client.chat.completions.with_streaming_response.create(model="gpt-4o", messages=MESSAGES) as response:
        return type(response).__name__, list(response.iter_bytes()), response.http_response.is_closed


SHAPES: dict[str, Callable[[Clients], Any]] = {
    "chat": lambda c: c.openai.chat.completions.create(model="gpt-4o", messages=MESSAGES),
    "chat, streamed": lambda c: closed(
        c.openai.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    ),
    "chat, stream helper": lambda c: helper(c.openai.chat.completions.stream(model="gpt-4o", messages=MESSAGES)),
    "chat, parse": lambda c: raised(
        lambda: c.openai.chat.completions.parse(model="gpt-4o", messages=MESSAGES, response_format=Answer)
    ),
    "chat, raw": lambda c: raw(c.openai),
    "chat, streaming response": lambda c: streaming(c.openai),
    "chat, with_options": lambda c: c.openai.with_options(timeout=9).chat.completions.create(
        model="gpt-4o", messages=MESSAGES
    ),
    "chat, module level": module_level,
    "chat, post": lambda c: c.openai.post(
        "/chat/completions", body={"model": "gpt-4o", "messages": MESSAGES}, cast_to=http.Response
    ).json(),
    "chat, error": lambda c: raised(lambda: c.openai.chat.completions.create(model="no-such-model", messages=MESSAGES)),
    "responses": lambda c: c.openai.responses.create(model="gpt-4o", input="hello"),
    "responses, streamed": lambda c: closed(c.openai.responses.create(model="gpt-4o", input="hello", stream=True)),
    "responses, stream helper": lambda c: helper(c.openai.responses.stream(model="gpt-4o", input="hello")),
    "embeddings": lambda c: c.openai.embeddings.create(model="text-embedding-3-small", input=["a", "b"]),
    "messages": lambda c: c.anthropic.messages.create(model="claude-sonnet-5", max_tokens=9, messages=MESSAGES),
    "messages, streamed": lambda c: closed(
        c.anthropic.messages.create(model="claude-sonnet-5", max_tokens=9, messages=MESSAGES, stream=True)
    ),
    "messages, stream helper": lambda c: helper(
        c.anthropic.messages.stream(model="claude-sonnet-5", max_tokens=9, messages=MESSAGES)
    ),
    "messages, final": lambda c: _final(c),
    "messages, raw": lambda c: c.anthropic.messages.with_raw_response.create(
        model="claude-sonnet-5", max_tokens=9, messages=MESSAGES
    ).parse(),
    "messages, error": lambda c: raised(
        lambda: c.anthropic.messages.create(model="no-such-model", max_tokens=9, messages=MESSAGES)
    ),
}


def _final(clients: Clients) -> Any:
    with clients.anthropic.messages.stream(model="claude-sonnet-5", max_tokens=9, messages=MESSAGES) as stream:
        return stream.get_final_message()


async def _collect(stream: Any) -> list[Any]:
    return [type(stream).__name__, *[item async for item in stream]]


async def _helper(manager: Any) -> list[Any]:
    async with manager as stream:
        return [type(stream).__name__, *[type(event).__name__ async for event in stream]]


async def _awaited(call: Any) -> list[Any]:
    return [await call]


async def _streamed(call: Any) -> list[Any]:
    return await _collect(await call)


ASYNC_SHAPES: dict[str, Callable[[Clients], Any]] = {
    "chat": lambda c: _awaited(c.async_openai.chat.completions.create(model="gpt-4o", messages=MESSAGES)),
    "chat, streamed": lambda c: _streamed(
        c.async_openai.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    ),
    "chat, stream helper": lambda c: _helper(c.async_openai.chat.completions.stream(model="gpt-4o", messages=MESSAGES)),
    "responses, streamed": lambda c: _streamed(c.async_openai.responses.create(model="gpt-4o", input="x", stream=True)),
    "messages": lambda c: _awaited(
        c.async_anthropic.messages.create(model="claude-sonnet-5", max_tokens=9, messages=MESSAGES)
    ),
    "messages, streamed": lambda c: _streamed(
        c.async_anthropic.messages.create(model="claude-sonnet-5", max_tokens=9, messages=MESSAGES, stream=True)
    ),
    "messages, stream helper": lambda c: _helper(
        c.async_anthropic.messages.stream(model="claude-sonnet-5", max_tokens=9, messages=MESSAGES)
    ),
}


def same(first: Any, second: Any) -> None:
    assert type(first) is type(second)
    assert repr(first) == repr(second)
    if isinstance(first, pydantic.BaseModel):
        assert pickle.dumps(first.model_dump()) == pickle.dumps(second.model_dump())
        assert type(pickle.loads(pickle.dumps(second))) is type(first)


@pytest.mark.parametrize("shape", SHAPES)
def test_sync_shapes(shape: str, address: str) -> None:
    plain = Clients(address)
    without = SHAPES[shape](plain)
    clients = Clients(address)
    with capture() as records:
        autolog.patch()
        seen = SHAPES[shape](clients)
        same(without, seen)
        assert clients.sent == plain.sent
        assert len(records) == 1
        assert records[0].request_body == (clients.sent or [records[0].request_body])[0]
        assert (records[0].status == "error") == (shape in {"chat, error", "messages, error", "chat, parse"})


@pytest.mark.parametrize("shape", ASYNC_SHAPES)
def test_async_shapes(shape: str, address: str) -> None:
    async def main() -> tuple[Any, list[bytes]]:
        clients = Clients(address)
        return await ASYNC_SHAPES[shape](clients), clients.sent

    without, plainly_sent = asyncio.run(main())
    with capture() as records:
        autolog.patch()
        seen, sent = asyncio.run(main())
        same(without, seen)
        assert sent == plainly_sent
        assert len(records) == 1
        assert records[0].status == "ok"


# Patching


def test_a_client_made_before_patching(address: str, records: Records) -> None:
    clients = Clients(address)
    autolog.patch_openai()
    clients.openai.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert len(records) == 1


def test_patching_twice_and_unpatching(address: str, records: Records) -> None:
    from openai._base_client import AsyncAPIClient, BaseClient, SyncAPIClient

    def methods() -> list[Any]:
        return [
            SyncAPIClient.request, SyncAPIClient._process_response, AsyncAPIClient.request,
            AsyncAPIClient._process_response, BaseClient._build_request,
        ]  # fmt: skip

    before = methods()
    clients = Clients(address)
    autolog.patch_openai()
    autolog.patch_openai()
    SHAPES["chat"](clients)
    assert len(records) == 1
    autolog.unpatch_openai()
    autolog.unpatch_openai()
    assert methods() == before
    SHAPES["chat"](clients)
    assert len(records) == 1
    autolog.patch_openai()
    SHAPES["chat"](clients)
    assert len(records) == 2


def test_a_wrapper_that_outlives_unpatching_passes_through(address: str, records: Records) -> None:
    autolog.patch_openai()
    clients = Clients(address)
    create = clients.openai.post
    held = type(clients.openai).request
    autolog.unpatch_openai()
    assert create is not None
    clients.openai.request = held.__get__(clients.openai)  # type: ignore[method-assign]
    SHAPES["chat"](clients)
    assert len(records) == 0


def test_free_calls_are_not_logged(records: Records) -> None:
    autolog.patch()
    transport = http.MockTransport(
        lambda request: Any if False else http.Response(200, json={"object": "list", "data": [], "id": "f"})
    )
    client = openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))
    client.models.list()
    client.files.list()
    client.files.create(file=b"x", purpose="batch")
    client.chat.completions.retrieve("c1")
    client.vector_stores.create(name="v")
    transport = anthropic_http.MockTransport(lambda _: anthropic_http.Response(200, json={"data": []}))
    anthropic.Anthropic(api_key="k", http_client=anthropic_http.Client(transport=transport)).models.list()
    assert len(records) == 0


# How streams end


def test_a_stream_broken_off(address: str, patched: Records) -> None:
    stream = Clients(address).openai.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    for _, _ in zip(range(2), stream, strict=False):
        pass
    assert len(patched) == 0
    stream.close()
    assert len(patched) == 1
    record = patched[0]
    assert record.status == "ok"
    assert record.response_body
    assert b"[DONE]" not in record.response_body
    assert record.time_to_first_chunk is not None
    assert record.response_finish_reasons is None


@pytest.mark.parametrize("iterated", [False, True])
def test_a_stream_abandoned(address: str, patched: Records, iterated: bool) -> None:
    stream = Clients(address).openai.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    if iterated:
        next(stream)
    del stream
    gc.collect()
    assert len(patched) == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_async_stream_cancelled(address: str, patched: Records) -> None:
    async def main() -> None:
        stream = await Clients(address).async_anthropic.messages.create(
            model="claude-sonnet-5", max_tokens=9, messages=MESSAGES, stream=True
        )

        async def read() -> None:
            async for _ in stream:
                await asyncio.sleep(0.01)

        task = asyncio.create_task(read())
        await asyncio.sleep(0.06)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await stream.close()

    asyncio.run(main())
    assert len(patched) == 1
    assert patched[0].response_body


def test_an_error_event_in_mid_stream(patched: Records) -> None:
    events = b'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[]}\n\n' + (
        b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'
    )
    client = mock_openai(lambda _: http.Response(200, headers={"content-type": "text/event-stream"}, content=events))
    with pytest.raises(openai.APIError, match="overloaded"):
        list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    (record,) = patched
    assert (record.status, record.status_code, record.error_type, record.error_message) == (
        "error", 200, "server_error", "overloaded",
    )  # fmt: skip


class Breaking(*SYNC_STREAMS):  # type: ignore[misc]
    def __iter__(self) -> Iterator[bytes]:
        yield b'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[]}\n\n'
        raise http.ReadError("gone")

    def close(self) -> None: ...


def test_a_connection_lost_in_mid_stream(patched: Records) -> None:
    client = mock_openai(lambda _: http.Response(200, headers={"content-type": "text/event-stream"}, stream=Breaking()))
    with pytest.raises((openai.APIConnectionError, http.ReadError)):
        list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    (record,) = patched
    assert record.status == "error"
    assert record.error_type == f"{http.__name__}.ReadError"
    assert record.response_body
    assert record.response_body.startswith(b"data:")
    assert record.response_model == "m"


def mock_openai(handler: Callable[[Any], Any], **options: Any) -> openai.OpenAI:
    options = {"max_retries": 0, **options}
    return openai.OpenAI(api_key="k", http_client=http.Client(transport=http.MockTransport(handler)), **options)


# Failures


def test_timeouts_and_lost_connections(patched: Records) -> None:
    def time_out(request: Any) -> Any:
        raise http.ReadTimeout("slow", request=request)

    def break_down(request: Any) -> Any:
        raise http.ConnectError("no route", request=request)

    for handler, error in ((time_out, openai.APITimeoutError), (break_down, openai.APIConnectionError)):
        with pytest.raises(error):
            mock_openai(handler).chat.completions.create(model="m", messages=MESSAGES)
    assert [record.error_type for record in patched] == ["openai.APITimeoutError", "openai.APIConnectionError"]
    assert {record.status_code for record in patched} == {None}
    assert patched[0].request_body
    assert json.loads(patched[0].request_body)["model"] == "m"


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_retries_are_counted_and_are_one_record(patched: Records, sdk: str) -> None:
    answers = iter([429, 500, 200])
    library = http if sdk == "openai" else anthropic_http

    def handler(request: Any) -> Any:
        return library.Response(next(answers), json={"id": "x", "model": "m"}, headers={"retry-after-ms": "1"})

    http_client = library.Client(transport=library.MockTransport(handler))
    if sdk == "openai":
        openai.OpenAI(api_key="k", http_client=http_client).chat.completions.create(model="m", messages=MESSAGES)
    else:
        client = anthropic.Anthropic(api_key="k", http_client=http_client)
        client.messages.create(model="m", max_tokens=9, messages=MESSAGES)
    (record,) = patched
    assert (record.retries, record.status, record.status_code) == (2, "ok", 200)


def test_retries_that_end_in_failure(patched: Records) -> None:
    client = mock_openai(
        lambda _: http.Response(503, json={"error": {"message": "full"}}, headers={"retry-after-ms": "1"}),
        max_retries=2,
    )
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="m", messages=MESSAGES)
    (record,) = patched
    assert (record.retries, record.status_code, record.error_message) == (2, 503, "full")


def test_cancelling_a_call(patched: Records) -> None:
    async def main() -> None:
        sent = asyncio.Event()

        async def hang(request: Any) -> Any:
            sent.set()
            await asyncio.sleep(60)
            raise AssertionError

        http_client = http.AsyncClient(transport=http.MockTransport(hang))
        client = openai.AsyncOpenAI(api_key="k", http_client=http_client)
        call = asyncio.create_task(client.chat.completions.create(model="m", messages=MESSAGES))
        await sent.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(main())
    (record,) = patched
    assert record.error_type == "asyncio.exceptions.CancelledError"
    assert record.request_model == "m"


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[]", b"null", b'{"usage": "many"}', b'{"choices": 3, "usage": {"prompt_tokens": -1}}',
             b'{"choices": [null, {"message": 1}], "model": 7}', b"\xff\xfe", b'{"a":' * 5000,
             b'{"usage": {"prompt_tokens": 1e999, "completion_tokens": 1000000000000000000000000000000}}'],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "application/vnd.amazon.eventstream"])
def test_answers_that_make_no_sense(patched: Records, body: bytes, kind: str) -> None:
    framed = b"data: " + body + b"\n\n" if "event" in kind else body
    client = mock_openai(lambda _: http.Response(200, headers={"content-type": kind}, content=framed))
    raised(lambda: client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES))
    (record,) = patched
    assert record.response_body == framed
    assert record.request_model == "m"


def test_compressed_streams_are_kept_decoded(patched: Records) -> None:
    import gzip

    from traffic import Chunked

    plain = b'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[]}\n\ndata: [DONE]\n\n'
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    client = mock_openai(lambda _: http.Response(200, headers=headers, stream=Chunked(gzip.compress(plain))))
    assert len(list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))) == 1
    assert patched[0].response_body == plain


# Providers


def test_azure_bedrock_vertex_and_compatible_clients(patched: Records) -> None:
    answer = {"id": "x", "model": "m", "choices": [], "content": [], "usage": {"input_tokens": 1, "output_tokens": 2}}
    http_client = http.Client(transport=http.MockTransport(lambda _: http.Response(200, json=answer)))
    theirs = anthropic_http.Client(
        transport=anthropic_http.MockTransport(lambda _: anthropic_http.Response(200, json=answer))
    )
    openai.AzureOpenAI(
        azure_endpoint="https://gateway.example", api_version="v", api_key="k", http_client=http_client
    ).chat.completions.create(model="deployment", messages=MESSAGES)
    vertex = anthropic.AnthropicVertex(region="us-east5", project_id="p", access_token="t", http_client=theirs)
    vertex.messages.create(model="claude-sonnet-5", max_tokens=9, messages=MESSAGES)
    bedrock = anthropic.AnthropicBedrock(
        aws_access_key="a", aws_secret_key="s", aws_region="us-east-1", http_client=theirs
    )
    bedrock.messages.create(model="anthropic.claude-v2", max_tokens=9, messages=MESSAGES)
    openai.OpenAI(
        api_key="k", base_url="https://api.groq.com/openai/v1", http_client=http_client
    ).chat.completions.create(model="llama", messages=MESSAGES)
    assert [(record.provider_name, record.operation_name, record.request_model) for record in patched] == [
        ("azure.ai.openai", "chat", "deployment"),
        ("gcp.vertex_ai", "chat", "claude-sonnet-5"),
        ("aws.bedrock", "chat", "anthropic.claude-v2"),
        ("groq", "chat", "llama"),
    ]


@pytest.mark.skipif(importlib.util.find_spec("httpx") is None, reason="httpx is not installed")
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_built_on_legacy_httpx(address: str, patched: Records, stream: bool) -> None:
    import httpx

    client = openai.OpenAI(base_url=f"{address}/v1", api_key="k", http_client=httpx.Client())  # type: ignore[arg-type]
    result = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=stream)
    assert list(result) if stream else result
    (record,) = patched
    assert (record.status, record.request_stream) == ("ok", stream)
    assert record.response_body


def test_uploads_are_kept_to_the_byte(patched: Records, tmp_path: Any) -> None:
    import io

    sent = []

    def handler(request: Any) -> Any:
        sent.append(request.read())
        return http.Response(200, json={"text": "hi", "usage": {"type": "duration", "seconds": 3}})

    file = io.BytesIO(b"RIFF\x00\xff" * 1000)
    file.name = "a.wav"
    mock_openai(handler).audio.transcriptions.create(model="whisper-1", file=file)
    (record,) = patched
    assert record.request_body == sent[0]
    assert (record.request_model, record.operation_name, record.output_preview) == ("whisper-1", "transcription", "hi")


def test_no_secret_is_kept(patched: Records) -> None:
    secret = "sk-verysecret"
    client = openai.OpenAI(
        api_key=secret,
        organization="org-mine",
        base_url=f"https://user:{secret}@api.openai.com/v1?api-key={secret}",
        default_query={"key": secret},
        http_client=http.Client(transport=http.MockTransport(lambda _: http.Response(200, json={"id": "x"}))),
    )
    client.chat.completions.create(model="m", messages=MESSAGES)
    from autolog._record.record import to_json

    assert secret not in to_json(patched[0], bodies=True)
    assert "org-mine" not in to_json(patched[0], bodies=True)


def test_provider_calls_are_children_of_spans(address: str, patched: Records) -> None:
    with autolog.span("parent") as span:
        SHAPES["chat"](Clients(address))
    call = next(record for record in patched if record.kind == "llm")
    assert (call.parent_span_id, call.trace_id) == (span.span_id, span.trace_id)


def test_a_list_that_changes_after_the_call_changes_no_log(address: str, patched: Records) -> None:
    messages = list(MESSAGES)
    Clients(address).openai.chat.completions.create(model="gpt-4o", messages=messages)
    messages.append({"role": "user", "content": "more"})
    assert patched[0].request_body
    assert len(json.loads(patched[0].request_body)["messages"]) == 1


def test_middleware_that_asks_twice_makes_two_records(patched: Records) -> None:
    """Send twice like the anthropic SDK's refusal fallbacks, in which each request is billed."""
    if "middleware" not in inspect.signature(anthropic.Anthropic).parameters:
        pytest.skip("this version has no middleware")

    def twice(request: Any, call_next: Any) -> Any:
        call_next(request)
        return call_next(request)

    transport = anthropic_http.MockTransport(lambda _: anthropic_http.Response(200, json={"id": "x", "model": "m"}))
    http_client = anthropic_http.Client(transport=transport)
    client = anthropic.Anthropic(api_key="k", http_client=http_client, middleware=[twice])
    client.messages.create(model="m", max_tokens=9, messages=MESSAGES)
    assert [record.retries for record in patched] == [0, 0]
    assert len({record.span_id for record in patched}) == 2


def test_a_free_call_inside_a_billed_one(address: str, patched: Records) -> None:
    other = mock_openai(lambda _: http.Response(200, json={"object": "list", "data": []}))
    http_client = http.Client(event_hooks={"request": [lambda _: other.models.list()]})
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="k", http_client=http_client)
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert [record.operation_name for record in patched] == ["chat"]


def test_patching_again_over_somebody_elses_wrapper(address: str, records: Records) -> None:
    from openai._base_client import SyncAPIClient

    plain = SyncAPIClient.__dict__["request"]
    autolog.patch_openai()
    mine = SyncAPIClient.__dict__["request"]
    SyncAPIClient.request = lambda self, *args, **kwargs: mine(self, *args, **kwargs)  # type: ignore[method-assign]
    try:
        autolog.unpatch_openai()
        autolog.patch_openai()
        SHAPES["chat, error"](Clients(address))
        SHAPES["chat"](Clients(address))
        assert len(records) == 2
    finally:
        autolog.unpatch_openai()
        SyncAPIClient.request = plain  # type: ignore[method-assign]


def test_many_threads_at_once(address: str, patched: Records) -> None:
    clients = Clients(address)

    def work(number: int) -> None:
        with autolog.context(user=f"u{number}"):
            clients.openai.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": str(number)}])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {record.user: record.input_preview for record in patched} == {f"u{n}": str(n) for n in range(20)}


def test_an_error_of_ours_does_not_reach_the_program(
    address: str, patched: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autolog import _guard
    from autolog._capture.exchange import Exchange

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(_guard, "strict", False)
    for method in ("received", "failed"):
        monkeypatch.setattr(Exchange, method, broken)
    assert SHAPES["chat"](Clients(address)).choices
    assert SHAPES["chat, streamed"](Clients(address))
    assert SHAPES["chat, error"](Clients(address))[0] is openai.NotFoundError
    assert sum(_guard.failures.values()) >= 3
    _guard.failures.clear()


class Slow(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[]}\n\n')
        self.wfile.flush()
        self.server.release.wait(10)  # type: ignore[attr-defined]

    def log_message(self, *_: Any) -> None: ...


def test_a_stream_still_open_at_shutdown_is_recorded(records: Records) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.release = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    autolog.patch_openai()
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_address[1]}/v1", api_key="k")
    stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    next(stream)
    autolog.shutdown()
    assert len(records) == 1
    server.release.set()  # type: ignore[attr-defined]
    stream.close()
    server.shutdown()
    server.server_close()
    assert len(records) == 1


# Differences that a program could notice


async def pending_call() -> Any:
    """Start a call that waits for its response, in its own context."""

    async def never(_: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    http_client = http.AsyncClient(transport=http.MockTransport(never))
    client = openai.AsyncOpenAI(api_key="k", max_retries=0, http_client=http_client)
    client._platform = "Linux"  # otherwise the SDK first waits to detect it
    call = client.chat.completions.create(model="pending", messages=MESSAGES)
    contextvars.copy_context().run(call.send, None)
    return call


def test_an_async_call_may_be_closed_outside_its_context(patched: Records) -> None:
    async def main() -> None:
        (await pending_call()).close()

    asyncio.run(main())
    assert [record.error_type for record in patched] == ["GeneratorExit"]


def test_a_call_that_is_closed_inside_another_one_does_not_end_that(address: str, patched: Records) -> None:
    async def main() -> None:
        pending = await pending_call()

        async def close_other(_: Any) -> None:
            pending.close()

        http_client = http.AsyncClient(event_hooks={"request": [close_other]})
        client = openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="k", http_client=http_client)
        await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    asyncio.run(main())
    assert {record.request_model: record.status for record in patched} == {"pending": "error", "gpt-4o": "ok"}
