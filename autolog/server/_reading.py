"""Reading of many records with their bodies, a few at a time, however large they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from autolog._record.record import Record
from autolog.dialects._fault import Fault, Json
from autolog.stores._contract import Store
from autolog.stores.query import Query

#: Records per query; queries do not include bodies.
LOOK_UP = 200
#: The most bytes of bodies that are read for a reply that does not come in pieces, and for a part of it. Bodies may
#: compress to a thousandth of their size, so that a small store can have more than fit into memory.
REPLY_BYTES, GROUP_BYTES = 64 * 1024 * 1024, 8 * 1024 * 1024


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


def body_size(record: Record) -> int:
    """Return the size of a record's bodies, in bytes."""
    return len(record.request_body or b"") + len(record.response_body or b"")


def in_groups(store: Store, records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield records with their bodies, in groups of at most `GROUP_BYTES`, or of a single record."""
    group: list[Record] = []
    size = 0
    for record in store.with_bodies(records):
        size += body_size(record)
        if group and size > GROUP_BYTES:
            yield group
            group, size = [], body_size(record)
        group.append(record)
    if group:
        yield group


def in_one_reply(store: Store, records: Iterable[Record]) -> list[Record]:
    """Return records with their bodies.

    Raises:
        Fault: 413, if they are several, and have more than `REPLY_BYTES`.
    """
    found: list[Record] = []
    size = 0
    for record in store.with_bodies(records):
        size += body_size(record)
        if found and size > REPLY_BYTES:
            raise too_much()
        found.append(record)
    return found


def too_much() -> Fault:
    """Return the fault for a reply that would have too many bytes of bodies."""
    return Fault(413, f"the reply would have more than {REPLY_BYTES >> 20} MiB of bodies; ask for fewer logs at once")


# While a client takes a piece, which is counted, nothing else of its record is to be in memory. `map` refers to an item
# only as long as it is called, a loop or a generator expression until the next item.


def json_lines(items: Iterable[Json]) -> Iterator[bytes]:
    """Yield each item as a line of JSON."""
    return map(b"%s\n".__mod__, map(_json, items))


def json_object(name: str, items: Iterable[Json], others: Json) -> Iterator[bytes]:
    """Yield a JSON object in pieces: first the list of items under `name`, then the members of `others`."""
    texts = map(_json, items)
    yield b'{"%s": [' % name.encode()
    yield next(texts, b"")
    yield from map(b", %s".__mod__, texts)
    yield b"]" + (b", " + _json(others)[1:] if others else b"}")


def encode_json(data: Any) -> bytes:
    """Encode JSON; of a long list one item after another, because Python's encoder lets no other thread run meanwhile.

    A value of the object may be an iterator, too, so that its items need not be in memory together.
    """
    if isinstance(data, dict) and all(isinstance(name, str) for name in data):
        return b"{%s}" % b", ".join(b"%s: %s" % (_json(name), _value(value)) for name, value in data.items())
    return _value(data)


def _value(data: Any) -> bytes:
    return b"[%s]" % b", ".join(map(_json, data)) if isinstance(data, (list, Iterator)) else _json(data)


def _json(data: Any) -> bytes:
    return json.dumps(data, default=str).encode()
