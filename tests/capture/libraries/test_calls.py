"""Calls to models are recorded by the HTTP library that they use, and no other requests are."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from benchmarks.calls import count_calls
from chat_server import ANSWER, ChatServer, chunks, receive, request

import autolog
from autolog import ConfigError
from autolog._capture.http import Outlet
from autolog._capture.libraries.calls import CallRules, LibraryCalls, other_traffic
from autolog.testing import Records

JSON = {"content-type": "application/json"}


@pytest.fixture
def server(running: ChatServer, records: Records) -> ChatServer:
    running.forget()
    autolog.configure(hosts={running.host: "openai"})
    return running


def by_httpx(url: str, body: bytes, headers: dict[str, str], stream: bool, module: str = "httpx") -> tuple[int, bytes]:
    httpx = importlib.import_module(module)
    with httpx.Client() as client:
        if not stream:
            response = client.post(url, content=body, headers=headers)
            return response.status_code, response.content
        with client.stream("POST", url, content=body, headers=headers) as response:
            return response.status_code, b"".join(response.iter_bytes())


def by_async_httpx(
    url: str, body: bytes, headers: dict[str, str], stream: bool, module: str = "httpx"
) -> tuple[int, bytes]:
    httpx = importlib.import_module(module)

    async def call() -> tuple[int, bytes]:
        async with httpx.AsyncClient() as client:
            if not stream:
                response = await client.post(url, content=body, headers=headers)
                return response.status_code, response.content
            async with client.stream("POST", url, content=body, headers=headers) as response:
                return response.status_code, b"".join([chunk async for chunk in response.aiter_bytes()])

    return asyncio.run(call())


def by_requests(url: str, body: bytes, headers: dict[str, str], stream: bool) -> tuple[int, bytes]:
    requests = importlib.import_module("requests")
    response = requests.post(url, data=body, headers=headers, stream=stream)
    return response.status_code, b"".join(response.iter_content(10)) if stream else response.content


def by_aiohttp(url: str, body: bytes, headers: dict[str, str], stream: bool) -> tuple[int, bytes]:
    aiohttp = importlib.import_module("aiohttp")

    async def call() -> tuple[int, bytes]:
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
            if not stream:
                return response.status, await response.read()
            return response.status, b"".join([chunk async for chunk in response.content.iter_any()])

    return asyncio.run(call())


def by_botocore(url: str, body: bytes, headers: dict[str, str], stream: bool) -> tuple[int, bytes]:
    awsrequest = importlib.import_module("botocore.awsrequest")
    session = importlib.import_module("botocore.httpsession").URLLib3Session()
    prepared = awsrequest.AWSRequest("POST", url, headers, body, stream_output=stream).prepare()
    response = session.send(prepared)
    return response.status_code, b"".join(response.raw.stream()) if stream else response.content


def by_lm15(url: str, body: bytes, headers: dict[str, str], stream: bool) -> tuple[int, bytes]:
    transports = importlib.import_module("lm15.transports")
    with transports.StdlibTransport() as transport:
        response = transport.stream(transports.TransportRequest("POST", url, list(headers.items()), body))
        with response:
            return response.status, b"".join(response) if stream else response.read()


def by_async_lm15(url: str, body: bytes, headers: dict[str, str], stream: bool) -> tuple[int, bytes]:
    transports = importlib.import_module("lm15.transports")

    async def call() -> tuple[int, bytes]:
        transport_request = transports.TransportRequest("POST", url, list(headers.items()), body)
        async with transports.StdlibAsyncTransport() as transport, transport.stream(transport_request) as response:
            return response.status, b"".join([chunk async for chunk in response]) if stream else await response.read()

    return asyncio.run(call())


WAYS: dict[str, Callable[..., tuple[int, bytes]]] = {
    "httpx": by_httpx,
    "httpx2": lambda *given: by_httpx(*given, module="httpx2"),
    "httpx, async": by_async_httpx,
    "httpx2, async": lambda *given: by_async_httpx(*given, module="httpx2"),
    "requests": by_requests,
    "aiohttp": by_aiohttp,
    "botocore": by_botocore,
    "lm15": by_lm15,
    "lm15, async": by_async_lm15,
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Callable[..., tuple[int, bytes]]:
    pytest.importorskip(request.param.partition(",")[0])
    return WAYS[request.param]


@pytest.mark.parametrize("patched_first", [True, False])
def test_a_call_is_recorded_whole(
    way: Callable[..., Any], server: ChatServer, records: Records, patched_first: bool
) -> None:
    if not patched_first:
        way(f"{server.url}/chat/completions", request(), JSON, False)
    autolog.patch_http()
    status, body = way(f"{server.url}/chat/completions", request(), JSON, False)
    assert (status, json.loads(body)) == (200, ANSWER)
    (record,) = records
    assert record.request_body == request()
    assert json.loads(record.response_body or b"") == ANSWER
    assert (record.usage_input_tokens, record.usage_output_tokens) == (9, 3)
    assert (record.operation_name, record.response_model, record.status_code) == ("chat", "gpt-4o-mini", 200)
    assert record.request_id == "req-1"
    assert (record.retries, record.status, record.request_method) == (0, "ok", "POST")
    assert record.request_url == f"{server.url}/chat/completions"


def test_a_stream_is_recorded_whole(way: Callable[..., Any], server: ChatServer, records: Records) -> None:
    autolog.patch_http()
    _, body = way(f"{server.url}/chat/completions", request(stream=True), JSON, True)
    assert body == b"".join(chunks())
    (record,) = records
    assert record.response_body == b"".join(chunks())
    assert record.output_preview == "Tagus, Douro."
    assert record.usage_output_tokens == 3
    assert record.request_stream
    assert record.time_to_first_chunk is not None
    assert record.duration is not None
    assert record.time_to_first_chunk <= record.duration


@pytest.mark.parametrize("stream", [False, True])
def test_a_compressed_answer_is_kept_as_it_reads(
    way: Callable[..., Any], server: ChatServer, records: Records, stream: bool
) -> None:
    autolog.patch_http()
    way(f"{server.url}/chat/completions", request(), {**JSON, "x-encode": "gzip"}, stream)
    (record,) = records
    assert json.loads(record.response_body or b"") == ANSWER


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_is_recorded_with_its_body(
    way: Callable[..., Any], server: ChatServer, records: Records, stream: bool
) -> None:
    autolog.patch_http()
    server.failures = [400]
    status, _ = way(f"{server.url}/chat/completions", request(), JSON, stream)
    assert status == 400
    (record,) = records
    assert (record.status, record.status_code) == ("error", 400)
    assert (record.error_type, record.error_message) == ("server_error", "try again")


def test_a_request_that_is_repeated_after_an_error_is_one_record(server: ChatServer, records: Records) -> None:
    httpx = pytest.importorskip("httpx")
    autolog.patch_http()
    server.failures = [500, 429]
    with httpx.Client() as client:
        for _ in range(3):
            client.post(f"{server.url}/chat/completions", content=request(), headers=JSON)
        client.post(f"{server.url}/chat/completions", content=request(), headers=JSON)  # a call of its own
    first, second = records
    assert (first.status, first.retries, first.usage_output_tokens) == ("ok", 2, 3)
    assert first.error_message is None
    assert (second.status, second.retries) == ("ok", 0)
    assert first.id != second.id


def test_a_connection_that_fails_is_recorded(way: Callable[..., Any], server: ChatServer, records: Records) -> None:
    autolog.configure(hosts={"127.0.0.1:9": "openai"})
    autolog.patch_http()
    with pytest.raises(Exception) as raised:
        way("http://127.0.0.1:9/v1/chat/completions", request(), JSON, False)
    (record,) = records
    assert record.status == "error"
    assert record.error_type is not None
    assert raised.value.__traceback__ is not None


def test_other_traffic_is_not_recorded(way: Callable[..., Any], server: ChatServer, records: Records) -> None:
    autolog.patch_http()
    for hosts in ({server.host: "openai"}, {}):
        autolog.configure(hosts=hosts)
        way(f"{server.url}/models/list", b"{}", JSON, False)
        way(f"http://{server.host}/api/orders", b"{}", JSON, False)
    assert not records


def test_unknown_hosts_are_told_by_their_paths(way: Callable[..., Any], server: ChatServer, records: Records) -> None:
    autolog.configure(hosts={})
    autolog.patch_http()
    way(f"{server.url}/chat/completions", request(), JSON, False)
    assert len(records) == 1


@pytest.mark.parametrize(
    ("path", "keys", "sdk"),
    [("/api/chat", ("model", "messages"), "ollama"), ("/llm/api/generate", ("model", "prompt"), "ollama"),
     ("/v2/chat", ("model", "messages"), "cohere"), ("/v1/chat", ("message",), "cohere"),
     ("/v1/fim/completions", ("model", "prompt"), "mistral"), ("/generate", ("inputs",), "huggingface")],
)  # fmt: skip
def test_formats_whose_paths_others_have_too_are_told_at_unknown_hosts_by_their_parameters(
    path: str, keys: tuple[str, ...], sdk: str, way: Callable[..., Any], server: ChatServer, records: Records
) -> None:
    autolog.configure(hosts={})
    autolog.patch_http()
    way(f"http://{server.host}{path}", json.dumps(dict.fromkeys(keys, "x")).encode(), JSON, False)
    way(f"http://{server.host}{path}", json.dumps({"text": 'no "model"'}).encode(), JSON, False)
    assert [record.sdk for record in records] == [sdk]
    assert autolog.status()["unrecorded"] == {}


def test_calls_in_unknown_formats_are_counted_and_named_once(
    way: Callable[..., Any], server: ChatServer, records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    autolog.configure(hosts={})
    autolog.patch_http()
    for path, body in (("/completion", {"prompt": "x"}), ("/rerank", {"model": "m"}), ("/completion", {"page": 1})):
        way(f"http://{server.host}{path}", json.dumps(body).encode(), JSON, False)
    assert not records
    assert autolog.status()["unrecorded"] == {server.host: 2}
    (message,) = [record.getMessage() for record in caplog.records if "looks like a call" in record.getMessage()]
    assert f"http://{server.host}/completion looks like a call to a model" in message
    autolog.configure(hosts={server.host: "openai"})
    way(f"http://{server.host}/rerank", b'{"model": "m"}', JSON, False)
    assert len(records) == 1


@pytest.mark.parametrize(("path", "option"), [("/rerank", "configure(hosts={'llm.internal:8': 'openai'})"),
                                              ("/completion", "")])  # fmt: skip
def test_the_notice_names_a_format_that_reads_the_path(
    path: str, option: str, caplog: pytest.LogCaptureFixture
) -> None:
    calls = LibraryCalls(Outlet(lambda _: None, False), CallRules({}))
    assert calls.open(None, "POST", "llm.internal:8", path, {"model": "m"}) is None
    assert option in caplog.text
    assert ("configure" in caplog.text) == bool(option)


def test_ollamas_sdk_is_recorded_at_a_host_of_its_own(records: Records) -> None:
    ollama, httpx = pytest.importorskip("ollama"), pytest.importorskip("httpx")
    answer = {"model": "llama3.2", "message": {"role": "assistant", "content": "Ja"}, "done": True, "eval_count": 3}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    autolog.patch_http()
    client = ollama.Client(host="https://llm.internal", transport=transport)
    assert client.chat("llama3.2", messages=[{"role": "user", "content": "Hi"}]).message.content == "Ja"
    (record,) = records
    assert (record.sdk, record.provider_name, record.usage_output_tokens) == ("ollama", "ollama", 3)


def test_what_an_sdk_of_its_own_patch_sends_is_recorded_once(server: ChatServer, records: Records) -> None:
    import openai

    autolog.patch()
    client = openai.OpenAI(api_key="k", base_url=server.url, max_retries=2)
    server.failures = [500]
    client.chat.completions.create(model="gpt-4o-mini", messages=[])
    list(client.chat.completions.create(model="gpt-4o-mini", messages=[], stream=True))
    assert [(record.retries, record.sdk) for record in records] == [(1, "openai"), (0, "openai")]
    client.close()


def test_everything_is_as_before_after_unpatching(
    way: Callable[..., Any], server: ChatServer, records: Records
) -> None:
    autolog.patch_http()
    autolog.unpatch_http()
    way(f"{server.url}/chat/completions", request(), JSON, False)
    assert not records
    assert autolog.status()["http"] is None
    autolog.patch_http()
    way(f"{server.url}/chat/completions", request(), JSON, False)
    assert len(records) == 1
    assert sum(autolog.status()["http"].values()) == 1


def test_an_abandoned_stream_keeps_what_had_arrived(server: ChatServer, records: Records) -> None:
    requests = pytest.importorskip("requests")
    httpx = pytest.importorskip("httpx")
    autolog.patch_http()
    response = requests.post(f"{server.url}/chat/completions", data=request(stream=True), headers=JSON, stream=True)
    assert next(response.iter_content(5)) == b"data:"
    response.close()
    with (
        httpx.Client() as client,
        client.stream("POST", f"{server.url}/chat/completions", content=request(stream=True)) as head,
    ):
        assert next(head.iter_bytes())
    assert len(records) == 2
    assert all((record.response_body or b"").startswith(b"data:") for record in records)


def test_a_budget_that_the_request_does_not_fit_forbids_it(
    way: Callable[..., Any], server: ChatServer, records: Records
) -> None:
    class Spent(Exception): ...

    autolog.configure(budgets=[{"limit": 0.0000001, "per": "day", "then": Spent}], hosts={server.host: "openai"})
    autolog.patch_http()
    with pytest.raises(Spent):
        way(f"{server.url}/chat/completions", request(), JSON, False)
    autolog.flush()
    assert not server.bodies
    assert not len(records)
    assert autolog.status()["http"] == {}


def test_hosts_are_checked_where_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="'morse' at 'a' is not a format; choose one of openai"):
        autolog.configure(hosts={"a": "morse"})
    with pytest.raises(ConfigError, match="is not a host"):
        autolog.configure(hosts={"http://a/v1": "openai"})
    monkeypatch.setenv("AUTOLOG_HOSTS", "llm.internal=openai, b:8000=anthropic")
    autolog.autolog._config = None
    autolog.configure()
    assert autolog.autolog._config is not None
    assert autolog.autolog._config.hosts == {"llm.internal": "openai", "b:8000": "anthropic"}


@pytest.mark.parametrize("module", ["httpx", "httpx2"])
@pytest.mark.parametrize(("method", "most"), [("GET", 4), ("POST", 6)])
def test_other_traffic_pays_for_a_few_steps(module: str, method: str, most: int, records: Records) -> None:
    httpx = pytest.importorskip(module)
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, text="x"))) as client:
        paths = itertools.count()

        def ask() -> None:
            client.request(method, f"http://example.com/a/{next(paths)}?c=d")

        def least() -> int:
            return min(count_calls(ask) for _ in range(3))  # garbage collection may add calls

        ask()
        before = least()
        autolog.patch_http()
        ask()
        assert least() - before <= most
    assert not records


@pytest.mark.parametrize(
    ("base", "method", "url", "passes"),
    [(None, "GET", "http://example.com/a", True), (None, "get", "http://example.com", True),
     (None, "POST", "http://example.com/a?b=/v1/chat/completions", True), (None, "POST", "http://example.com/a#b", True),
     (None, "post", "http://example.com/v1/chat/completions", False),
     (None, "POST", "http://example.com/v1/chat/completions?c=d", False),
     (None, "POST", "http://example.com/v1/chat/completions#stream", False),
     (None, "GET", "https://api.openai.com/v1/files", False), (None, "GET", "http://localhost:11434", False),
     ("http://example.com", "GET", "a", True), ("http://example.com/b/", "POST", "/a?c", True),
     ("http://example.com/v1/", "POST", "chat/completions", False), ("https://api.openai.com/v1/", "GET", "files", False),
     (None, "GET", "/a", False), (None, None, None, False), (None, 1, "http://example.com/a", False)],
)  # fmt: skip
def test_other_traffic_is_told_by_its_address(base: str | None, method: Any, url: Any, passes: bool) -> None:
    class Client:
        _base_url = base

    calls = LibraryCalls(Outlet(lambda _: None, False), CallRules({}))
    assert other_traffic(calls)(Client(), method, url) is passes


@pytest.mark.parametrize("library", ["aiohttp", "httpx", "requests"])
def test_an_answer_that_cannot_be_decoded_is_recorded_when_it_fails(library: str, records: Records) -> None:
    """Head and body in one packet, so that the body is broken before there is a response."""
    pytest.importorskip(library)

    def answer(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            receive(connection)
            head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\nconnection: close\r\n\r\n"
            connection.sendall(head + b"{}")

    autolog.patch_http()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1/chat/completions"
        with pytest.raises(Exception, match=r"(?i)decod|encod|gzip|header"):
            WAYS[library](url, b"{}", {"content-type": "application/json"}, True)
        thread.join()
    assert autolog.flush(5)
    (record,) = records
    assert (record.status_code, record.cost) == (200, None)
    assert record.status == "error" or record.response_body == b"{}"  # httpx reads all of it before it decodes
