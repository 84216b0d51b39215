"""Replay the recorded exchanges in ../shared/traffic_providers through the SDKs that make such calls.

A loopback server answers with one recording, and the providers' host names resolve to it. The SDK's arguments come from
the recorded request as far as its methods accept them; bodies are compared with those that the server received.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib
import inspect
import json
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from conftest import SHARED

FOLDER = SHARED / "traffic_providers"


def recordings() -> list[Path]:
    return sorted(FOLDER.glob("*/*.json")) if FOLDER.is_dir() else []


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def body_of(data: dict[str, Any]) -> bytes:
    """Return the body of the response as it was sent."""
    response = data["response"]
    return base64.b64decode(response["body_base64"]) if "body_base64" in response else response["body"].encode()


def content_type(data: dict[str, Any]) -> str:
    """Return the content type of the response, guessed if the recording lacks it."""
    response = data["response"]
    if given := response["headers"].get("content-type"):
        return str(given)
    if "body_base64" in response:
        return "application/vnd.amazon.eventstream"
    if not data["expect"]["streamed"]:
        return "application/json"
    return "text/event-stream" if body_of(data).lstrip()[:5] in (b"data:", b"event") else "application/x-ndjson"


# The server


@dataclass
class StandIn:
    """A server that answers every POST with `playing`, and keeps the requests."""

    port: int
    playing: dict[str, Any]
    got: list[bytes]

    def origin(self, url: str) -> str:
        """Return the recording's host with this server's port."""
        return f"http://{urlsplit(url).hostname}:{self.port}"


@contextlib.contextmanager
def stand_in() -> Iterator[StandIn]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def do_POST(self) -> None:
            state.got.append(self.rfile.read(int(self.headers["content-length"])))
            data = state.playing
            body = body_of(data)
            self.send_response_only(data["response"]["status"])
            for name, value in {**data["response"]["headers"], "content-type": content_type(data)}.items():
                if name.lower() not in {"content-length", "content-encoding", "transfer-encoding", "connection"}:
                    self.send_header(name, value)
            if not data["expect"]["streamed"]:
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            size = max(1, len(body) // 7)
            for start in range(0, len(body), size):
                piece = body[start : start + size]
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    state = StandIn(server.server_port, {}, [])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    resolve = socket.getaddrinfo

    def to_loopback(host: Any, *args: Any, **kwargs: Any) -> Any:
        return resolve("127.0.0.1", *args, **kwargs)

    socket.getaddrinfo = to_loopback
    try:
        yield state
    finally:
        socket.getaddrinfo = resolve
        server.shutdown()
        server.server_close()


# The SDKs: each function returns the method to call and its arguments


class Call(NamedTuple):
    """A method and its arguments, with a reference to the client, because some clients close when garbage-collected."""

    method: Callable[..., Any]
    given: dict[str, Any]
    client: Any = None


def known(method: Callable[..., Any], body: dict[str, Any], *left_out: str) -> dict[str, Any]:
    """Return the fields of a body that a method accepts by name, without those that are null."""
    names = inspect.signature(method).parameters
    return {key: value for key, value in body.items() if key in names and value is not None and key not in left_out}


def _generated(package: str, client: str) -> Callable[[dict[str, Any], str, bool], Call]:
    """Return the call of an SDK made by the generator of openai's."""

    def prepare(data: dict[str, Any], origin: str, asynchronous: bool) -> Call:
        module = importlib.import_module(package)
        client_class = getattr(module, ("Async" if asynchronous else "") + client)
        prefix = {"together": "/v1"}.get(package, "")
        options = {"warm_tcp_connection": False} if package.startswith("cerebras") else {}
        sdk = client_class(api_key="k", base_url=origin + prefix, max_retries=0, **options)
        target = sdk.completions if data["operation"] == "completions" else sdk.chat.completions
        body = {key: value for key, value in data["request"]["body"].items() if value is not None}
        taken = known(target.create, body)
        return Call(target.create, taken | {"extra_body": {key: body[key] for key in body.keys() - taken.keys()}})

    return prepare


