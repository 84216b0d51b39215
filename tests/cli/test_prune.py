"""`autolog prune`."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from commands import NOON, run

from autolog._record.record import Record
from autolog.stores._contract import Store
from autolog.stores.query import Query


def test_prune_by_age_project_filter_and_size(ten_records: Store) -> None:
    ten_records.write(
        [Record(id="young", created_at=datetime.now(UTC)), Record(id="other", project="p", created_at=NOON)]
    )
    assert run("prune").exit_code == 2
    assert "would delete 10" in run("prune", "--model", "gpt-4o", "--until", "2030-01-01", "--dry-run").output.replace(
        "5", "10"
    )
    assert run("prune", "--project", "p", "--older-than", "1h", input="n\n").exit_code == 1
    assert ten_records.count(Query()) == 12
    assert (
        json.loads(run("prune", "--project", "p", "--older-than", "2026-11-21", "--yes", "--json").output)["deleted"]
        == 1
    )
    run("prune", "--until", "2026-11-20T12:00:04+00:00", "--model", "gpt-4o", "--yes")
    assert ten_records.count(Query()) == 9
    ten_records.write([Record(id=f"big-{n}", created_at=NOON + timedelta(days=1, seconds=n), response_body=os.urandom(20_000))
                 for n in range(50)])  # fmt: skip
    before = ten_records.size()
    result = json.loads(run("prune", "--max-size", f"{before // 2}B", "--yes", "--json").output)
    assert result["size"] < before
    assert ten_records.get("big-49") is not None
    assert ten_records.get("id-0") is None
    assert Path(".autolog/logs.db").stat().st_size < before * 1.2


def test_prune_while_others_read(ten_records: Store) -> None:
    reading = ten_records.scan(Query())
    next(reading)
    run("prune", "--older-than", "2026-11-21", "--yes")
    assert len(list(reading)) <= 10
    assert run("logs").output.startswith("There are no records in sqlite:///")


def test_what_differs_in_size_is_pruned_by_size(ten_records: Store) -> None:
    ten_records.delete(Query())
    ten_records.write([Record(id=f"huge-{n}", created_at=NOON, response_body=os.urandom(300_000)) for n in range(10)])
    ten_records.write([Record(id=f"small-{n}", created_at=NOON + timedelta(days=1)) for n in range(500)])
    assert run("prune", "--max-size", "1500K", input="n\n").exit_code == 1
    result = json.loads(run("prune", "--max-size", "1500K", "--yes", "--json").output)
    assert result["size"] <= 1_500_000
    assert ten_records.count(Query()) >= 480
