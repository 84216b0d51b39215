"""Reading many records with their bodies, a few at a time, however large they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from autolog._record.record import Record
from autolog.dialects._fault import Json
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

#: How many records are looked up at once; their bodies are not among it.
LOOK_UP = 200
#: How many bodies are fetched at once from a database across the network, where each question costs more than a body.
FAR = 8


def read_whole(
    store: Store,
    query: Query,
    limit: int,
    offset: int = 0,
    newest_first: bool = True,
    order_by: str = "created_at",
) -> Iterator[Record]:
    """Yield records with their bodies in order, and hold no more than a few of the bodies at once."""
    together = 1 if store.writers == 1 else FAR
    while limit > 0:
        page = store.find(query, min(limit, LOOK_UP), offset, newest_first, order_by)
        for begin in range(0, len(page), together):
            yield from _with_bodies(store, page[begin : begin + together])
        limit -= len(page)
        if len(page) < LOOK_UP:
            return
        last = page[-1]
        if order_by == "created_at" and newest_first and last.created_at and last.seq:
            query, offset = replace(query, past=(last.created_at, last.seq)), 0
        else:
            offset += len(page)


def _with_bodies(store: Store, records: list[Record]) -> Iterator[Record]:
    """Yield records again with their bodies; those that were deleted meanwhile are left out."""
    for project in dict.fromkeys(record.project for record in records):
        ids = tuple(record.id for record in records if record.project == project)
        query = Query({"project": project}, conditions=(Condition("id", "eq", ids),))
        found = {record.id: record for record in store.find(query, len(ids), bodies=True)}
        yield from (found.pop(record_id) for record_id in ids if record_id in found)


def json_lines(items: Iterable[Json]) -> Iterator[bytes]:
    """Yield each item as a line of JSON."""
    for item in items:
        yield json.dumps(item, default=str).encode() + b"\n"


def json_object(name: str, items: Iterable[Json], others: Json) -> Iterator[bytes]:
    """Yield a JSON object in pieces: a list of items under a name, and then the other members."""
    yield b'{"%s": [' % name.encode()
    separator = b""
    for item in items:
        yield separator + json.dumps(item, default=str).encode()
        separator = b", "
    yield b"]" + (b", " + json.dumps(others, default=str).encode()[1:] if others else b"}")
