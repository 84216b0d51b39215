"""The context that a call inherits from the code around it."""

from __future__ import annotations

from contextvars import ContextVar, copy_context

import pytest

from autolog._capture.context import EMPTY, Context, RemoteParent, format_traceparent, parse_traceparent, restore

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_context_laid_over_another_adds_tags_and_metadata_and_never_turns_bodies_on() -> None:
    outer = EMPTY.merged("ada", None, ["a"], {"x": 1, "y": 1}, capture_bodies=False)
    inner = outer.merged(None, "s", ["b", "a"], {"y": 2})
    assert inner == Context("ada", "s", ("a", "b"), {"x": 1, "y": 2}, capture_bodies=False)
    assert outer.metadata == {"x": 1, "y": 1}


def test_a_traceparent_is_read_and_written_as_w3c_says() -> None:
    parent = parse_traceparent(f" 00-{TRACE.upper()}-{SPAN}-01 ")
    assert parent == RemoteParent(int(TRACE, 16), int(SPAN, 16))
    assert format_traceparent(parent) == f"00-{TRACE}-{SPAN}-01"
    assert parse_traceparent(f"cc-{TRACE}-{SPAN}-01-what-comes-later") == parent


@pytest.mark.parametrize("header", [
    None, "", "00", f"ff-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE[:-1]}-{SPAN}-01", f"00-{TRACE[:-1]}x-{SPAN}-01", f"00-{TRACE}-{SPAN}-1",
])  # fmt: skip
def test_a_header_that_is_none_is_no_parent(header: str | None) -> None:
    assert parse_traceparent(header) is None


def test_a_variable_is_restored_where_it_was_set_and_left_alone_elsewhere() -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)
    token = variable.set(1)
    copy_context().run(restore, variable, token)
    assert variable.get() == 1
    restore(variable, token)
    assert variable.get() == 0
    restore(variable, None)
