"""Messages of a call that come one by one, perhaps in several requests: pieces of its bodies.

A record has its pieces in `extra`, each under a key of its own, to which a later record of the same id adds its own. So
the same piece that comes twice is one, and the store that merged two records makes the bodies of all pieces, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from autolog._reading.describe import describe
from autolog._reading.messages import Message, request_messages, response_messages
from autolog._record.bodies import decode_object, encode_json
from autolog._record.media import note_media
from autolog._record.record import PIECE, Record

#: In which list of which body a piece's messages or choices are, and how such a body is read.
_LISTS: dict[str, tuple[str, Callable[[Any], list[Message]]]] = {
    "messages": ("request_body", request_messages),
    "choices": ("response_body", response_messages),
}


def add_piece(record: Record, name: str, at: datetime | None, where: str, items: list[Any]) -> None:
    """Add a piece to a record.

    Args:
        name: tells pieces apart. at: when it was said.
        where: `messages` (of the request) or `choices` (of the response). items: these, as the body has them.
    """
    when = "" if at is None else at.isoformat(timespec="microseconds")
    record.extra = {**record.extra, PIECE + name: {"at": when, where: items}}


def join_pieces(record: Record) -> None:
    """Make a record's bodies of all its pieces, by time and then by arrival, and describe them anew.

    A body that says as much or more is kept: the span's own, or the one that was captured.
    """
    pieces = [value for key, value in record.extra.items() if key.startswith(PIECE)]
    pieces.sort(key=lambda piece: str(piece["at"]))
    changed = False
    for where, (field, read) in _LISTS.items():
        items = [item for piece in pieces for item in piece.get(where, ())]
        if where == "choices":
            items = [{**choice, "index": number} for number, choice in enumerate(items)]
        known = decode_object(getattr(record, field)) or {}
        if not items or _extent(read({where: items})) <= _extent(read(known)):
            continue
        kept = {key: value for key, value in known.items() if key != "system"}  # it is among the messages
        setattr(record, field, encode_json({**kept, where: items}))
        changed = True
    reasons = [str(reason) for choice in _choices(pieces) if (reason := choice.get("finish_reason"))]
    if not changed:
        record.response_finish_reasons = record.response_finish_reasons or reasons or None
        return
    record.input_preview = record.output_preview = record.tool_calls = None
    if reasons:
        record.response_finish_reasons = None
    describe(record)
    note_media(record)


def _choices(pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [choice for piece in pieces for choice in piece.get("choices", ())]


def _extent(messages: list[Message]) -> tuple[int, int]:
    """Return how much is said: the number of messages, and the length of their parts."""
    return len(messages), sum(
        len(encode_json([part.text, part.value])) for message in messages for part in message.parts
    )
