"""A patched HTTP library behaves as before: types, errors, bytes, and libraries that mock it."""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from chat_server import ANSWER, ChatServer, request

import autolog
from autolog.testing import Records

JSON = {"content-type": "application/json"}


@pytest.fixture
def server(running: ChatServer, records: Records) -> ChatServer:
    running.forget()
    return running


@pytest.fixture
def silent() -> Iterator[int]:
    """Run a server that accepts requests and never answers, and return its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    held.append(listening.accept()[0])
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        for connection in held:
            connection.close()


def run_async(call: Callable[[Any], Any], module: str) -> Any:
    async def run() -> Any:
        if module == "aiohttp":
            async with importlib.import_module("aiohttp").ClientSession() as session:
                return await call(session)
        async with importlib.import_module(module).AsyncClient() as client:
            return await call(client)

    return asyncio.run(run())


def post(library: str, url: str, timeout: float = 5, body: bytes = b"") -> Any:
    """Return the response of a library, read."""
    body = body or request()
    if library == "requests":
        return importlib.import_module("requests").post(url, data=body, headers=JSON, timeout=timeout)
    if library == "botocore":
        awsrequest = importlib.import_module("botocore.awsrequest")
        session = importlib.import_module("botocore.httpsession").URLLib3Session(timeout=timeout)
        return session.send(awsrequest.AWSRequest("POST", url, JSON, body).prepare())
    name, _, asynchronous = library.partition(", ")
    if name == "aiohttp":

        async def ask(session: Any) -> Any:
            limit = importlib.import_module("aiohttp").ClientTimeout(total=timeout)
            async with session.post(url, data=body, headers=JSON, timeout=limit) as response:
                await response.read()
                return response

        return run_async(ask, "aiohttp")
    if asynchronous:
        return run_async(lambda client: client.post(url, content=body, headers=JSON, timeout=timeout), name)
    with importlib.import_module(name).Client() as client:
        return client.post(url, content=body, headers=JSON, timeout=timeout)


LIBRARIES = ("httpx", "httpx2", "httpx, async", "httpx2, async", "requests", "aiohttp", "botocore")


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param.partition(",")[0])
    return str(request.param)


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a program observes of a call: its result, or its error with the causes."""
    try:
        return call()
    except Exception as error:
        chain: list[Any] = []
        link: BaseException | None = error
        while link is not None:
            chain.append(type(link))
            link = link.__cause__ or link.__context__
        return chain


def test_the_response_is_of_the_librarys_own_class(library: str, server: ChatServer, records: Records) -> None:
    url = f"{server.url}/chat/completions"
    before = post(library, url)
    autolog.patch_http()
    after = post(library, url)
    assert type(after) is type(before)
    shown = {name for name in dir(after) if not name.startswith("_")}
    assert shown == {name for name in dir(before) if not name.startswith("_")}
    assert len(records) == 1


def test_the_bytes_on_the_wire_are_the_same(library: str, server: ChatServer, records: Records) -> None:
    url = f"{server.url}/chat/completions"
    post(library, url)
    autolog.patch_http()
    post(library, url)
    assert server.bodies[0] == server.bodies[1]
    assert server.heads[0] == server.heads[1]


@pytest.mark.parametrize("name", ["requests", "httpx", "httpx2"])
def test_responses_can_be_pickled(name: str, server: ChatServer, records: Records) -> None:
    pytest.importorskip(name)
    autolog.patch_http()
    response = post(name, f"{server.url}/chat/completions")
    copy = pickle.loads(pickle.dumps(response))
    assert (copy.status_code, copy.json()) == (200, ANSWER)


@pytest.mark.parametrize("name", ["requests", "httpx", "httpx2"])
def test_a_stream_that_is_not_read_yet_can_be_pickled_as_far_as_before(
    name: str, server: ChatServer, records: Records
) -> None:
    module = pytest.importorskip(name)

    def copied() -> Any:
        if name == "requests":
            response = module.post(f"{server.url}/chat/completions", data=request(stream=True), stream=True)
            return pickle.loads(pickle.dumps(response)).content
        with module.Client() as client:
            built = client.build_request("POST", f"{server.url}/chat/completions", content=request(stream=True))
            response = client.send(built, stream=True)
            copy = pickle.loads(pickle.dumps(response))
            response.close()
            return type(copy), copy.status_code

    before = outcome(copied)
    autolog.patch_http()
    assert outcome(copied) == before
    assert len(records) == 1


