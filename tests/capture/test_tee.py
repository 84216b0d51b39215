"""Streams pass through unchanged while they are recorded."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sdk_http import openai_http as http

from autolog._capture import stream_usage, tee
from autolog._capture.exchange import Exchange
from autolog._capture.tee import async_tee, sync_tee, tee_upload


class Stream(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc,name-defined]
    """Gives chunks either way, and breaks where one is an exception."""

    extra = "own"

    def __init__(self, *chunks: Any) -> None:
        self.chunks, self.closed = chunks, False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in iter(self):
            yield chunk

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def exchange() -> Exchange:
    opened = Exchange(lambda span: None, "openai", object, True)
    opened.streaming = True
    return opened


def read(stream: Stream, into: Exchange, way: str, most: int = 100) -> tuple[Any, list[bytes]]:
    """Read up to `most` chunks through a tee, sync or async."""
    got: list[bytes] = []
    teed = sync_tee(stream, into) if way == "sync" else async_tee(stream, into)

    async def run() -> None:
        async for chunk in teed:
            got.append(chunk)
            if len(got) == most:
                break

    if way == "async":
        asyncio.run(run())
        return teed, got
    for chunk in teed:
        got.append(chunk)
        if len(got) == most:
            break
    return teed, got


ways = pytest.mark.parametrize("way", ["sync", "async"])


@ways
def test_every_chunk_passes_and_is_kept(way: str) -> None:
    kept = exchange()
    teed, got = read(Stream(b"a", b"", b"bc"), kept, way)
    assert got == kept.chunks == [b"a", b"", b"bc"]
    assert kept.first_chunk_ns > kept.start_ns
    assert isinstance(teed, http.SyncByteStream if way == "sync" else http.AsyncByteStream)
    assert teed.extra == "own"
    assert not kept.end_ns


def test_who_reads_on_gets_the_rest() -> None:
    kept = exchange()
    teed = sync_tee(Stream(b"a", b"b", b"c"), kept)
    first = iter(teed)
    assert [next(first), *teed] == kept.chunks == [b"a", b"b", b"c"]


@pytest.mark.parametrize("hides", [False, True])
@ways
def test_when_a_reader_stops_early_the_streams_own_generator_is_closed_at_once_as_without_us(
    way: str, hides: bool
) -> None:
    ended: list[str] = []

    class Own(Stream):
        def __iter__(self) -> Iterator[bytes]:
            try:
                yield from self.chunks
            finally:
                ended.append("sync")

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                for chunk in self.chunks:
                    yield chunk
            finally:
                await asyncio.sleep(0)
                ended.append("async")

    stream = Own(b"data: a\n\n", b"data: b\n\n")

    def teed(tee: Any) -> Any:
        given = tee(stream, exchange())
        response = http.Response(200, headers={"content-type": "text/event-stream"}, stream=given)
        if hides:
            stream_usage.hide(response)
            assert response.stream is not given
        return response.stream

    async def run() -> list[str]:
        reader = aiter(teed(async_tee))
        await anext(reader)
        await reader.aclose()
        return list(ended)  # before garbage collection or the end of the loop

    if way == "async":
        assert asyncio.run(run()) == ["async"]
        return
    held = teed(sync_tee)
    for _ in held:
        break
    assert ended == ["sync"]


@ways
def test_an_error_of_the_stream_ends_the_exchange_and_passes(way: str) -> None:
    kept, error = exchange(), http.ReadError("gone")
    with pytest.raises(http.ReadError) as caught:
        read(Stream(b"a", error), kept, way)
    assert caught.value is error
    assert kept.chunks == [b"a"]
    assert kept.error == (f"{http.__name__}.ReadError", "gone")


@ways
def test_closing_ends_the_exchange(way: str) -> None:
    stream, kept = Stream(b"a", b"b"), exchange()

    async def run() -> None:
        teed = async_tee(stream, kept)
        await anext(aiter(teed))
        await teed.aclose()

    if way == "async":
        asyncio.run(run())
    else:
        read(stream, kept, way, most=1)[0].close()
    assert stream.closed
    assert kept.end_ns
    assert kept.error is None


def test_a_stream_that_is_dropped_ends_the_exchange() -> None:
    kept = exchange()
    read(Stream(b"a"), kept, "sync", most=1)
    gc.collect()
    assert kept.end_ns


@ways
def test_what_is_too_long_passes_and_is_cut_in_the_record(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tee, "MAX_STREAM_BYTES", 10)
    kept = exchange()
    _, got = read(Stream(b"first", b"12345", b"67890", b"more"), kept, way)
    assert len(got) == 4
    assert kept.chunks == [b"first", b"12345"]
    assert kept.truncated


def test_a_limit_holds_for_all_readings_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tee, "MAX_STREAM_BYTES", 10)
    kept = exchange()
    teed, _ = read(Stream(b"first", b"12345", b"67890"), kept, "sync", most=2)
    list(teed)
    assert b"67890" not in kept.chunks


def test_of_a_downloaded_file_only_a_batchs_results_are_kept() -> None:
    for first, count in ((b'{"custom_id": "1"}\n', 3), (b"%PDF-1.7", 1)):
        kept = exchange()
        kept.download, kept.response_headers = True, {}
        read(Stream(first, b"more", b"more"), kept, "sync")
        assert len(kept.chunks) == count


@ways
def test_of_an_upload_that_is_sent_twice_the_last_is_kept(way: str) -> None:
    class Request:
        stream: Any = Stream(b"a", b"b")

    request = Request()
    tee_upload(request)

    async def send() -> list[bytes]:
        return [chunk async for chunk in request.stream]

    for _ in range(2):
        assert (list(request.stream) if way == "sync" else asyncio.run(send())) == [b"a", b"b"]
    assert request.stream.sent == [b"a", b"b"]
