"""Messages of a call that come one by one, perhaps in several requests: pieces of its bodies.

A record has its pieces in `extra`, each under a key of its own, to which a later record of the same id adds its own. So
the same piece that comes twice is one, and the store that merged two records makes the bodies of all pieces, in order.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from autolog._reading.describe import describe
from autolog._record.bodies import decode_object, encode_json
from autolog._record.media import note_media
from autolog._record.record import Record

#: What the keys of pieces begin with.
_PIECE = "piece "
#: In which list of which body a piece's messages or choices are.
_LISTS = {"messages": "request_body", "choices": "response_body"}


def add_piece(record: Record, name: str, at: datetime | None, where: str, items: list[Any]) -> None:
    """Add a piece to a record.

    Args:
        name: tells pieces apart. at: when it was said.
        where: `messages` (of the request) or `choices` (of the response). items: these, as the body has them.
    """
    when = "" if at is None else at.isoformat(timespec="microseconds")
    record.extra = {**record.extra, _PIECE + name: {"at": when, where: items}}


def join_pieces(record: Record) -> None:
    """Make a record's bodies of all its pieces, by time and then by arrival, and describe them anew."""
    pieces = [value for key, value in record.extra.items() if key.startswith(_PIECE)]
    pieces.sort(key=lambda piece: str(piece["at"]))
    changed = False
    for where, field in _LISTS.items():
        items = [item for piece in pieces for item in piece.get(where, ())]
        if where == "choices":
            items = [{**choice, "index": number} for number, choice in enumerate(items)]
        if items and decode_object(getattr(record, field)) != {where: items}:
            setattr(record, field, encode_json({where: items}))
            changed = True
    if not changed:
        return
    record.input_preview = record.output_preview = record.tool_calls = None
    if any(choice.get("finish_reason") for piece in pieces for choice in piece.get("choices", ())):
        record.response_finish_reasons = None
    describe(record)
    note_media(record)
