"""Every supported SDK version: calls are recorded completely, and return what they return without autolog.

This file tests the installed versions; `python tests/beside/sdk_versions.py` runs it with the oldest ones, some between
and the newest.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from sdk_http import anthropic_http, openai_http

import autolog
from autolog.testing import Records, capture

MESSAGES = [{"role": "user", "content": "hello there"}]
CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": MESSAGES}
CLAUDE: dict[str, Any] = {"model": "claude-sonnet-4-5-20250929", "max_tokens": 9, "messages": MESSAGES}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # old models, and old SDKs on new Pythons


def openai_client(url: str) -> Any:
    return openai.OpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0)


def anthropic_client(url: str) -> Any:
    return anthropic.Anthropic(api_key="k", base_url=url, max_retries=0)


async def async_chat(url: str) -> Any:
    async with openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1") as client:
        return (await client.chat.completions.create(**CHAT)).choices[0].message.content


async def async_chat_streamed(url: str) -> Any:
    async with openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1") as client:
        return "".join([_piece(chunk) async for chunk in await client.chat.completions.create(stream=True, **CHAT)])


async def async_messages(url: str) -> Any:
    async with anthropic.AsyncAnthropic(api_key="k", base_url=url) as client:
        return (await client.messages.create(**CLAUDE)).content[0].text


async def async_messages_streamed(url: str) -> Any:
    async with (
        anthropic.AsyncAnthropic(api_key="k", base_url=url) as client,
        client.messages.stream(**CLAUDE) as stream,
    ):
        return (await stream.get_final_message()).content[0].text


def _piece(chunk: Any) -> str:
    return (chunk.choices[0].delta.content or "") if chunk.choices else ""


def messages_helper(url: str) -> Any:
    with anthropic_client(url).messages.stream(**CLAUDE) as stream:
        return stream.get_final_message().content[0].text


def streamed_response(url: str) -> Any:
    with openai_client(url).chat.completions.with_streaming_response.create(**CHAT) as response:
        return response.parse().choices[0].message.content


#: The ways to make a call; each returns the result.
CALLS: dict[str, Callable[[str], Any]] = {
    "openai": lambda url: openai_client(url).chat.completions.create(**CHAT).choices[0].message.content,
    "openai, streamed": lambda url: "".join(
        map(_piece, openai_client(url).chat.completions.create(stream=True, **CHAT))
    ),
    "openai, raw": lambda url: (
        openai_client(url).chat.completions.with_raw_response.create(**CHAT).parse().choices[0].message.content
    ),
    "openai, streamed response": streamed_response,
    "openai, copied client": lambda url: (
        openai_client(url).with_options(timeout=9).chat.completions.create(**CHAT).choices[0].message.content
    ),
    "openai, async": lambda url: asyncio.run(async_chat(url)),
    "openai, async and streamed": lambda url: asyncio.run(async_chat_streamed(url)),
    "anthropic": lambda url: anthropic_client(url).messages.create(**CLAUDE).content[0].text,
    "anthropic, streamed": lambda url: [
        event.type for event in anthropic_client(url).messages.create(stream=True, **CLAUDE)
    ],
    "anthropic, helper": messages_helper,
    "anthropic, raw": lambda url: (
        anthropic_client(url).messages.with_raw_response.create(**CLAUDE).parse().content[0].text
    ),
    "anthropic, async": lambda url: asyncio.run(async_messages(url)),
    "anthropic, async and streamed": lambda url: asyncio.run(async_messages_streamed(url)),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_recorded_whole_and_gives_the_same(call: str, url: str) -> None:
    without = CALLS[call](url)
    autolog.patch()
    with capture() as records:
        assert CALLS[call](url) == without
        (record,) = records
    sdk, _, way = call.partition(", ")
    assert (record.sdk, record.status, record.status_code) == (sdk, "ok", 200)
    assert record.request_model in {CHAT["model"], CLAUDE["model"]}
    assert record.output_preview
    assert bool(record.request_stream) == (way.endswith("streamed") or way == "helper")
    if sdk == "anthropic" or not record.request_stream:
        assert record.usage_input_tokens
        assert record.usage_output_tokens
        assert record.cost
    assert autolog.status()["unrecorded"] == {}


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_an_error_is_the_sdks_own_and_recorded(sdk: str, url: str, patched: Records) -> None:
    if sdk == "openai":
        with pytest.raises(openai.NotFoundError):
            openai_client(url).chat.completions.create(**{**CHAT, "model": "no-such-model"})
    else:
        with pytest.raises(anthropic.NotFoundError):
            anthropic_client(url).messages.create(**{**CLAUDE, "model": "no-such-model"})
    (record,) = patched
    assert (record.sdk, record.status, record.status_code) == (sdk, "error", 404)
    assert "no-such-model" in (record.error_message or "")


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_a_retry_is_one_record(sdk: str, patched: Records) -> None:
    http: Any = openai_http if sdk == "openai" else anthropic_http
    answers = [http.Response(500, headers={"retry-after-ms": "1"}), http.Response(200, json={"id": "x", "model": "m"})]
    transport = http.Client(transport=http.MockTransport(lambda _: answers.pop(0)))
    if sdk == "openai":
        openai.OpenAI(api_key="k", http_client=transport).chat.completions.create(**CHAT)
    else:
        anthropic.Anthropic(api_key="k", http_client=transport).messages.create(**CLAUDE)
    (record,) = patched
    assert (record.retries, record.status_code) == (1, 200)


def test_the_sdks_may_be_imported_after_patching(url: str) -> None:
    program = f"""
import autolog
from autolog.testing import capture
autolog.patch()
import openai, anthropic
with capture() as records:
    openai.OpenAI(api_key="k", base_url={url + "/v1"!r}).chat.completions.create(**{CHAT})
    anthropic.Anthropic(api_key="k", base_url={url!r}).messages.create(**{CLAUDE})
    print(*(record.sdk for record in records))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], timeout=60, check=False, capture_output=True, text=True
    )
    assert done.stdout == "openai anthropic\n", done.stderr
