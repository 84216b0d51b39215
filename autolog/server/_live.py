"""Live streams: new records as server-sent events, for `/api/v1/tail` and the dashboard's live list."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from time import monotonic

from autolog._record.record import Record
from autolog.server._call import Call, Reply
from autolog.stores.query import Query

#: How often a stream looks for new records, in seconds.
INTERVAL = 0.25
#: How often the stream's key is checked again, in seconds.
RECHECK = 2.0
#: Seconds without a record after which a comment is sent, so that proxies do not consider the connection dead.
KEEP_ALIVE = 15.0


def follow(call: Call, query: Query, encode: Callable[[Record], str]) -> Reply:
    """Return a stream of matching records that arrive from now on, which lasts as long as the caller's key is valid.

    A reconnecting client continues where it left off, by the header `Last-Event-ID`, which browsers send, or by the
    query parameter `after`.
    """
    given = call.headers.get("last-event-id") or call.parameter("after") or ""
    after = int(given) if re.fullmatch("[0-9]{1,18}", given) else call.store.last()
    return Reply(200, _events(call, query, after, encode), "text/event-stream")


async def _events(call: Call, query: Query, after: int, encode: Callable[[Record], str]) -> AsyncIterator[bytes]:
    services, sent, checked = call.services, monotonic(), monotonic()
    reader = services.readers.of(call.principal.key_id)
    state = call.request.scope.setdefault("state", {})  # `stopping`: the server waits for this stream to end
    yield b": live\n\n"
    while not state.get("stopping") and not await call.request.is_disconnected():
        for record in await reader.run(call.store.tail, query, after):
            after, sent = record.seq or after, monotonic()
            yield f"id: {after}\ndata: {encode(record)}\n\n".encode()
        if monotonic() - sent > KEEP_ALIVE:
            sent = monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(INTERVAL)
        if monotonic() - checked > RECHECK:
            checked = monotonic()
            if not await services.look_up(call.still_valid):
                return
