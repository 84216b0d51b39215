"""`autolog.testing.replay`: recorded calls replace the network, whichever library makes them."""

from __future__ import annotations

import asyncio
import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import httpx
import httpx2
import openai
import pytest
import requests
from provider_sdks import StandIn, is_missing, name_of, play_either, recordings, stand_in

import autolog
from autolog._display.files import as_line
from autolog._record.record import Record
from autolog.cli._standin import standin
from autolog.errors import AutologError
from autolog.stores import open_store
from autolog.testing import NotRecorded, capture, replay

URL = "https://api.openai.com/v1/chat/completions"
ASK: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello"}]}
CHAT = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}  # fmt: skip
EVENTS = [
    b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,"delta":'
    b'{"content":"%s"},"finish_reason":null}]}\n\n' % word
    for word in (b"one", b"two", b"three")
] + [b"data: [DONE]\n\n"]


def call(body: dict[str, Any] = ASK, answer: dict[str, Any] = CHAT, **given: Any) -> Record:
    """Return a recorded call, with the values in `given` changed."""
    values = {
        "id": "recorded", "request_method": "POST", "request_url": URL, "status_code": 200,
        "request_content_type": "application/json", "request_body": json.dumps(body).encode(),
        "response_content_type": "application/json", "response_body": json.dumps(answer).encode(), **given,
    }  # fmt: skip
    return Record(**values)


def stream(body: dict[str, Any] = ASK, **given: Any) -> Record:
    return call(
        {**body, "stream": True},
        **{"response_content_type": "text/event-stream", "response_body": b"".join(EVENTS), **given},
    )


def tape(*calls: Record) -> str:
    """Write a file with recorded calls, and return its name."""
    Path("calls.jsonl").write_text("".join(json.dumps(as_line(record)) + "\n" for record in calls))
    return "calls.jsonl"


def client(**given: Any) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", **given)


def say(completion: Any) -> str:
    return str(completion.choices[0].message.content)


# Every library


async def _aiohttp(body: dict[str, Any]) -> bytes:
    async with aiohttp.ClientSession() as session, session.post(URL, json=body) as answer:
        return await answer.read()


def _post(library: Any) -> Callable[[dict[str, Any]], bytes]:
    return lambda body: bytes(library.post(URL, json=body).content)


async def _async_client(library: Any, body: dict[str, Any]) -> bytes:
    async with library.AsyncClient() as session:
        return bytes((await session.post(URL, json=body)).content)


LIBRARIES: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "httpx": _post(httpx),
    "httpx async": lambda body: asyncio.run(_async_client(httpx, body)),
    "httpx2": _post(httpx2),
    "httpx2 async": lambda body: asyncio.run(_async_client(httpx2, body)),
    "requests": _post(requests),
    "aiohttp": lambda body: asyncio.run(_aiohttp(body)),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_gets_the_recorded_bytes_and_its_call_is_recorded_as_ever(library: str) -> None:
    autolog.patch_http()
    with capture() as records, replay(tape(call(), stream())) as playing:
        assert json.loads(LIBRARIES[library](ASK)) == CHAT
        assert LIBRARIES[library]({**ASK, "stream": True}) == b"".join(EVENTS)
        assert playing.left == []
    assert [(record.status, record.usage_input_tokens) for record in records] == [("ok", 5), ("ok", None)]


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_unrecorded_request_is_refused_before_it_is_sent(library: str) -> None:
    with pytest.raises(NotRecorded, match="was not recorded"), replay(tape(call())):
        LIBRARIES[library]({**ASK, "temperature": 0})
    with pytest.raises(NotRecorded, match="the recording is empty"), replay(tape()):
        LIBRARIES[library](ASK)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_connection_that_broke_breaks_again(library: str) -> None:
    broken = call(status_code=None, status="error", error_type="APIConnectionError", response_body=None)
    cut = stream(status="error", error_type="RemoteProtocolError", response_body=b"".join(EVENTS[:2]))
    slow = call({"model": "slow"}, status_code=None, status="error", error_type="APITimeoutError", response_body=None)
    with replay(tape(broken, cut, slow)):
        for body in (ASK, {**ASK, "stream": True}):
            with pytest.raises((httpx.TransportError, httpx2.TransportError, OSError, aiohttp.ClientError)):
                LIBRARIES[library](body)
        with pytest.raises((httpx.TimeoutException, httpx2.TimeoutException, requests.Timeout, TimeoutError)):
            LIBRARIES[library]({"model": "slow"})