def _genai(data: dict[str, Any], origin: str, asynchronous: bool) -> Call:
    genai = importlib.import_module("google.genai")
    types = importlib.import_module("google.genai.types")
    client: Any = genai.Client(
        vertexai=data["provider"] == "vertex", api_key="k", http_options={"base_url": origin, "retry_options": None}
    )
    models = client.aio.models if asynchronous else client.models
    model = unquote(urlsplit(data["request"]["url"]).path).rpartition("/models/")[2].partition(":")[0]
    body = data["request"]["body"] or {}
    if data["operation"] == "embed":
        return Call(models.embed_content, {"model": model, "contents": ["Hello"]}, client)
    given = dict(body.get("generationConfig") or body.get("generation_config") or {})
    given |= {key: body[key] for key in ("tools", "safetySettings", "toolConfig", "systemInstruction", "cachedContent")
              if body.get(key)}  # fmt: skip
    contents = body.get("contents") or "Hello"
    try:
        config = types.GenerateContentConfig.model_validate(given)
        types.Content.model_validate(contents[0])
    except ValueError:  # a form that only other clients send
        config, contents = None, "Hello"
    method = models.generate_content_stream if "stream" in data["operation"] else models.generate_content
    return Call(method, {"model": model, "contents": contents, "config": config}, client)


def _array_stream(data: dict[str, Any], origin: str, asynchronous: bool) -> Call:
    httpx = importlib.import_module("httpx")
    url = urlsplit(data["request"]["url"])

    def sync(**kwargs: Any) -> list[bytes]:
        with httpx.Client() as client, client.stream("POST", **kwargs) as response:
            return list(response.iter_bytes())

    async def without_blocking(**kwargs: Any) -> list[bytes]:
        async with httpx.AsyncClient() as client, client.stream("POST", **kwargs) as response:
            return [chunk async for chunk in response.aiter_bytes()]

    given = {"url": origin + url.path, "json": data["request"]["body"]}
    return Call(without_blocking if asynchronous else sync, given)


def _bytes_in(value: Any) -> Any:
    """Return a body for boto3, in which binary parts are bytes."""
    if isinstance(value, dict):
        return {key: base64.b64decode(item) if key in {"bytes", "redactedContent"} and isinstance(item, str)
                else _bytes_in(item) for key, item in value.items()}  # fmt: skip
    return [_bytes_in(item) for item in value] if isinstance(value, list) else value


def _boto3(data: dict[str, Any], origin: str, asynchronous: bool) -> Call:
    boto3 = importlib.import_module("boto3")
    config = importlib.import_module("botocore.config").Config(retries={"max_attempts": 0})
    client = boto3.client("bedrock-runtime", "us-east-1", endpoint_url=origin, config=config,
                          aws_access_key_id="AKIATEST", aws_secret_access_key="test")  # fmt: skip
    model = unquote(urlsplit(data["request"]["url"]).path.partition("/model/")[2].rpartition("/")[0])
    if data["operation"].startswith("converse"):
        method = client.converse_stream if data["operation"] == "converse-stream" else client.converse
        return Call(method, {"modelId": model, **_bytes_in(data["request"]["body"])})
    method = client.invoke_model_with_response_stream if "stream" in data["operation"] else client.invoke_model
    return Call(method, {"modelId": model, "body": json.dumps(data["request"]["body"])})


def _mistral(data: dict[str, Any], origin: str, asynchronous: bool) -> Call:
    client = importlib.import_module("mistralai.client").Mistral(api_key="k", server_url=origin)
    end = "_async" if asynchronous else ""
    body = data["request"]["body"]
    if data["operation"] == "embed":
        return Call(getattr(client.embeddings, "create" + end), {"model": body["model"], "inputs": body["input"]})
    method = getattr(client.chat, ("stream" if data["expect"]["streamed"] else "complete") + end)
    return Call(method, known(method, body))


def _cohere(data: dict[str, Any], origin: str, asynchronous: bool) -> Call:
    cohere = importlib.import_module("cohere")
    version, operation = data["operation"].split("-")
    name = ("Async" if asynchronous else "") + ("ClientV2" if version == "v2" else "Client")
    client = getattr(cohere, name)("k", base_url=origin, max_retries=0)
    method = getattr(client, operation + ("_stream" if data["expect"]["streamed"] else ""))
    described = cohere.v2.client.V2Client if version == "v2" else cohere.base_client.BaseCohere
    return Call(method, known(getattr(described, method.__name__), data["request"]["body"], "stream"))


