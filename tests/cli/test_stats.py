"""`autolog stats`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from commands import NOON, output

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


def test_groups_are_sorted_by_what_is_asked_for(store: Store) -> None:
    store.write([Record(id=f"a{n}", kind="llm", user="many", cost=0.1, duration=9.0) for n in range(3)])
    store.write(
        [Record(id="b", kind="llm", user="dear", cost=50.0, duration=1.0, usage_input_tokens=9, status="error")]
    )

    def first(figure: str) -> str:
        return str(json.loads(output("stats", "--by", "user", "--sort", figure, "--json").splitlines()[0])["group"])

    assert [first(figure) for figure in ("calls", "cost", "latency")] == ["many", "dear", "many"]


def test_a_table_for_a_spreadsheet_runs_no_formula(store: Store) -> None:
    store.write([Record(id="f", kind="llm", user='=cmd|" /C calc"!A0', cost=0.1)])
    rows = list(csv.reader(output("stats", "--by", "user", "--csv").splitlines()))
    assert rows[0][:2] == ["user", "calls"]
    assert ['\'=cmd|" /C calc"!A0', "1"] in [row[:2] for row in rows]


def test_a_chart_has_all_days_and_not_too_many_bars(store: Store, tmp_path: Path) -> None:
    for day in (1, 4):
        store.write([Record(id=f"d{day}", kind="llm", project="p", cost=1.0, created_at=NOON.replace(day=day))])
    assert "wrote" in output("stats", "--by", "day", "--project", "p", "--svg", f"{tmp_path}/c.svg")
    drawn = (tmp_path / "c.svg").read_text()
    assert [word for word in ("2026-11-01: $1.00", "2026-11-02: $0.00", "2026-11-04: $1.00") if word not in drawn] == []
    store.write([Record(id=f"u{n}", kind="llm", user=f"u{n}", cost=1.0) for n in range(150)])
    assert "too many" in output("stats", "--by", "user", "--svg", f"{tmp_path}/u.svg", code=2)
    assert not (tmp_path / "u.svg").exists()
    assert "wrote" in output("stats", "--project", "nobody", "--svg", f"{tmp_path}/empty.svg")


def test_scores_are_summed_up_by_name_and_group(store: Store) -> None:
    store.write([
        Record(id=f"s{n}", kind="llm", request_model="m" if n < 3 else "other", scores={"good": {"value": n / 4}, "kind": n})
        for n in range(4)
    ])  # fmt: skip
    rows = [json.loads(line) for line in output("stats", "--scores", "--json").splitlines()]
    assert {(row["group"], row["name"]): (row["count"], row["mean"]) for row in rows} == {
        ("m", "good"): (3, 0.25), ("m", "kind"): (3, 1.0), ("other", "good"): (1, 0.75), ("other", "kind"): (1, 3.0),
    }  # fmt: skip
    shown = output("stats", "--scores", "--score", "good>0.6")
    assert "other" in shown
    assert "0.75" in shown
    assert not [line for line in shown.splitlines() if line.startswith("m ")]
    assert "No matching record has scores" in output("stats", "--scores", "--user", "nobody")
    assert "not by day" in output("stats", "--scores", "--by", "day", code=2)


def test_a_range_stands_beside_the_one_before(store: Store) -> None:
    for day, model, cost in (
        (10, "old", 1.0),
        (10, "both", 2.0),
        (11, "both", 4.0),
        (11, "new", 8.0),
        (8, "long ago", 99.0),
    ):
        store.write([Record(id=f"c{day}{model}", kind="llm", project="c", request_model=model, cost=cost, duration=1.0,
                            created_at=NOON.replace(day=day), status="error" if model == "new" else "ok")])  # fmt: skip
    arguments = ["stats", "--project", "c", "--since", "2026-11-11", "--until", "2026-11-12", "--compare"]
    lines = {line.split("  ")[0]: line for line in output(*arguments).splitlines()}
    assert "1 → 1" in lines["both"]
    assert "$2.00 → $4.00" in lines["both"]
    assert "– → 100.0%" in lines["new"]
    assert "1 → 0" in lines["old"]
    assert "$3.00 → $12.00" in lines["total"]
    assert "long ago" not in lines
    rows = {row["group"]: row for row in map(json.loads, output(*arguments, "--json").splitlines())}
    assert rows["old"]["now"] is None
    assert rows["both"]["before"]["cost"] == 2.0
    assert "needs a range" in output("stats", "--compare", code=2)
    assert "in both" in output("stats", "--compare", "--since", "1d", "--by", "day", code=2)
    assert (
        output("stats", "--compare", "--since", "1d", "--project", "nobody") == "Nothing in project nobody matches.\n"
    )
