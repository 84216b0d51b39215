"""Load the recorded exchanges in ../shared/traffic, and replay them through the SDKs that made them."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import anthropic
import openai
from conftest import SHARED
from sdk_http import ASYNC_STREAMS, SYNC_STREAMS, anthropic_http, openai_http

from autolog._record.record import Record

FOLDER = SHARED / "traffic"


@dataclass(frozen=True)
class Recording:
    """One exchange, with the values that an independent reading of it found."""

    path: Path

    @property
    def id(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"

    def load(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.path.read_text())
        return data


def recordings() -> list[Recording]:
    return [Recording(path) for path in sorted(FOLDER.glob("*/*.json"))] if FOLDER.is_dir() else []


class Chunked(*SYNC_STREAMS, *ASYNC_STREAMS):  # type: ignore[misc]
    """A response body that arrives in a few pieces."""

    def __init__(self, body: bytes, pieces: int = 7) -> None:
        size = max(1, len(body) // pieces)
        self.pieces = [body[start : start + size] for start in range(0, len(body), size)]
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


class Player:
    """A client whose transport answers with one recording and keeps the request."""

    def __init__(self, data: dict[str, Any], asynchronous: bool) -> None:
        self.data = data
        self.sent: list[bytes] = []
        self.http = openai_http if data["sdk"]["package"] == "openai" else anthropic_http
        answer = data["response"]
        self.body = (
            base64.b64decode(answer["body_base64"]) if "body_base64" in answer else answer.get("body", "").encode()
        )
        self.client = self._client(asynchronous)

    def _respond(self) -> Any:
        answer = self.data["response"]
        return self.http.Response(answer["status"], headers=answer["headers"], stream=Chunked(self.body))

    def _handle(self, request: Any) -> Any:
        self.sent.append(request.read())
        return self._respond()

    async def _handle_async(self, request: Any) -> Any:
        self.sent.append(await request.aread())
        return self._respond()

    def _client(self, asynchronous: bool) -> Any:
        sdk, url = self.data["sdk"], urlsplit(self.data["request"]["url"])
        http_client: Any = (
            self.http.AsyncClient(transport=self.http.MockTransport(self._handle_async))
            if asynchronous
            else self.http.Client(transport=self.http.MockTransport(self._handle))
        )
        prefix = "Async" if asynchronous else ""
        origin = f"{url.scheme}://{url.netloc}"
        common: dict[str, Any] = {"http_client": http_client, "max_retries": 0}
        if sdk["client"] == "AzureOpenAI":
            cls = getattr(openai, prefix + "AzureOpenAI")
            return cls(azure_endpoint=origin, api_version="2024-10-21", api_key="test", **common)
        if sdk["client"] == "AnthropicBedrock":
            cls = getattr(anthropic, prefix + "AnthropicBedrock")
            keys = {"aws_access_key": "AKIATEST", "aws_secret_key": "test", "aws_region": "us-east-1"}
            return cls(base_url=origin, **keys, **common)
        package: Any = openai if sdk["package"] == "openai" else anthropic
        cls = getattr(package, prefix + sdk["client"])
        return cls(base_url=origin + self._prefix(url.path), api_key="test", **common)

    def _prefix(self, path: str) -> str:
        if self.data["sdk"]["package"] == "anthropic":
            return path.partition("/v1/")[0]
        for end in ("/chat/completions", "/completions", "/responses", "/embeddings", "/audio/", "/images/",
                    "/moderations", "/batches"):  # fmt: skip
            if end in path:
                return path.partition(end)[0]
        raise AssertionError(path)

    def method(self, form: str) -> Any:
        """Return the SDK's method: itself, or that of `with_raw_response` or `with_streaming_response`."""
        target = self.client
        *path, last = self.data["sdk"]["method"].split(".")
        for name in path:
            target = getattr(target, name)
        return getattr(target if form == "plain" else getattr(target, form), last)

    @property
    def offered(self) -> bool:
        """Return whether the installed SDK has the method."""
        try:
            self.method("plain")
        except AttributeError:
            return False
        return True

    def arguments(self) -> dict[str, Any]:
        request = self.data["request"]
        if "form" in request:
            body: dict[str, Any] = dict(request["form"]["fields"])
            for file in request["form"]["files"]:
                content = base64.b64decode(file["base64"])
                body[file["name"].removesuffix("[]")] = (file["filename"], content, file["content_type"])
        else:
            body = dict(request["body"])
        known = inspect.signature(self.method("plain")).parameters
        extra = {name: body.pop(name) for name in list(body) if name not in known}
        if body.get("stream") in ("true", "false"):
            body["stream"] = body["stream"] == "true"
        path = urlsplit(request["url"]).path
        for marker in ("/model/", "/deployments/"):
            if "model" in known and marker in path:
                body.setdefault("model", unquote(path.partition(marker)[2].partition("/")[0]))
        if path.endswith("-stream"):
            body["stream"] = True
        if self.data["sdk"]["package"] == "anthropic":
            body["timeout"] = 600  # otherwise the SDK refuses long responses that are not streamed
        if "max_tokens" in known and self.data["sdk"]["package"] == "anthropic":
            body.setdefault("max_tokens", extra.pop("max_tokens_to_sample", 10))
        return {**body, "extra_body": extra} if extra else body


