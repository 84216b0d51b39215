"""Request bodies: read within their limits, and decompressed."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from autolog._zstd import zstd
from autolog.dialects._fault import Fault
from autolog.server._limits import Limits, Share

#: Codings within codings.
MAX_CODINGS = 2


async def read_body(request: Request, limits: Limits, share: Share) -> bytes:
    """The request's body, decompressed.

    Raises:
        Fault: 413, too large; 408, too slow; 503, no room; 400, malformed compression; 415, an unknown one.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit():
        if int(length) > limits.body_bytes:
            raise Fault(413, f"the body has more than {limits.body_bytes} bytes")
        share.hold(int(length))
    chunks, size = [], 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limits.body_bytes:
                    raise Fault(413, f"the body has more than {limits.body_bytes} bytes")
                share.hold(size)
                chunks.append(chunk)
    except TimeoutError:
        raise Fault(408, f"the body did not arrive within {limits.body_seconds} seconds") from None
    body = b"".join(chunks)
    codings = [coding.strip() for coding in request.headers.get("content-encoding", "").lower().split(",")]
    if len(codings) > MAX_CODINGS:
        raise Fault(415, f"more than {MAX_CODINGS} content codings")
    for coding in reversed(codings):
        if coding not in {"", "identity"}:
            body = await run_in_threadpool(decompress, body, coding, limits.decompressed_bytes)
            share.hold(size + len(body))
    return body


def decompress(data: bytes, coding: str, most: int) -> bytes:
    """`data` without one content coding, if that gives at most `most` bytes.

    Raises:
        Fault: 413, 400 or 415.
    """
    if coding in {"", "identity"}:
        return data
    try:
        if coding in {"gzip", "x-gzip", "deflate"}:
            inflater: Any = zlib.decompressobj(zlib.MAX_WBITS | 32)
            result: bytes = inflater.decompress(data, most + 1)
        elif coding == "zstd":
            inflater = zstd.ZstdDecompressor()
            result = inflater.decompress(data, max_length=most + 1)
        else:
            raise Fault(415, f"content-encoding {coding[:50]!r} is not one of gzip, deflate, zstd")
    except (zlib.error, zstd.ZstdError, EOFError) as error:
        raise Fault(400, f"malformed {coding} data: {error}") from error
    if len(result) > most:
        raise Fault(413, f"the body has more than {most} bytes when decompressed")
    if not inflater.eof:
        raise Fault(400, f"malformed {coding} data: it is cut off")
    return result
