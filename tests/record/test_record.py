"""Merging records with the same id, in whatever order they arrive."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from autolog._record.record import Record, merge
from autolog.stores import open_store


def test_a_beginning_that_arrives_late_takes_nothing_back(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    ended = Record(
        id="r", response_finish_reasons=["completed"], cost=1.0, response_body=b"{}", extra={"completed": True}
    )
    started = Record(id="r", response_finish_reasons=["queued"], response_body=b'{"status": "queued"}', request_body=b"{}", user="u",
                   created_at=datetime(2026, 11, 1, tzinfo=UTC))  # fmt: skip
    for records in ([ended, started], [started, ended]):
        store.write(records)
        kept = store.get("r")
        assert kept is not None
        assert (kept.cost, kept.response_finish_reasons, kept.response_body, kept.user) == (
            1.0,
            ["completed"],
            b"{}",
            "u",
        )
    merge(kept, Record(id="r", score=1.0))
    assert (kept.score, kept.cost) == (1.0, 1.0)


UNKNOWN = {"certainty": "unknown", "unknown": "no price"}
EXACT = {"certainty": "exact"}


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ((None, UNKNOWN), (1.0, EXACT), (1.0, EXACT)),
        ((None, UNKNOWN), (1.0, None), (1.0, None)),
        ((1.0, EXACT), (None, UNKNOWN), (1.0, EXACT)),
        ((1.0, EXACT), (2.0, None), (2.0, None)),
        ((1.0, EXACT), (1.0, None), (1.0, EXACT)),
        ((1.0, None), (None, UNKNOWN), (1.0, None)),
        ((None, UNKNOWN), (None, None), (None, UNKNOWN)),
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["as it comes", "a beginning that is late"])
def test_a_cost_and_what_is_said_of_it_stay_together(old: Any, new: Any, kept: Any, late: bool) -> None:
    there = Record(id="r", cost=old[0], cost_details=old[1], extra={"completed": True} if late else {})
    merge(there, Record(id="r", cost=new[0], cost_details=new[1], request_body=b"{}"))
    if late and old[0] is not None:  # it fills gaps only
        kept = old
    assert (there.cost, there.cost_details) == kept
