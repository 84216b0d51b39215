"""Request bodies: reading them within the limits, and decompressing them."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterator, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from autolog._record.zstd import zstd
from autolog.dialects._fault import Fault
from autolog.server._limits import ANONYMOUS_BODIES, Limits, Load, Share

#: The most content codings that may be applied to a body.
MAX_CODINGS = 2
#: The most gzip members or zstd frames in a body: each costs time, however little it contains.
MAX_MEMBERS = 1_000
#: The most bytes that are decompressed before they are checked against the limit.
_STEP = 1024 * 1024
#: The most compressed bytes that are read at once: the end of a member makes a copy of those behind it.
_FED = 64 * 1024
_NOT_ZERO = re.compile(rb"[^\0]")
#: Bodies of at most this many bytes are decompressed on the event loop, if they do not become larger than the second
#: number: that takes less time than switching to a thread and back.
SMALL, SMALL_DECOMPRESSED = 16 * 1024, 64 * 1024


async def read_body(receive: Receive, headers: Mapping[str, str], limits: Limits, share: Share) -> bytes:
    """Read a request's body and decompress it. The bytes received are limited, whatever Content-Length says.

    Raises:
        Fault: 400, if the compressed data is malformed; 408, if the body arrives too slowly; 413, if it is too
            large; 415, if its content coding is unknown; 503, if the server holds too many bodies.
    """
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limits.body_bytes:
        raise _too_large(limits.body_bytes)
    try:
        async with asyncio.timeout(limits.body_seconds):
            body = await _arrived(receive, limits.body_bytes, share)
    except TimeoutError:
        raise Fault(408, f"the body did not arrive within {limits.body_seconds:g} seconds") from None
    encoding = headers.get("content-encoding")
    return await _decoded(body, encoding, limits, share) if encoding else body


async def _arrived(receive: Receive, most: int, share: Share) -> bytes:
    """Return a body as it was received, still compressed."""
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size, more = size + len(chunk), message.get("more_body", False)
        if size > most:
            raise _too_large(most)
        share.hold(size)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _decoded(body: bytes, encoding: str, limits: Limits, share: Share) -> bytes:
    """Return a body with its content codings removed."""
    codings = [coding.strip() for coding in encoding.lower().split(",")]
    if len(codings) > MAX_CODINGS:
        raise Fault(415, f"more than {MAX_CODINGS} content codings")
    for coding in reversed(codings):
        if coding not in {"", "identity"}:
            small = decompress_small(body, coding, limits)
            if small is not None:
                share.hold(share.bytes + len(small))
                body = small
            else:
                body = await run_in_threadpool(decompress, body, coding, limits.decompressed_bytes, share)
    return body


def decompress_small(body: bytes, coding: str, limits: Limits) -> bytes | None:
    """Return a body with one content coding removed; None if it is too large to do so at once, or cannot be decoded."""
    if len(body) > SMALL:
        return None
    try:
        return decompress(body, coding, min(SMALL_DECOMPRESSED, limits.decompressed_bytes))
    except Fault:
        return None


def _too_large(most: int) -> Fault:
    return Fault(413, f"the body has more than {most} bytes")


class Doorway:
    """Reads the bodies of requests that have not shown a valid key: a few at a time, small in size and in time.

    When there are too many, the read that started first is aborted, so that slow senders cannot keep others out.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits.anonymous()
        self._load = Load(self.limits)
        self._reading: dict[asyncio.Timeout, None] = {}

    async def read(self, receive: Receive, headers: Mapping[str, str]) -> bytes:
        """Read a request's body.

        Raises:
            Fault: as `read_body` raises, and 408, if the read was aborted in favour of another one.
        """
        if len(self._reading) >= ANONYMOUS_BODIES:
            oldest = next(iter(self._reading))
            del self._reading[oldest]
            oldest.reschedule(asyncio.get_running_loop().time())
        share = Share(self._load)
        try:
            async with asyncio.timeout(None) as turn:
                self._reading[turn] = None
                return await read_body(receive, headers, self.limits, share)
        except TimeoutError:
            raise Fault(408, "the body took too long while others were waiting") from None
        finally:
            self._reading.pop(turn, None)
            share.release()


def decompress(data: bytes, coding: str, most: int, share: Share | None = None) -> bytes:
    """Return `data` with one content coding removed; count its bytes in `share` as they are produced.

    Raises:
        Fault: 400, if the data is malformed; 413, if it decompresses to more than `most` bytes; 415, if the coding
            is unknown; 503, if the server holds too many bodies.
    """
    if coding in {"", "identity"}:
        return data
    if coding not in {"gzip", "x-gzip", "deflate", "zstd"}:
        raise Fault(415, f"content-encoding {coding[:50]!r} is not one of gzip, deflate, zstd")
    before = share.bytes if share is not None else 0
    parts, size = [], 0
    try:
        for part in _zstd_parts(data) if coding == "zstd" else _zlib_parts(data):
            size += len(part)
            if size > most:
                raise Fault(413, f"the body has more than {most} bytes when decompressed")
            if share is not None:
                share.hold(before + size)
            parts.append(part)
    except (zlib.error, zstd.ZstdError, EOFError) as error:
        raise Fault(400, f"malformed {coding} data: {error}") from error
    return b"".join(parts)


def _zlib_parts(data: bytes) -> Iterator[bytes]:
    """Yield the decompressed data in steps, of all gzip members.

    Raises:
        EOFError: if the data is truncated.
        Fault: 400, if there are too many members.
    """
    view, at = memoryview(data), 0
    for _ in range(MAX_MEMBERS):
        if at == len(data):
            return
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
        while not inflater.eof:
            fed = view[at : at + _FED]
            part = inflater.decompress(fed, _STEP)
            at += len(fed) - len(inflater.unconsumed_tail) - len(inflater.unused_data)
            if not part and not fed and not inflater.eof:
                raise EOFError("it is truncated")
            yield part
        at = _end_of_zeros(data, at)  # some senders pad the data with zeros
    _check_all_read(data, at)


def _end_of_zeros(data: bytes, at: int) -> int:
    match = _NOT_ZERO.search(data, at)
    return match.start() if match else len(data)


def _zstd_parts(data: bytes) -> Iterator[bytes]:
    """Yield the decompressed data in steps, of all zstd frames; raise as `_zlib_parts` does."""
    view, at = memoryview(data), 0
    for _ in range(MAX_MEMBERS):
        if at == len(data):
            return
        inflater = zstd.ZstdDecompressor()
        while not inflater.eof:
            fed = view[at : at + _FED] if inflater.needs_input else b""
            part = inflater.decompress(fed, max_length=_STEP)
            at += len(fed)
            if not part and not fed and not inflater.eof:
                raise EOFError("it is truncated")
            yield part
        at -= len(inflater.unused_data)
    _check_all_read(data, at)


def _check_all_read(data: bytes, at: int) -> None:
    if at < len(data):
        raise Fault(400, f"the compressed data has more than {MAX_MEMBERS} members or frames")
