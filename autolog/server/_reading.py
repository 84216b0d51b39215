"""Reading of many records with their bodies, a few at a time, however large they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from autolog._record.record import Record
from autolog.dialects._fault import Json
from autolog.stores._contract import Store
from autolog.stores.query import Query

#: Records per query; queries do not include bodies.
LOOK_UP = 200


def read_whole(
    store: Store,
    query: Query,
    limit: int,
    offset: int = 0,
    newest_first: bool = True,
    order_by: str = "created_at",
) -> Iterator[Record]:
    """Yield records with their bodies, in order, holding only a few bodies in memory at once."""
    while limit > 0:
        page = store.find(query, min(limit, LOOK_UP), offset, newest_first, order_by)
        yield from store.with_bodies(page)
        limit -= len(page)
        if len(page) < LOOK_UP:
            return
        last = page[-1]
        if order_by == "created_at" and newest_first and last.created_at and last.seq:
            query, offset = replace(query, past=(last.created_at, last.seq)), 0
        else:
            offset += len(page)


def json_lines(items: Iterable[Json]) -> Iterator[bytes]:
    """Yield each item as a line of JSON."""
    for item in items:
        yield json.dumps(item, default=str).encode() + b"\n"


def json_object(name: str, items: Iterable[Json], others: Json) -> Iterator[bytes]:
    """Yield a JSON object in pieces: first the list of items under `name`, then the members of `others`."""
    yield b'{"%s": [' % name.encode()
    separator = b""
    for item in items:
        yield separator + json.dumps(item, default=str).encode()
        separator = b", "
    yield b"]" + (b", " + json.dumps(others, default=str).encode()[1:] if others else b"}")
