"""With every SDK, of both layers, a program observes the same with autolog as without.

Each installed SDK is used twice with the same server, without and with `patch()`, and the program's results, errors and
requests are compared. `python tests/beside/transparency.py` runs this file in environments with all SDKs.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
import inspect
import json
import pickle
import re
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from vendor_clients import ROWS, Row, Wanted, is_installed
from vendor_server import LONGEST, TEXT, USAGE, VendorServer, reply_to, vendor_server

import autolog
from autolog.testing import Records

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDKs' own

#: Headers that differ between requests anyway.
VARYING = frozenset({"authorization", "x-amz-date", "amz-sdk-invocation-id", "amz-sdk-request", "idempotency-key",
                     "x-request-id", "x-amzn-trace-id", "x-ms-client-request-id"})  # fmt: skip
_VARYING_TEXT = re.compile(
    r"0x[0-9a-f]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\w{3}, \d\d \w{3} \d{4} [\d:]+ GMT|\b1[78]\d{8}(\.\d+)?\b"
    r"|(?<=response_ms': )[\d.]+|\d+\.\d+ seconds|Task-\d+|port=\d+"
)


@pytest.fixture(scope="module")
def running() -> Iterator[VendorServer]:
    """Run the server, and resolve all host names to it."""
    resolve = socket.getaddrinfo

    def to_loopback(host: Any, *args: Any, **kwargs: Any) -> Any:
        return resolve("127.0.0.1", *args, **kwargs)

    socket.getaddrinfo = to_loopback
    with vendor_server() as server:
        yield server
    socket.getaddrinfo = resolve


@pytest.fixture
def server(running: VendorServer, records: Records) -> VendorServer:
    running.forget()
    return running


class Way(NamedTuple):
    """An SDK, and whether its asynchronous client is used."""

    row: Row
    asynchronous: bool


def ways() -> Iterator[Any]:
    for name, row in ROWS.items():
        if not is_installed(row):  # reported by `test_what_is_driven_here`
            continue
        yield pytest.param((row, False), id=name)
        if row.asynchronous:
            yield pytest.param((row, True), id=f"{name}, async")


@pytest.fixture(params=ways())
def way(request: pytest.FixtureRequest) -> Way:
    """Return an installed SDK."""
    return Way(*request.param)


@pytest.fixture
def streaming(way: Way) -> Way:
    if not way.row.streams:
        pytest.skip("it does not stream")
    return way


#: Libraries that mock another library's network.
MOCKS = ("respx", "pytest_httpx", "responses", "aioresponses", "vcr", "moto")


@pytest.mark.parametrize("name", [*ROWS, *MOCKS])
def test_what_is_driven_here(name: str) -> None:
    """Skip with a message for each tested SDK and mock that is not installed."""
    if not (is_installed(ROWS[name]) if name in ROWS else importlib.util.find_spec(name)):
        pytest.skip(f"{ROWS[name].package if name in ROWS else name} is not installed")
    assert name in MOCKS or any(row is ROWS[name] for (row, _) in (way.values[0] for way in ways()))


# What a program observes


def shown(value: Any) -> str:
    """Return a value as text, without the parts that differ between runs anyway."""
    text = repr(value)
    if " object at 0x" in text and hasattr(value, "__dict__"):  # its repr does not show its contents
        text = repr({name: attribute for name, attribute in vars(value).items() if not name.startswith("_")})
    return _VARYING_TEXT.sub("#", text)


def pickled(value: Any) -> Any:
    try:
        return type(pickle.loads(pickle.dumps(value)))
    except Exception as error:
        return type(error), _VARYING_TEXT.sub("#", str(error))


def facts(value: Any) -> list[Any]:
    """Return the observable facts about a value."""
    return [type(value), shown(value), sorted(name for name in dir(value) if name[0] != "_"), pickled(value)]


def raised(error: BaseException) -> list[Any]:
    """Return the observable facts about an error and its causes."""
    links: list[Any] = []
    link: BaseException | None = error
    while link is not None:
        response = getattr(link, "response", None)
        links.append([type(link), _VARYING_TEXT.sub("#", str(link)), sorted(vars(link)), type(response), pickled(link)])
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return links


@dataclass(frozen=True)
class Use:
    """A use of a client: the model, whether the response is streamed, and how much of the stream is read."""

    model: str = ""
    stream: bool = False
    read: int | None = None
    close: bool = True
    timeout: float = 10
    retries: int = 0
    origin: str = ""
    http_client: Any = None


def observe(way: Way, server: VendorServer, use: Use, client: Any = None) -> list[Any]:
    """Return what a program observes when it uses an SDK in this way."""
    row = way.row
    origin = use.origin or f"http://{row.host}:{server.port}"

    def ask() -> tuple[Any, Any]:
        wanted = Wanted(origin, way.asynchronous, use.timeout, use.retries, use.http_client and use.http_client())
        sdk = client or row.make(wanted)
        return sdk, row.ask(sdk, use.model or row.model, use.stream, way.asynchronous)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if way.asynchronous:
                return asyncio.run(_observed_async(ask, use))
            return _observed(ask, use)
        except Exception as error:
            return raised(error)


def _observed(ask: Callable[[], tuple[Any, Any]], use: Use) -> list[Any]:
    _client, answer = ask()  # keep the client: some close when they are garbage-collected
    if not use.stream:
        return facts(answer)
    facts_seen: list[Any] = [type(answer), sorted(name for name in dir(answer) if name[0] != "_")]
    for count, item in enumerate(answer, 1):
        facts_seen.append(facts(item))
        if count == use.read:
            break
    close = getattr(answer, "close", None)
    if use.close and close is not None:
        close()
    return facts_seen


async def _observed_async(ask: Callable[[], tuple[Any, Any]], use: Use) -> list[Any]:
    _client, answer = ask()
    facts_seen: list[Any] = [type(answer)]
    if inspect.isawaitable(answer):
        answer = await answer
    if not use.stream:
        return facts_seen + facts(answer)
    facts_seen += [type(answer), sorted(name for name in dir(answer) if name[0] != "_")]
    count = 0
    async for item in answer:
        facts_seen.append(facts(item))
        count += 1
        if count == use.read:
            break
    close = getattr(answer, "aclose", None) or getattr(answer, "close", None)
    if use.close and close is not None:
        closing = close()
        if inspect.isawaitable(closing):
            await closing
    return facts_seen


def wire(server: VendorServer) -> list[Any]:
    """Return the requests that the server received, without the parts that differ between runs anyway."""
    return [
        (method, path, [(name, value) for name, value in headers if name.lower() not in VARYING], body)
        for method, path, headers, body in server.got
    ]


def twice(way: Way, server: VendorServer, use: Use) -> tuple[list[Any], list[Any]]:
    """Return what a program observes and sends without autolog, and then with it."""
    seen = []
    for patched in (False, True):
        if patched:
            autolog.patch()
        server.forget()
        seen.append([observe(way, server, use), wire(server)])
    return seen[0], seen[1]


def settled(check: Callable[[], bool]) -> None:
    """Wait for `check` to return true, at most for as long as a stream continues."""
    end = time.monotonic() + LONGEST + 5
    while not check() and time.monotonic() < end:
        gc.collect()
        time.sleep(0.02)


# Answers


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_is_what_it_is_without_us_and_recorded_whole(
    way: Way, server: VendorServer, records: Records, stream: bool
) -> None:
    if stream and not way.row.streams:
        pytest.skip("it does not stream")
    before, after = twice(way, server, Use(stream=stream))
    assert after == before
    assert isinstance(before[0][0], type)  # no error
    (record,) = records
    assert (record.status, record.status_code, bool(record.request_stream)) == ("ok", 200, stream)
    tokens = (record.usage_input_tokens, record.usage_output_tokens)
    assert tokens == (USAGE if way.row.package != "voyageai" else (USAGE[0], None))
    assert record.output_preview == (TEXT if way.row.package != "voyageai" else None)
    assert record.request_body == server.got[-1][3]
    assert record.sdk is not None


def test_a_client_that_was_there_before_is_recorded_too(way: Way, server: VendorServer, records: Records) -> None:
    if way.asynchronous:
        pytest.skip("its clients belong to a loop")
    client = way.row.make(Wanted(f"http://{way.row.host}:{server.port}"))
    before = observe(way, server, Use(), client)
    autolog.patch()
    autolog.patch()
    assert observe(way, server, Use(), client) == before
    assert len(records) == 1


def test_unpatching_restores_all(way: Way, server: VendorServer, records: Records) -> None:
    before = code_of(way.row)
    autolog.patch()
    during = code_of(way.row)
    assert during.keys() == before.keys()
    assert all(during[name][0] is before[name][0] for name in before)  # the functions are the same objects
    assert any(during[name][1] is not before[name][1] for name in before)
    autolog.unpatch()
    autolog.unpatch()
    after = code_of(way.row)
    assert all(after[name][1] is before[name][1] for name in before)
    observe(way, server, Use())
    assert not records


def code_of(row: Row) -> dict[str, tuple[Any, Any]]:
    """Return the functions of the classes through which an SDK's calls pass, and their code objects."""
    modules = {"httpx": ("httpx._client",), "httpx2": ("httpx2._client",), "requests": ("requests.adapters",),
               "botocore": ("botocore.httpsession",),
               "lm15": ("dspy._vendor.lm15.transports._sync", "dspy._vendor.lm15.transports._async"),
               "aiohttp": ("aiohttp.client", "aiohttp.client_reqrep", "aiohttp.streams")}  # fmt: skip
    names = [module for library in row.http if library for module in modules[library]]
    if row.layer == "sdk":
        names.append(
            {"portkey_ai": "portkey_ai._vendor.openai._base_client"}.get(row.package, f"{row.package}._base_client")
        )
    return {
        f"{name}.{owner.__name__}.{key}": (method, method.__code__)
        for name in names
        for owner in vars(importlib.import_module(name)).values()
        if isinstance(owner, type)
        for key, method in vars(owner).items()
        if inspect.isfunction(method)
    }