def test_a_stream_comes_event_by_event() -> None:
    with replay(tape(stream(), stream(), stream())):
        with httpx.Client() as session, session.stream("POST", URL, json={**ASK, "stream": True}) as answer:
            assert list(answer.iter_raw()) == EVENTS

        async def read() -> list[bytes]:
            async with aiohttp.ClientSession() as session, session.post(URL, json={**ASK, "stream": True}) as answer:
                return [piece async for piece in answer.content.iter_any()]

        assert asyncio.run(read()) == EVENTS
        with requests.post(URL, json={**ASK, "stream": True}, stream=True) as answer:
            assert b"\n".join(answer.iter_lines()) + b"\n" == b"".join(EVENTS)


def test_uploads_are_compared_by_their_parts() -> None:
    store = open_store("sqlite:///.autolog/logs.db")
    autolog.configure(store=store.url)
    autolog.patch_openai()

    class Transcriber(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"text": "hi"}')

        def log_message(self, *args: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Transcriber)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sdk = client(base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=0)
    upload: Any = {"model": "whisper-1", "file": ("a.wav", b"RIFF0000")}
    sdk.audio.transcriptions.create(**upload)
    server.shutdown()
    server.server_close()
    assert autolog.flush()
    with replay(store.url):
        assert sdk.audio.transcriptions.create(**upload).text == "hi"
    with pytest.raises(NotRecorded), replay(store.url):
        sdk.audio.transcriptions.create(**{**upload, "file": ("a.wav", b"RIFF0001")})


# The recordings


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


_UNKEPT = re.compile(r"""(?s)(?:HTTPHeaders\\?': |headers=|headers: )(?:\{.*?\}|<dict len=\d+>)|['"], b['"]""")


def seen(result: list[Any]) -> list[str]:
    """Return what a program observes, except what records lack: all headers, and the chunks of bodies without events."""
    return [_UNKEPT.sub("", str(part)) for part in result]


@pytest.mark.skipif(not recordings(), reason="../shared/traffic_providers is not here")
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("path", recordings()[::4], ids=name_of)
def test_an_sdk_gets_from_a_store_what_it_got_from_its_provider(
    path: Path, asynchronous: bool, server: StandIn
) -> None:
    data = json.loads(path.read_text())
    if package := is_missing(data):
        pytest.skip(f"needs {package}")
    origin = server.origin(data["request"]["url"])
    server.playing = data
    autolog.patch()
    with capture() as captured:
        before = play_either(data, origin, asynchronous)
    records = [record for record in captured if record.request_url]
    if not records:
        pytest.skip("the SDK refuses the request by itself")
    requests_before = len(server.got)
    with replay(tape(*records)) as playing:
        after = play_either(data, origin, asynchronous)
    assert seen(after) == seen(before)
    assert playing.left == []
    assert len(server.got) == requests_before


# SDKs, errors, order


def test_both_sdks_from_a_store_by_its_filters() -> None:
    store = open_store("sqlite:///.autolog/logs.db")
    autolog.configure(store=store.url)
    autolog.patch()
    request: Any = {"model": "claude-sonnet-5", "max_tokens": 50, "messages": ASK["messages"]}
    with standin() as address:
        sdks = client(base_url=f"{address}/v1"), anthropic.Anthropic(base_url=address, api_key="k")
        with autolog.context(session="yesterday"):
            first = say(sdks[0].chat.completions.create(**ASK))
            with sdks[1].messages.stream(**request) as streamed:
                text = "".join(streamed.text_stream)
    assert autolog.flush()
    with replay(store.url, session="yesterday", since="1h"):
        assert say(sdks[0].chat.completions.create(**ASK)) == first
        with sdks[1].messages.stream(**request) as streamed:
            assert "".join(streamed.text_stream) == text
    with pytest.raises(AutologError, match="no call to a provider with session='tomorrow'"):
        with replay(store.url, session="tomorrow"):
            pass


def test_a_call_that_failed_after_retries_fails_so_again_without_waiting() -> None:
    failed = call(
        status_code=429, retries=2, status="error", response_headers={"retry-after": "30"},
        response_body=b'{"error": {"message": "slow down"}}',
    )  # fmt: skip
    autolog.patch_openai()
    with capture() as records, replay(tape(failed)) as playing:
        with pytest.raises(openai.RateLimitError, match="slow down"):
            client().chat.completions.create(**ASK)
        assert len(playing.played) == 3
    (record,) = records
    assert (record.retries, record.status_code) == (2, 429)
    assert (record.duration or 0) < 5


def test_equal_requests_get_their_answers_in_order_also_in_parallel() -> None:
    calls = [call(answer={**CHAT, "id": f"chatcmpl-{number}"}) for number in range(40)]
    with replay(tape(*calls)), ThreadPoolExecutor(16) as pool:
        sdk = client()
        first = sdk.chat.completions.create(**ASK).id
        rest = [future.result().id for future in [pool.submit(sdk.chat.completions.create, **ASK) for _ in range(39)]]
    assert first == "chatcmpl-0"
    assert sorted([first, *rest]) == sorted(f"chatcmpl-{number}" for number in range(40))


