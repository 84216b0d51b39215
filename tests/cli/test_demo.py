"""`autolog demo`."""

from __future__ import annotations

import json
from pathlib import Path

from commands import output

import autolog


def test_demo(tmp_path: Path) -> None:
    printed = output("demo")
    for text in ("plan_trip", "get_weather", "chat gpt-4o-mini", "chat claude-sonnet-5", "404", "autolog show "):
        assert text in printed
    autolog.shutdown()
    records = [json.loads(line) for line in output("logs", "--json").splitlines()]
    assert len(records) == 11
    assert {record["trace_id"] for record in records} == {records[0]["trace_id"]}
    assert {record["user"] for record in records} == {"user:1"}
    tool = next(record for record in records if record["kind"] == "tool")
    plan = next(record for record in records if record["name"] == "App.plan_trip")
    assert tool["parent_span_id"] == plan["span_id"]
    priced = [record for record in records if record["kind"] == "llm" and record["status"] == "ok"]
    assert len(priced) == 3
    assert all(record["cost"] > 0 for record in priced)
    for record in records:
        output("show", record["id"])