# Errors, retries, timeouts


def test_an_error_is_what_it_is_without_us(way: Way, server: VendorServer, records: Records) -> None:
    before, after = twice(way, server, Use(model="no-such-model"))
    assert after == before
    (record,) = records
    assert (record.status, record.status_code) == ("error", 404)
    assert b"no-such-model" in (record.response_body or b"")


def test_an_error_of_a_stream_is_what_it_is_without_us(streaming: Way, server: VendorServer, records: Records) -> None:
    before, after = twice(streaming, server, Use(model="no-such-model", stream=True))
    assert after == before
    (record,) = records
    assert (record.status, record.status_code) == ("error", 404)
    assert b"no-such-model" in (record.response_body or b"")


def test_a_retry_is_the_sdks_own_and_one_record(way: Way, server: VendorServer, records: Records) -> None:
    if not way.row.retries:
        pytest.skip("it does not try again")
    before, after = twice(way, server, Use(model="flaky", retries=2))
    assert after == before
    assert len(after[1]) == 2
    assert len({record.id for record in records}) == 1
    assert (records[-1].status, records[-1].retries) == ("ok", 1)


def test_a_timeout_is_what_it_is_without_us(way: Way, server: VendorServer, records: Records) -> None:
    before, after = twice(way, server, Use(model="silent", timeout=1 if way.row.package == "dashscope" else 0.3))
    assert after == before
    assert len({record.id for record in records}) == 1
    assert records[-1].status == "error"