def test_what_was_asked_once_answers_once_or_again_and_again() -> None:
    with pytest.raises(NotRecorded, match="requested more often than it was recorded, 1 time;"), replay(tape(call())):
        client().chat.completions.create(**ASK)
        client().chat.completions.create(**ASK)
    with replay(tape(call()), repeat=True) as playing:
        assert [say(client().chat.completions.create(**ASK)) for _ in range(3)] == ["hello"] * 3
    assert len(playing.played) == 3


# Equal values


def test_the_order_of_keys_does_not_matter_and_values_do() -> None:
    turned = {"messages": ASK["messages"], "model": "gpt-4o"}
    with replay(tape(call(turned))):
        assert say(client().chat.completions.create(**ASK)) == "hello"
    with pytest.raises(NotRecorded), replay(tape(call({**ASK, "n": True}))):
        client().chat.completions.create(**ASK, n=1)


def test_what_was_redacted_stands_for_any_text_and_for_nothing_else() -> None:
    def question(text: str) -> dict[str, Any]:
        return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}

    with replay(tape(call(question("My key is [REDACTED], write to [EMAIL].")))):
        client().chat.completions.create(**question("My key is sk-1234, write to a@b.example."))
    with pytest.raises(NotRecorded), replay(tape(call(question("My key is [REDACTED], write to [EMAIL].")))):
        client().chat.completions.create(**question("My key is sk-1234, do not write to a@b.example!"))


def test_fields_that_may_differ_are_named() -> None:
    recorded = {**ASK, "metadata": {"run": "1", "task": "a"}}
    with replay(tape(call(recorded)), ignore=["metadata.run"]):
        client().chat.completions.create(**ASK, metadata={"run": "2", "task": "a"})
    with pytest.raises(NotRecorded), replay(tape(call(recorded)), ignore=["metadata.run"]):
        client().chat.completions.create(**ASK, metadata={"run": "2", "task": "b"})


# Messages about differences


def test_the_nearest_recorded_request_is_shown_as_a_diff() -> None:
    far = call({"model": "o3", "messages": [{"role": "user", "content": "Translate this"}]}, id="far")
    near = call({"model": "gpt-4o", "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello"}], "temperature": 1}, id="near")  # fmt: skip
    with pytest.raises(NotRecorded) as raised, replay(tape(far, near)):
        client().chat.completions.create(
            model="gpt-4o", temperature=0,
            messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say goodbye"}],
        )  # fmt: skip
    lines = str(raised.value).splitlines()
    assert "The nearest recorded request is near" in lines[0]
    for line in ('-   "temperature": 1', '+   "temperature": 0', "- Say hello", "+ Say goodbye", "  Be brief."):
        assert line in lines


def test_a_difference_that_a_conversation_does_not_show_is_shown() -> None:
    block = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    recorded = {"model": "gpt-4o", "messages": [{"role": "user", "content": [block]}]}
    with pytest.raises(NotRecorded) as raised, replay(tape(call(recorded))):
        client().chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
        )
    assert any(line.startswith("- ") and "cache_control" in line for line in str(raised.value).splitlines())


def test_a_difference_far_behind_in_a_long_line_is_shown() -> None:
    long = "word " * 2_000
    recorded = {"model": "gpt-4o", "messages": [{"role": "user", "content": long + "left"}]}
    with pytest.raises(NotRecorded) as raised, replay(tape(call(recorded))):
        client().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": long + "right"}])
    assert "left" in str(raised.value)
    assert "right" in str(raised.value)
    assert len(str(raised.value)) < 1_500


def test_a_program_that_swallows_the_error_fails_at_the_end_of_the_block() -> None:
    with pytest.raises(NotRecorded), replay(tape(call())) as playing:
        with pytest.raises(NotRecorded):
            client().chat.completions.create(model="gpt-4o-mini", messages=ASK["messages"])
        assert len(playing.left) == 1


# Requests that are not replayed


def test_a_server_of_the_test_is_reached_and_a_model_on_this_machine_is_not() -> None:
    with standin() as address:
        local = call(request_url=f"{address}/v1/chat/completions")
        with replay(tape(call())):
            assert say(client(base_url=f"{address}/v1").chat.completions.create(**ASK))
        with pytest.raises(NotRecorded), replay(tape(local)):
            client(base_url=f"{address}/v1").chat.completions.create(model="other", messages=ASK["messages"])
        with pytest.raises(NotRecorded), replay(tape(call()), allow=()):
            client(base_url=f"{address}/v1").chat.completions.create(**ASK)


def test_afterwards_the_libraries_are_what_they_were() -> None:
    before = httpx.HTTPTransport.handle_request, httpx2.AsyncHTTPTransport.handle_async_request
    with replay(tape()):
        assert httpx.HTTPTransport.handle_request is not before[0]
    assert (httpx.HTTPTransport.handle_request, httpx2.AsyncHTTPTransport.handle_async_request) == before


