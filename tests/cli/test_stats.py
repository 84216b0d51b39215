"""`autolog stats`."""

from __future__ import annotations

import json

from commands import output

from autolog._record.record import Record
from autolog.stores._contract import Store


def test_stats(store: Store) -> None:
    assert "gpt-4o" in output("stats")
    rows = [json.loads(line) for line in output("stats", "--by", "status", "--json").splitlines()]
    assert {row["group"]: row["calls"] for row in rows} == {"error": 1, "ok": 1}
    for group in ("day", "hour", "user", "provider", "session", "name", "kind", "error_type"):
        output("stats", "--by", group)


def test_times_come_in_order_with_a_total(store: Store) -> None:
    lines = output("stats", "--by", "day").splitlines()
    assert lines[-1].split()[:3] == ["total", "2", "1"]
    days = [line.split()[0] for line in lines[2:-2]]
    assert days == sorted(days)
    for group in ("project", "week", "month", "prompt_name"):
        output("stats", "--by", group)


def test_errors_are_a_share_of_all_calls(store: Store) -> None:
    store.write([Record(id=f"m{n}", kind="llm", request_model="m", response_model="m-1") for n in range(3)])
    assert "1 (25.0%)" in next(line for line in output("stats").splitlines() if line.startswith("m "))
