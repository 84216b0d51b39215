"""Request the usage of chat streams without the caller noticing: `configure(stream_usage="request")`.

`stream_options.include_usage` adds one chunk to the end of the stream, which is removed from the bytes that the caller
reads. The option is not sent to hosts that refuse it, or that send usage without it.
"""

from __future__ import annotations

import copy
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from autolog._capture.tee import close_generator
from autolog._guard import guard
from autolog._record.bodies import decode_object


def ask(options: Any, client: Any) -> tuple[Any, bool]:
    """Add a request for usage to the options of a streaming call that lacks it; return them, and whether it did so."""
    with guard("asking for usage"):
        body, extra = options.json_data, getattr(options, "extra_json", None) or {}
        if isinstance(body, dict) and client.base_url.host not in _refusing | _UNASKED:
            stream_options = extra.get("stream_options") or body.get("stream_options") or {}
            if isinstance(stream_options, dict) and not stream_options.get("include_usage"):
                asking = {"stream_options": {**stream_options, "include_usage": True}}
                changed = copy.copy(options)
                changed.json_data = {**body, **asking}
                if "stream_options" in extra:
                    changed.extra_json = {**extra, **asking}
                return changed, True
    return options, False


#: Hosts that have refused `stream_options`, which is not sent to them again.
_refusing: set[str] = set()
#: Hosts that always send usage, which is therefore not hidden (openrouter.ai/docs, Usage Accounting, read 2026-11).
_UNASKED = frozenset({"openrouter.ai"})


def refused(request: Any, error: BaseException) -> bool:
    """Return whether a call failed only because of our request for usage, and should be repeated without it."""
    response = getattr(error, "response", None)
    if response is None:
        return False
    with guard("reading a refusal"):
        if response.status_code in {400, 404, 415, 422} and "stream_options" in response.text:
            _refusing.add(request.url.host)
            return True
    return False


# Hiding the usage that the caller did not request

_GZIP = frozenset({"gzip", "x-gzip"})
_EVENT_END = re.compile(rb"\r?\n\r?\n")
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_NO_USAGE = re.compile(rb',\s*"usage"\s*:\s*null')


def hide(response: Any) -> None:
    """Remove the usage that we requested from an event stream before the caller gets the response."""
    if "event-stream" not in response.headers.get("content-type", "") or isinstance(response.stream, Hider):
        return
    if response.is_closed:
        if (content := getattr(response, "_content", None)) is not None:
            usage = UsageFilter()
            response._content = usage.feed(content) + usage.rest()
        return
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in _GZIP | {"identity"}:
        return
    response.headers = response.headers.copy()  # the record keeps the original headers
    response.headers.pop("content-encoding", None)  # compressed chunks are decompressed here
    response.stream = _hiding(response.stream, encoding)


def _hiding(tee: Any, encoding: str) -> Any:
    """Return a stream that yields the decoded chunks of `tee` without the usage."""
    hider = _SyncHider if hasattr(type(tee), "__iter__") else _AsyncHider
    bases = tuple(base for base in type(tee).__mro__ if base.__name__ in {"SyncByteStream", "AsyncByteStream"})
    return type(hider.__name__.strip("_"), (hider, *bases), {})(tee, encoding)


class UsageFilter:
    """Removes the additions of `stream_options.include_usage` from server-sent events."""

    def __init__(self, encoding: str = "") -> None:
        self._rest = bytearray()
        self._seen = 0
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress if encoding in _GZIP else bytes

    def feed(self, chunk: bytes) -> bytes:
        """Return the events completed by this chunk, without the parts to be hidden."""
        self._rest += self._inflate(chunk)
        kept = []
        begin = 0
        while end := _EVENT_END.search(self._rest, max(begin, self._seen)):
            event = bytes(self._rest[begin : end.end()])
            begin = self._seen = end.end()
            if not self._is_usage(event):
                kept.append(_NO_USAGE.sub(b"", event))
        del self._rest[:begin]
        self._seen = max(0, len(self._rest) - 3)  # a blank line may be split between two chunks
        return b"".join(kept)

    def rest(self) -> bytes:
        """Return the remaining bytes when the stream has ended."""
        rest, self._rest = bytes(self._rest), bytearray()
        return b"" if self._is_usage(rest) else rest

    @staticmethod
    def _is_usage(event: bytes) -> bool:
        """Return whether an event is the chunk with usage but no choices; Azure's first chunk has neither."""
        if not _NO_CHOICES.search(event) or b'"usage"' not in event:
            return False
        data = b"".join(line[5:] for line in event.splitlines() if line.startswith(b"data:"))
        chunk = decode_object(data)
        return chunk.get("choices") == [] and isinstance(chunk.get("usage"), dict)


class Hider:
    """Wraps a tee: the tee records everything, and the caller sees only what it requested."""

    def __init__(self, stream: Any, encoding: str) -> None:
        self._stream = stream
        self._filter = UsageFilter(encoding)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_stream"], name)


class _SyncHider(Hider):
    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            if kept := self._filter.feed(chunk):
                yield kept
        if rest := self._filter.rest():
            yield rest

    def close(self) -> None:
        self._stream.close()


class _AsyncHider(Hider):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._stream)
        try:
            async for chunk in chunks:
                if kept := self._filter.feed(chunk):
                    yield kept
        finally:
            await close_generator(chunks)
        if rest := self._filter.rest():
            yield rest

    async def aclose(self) -> None:
        await self._stream.aclose()