# Cassettes


def test_once_records_what_is_not_there_yet_and_plays_it_from_then_on() -> None:
    path = Path("cassettes/hello.yaml")
    with standin() as address:
        sdk = client(base_url=f"{address}/v1", max_retries=0)
        with replay(path, mode="once") as playing:
            assert playing.recording
            with capture() as inner:
                first = say(sdk.chat.completions.create(**ASK))
            with pytest.raises(openai.NotFoundError):
                sdk.chat.completions.create(model="no-such-model", messages=ASK["messages"])
            assert len(inner) == 1
    for mode in ("once", "strict"):
        with replay(path, mode=mode) as playing:  # type: ignore[arg-type]
            assert say(sdk.chat.completions.create(**ASK)) == first
            with pytest.raises(openai.NotFoundError):
                sdk.chat.completions.create(model="no-such-model", messages=ASK["messages"])
            assert not playing.recording


def test_a_block_that_fails_leaves_no_cassette() -> None:
    with standin() as address, pytest.raises(ZeroDivisionError), replay("c.yaml", mode="once"):
        client(base_url=f"{address}/v1").chat.completions.create(**ASK)
        raise ZeroDivisionError
    assert not Path("c.yaml").exists()


def test_a_cassette_of_vcrpy_plays_compressed_bodies_too() -> None:
    import gzip

    import yaml

    packed = gzip.compress(json.dumps(CHAT).encode())
    interaction = {
        "request": {"method": "POST", "uri": URL, "headers": {"Content-Type": ["application/json"]},
                    "body": json.dumps(ASK)},
        "response": {"status": {"code": 200, "message": "OK"}, "body": {"string": packed},
                     "headers": {"Content-Encoding": ["gzip"], "Content-Type": ["application/json"]}},
    }  # fmt: skip
    Path("c.yaml").write_text(yaml.dump({"version": 1, "interactions": [interaction]}))
    with replay("c.yaml"):
        assert say(client().chat.completions.create(**ASK)) == "hello"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a vcrpy cassette"),
        ("[1]", "not a vcrpy cassette"),
        ("a: [", "not valid YAML"),
        ('{"interactions": [{}]}', "not a vcrpy cassette"),
    ],
)
def test_a_file_that_is_no_cassette_says_so(text: str, problem: str) -> None:
    Path("c.yaml").write_text(text)
    with pytest.raises(AutologError, match=problem), replay("c.yaml"):
        pass


def test_wrong_arguments_say_so() -> None:
    for given, problem in (
        ({"source": "nowhere.yaml"}, "cannot be read"),
        ({"source": "sqlite:///nowhere.db"}, "there is no store"),
        ({"source": tape(), "session": "s"}, "are for stores"),
        ({"source": tape(), "mode": "always"}, "strict or once"),
    ):
        with pytest.raises(AutologError, match=problem), replay(**given):  # type: ignore[arg-type]
            pass
    open_store("sqlite:///s.db")
    with pytest.raises(AutologError, match="no such filter"), replay("sqlite:///s.db", sesion="s"):
        pass


def send_by_botocore(url: str, headers: dict[str, str], body: bytes) -> bytes:
    awsrequest, httpsession = pytest.importorskip("botocore.awsrequest"), pytest.importorskip("botocore.httpsession")
    prepared = awsrequest.AWSRequest(
        "POST", url, {name: value.encode() for name, value in headers.items()}, body
    ).prepare()
    content: bytes = httpsession.URLLib3Session().send(prepared).content
    assert prepared.url == url  # the request itself is not changed
    return content


def send_by_aiohttp(url: str, headers: dict[str, str], body: bytes) -> bytes:
    async def send() -> bytes:
        async with aiohttp.ClientSession() as session, session.post(url, headers=headers, data=body) as response:
            return await response.read()

    return asyncio.run(send())


@pytest.mark.parametrize("send", [send_by_botocore, send_by_aiohttp])
def test_an_operation_that_only_a_header_names_is_recorded_and_replayed_by_its_name(
    send: Callable[[str, dict[str, str], bytes], bytes],
) -> None:
    host, operation = "https://bedrock-data-automation-runtime.us-east-1.amazonaws.com/", "InvokeDataAutomationAsync"
    headers = {"X-Amz-Target": f"Service.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    answer = {"invocationArn": "arn:x"}
    recorded = call({}, answer, request_url=host + operation, request_content_type=headers["Content-Type"])
    with replay(tape(recorded)), capture() as records:
        autolog.patch_http()
        assert json.loads(send(host, headers, b"{}")) == answer
    (record,) = records
    assert (record.request_url, record.operation_name) == (recorded.request_url, "data_automation")