def test_errors_are_the_librarys_own(library: str, silent: int, records: Records) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    urls = [f"http://127.0.0.1:{port}/v1/chat/completions", f"http://127.0.0.1:{silent}/v1/chat/completions"]
    before = [outcome(lambda url=url: post(library, url, timeout=0.3)) for url in urls]  # type: ignore[misc]
    autolog.patch_http()
    after = [outcome(lambda url=url: post(library, url, timeout=0.3)) for url in urls]  # type: ignore[misc]
    assert after == before
    assert [record.status for record in records] == ["error", "error"]
    assert all(record.error_type for record in records)


@pytest.mark.parametrize("name", ["httpx", "httpx2", "aiohttp"])
def test_a_call_that_is_cancelled_is_cancelled(name: str, silent: int, records: Records) -> None:
    pytest.importorskip(name)
    autolog.patch_http()

    async def cancelled(client: Any) -> None:
        body = {"data": request()} if name == "aiohttp" else {"content": request()}
        task = asyncio.ensure_future(client.post(f"http://127.0.0.1:{silent}/v1/chat/completions", **body))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_async(cancelled, name)
    (record,) = records
    assert (record.status, record.error_type) == ("error", "asyncio.exceptions.CancelledError")


@pytest.mark.parametrize("name", ["httpx", "httpx2", "aiohttp"])
def test_a_stream_that_is_abandoned_keeps_what_had_arrived(name: str, server: ChatServer, records: Records) -> None:
    pytest.importorskip(name)
    autolog.patch_http()
    url = f"{server.url}/chat/completions"

    async def abandon(client: Any) -> None:
        if name == "aiohttp":
            async with client.post(url, data=request(stream=True)) as response:
                assert await response.content.readany()
            return
        async with client.stream("POST", url, content=request(stream=True)) as response:
            async for _ in response.aiter_bytes():
                break

    run_async(abandon, name)
    (record,) = records
    assert (record.response_body or b"").startswith(b"data:")


def test_retries_of_urllib3_are_inside_the_call(server: ChatServer, records: Records) -> None:
    requests = pytest.importorskip("requests")
    retry = importlib.import_module("urllib3.util.retry").Retry(1, status_forcelist=[500], allowed_methods=None)
    autolog.patch_http()
    server.failures = [500]
    with requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
        response = session.post(f"{server.url}/chat/completions", data=request())
    assert response.json() == ANSWER
    (record,) = records
    assert (record.status, record.status_code, record.usage_input_tokens) == ("ok", 200, 9)


def test_retries_of_boto3_are_one_call(server: ChatServer, records: Records) -> None:
    boto3 = pytest.importorskip("boto3")
    autolog.patch_http()
    server.failures = [500, 500]
    server.answers = [{"output": {"message": {"role": "assistant", "content": [{"text": "Tagus"}]}},
                       "stopReason": "end_turn", "usage": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12},
                       "metrics": {"latencyMs": 1}}]  # fmt: skip
    client = boto3.client("bedrock-runtime", "us-east-1", endpoint_url=f"http://{server.host}",
                          aws_access_key_id="k", aws_secret_access_key="s")  # fmt: skip
    answer = client.converse(modelId="amazon.nova-lite-v1:0", messages=[{"role": "user", "content": [{"text": "?"}]}])
    assert answer["usage"]["inputTokens"] == 9
    assert len({record.id for record in records}) == 1
    last = records[-1]
    assert (last.retries, last.status, last.usage_input_tokens) == (2, "ok", 9)


# Mocks of the library


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_a_mock_transport_is_recorded_like_a_server(name: str, records: Records) -> None:
    module = pytest.importorskip(name)
    autolog.patch_http()
    transport = module.MockTransport(lambda _: module.Response(200, json=ANSWER))
    with module.Client(transport=transport) as client:
        assert client.post("https://api.openai.com/v1/chat/completions", content=request()).json() == ANSWER
    (record,) = records
    assert (record.usage_input_tokens, record.request_body) == (9, request())


def test_respx(records: Records) -> None:
    respx = pytest.importorskip("respx")
    httpx = pytest.importorskip("httpx")
    autolog.patch_http()
    with respx.mock:
        route = respx.post("https://api.openai.com/v1/chat/completions").respond(json=ANSWER)
        assert httpx.post("https://api.openai.com/v1/chat/completions", content=request()).json() == ANSWER
        assert route.call_count == 1
        assert json.loads(route.calls.last.response.content) == ANSWER
    assert [record.usage_input_tokens for record in records] == [9]