def play(recording: Recording, form: str) -> tuple[Player, list[Any]]:
    """Replay a recording, and return the player and what the caller received, in a comparable form."""
    player = Player(recording.load(), asynchronous=False)
    seen: list[Any] = []
    try:
        result = player.method(form)(**player.arguments())
        if form == "with_streaming_response":
            with result as response:
                seen += [type(response).__name__, response.status_code, response.read()]
        else:
            if form == "with_raw_response":
                seen += [type(result).__name__, result.status_code]
                result = result.parse()
            seen.append(type(result).__name__)
            seen += (
                [repr(item) for item in result]
                if hasattr(result, "response") and hasattr(result, "__next__")
                else [repr(result) if not hasattr(result, "content") or hasattr(result, "id") else result.content]
            )
    except Exception as error:
        seen += [type(error), str(error)]
    return player, seen


async def play_async(recording: Recording, form: str) -> tuple[Player, list[Any]]:
    player = Player(recording.load(), asynchronous=True)
    seen: list[Any] = []
    try:
        if form == "with_streaming_response":
            async with player.method(form)(**player.arguments()) as response:
                seen += [type(response).__name__, response.status_code, await response.read()]
        else:
            result = await player.method(form)(**player.arguments())
            if form == "with_raw_response":
                seen += [type(result).__name__, result.status_code]
                result = result.parse()
                if asyncio.iscoroutine(result):
                    result = await result
            seen.append(type(result).__name__)
            seen += (
                [repr(item) async for item in result]
                if hasattr(result, "__anext__")
                else [repr(result) if not hasattr(result, "content") or hasattr(result, "id") else result.content]
            )
    except Exception as error:
        seen += [type(error), str(error)]
    return player, seen


def play_either(recording: Recording, form: str, asynchronous: bool) -> tuple[Player, list[Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old models, as recorded
        return asyncio.run(play_async(recording, form)) if asynchronous else play(recording, form)


def as_record(recording: Recording) -> Record:
    """Return a record with the bodies of an exchange."""
    data = recording.load()
    player = Player(data, asynchronous=False)
    request, response = data["request"], data["response"]
    return Record(
        id=recording.id,
        request_url=request["url"],
        request_content_type="multipart/form-data; boundary=boundary"
        if "form" in request
        else next((v for k, v in request["headers"].items() if k.lower() == "content-type"), "application/json"),
        request_body=form_body(request["form"]) if "form" in request else json.dumps(request.get("body")).encode(),
        response_content_type=next((v for k, v in response["headers"].items() if k.lower() == "content-type"), None),
        response_body=player.body,
    )  # fmt: skip


def form_body(form: dict[str, Any]) -> bytes:
    parts = [
        b'--boundary\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Type: audio/mpeg\r\n\r\n'
        + base64.b64decode(file["base64"])
        + b"\r\n"
        for file in form.get("files", [])
    ]
    return b"".join(parts) + b"--boundary--\r\n"