def test_a_refused_connection_is_what_it_is_without_us(way: Way, server: VendorServer, records: Records) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        origin = f"http://{way.row.host}:{closed.getsockname()[1]}"
    before, after = twice(way, server, Use(origin=origin))
    assert after == before
    assert records
    assert all(record.status == "error" and record.error_type for record in records)


# Streams that are not read to their end, and calls that are cancelled


@pytest.mark.parametrize("close", [True, False], ids=["closed", "abandoned"])
def test_a_stream_that_is_left_ends_as_without_us_and_keeps_what_came(
    streaming: Way, server: VendorServer, records: Records, close: bool
) -> None:
    seen = []
    for patched in (False, True):
        if patched:
            autolog.patch()
        server.forget()
        observed = observe(streaming, server, Use(model="endless", stream=True, read=3, close=close))
        settled(lambda: bool(server.cut))
        seen.append([observed, list(server.cut)])
    assert seen[1] == seen[0]
    settled(lambda: len(records) > 0)
    (record,) = records
    assert record.status in {"ok", "incomplete", "cancelled", "error"}
    assert b"Tagus" in (record.response_body or b"") or b"chunk" in (record.response_body or b"")


def test_a_call_that_is_cancelled_is_cancelled(way: Way, server: VendorServer, records: Records) -> None:
    if not way.asynchronous:
        pytest.skip("only what is awaited is cancelled")
    row = way.row

    async def cancelled() -> Any:
        client = row.make(Wanted(f"http://{row.host}:{server.port}", asynchronous=True))

        async def call() -> Any:
            return await row.ask(client, "silent", False, True)

        task = asyncio.ensure_future(call())
        while not server.got:
            await asyncio.sleep(0.02)
        task.cancel()
        try:
            return await task
        except BaseException as error:
            return raised(error)

    seen = []
    for patched in (False, True):
        if patched:
            autolog.patch()
        server.forget()
        seen.append(asyncio.run(cancelled()))
    assert seen[1] == seen[0]
    (record,) = records
    assert record.status == "error"
    assert "Cancelled" in (record.error_type or "")


# Mocks of the network