@pytest.mark.parametrize("patched_first", [True, False])
@pytest.mark.parametrize("mocker", ["responses", "requests_mock"])
def test_a_mock_of_requests_is_recorded_whenever_it_came(mocker: str, patched_first: bool, records: Records) -> None:
    module = pytest.importorskip(mocker)
    requests = pytest.importorskip("requests")
    if patched_first:
        autolog.patch_http()
    url = "https://api.openai.com/v1/chat/completions"
    with module.RequestsMock() if mocker == "responses" else module.Mocker() as mock:
        if not patched_first:
            autolog.patch_http()
        mock.post(url, json=ANSWER)
        assert requests.post(url, data=request()).json() == ANSWER
    assert [record.usage_input_tokens for record in records] == [9]


@pytest.mark.parametrize("patched_first", [True, False])
def test_a_mock_of_aiohttp_is_recorded_whenever_it_came(patched_first: bool, records: Records) -> None:
    aioresponses = pytest.importorskip("aioresponses")
    if patched_first:
        autolog.patch_http()
    url = "https://api.openai.com/v1/chat/completions"
    with aioresponses.aioresponses() as mock:
        if not patched_first:
            autolog.patch_http()
        mock.post(url, payload=ANSWER)
        try:
            answer = run_async(lambda session: read_json(session.post(url, data=request())), "aiohttp")
        except TypeError as error:
            if "ClientResponse" in str(error):
                pytest.skip("aioresponses does not go with this aiohttp")
            raise
    assert answer == ANSWER
    assert [record.usage_input_tokens for record in records] == [9]


async def read_json(call: Any) -> Any:
    async with call as response:
        return await response.json()


@pytest.mark.parametrize("patched_first", [True, False])
@pytest.mark.parametrize("library", ["requests", "aiohttp", "httpx, sync", "httpx, async"])
def test_a_call_is_recorded_while_a_cassette_records_it_and_while_it_plays(
    library: str, patched_first: bool, server: ChatServer, records: Records, tmp_path: Path
) -> None:
    vcr = pytest.importorskip("vcr")
    pytest.importorskip(library.partition(",")[0])
    if patched_first:
        autolog.patch_http()
    plays = []
    for _ in range(2):
        with vcr.use_cassette(str(tmp_path / "cassette.yaml")) as cassette:
            if not patched_first:
                autolog.patch_http()
            post(library, f"{server.url}/chat/completions")
            plays.append(cassette.play_count)
    assert plays == [0, 1]
    assert [record.usage_input_tokens for record in records] == [9, 9]


#: The methods that a mock made from their signature replaces.
METHODS = {
    "httpx": "httpx.Client.send",
    "requests": "requests.adapters.HTTPAdapter.send",
    "aiohttp": "aiohttp.ClientSession._request",
}


@pytest.mark.parametrize("library", METHODS)
@pytest.mark.parametrize("patched_first", [True, False])
def test_a_mock_of_the_method_answers_whenever_it_came(library: str, patched_first: bool, records: Records) -> None:
    owner, _, method = METHODS[library].rpartition(".")
    module = pytest.importorskip(library)
    if patched_first:
        autolog.patch_http()
    with mock.patch(METHODS[library], autospec=True, return_value="answer"):
        autolog.patch_http()
        mocked = getattr(functools.reduce(getattr, owner.split(".")[1:], module), method)
        request = module.Request("GET", "http://example.com/x") if library != "aiohttp" else None
        result = mocked(None, "GET", "http://example.com/x") if library == "aiohttp" else mocked(None, request)
        assert (asyncio.run(result) if library == "aiohttp" else result) == "answer"


def test_moto(records: Records) -> None:
    moto = pytest.importorskip("moto")
    boto3 = pytest.importorskip("boto3")
    autolog.patch_http()
    with moto.mock_aws():
        client = boto3.client("s3", "us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
        client.create_bucket(Bucket="rivers")
        client.put_object(Bucket="rivers", Key="tagus", Body=b"1007 km")
        assert client.get_object(Bucket="rivers", Key="tagus")["Body"].read() == b"1007 km"
    assert not records


@pytest.mark.parametrize("name", ["requests", "httpx"])
def test_vcr_records_and_replays_what_it_would_without(
    name: str, server: ChatServer, records: Records, tmp_path: Any
) -> None:
    vcr = pytest.importorskip("vcr")
    autolog.patch_http()
    url = f"{server.url}/chat/completions"
    for _ in range(2):
        with vcr.VCR().use_cassette(str(tmp_path / f"{name}.yaml"), match_on=["method", "uri", "body"]):
            assert post(name, url).json() == ANSWER
    assert len(server.bodies) == 1
    assert [record.usage_input_tokens for record in records] == [9, 9]
