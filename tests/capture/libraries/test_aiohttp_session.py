"""Responses of aiohttp whose reading is interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from chat_server import chunks, request

import autolog
from autolog.testing import Records

aiohttp = pytest.importorskip("aiohttp")
EVENTS = list(chunks())


async def stream(read: Callable[[Any, asyncio.Event], Awaitable[None]], **options: Any) -> None:
    """Call `read` with a response that pauses after its first event until the event passed along is set."""
    resume = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"true}")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(b''.join(EVENTS))}\r\n\r\n"
        writer.write(head.encode() + EVENTS[0])
        await resume.wait()
        writer.write(b"".join(EVENTS[1:]))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/chat/completions"
        async with session.post(url, data=request(stream=True), **options) as response:
            try:
                await read(response, resume)
            finally:
                resume.set()


async def read_until_cancelled(response: Any, resume: asyncio.Event) -> None:
    task = asyncio.ensure_future(response.content.read())
    await asyncio.sleep(0.02)
    task.cancel()
    await task


async def read_all(response: Any, resume: asyncio.Event) -> None:
    await response.read()


@pytest.mark.parametrize(
    ("read", "options", "error"),
    [
        (read_until_cancelled, {}, asyncio.CancelledError),
        (read_all, {"timeout": aiohttp.ClientTimeout(total=1)}, TimeoutError),
    ],
)
def test_a_stream_whose_reading_is_interrupted_has_failed(
    read: Any, options: Any, error: type[BaseException], records: Records
) -> None:
    autolog.patch_http()
    with pytest.raises(error):
        asyncio.run(stream(read, **options))
    (record,) = records
    assert record.status == "error"
    assert (record.error_type or "").endswith(error.__name__)
    assert record.response_body == EVENTS[0]


def test_a_stream_that_is_read_on_after_a_cancelled_read_has_not_failed(records: Records) -> None:
    async def read(response: Any, resume: asyncio.Event) -> None:
        with pytest.raises(asyncio.CancelledError):
            await read_until_cancelled(response, resume)
        resume.set()
        await response.content.read()

    autolog.patch_http()
    asyncio.run(stream(read))
    (record,) = records
    assert (record.status, record.error_type, record.usage_input_tokens) == ("ok", None, 9)
