"""`autolog stats`."""

from __future__ import annotations

import json

from commands import output

from autolog.stores._contract import Store


def test_stats(store: Store) -> None:
    assert "gpt-4o" in output("stats")
    rows = [json.loads(line) for line in output("stats", "--by", "status", "--json").splitlines()]
    assert {row["group"]: row["calls"] for row in rows} == {"error": 1, "ok": 1}
    for group in ("day", "hour", "user", "provider", "session", "name", "kind", "error_type"):
        output("stats", "--by", group)
