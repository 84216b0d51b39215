"""The tools with which agents read logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp_clients import LONG, failed_run

from autolog._display import tools
from autolog._display.tools import Logs, ToolError
from autolog._record.record import Record
from autolog.stores import open_store, sql
from autolog.stores.lookup import find_by_part, with_whole_trace
from autolog.stores.query import Query


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    store = open_store(f"sqlite:///{tmp_path}/logs.db")
    store.write(failed_run())
    project = Query({"project": "default"})
    return Logs(
        store, "default", lambda part: find_by_part(store, part, project),
        lambda query: with_whole_trace(store, query),
        lambda statement, query, rows: sql.select(store, statement, query, rows=rows),
    )  # fmt: skip


def ask(logs: Logs, tool: str, **arguments: Any) -> str:
    return tools.call(tool, arguments, logs)


def test_find_gives_a_line_for_a_record_and_says_that_there_are_more(logs: Logs) -> None:
    lines = ask(logs, "find", limit=5).splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("run-039 11-20T12:01:18 chat gpt-4o ERROR invalid_request 9,000 → 20 $0.01 1.50 s")
    assert lines[-1].startswith("… more")
    assert ask(logs, "find", model="none") == "nothing matches"
    with pytest.raises(ToolError, match="is not a time such as"):
        ask(logs, "find", since="soon")


def test_show_lists_beginnings_and_gives_a_whole_part_in_pieces(logs: Logs) -> None:
    shown = ask(logs, "show", id="039")
    assert f"({len(LONG):,} chars)" in shown
    first = ask(logs, "show", id="run-039", part="0")
    assert first.endswith("more characters: offset=4000")
    assert ask(logs, "show", id="run-039", part="0", offset=len(LONG) - 10) == LONG[-10:]
    assert '"model": "gpt-4o"' in ask(logs, "show", id="run-039", part="request")[:100]
    assert ask(logs, "show", id="run-039", part="error") == "invalid_request: refund id must be a text"
    with pytest.raises(ToolError, match="part: a number below 4"):
        ask(logs, "show", id="run-039", part="99")
    with pytest.raises(ToolError, match="several ids match"):
        ask(logs, "show", id="run-")
    with pytest.raises(ToolError, match="no record has an id like"):
        ask(logs, "show", id="elsewhere")


def test_a_long_trace_keeps_its_errors(logs: Logs) -> None:
    more = [
        Record(id=f"x{n}", trace_id="a" * 32, span_id=f"f{n:015x}", parent_span_id="0" * 16, kind="tool", name="look",
               created_at=failed_run()[0].created_at)
        for n in range(300)
    ]  # fmt: skip
    logs.store.write(more)  # type: ignore[attr-defined]
    lines = ask(logs, "trace", id="run-root").splitlines()
    assert len(lines) == 101
    assert any("refund id must be a text" in line for line in lines)
    assert lines[-1] == "… 241 of 341 spans without errors are left out"


def test_diff_shows_only_what_differs(logs: Logs) -> None:
    lines = ask(logs, "diff", left="run-029", right="run-030").splitlines()
    assert [line for line in lines if line.startswith("-")] == ["- tool result page 29", "- step 29"]
    assert [line for line in lines if line.startswith("+")] == ["+ tool result refund id: null", "+ step 30"]
    assert not any("thirty days" in line for line in lines)


def test_text_of_logs_cannot_command_a_terminal(logs: Logs) -> None:
    logs.store.write([Record(id="evil", name="\x1b[2J\u202e")])  # type: ignore[attr-defined]
    assert "\x1b" not in ask(logs, "find")
    assert "\u202e" not in ask(logs, "show", id="evil")


def test_why_a_run_failed_takes_few_characters(logs: Logs) -> None:
    """Follow an agent's path: find the failure, read the call, read the tool's result."""
    steps = [
        ask(logs, "find", status="error"),
        ask(logs, "trace", id="run-root"),
        ask(logs, "show", id="run-039"),
        ask(logs, "sql", select="select id, text from messages where role = 'tool' and text like '%refund id%'"),
    ]
    assert "run-030 | refund id: null" in steps[-1]
    assert sum(map(len, steps)) < 8_000  # all requests of the trace are a million