def answer(module: Any) -> Callable[[Any], Any]:
    """Return a handler that answers like the server, with responses of httpx or httpx2."""

    def handle(request: Any) -> Any:
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = reply_to(request.url.raw_path.decode(), headers, request.content)
        return module.Response(reply.status, headers={"content-type": reply.content_type}, content=reply.body)

    return handle


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_mock_transport_answers_as_without_us(way: Way, server: VendorServer, records: Records, stream: bool) -> None:
    if not way.row.http_client or (stream and not way.row.streams):
        pytest.skip("it takes no client of the program's, or does not stream")
    module = importlib.import_module(way.row.http[way.asynchronous].replace("aiohttp", "httpx2"))

    def client() -> Any:
        client_class = module.AsyncClient if way.asynchronous else module.Client
        return client_class(transport=module.MockTransport(answer(module)))

    before, after = twice(way, server, Use(stream=stream, http_client=client))
    assert after == before
    assert isinstance(before[0][0], type)
    assert not server.got
    assert [record.usage_input_tokens for record in records] == [USAGE[0]]


def library_of(way: Way) -> str:
    """Return the HTTP library that an SDK uses; no mock supports aiohttp below httpx."""
    adapter = {"cohere": "httpx_aiohttp", "fireworks": "httpx_aiohttp", "litellm": "aiohttp"}.get(way.row.package)
    if way.asynchronous and adapter and importlib.util.find_spec(adapter) is not None:
        return "aiohttp under httpx"
    return way.row.http[way.asynchronous]


@pytest.fixture(params=[name for name in MOCKS[:4] if importlib.util.find_spec(name)])
def mock(request: pytest.FixtureRequest, way: Way) -> Iterator[str]:
    """Run a library that mocks the network of the SDK's HTTP library."""
    name = str(request.param)
    module = importlib.import_module(name)
    if library_of(way) != {"responses": "requests", "aioresponses": "aiohttp"}.get(name, "httpx"):
        pytest.skip("it sends with another library")
    everything = re.compile(".*")
    if name == "pytest_httpx":
        request.getfixturevalue("httpx_mock").add_callback(answer(importlib.import_module("httpx")), is_reusable=True)
        yield name
    elif name == "respx":
        with module.mock as router:
            router.route().mock(side_effect=answer(importlib.import_module("httpx")))
            yield name
    elif name == "responses":

        def handle(sent: Any) -> Any:
            reply = reply_to(sent.path_url, {key.lower(): value for key, value in sent.headers.items()}, sent.body)
            return reply.status, {"content-type": reply.content_type}, reply.body

        with module.RequestsMock() as mocked:
            mocked.add_callback("POST", everything, handle, content_type=None)
            yield name
    else:

        def called(url: Any, **kwargs: Any) -> Any:
            body = kwargs.get("data") or json.dumps(kwargs.get("json")).encode()
            headers = {key.lower(): value for key, value in (kwargs.get("headers") or {}).items()}
            reply = reply_to(url.raw_path, headers, body)
            return module.CallbackResult(status=reply.status, body=reply.body, content_type=reply.content_type)

        with module.aioresponses() as mocked:
            mocked.post(everything, callback=called, repeat=True)
            yield name


@pytest.mark.parametrize("model", ["", "no-such-model"], ids=["answer", "error"])
def test_a_mock_of_the_library_answers_as_without_us(
    way: Way, mock: str, server: VendorServer, records: Records, model: str
) -> None:
    before, after = twice(way, server, Use(model=model))
    assert after == before
    if mock == "aioresponses" and before[0][0][0] is TypeError:
        pytest.skip("it does not go with this aiohttp")
    assert model or isinstance(before[0][0], type)
    assert not server.got
    if mock in {"respx", "pytest_httpx"}:  # the other mocks replace the very method that is recorded
        assert [record.status for record in records] == ["error" if model else "ok"]


def test_vcr_records_and_replays_what_it_would_without_us(
    way: Way, server: VendorServer, records: Records, tmp_path: Path
) -> None:
    vcr = pytest.importorskip("vcr")
    seen = []
    for patched in (False, True):
        if patched:
            autolog.patch()
        server.forget()
        cassette = tmp_path / f"{patched}.yaml"
        observed = []
        for _ in range(2):
            with vcr.VCR().use_cassette(str(cassette), match_on=["method", "path", "raw_body"]):
                observed.append(observe(way, server, Use()))
        taped = cassette.exists() and len(re.findall("^- request:", cassette.read_text(), re.MULTILINE))
        seen.append([observed, len(server.got), taped])
    assert seen[1] == seen[0]
    assert {record.status for record in records} == {"ok"}
    assert len(records) == (1 if way.row.package == "replicate" else 2)  # Replicate's job has the same name again


@pytest.mark.parametrize("way", [way for way in ways() if way.values[0][0].package == "boto3"], indirect=True)
def test_moto_answers_as_without_us(way: Way, server: VendorServer, records: Records) -> None:
    moto = pytest.importorskip("moto")
    with moto.mock_aws():
        before, after = twice(way, server, Use())
    assert after == before