def _ollama(data: dict[str, Any], origin: str, asynchronous: bool) -> Call:
    client = getattr(importlib.import_module("ollama"), "AsyncClient" if asynchronous else "Client")(host=origin)
    method = getattr(client, data["operation"])
    body = known(method, data["request"]["body"])
    return Call(method, body | ({"stream": data["expect"]["streamed"]} if data["operation"] != "embeddings" else {}))


def _huggingface(data: dict[str, Any], origin: str, asynchronous: bool) -> Call:
    hub = importlib.import_module("huggingface_hub")
    path = urlsplit(data["request"]["url"]).path.removesuffix("/chat/completions")
    client = (hub.AsyncInferenceClient if asynchronous else hub.InferenceClient)(base_url=origin + path, api_key="k")
    method = client.chat_completion
    return Call(method, known(method, data["request"]["body"]))


def _voyage(data: dict[str, Any], origin: str, asynchronous: bool) -> Call:
    voyageai = importlib.import_module("voyageai")
    client = (voyageai.AsyncClient if asynchronous else voyageai.Client)("k", base_url=origin + "/v1")
    body = data["request"]["body"]
    if data["operation"] == "embed":
        texts = body["input"]
        given = {"texts": [texts] if isinstance(texts, str) else texts, "model": body["model"]}
        return Call(client.embed, given)
    return Call(client.rerank, known(client.rerank, body))


SDKS: dict[str, tuple[str, Callable[[dict[str, Any], str, bool], Call]]] = {
    "boto3": ("boto3", _boto3),
    "cerebras-cloud-sdk": ("cerebras.cloud.sdk", _generated("cerebras.cloud.sdk", "Cerebras")),
    "cohere": ("cohere", _cohere),
    "google-genai": ("google.genai", _genai),
    "groq": ("groq", _generated("groq", "Groq")),
    "httpx": ("httpx", _array_stream),
    "huggingface_hub": ("huggingface_hub", _huggingface),
    "mistralai": ("mistralai.client", _mistral),
    "ollama": ("ollama", _ollama),
    "perplexityai": ("perplexity", _generated("perplexity", "Perplexity")),
    "together": ("together", _generated("together", "Together")),
    "voyageai": ("voyageai", _voyage),
}  # fmt: skip


# Playing


def _settled(item: Any) -> Any:
    """Return a result in a form in which two runs can be compared."""
    if isinstance(item, dict) and "ResponseMetadata" in item:
        rest = {key: value for key, value in item.items() if key not in {"body", "stream"}}
        body = item.get("body", item.get("stream", ()))
        return [
            repr(rest),
            type(body).__name__,
            body.read() if hasattr(body, "read") else [repr(event) for event in body],
        ]
    if type(item).__module__.startswith("voyageai"):  # its objects do not show what they hold
        return repr(vars(item))
    vanishing = hasattr(item, "__next__") or type(item).__name__ in {"EventStream", "Stream"}
    return [repr(part) for part in item] if vanishing else repr(item)


def play(data: dict[str, Any], origin: str) -> list[Any]:
    """Make the recorded call, and return what the program receives."""
    call = SDKS[data["sdk"]["package"]][1](data, origin, False)
    try:
        result = call.method(**call.given)
        return [type(result), _settled(result)]
    except Exception as error:
        return [type(error), str(error)]


async def play_async(data: dict[str, Any], origin: str) -> list[Any]:
    call = SDKS[data["sdk"]["package"]][1](data, origin, True)
    try:
        result = call.method(**call.given)
        result = await result if inspect.isawaitable(result) else result
        if hasattr(result, "__aiter__"):
            return [type(result), [repr(part) async for part in result]]
        return [type(result), _settled(result)]
    except Exception as error:
        return [type(error), str(error)]


def play_either(data: dict[str, Any], origin: str, asynchronous: bool) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return asyncio.run(play_async(data, origin)) if asynchronous else play(data, origin)


def is_missing(data: dict[str, Any]) -> str | None:
    """Return the package of a recording's SDK if it is not installed, else None."""
    package = SDKS[data["sdk"]["package"]][0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(package)
    except ImportError:
        return package
    return None
