"""`with autolog.span(...)`: each span is one record at its place in the trace."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from autolog import autolog
from autolog._capture.span import describe_error
from autolog.testing import Records


def body(data: bytes | None) -> Any:
    return None if data is None else json.loads(data)


def test_spans_nest(records: Records) -> None:
    with autolog.span("outer", kind="chain", model="m") as outer:
        with autolog.span("inner") as inner:
            assert autolog.current_span() is inner
            inner.set(documents=12, input={"q": "why"}, output=["because"])
        assert autolog.traceparent() == f"00-{outer.trace_id}-{outer.span_id}-01"
    assert autolog.current_span() is None
    first, second = records
    assert (first.name, first.parent_span_id, first.trace_id) == ("inner", outer.span_id, outer.trace_id)
    assert first.metadata == {"documents": 12}
    assert (body(first.request_body), body(first.response_body)) == ({"q": "why"}, ["because"])
    assert (second.kind, second.metadata, second.parent_span_id) == ("chain", {"model": "m"}, None)


def test_async_spans_and_errors(records: Records) -> None:
    async def main() -> None:
        async with autolog.span("a"):
            raise LookupError("gone")

    with pytest.raises(LookupError):
        asyncio.run(main())
    (record,) = records
    assert (record.error_type, record.error_message) == ("LookupError", "gone")


def test_what_is_set_is_copied_and_adds_up(records: Records) -> None:
    found = ["a"]
    with autolog.span("s", first=1) as span:
        assert span.set(found=found) is span
        found.append("b")
        span.set(first=2, output="done")
    (record,) = records
    assert record.metadata == {"first": 2, "found": ["a"]}
    assert body(record.response_body) == "done"


def test_a_span_ends_once(records: Records) -> None:
    span = autolog.span("s")
    span.end()
    span.end(ValueError("late"))
    assert [(record.name, record.status) for record in records] == [("s", "ok")]


def test_time_runs_from_where_it_is_entered(records: Records) -> None:
    span = autolog.span("s")
    time.sleep(0.05)
    with span:
        pass
    assert (records[0].duration or 0) < 0.05


def test_inside_a_private_span_only_metrics_are_recorded(records: Records) -> None:
    with autolog.span("outer", capture_bodies=False) as outer:
        outer.set(input="secret")
        with autolog.span("inner") as inner:
            inner.set(output="secret", note="kept")
    with autolog.span("after") as after:
        after.set(output="open")
    assert [(record.name, record.request_body, record.response_body) for record in records] == [
        ("inner", None, None), ("outer", None, None), ("after", None, b'"open"'),
    ]  # fmt: skip
    assert records[0].metadata == {"note": "kept"}


def test_an_error_without_a_readable_message_keeps_its_type() -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise SystemExit

    assert describe_error(Rude()) == (f"{__name__}.{Rude.__qualname__}", "")
    assert describe_error(KeyError("k")) == ("KeyError", "'k'")
