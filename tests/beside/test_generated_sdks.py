"""SDKs made by the generator of openai's: their calls are recorded like openai's.

The installed ones are tested; `python tests/beside/sdk_versions.py` tests all.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import autolog
from autolog.providers import SDKS
from autolog.testing import Records

#: The sync and async classes of clients, their constructors' arguments besides key and address, and the model.
CLIENTS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "groq": ("Groq", "AsyncGroq", {}, "llama-3.3-70b-versatile"),
    "together": ("Together", "AsyncTogether", {}, "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    "cerebras": ("Cerebras", "AsyncCerebras", {}, "llama3.1-8b"),
    "fireworks": ("Fireworks", "AsyncFireworks", {}, "accounts/fireworks/models/llama-v3p3-70b-instruct"),
    "perplexity": ("Perplexity", "AsyncPerplexity", {}, "sonar"),
    "portkey": ("Portkey", "AsyncPortkey", {"provider": "openai"}, "gpt-4o-mini"),
    "writer": ("Writer", "AsyncWriter", {}, "palmyra-x5"),
    "llama_api": ("LlamaAPIClient", "AsyncLlamaAPIClient", {}, "Llama-3.3-70B-Instruct"),
}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


METRICS = [{"metric": "num_prompt_tokens", "value": 11}, {"metric": "num_completion_tokens", "value": 7}]


def whole(model: str) -> dict[str, Any]:
    """Return a response in OpenAI's format, or in that of the Llama API for its model."""
    if model == CLIENTS["llama_api"][3]:
        message = {"role": "assistant", "stop_reason": "stop", "content": {"type": "text", "text": "hello"}}
        return {"completion_message": message, "metrics": METRICS}
    choice = {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
    return {"object": "chat.completion", "choices": [choice], "usage": USAGE}


def in_pieces(model: str) -> list[dict[str, Any]]:
    """Return the events of a stream, in the formats of `whole`."""
    if model == CLIENTS["llama_api"][3]:
        text = {"event_type": "complete", "delta": {"type": "text", "text": "hello"}, "stop_reason": "stop"}
        metrics = {"event_type": "metrics", "delta": {"type": "text", "text": ""}, "metrics": METRICS}
        return [{"event": text}, {"event": metrics}]
    choice = {"index": 0, "delta": {"role": "assistant", "content": "hello"}, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    kind = {"object": "chat.completion.chunk"}
    return [{**kind, "choices": [choice]}, {**kind, "choices": [last], "usage": USAGE}]


class Answers(BaseHTTPRequestHandler):
    """Answers like the SDK's API, at any path: whole, streamed, with an error, or successfully at the second attempt."""

    protocol_version = "HTTP/1.1"
    attempts = 0

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if request["model"] == "no-such-model":
            self.send(404, json.dumps({"error": {"message": "no-such-model", "type": "invalid_request_error"}}))
            return
        if request["model"] == "flaky":
            type(self).attempts += 1
            if type(self).attempts % 2:
                self.send(500, "{}", {"retry-after-ms": "1", "retry-after": "0.001"})
                return
        head = {"id": "c1", "created": 1, "model": request["model"]}
        if request.get("stream"):
            lines = [f"data: {json.dumps({**head, **event})}\n\n" for event in in_pieces(request["model"])]
            # Without the final `[DONE]`, which some of these SDKs read as a chunk.
            self.send(200, "".join(lines), {"content-type": "text/event-stream"})
            return
        self.send(200, json.dumps({**head, **whole(request["model"])}))

    def send(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture(params=CLIENTS)
def sdk(request: pytest.FixtureRequest) -> str:
    """Return the name of an installed SDK."""
    name: str = request.param
    try:
        found = importlib.util.find_spec(SDKS[name].package)
    except ModuleNotFoundError:
        found = None
    if found is None:
        pytest.skip(f"{SDKS[name].distribution} is not installed")
    return name


def client(sdk: str, url: str, asynchronous: bool = False) -> Any:
    kind = CLIENTS[sdk][asynchronous]
    return getattr(importlib.import_module(SDKS[sdk].package), kind)(api_key="k", base_url=url, **CLIENTS[sdk][2])


def create(provider_client: Any) -> Any:
    """Return the method that makes a chat completion."""
    completions = getattr(provider_client.chat, "completions", None)
    return (
        provider_client.chat.chat if completions is None or not hasattr(completions, "create") else completions.create
    )


def question(sdk: str, **more: Any) -> dict[str, Any]:
    return {"model": CLIENTS[sdk][3], "messages": [{"role": "user", "content": "hi"}], **more}


@pytest.fixture
def patched_sdk(sdk: str, records: Records) -> Iterator[Records]:
    getattr(autolog, f"patch_{sdk}")()
    yield records
    getattr(autolog, f"unpatch_{sdk}")()


pytestmark = pytest.mark.filterwarnings("ignore")  # those SDKs' own


def test_calls_sync_and_async_plain_and_streamed_are_recorded_whole(sdk: str, url: str, patched_sdk: Records) -> None:
    ask = create(client(sdk, url))
    ask(**question(sdk))
    assert len(list(ask(**question(sdk, stream=True)))) == 2

    async def calls() -> None:
        ask = create(client(sdk, url, asynchronous=True))
        await ask(**question(sdk))
        assert len([chunk async for chunk in await ask(**question(sdk, stream=True))]) == 2

    asyncio.run(calls())
    assert [bool(record.request_stream) for record in patched_sdk] == [False, True, False, True]
    for record in patched_sdk:
        assert (record.sdk, record.status, record.request_model) == (sdk, "ok", CLIENTS[sdk][3])
        assert record.provider_name == SDKS[sdk].provider_name
        assert (record.usage_input_tokens, record.usage_output_tokens) == (11, 7)
        assert record.response_finish_reasons == ["stop"]
        assert record.output_preview == "hello"
    assert autolog.status()["patched"] == [sdk]


def test_an_error_keeps_its_type_and_is_recorded(sdk: str, url: str, patched_sdk: Records) -> None:
    with pytest.raises(Exception, match="no-such-model") as raised:
        create(client(sdk, url))(**question(sdk, model="no-such-model"))
    assert raised.type.__name__ == "NotFoundError"
    (record,) = patched_sdk
    assert (record.status, record.status_code) == ("error", 404)


def test_a_retry_is_one_record(sdk: str, url: str, patched_sdk: Records) -> None:
    create(client(sdk, url))(**question(sdk, model="flaky"))
    (record,) = patched_sdk
    assert (record.status, record.retries) == ("ok", 1)


def test_nothing_is_recorded_after_unpatching(sdk: str, url: str, patched_sdk: Records) -> None:
    getattr(autolog, f"unpatch_{sdk}")()
    create(client(sdk, url))(**question(sdk))
    assert len(patched_sdk) == 0


def test_a_budget_that_a_call_does_not_fit_stops_it(sdk: str, url: str) -> None:
    class SpentError(Exception): ...

    autolog.configure(
        prices={CLIENTS[sdk][3]: {"input": 1e6, "output": 1e6}},
        budgets=[{"limit": 1, "per": "day", "then": SpentError}],
    )
    getattr(autolog, f"patch_{sdk}")()
    ask = create(client(sdk, url))
    with pytest.raises(SpentError):
        ask(**question(sdk))


def test_patch_takes_all_that_is_installed(sdk: str) -> None:
    assert sdk in autolog.patch()
