"""Records from hand-made WebSocket frames: the turns, their input and their output."""

from __future__ import annotations

import json
from typing import Any

from autolog._capture.span import Span
from autolog._capture.websocket import Channel, Frame, Frames
from autolog._processing.websocket import MAX_ITEMS, read_frames
from autolog._record.record import Record

REALTIME, RESPONSES = "wss://api.openai.com/v1/realtime?model=gpt-realtime", "wss://api.openai.com/v1/responses"


class Connection:
    """A connection whose frames are handed over as they are given; spans that end are kept nowhere."""

    def __init__(self, url: str) -> None:
        emit: Any = lambda span: None  # noqa: E731 - as short as it is
        self._emit = emit
        self._channel = Channel(emit, "openai", url)

    def pass_frames(self, *frames: Frame, closed: bool = False) -> list[Record]:
        return read_frames(Frames(self._emit, self._channel, list(frames), closed))

    def sent(self, **event: Any) -> Frame:
        span = Span(self._emit, "", "llm") if event["type"] == "response.create" else None
        return Frame(json.dumps(event).encode(), True, span)

    def received(self, **event: Any) -> Frame:
        return Frame(json.dumps(event).encode(), False)


def test_a_turn_has_all_that_was_said_before_it() -> None:
    connection = Connection(REALTIME)
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    before = connection.pass_frames(
        connection.received(type="session.created", session={"instructions": "Be kind."}),
        connection.sent(type="conversation.item.create", item=item),
        connection.sent(type="response.create"),
    )
    (record,) = connection.pass_frames(
        connection.received(type="response.created", response={"id": "r1"}),
        connection.received(type="response.output_text.delta", response_id="r1", delta="Hel"),
        connection.received(type="response.done", response={"id": "r1", "object": "realtime.response", "output": []}),
    )
    assert before == []
    request = json.loads(record.request_body or b"")
    assert (request["model"], request["instructions"], request["input"]) == ("gpt-realtime", "Be kind.", [item])
    assert json.loads(record.response_body or b"")["id"] == "r1"
    assert record.request_stream
    assert record.time_to_first_chunk is not None


def test_the_items_before_a_response_are_bounded() -> None:
    connection = Connection(REALTIME)
    items = [{"type": "message", "id": str(number)} for number in range(MAX_ITEMS + 5)]
    (record,) = connection.pass_frames(
        *[connection.sent(type="conversation.item.create", item=item) for item in items],
        connection.sent(type="response.create"),
        connection.received(type="response.created", response={"id": "r1"}),
        connection.received(type="response.done", response={"id": "r1"}),
    )
    assert json.loads(record.request_body or b"")["input"] == items[5:]


def test_turns_in_several_lanes_do_not_mix() -> None:
    connection = Connection(RESPONSES)
    records = connection.pass_frames(
        connection.sent(type="response.create", stream_id="a", model="m1"),
        connection.sent(type="response.create", stream_id="b", model="m2"),
        connection.received(type="response.created", stream_id="b", response={"id": "r2"}),
        connection.received(type="response.created", stream_id="a", response={"id": "r1"}),
        connection.received(type="response.completed", stream_id="a", response={"id": "r1"}),
        connection.received(type="response.completed", stream_id="b", response={"id": "r2"}),
    )
    pairs = [(json.loads(r.request_body or b"")["model"], json.loads(r.response_body or b"")["id"]) for r in records]
    assert pairs == [("m1", "r1"), ("m2", "r2")]


def test_a_turn_that_is_open_when_the_connection_closes_failed() -> None:
    connection = Connection(RESPONSES)
    (record,) = connection.pass_frames(connection.sent(type="response.create", model="m"), closed=True)
    assert (record.status, record.error_type, record.response_body) == ("error", "ConnectionClosed", None)


def test_seconds_that_nobody_counted_are_estimated_from_the_audio() -> None:
    connection = Connection("wss://api.openai.com/v1/realtime/translations?model=gpt-realtime-translate")
    second = Frame(b"", True, audio=24_000 * 2 * 4 // 3)
    (record,) = connection.pass_frames(
        connection.received(type="session.created", session={"model": "gpt-realtime-translate"}),
        second,
        second,
        closed=True,
    )
    assert json.loads(record.response_body or b"")["usage"] == {"seconds": 2.0}
    assert "24 kHz" in record.extra["usage_estimated"]
