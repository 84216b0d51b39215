"""Splitting streams into events, however they are framed and wherever they are cut off."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from wire import aws_frame

from autolog._record.streams import is_stream, read_events, to_utf8

ONE, TWO = {"n": 1, "text": "x,]}\n{"}, {"n": 2, "inner": {"list": [1, {"a": 2}]}}
AWS = "application/vnd.amazon.eventstream"


def dump(*values: Any) -> list[bytes]:
    return [json.dumps(value).encode() for value in values]


SSE = b"".join(b"data: %s\n\n" % item for item in dump(ONE, TWO))
LINES = b"".join(b"%s\n" % item for item in dump(ONE, TWO))
ARRAY = b"[" + b",\r\n".join(dump(ONE, TWO)) + b"]"


@pytest.mark.parametrize(
    ("body", "kind"),
    [(SSE, "text/event-stream"), (SSE, ""), (LINES, "application/x-ndjson"), (LINES, ""), (LINES, "application/stream+json"),
     (ARRAY, "application/json"), (SSE.replace(b"\n", b"\r\n"), "text/event-stream"), (b": hello\n\n" + SSE, ""),
     (b"id:1\nevent:result\n:HTTP_STATUS/200\n" + SSE.replace(b"data: ", b"data:"), ""),
     (b"".join(b"\x1e%s\n" % item for item in dump(ONE, TWO)), "application/json-seq")],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_framing_gives_the_same_events(body: bytes, kind: str, encoding: str) -> None:
    coded = body.decode().encode(encoding)
    assert [event.data for event in read_events(coded, kind)] == [ONE, TWO]
    assert is_stream(coded, kind) is (body is not ARRAY)


@pytest.mark.parametrize("body", [SSE, LINES, ARRAY])
def test_a_stream_cut_off_keeps_its_whole_events(body: bytes) -> None:
    counts = [len(read_events(body[:length], "")) for length in range(len(body) + 1)]
    assert counts == sorted(counts)
    assert {0, 1, 2} == set(counts)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"a": 1}\n', b'{\n  "a": 1\n}', b"[1]", b'"data: x"', b"\x00\x01", b"text\ntext"]
)
def test_a_single_value_is_no_stream(body: bytes) -> None:
    assert not is_stream(body, "application/json")


def test_frames_of_aws_have_their_names_in_their_headers() -> None:
    wrapped = {"bytes": base64.b64encode(b'{"type": "message_stop"}').decode(), "p": "abc"}
    body = (
        aws_frame({"role": "assistant"}, message_type="event", event_type="messageStart")
        + aws_frame(wrapped, event_type="chunk")
        + aws_frame({"message": "slow down"}, message_type="exception", exception_type="throttlingException")
    )
    events = read_events(body, AWS)
    assert [event.name for event in events] == ["messageStart", "message_stop", "error"]
    assert events[2].data["error"] == {"type": "throttlingException", "message": "slow down"}
    for length in range(len(body)):
        assert len(read_events(body[:length], AWS)) < 3


def test_bytes_that_are_no_utf_8_are_read_as_what_they_are() -> None:
    assert to_utf8('{"a": "é"}'.encode("utf-16-le")) == '{"a": "é"}'.encode()
    assert to_utf8(b'{"a": "\xff"}') == b'{"a": "\xff"}'


def test_events_without_the_blank_line_between_them_are_told_apart() -> None:
    body = b"".join(b"data: %s\n" % item for item in dump(ONE, TWO))
    assert [event.data for event in read_events(body, "text/event-stream")] == [ONE, TWO]


def test_data_over_several_lines_is_one_event() -> None:
    assert [event.data for event in read_events(b'event: x\ndata: {"a":\ndata: 1}\n\n', "text/event-stream")] == [
        {"a": 1}
    ]


def test_an_error_in_place_of_data_is_an_event() -> None:
    body = b'error: {"code": 500, "message": "out of slots"}\n\n'  # as llama.cpp's server ends a stream
    assert is_stream(body, "text/plain")
    assert [(event.name, event.data["message"]) for event in read_events(body, "")] == [("error", "out of slots")]


@pytest.mark.parametrize("kind", ["text/event-stream", AWS])
def test_one_object_is_no_stream_whatever_it_is_called(kind: str) -> None:
    assert not is_stream(b' {"error": {"message": "no"}}'.strip(), kind)


def test_json_lines_under_another_name_are_a_stream() -> None:
    assert is_stream(LINES, "text/event-stream")
    assert [event.data for event in read_events(LINES, "text/event-stream")] == [ONE, TWO]
