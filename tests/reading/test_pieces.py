"""Pieces of bodies: messages that come one by one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autolog._reading.pieces import add_piece, join_pieces
from autolog._record.record import Record, merge

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def piece(text: str, seconds: float | None, **fields: Any) -> Record:
    record = Record(id="call", **fields)
    at = None if seconds is None else NOON + timedelta(seconds=seconds)
    add_piece(record, text, at, "messages", [{"role": "user", "content": text}])
    return record


def texts(record: Record) -> list[str]:
    return [message["content"] for message in json.loads(record.request_body or b"")["messages"]]


@pytest.mark.parametrize(
    ("pieces", "joined"),
    [
        ([("b", 2), ("a", 1), ("c", 2.5)], ["a", "b", "c"]),
        ([("b", 1), ("a", 1), ("b", 1)], ["b", "a"]),
        ([("b", None), ("a", None)], ["b", "a"]),
    ],
    ids=["by time", "twice", "without a time"],
)
def test_pieces_are_joined_in_order_and_once(pieces: list[tuple[str, float | None]], joined: list[str]) -> None:
    record = Record(id="call")
    for text, seconds in pieces:
        merge(record, piece(text, seconds))
        join_pieces(record)
    assert (texts(record), record.input_preview) == (joined, joined[-1])


def test_a_record_without_pieces_is_left_alone() -> None:
    record = Record(id="call", request_body=b"{}", input_preview="as it was told")
    join_pieces(record)
    assert record == Record(id="call", request_body=b"{}", input_preview="as it was told")


def test_what_else_a_record_says_stays() -> None:
    record = piece(
        "a", 1, cost=0.5, cost_details={"certainty": "exact"}, usage_input_tokens=9, name="ask", kind="chain"
    )
    join_pieces(record)
    assert (record.cost, record.usage_input_tokens, record.name, record.kind) == (0.5, 9, "ask", "chain")
