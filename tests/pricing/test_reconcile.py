"""A month of calls with planted differences: all are found, none is invented."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from autolog._pricing.reconcile import Sums, anthropic_report, compare, csv_report, logged, openai_report
from autolog._record.record import Record

START, END = date(2026, 11, 1), date(2026, 12, 1)
MODELS = ("gpt-4o-2024-08-06", "gpt-4o-mini")
#: What is planted: the day and the model, the verdict, and a word of the reason.
PLANTED = {
    ("2026-11-03", "gpt-4o"): ("missing", "another program or key"),
    ("2026-11-05", "gpt-4o-mini"): ("unbilled", "may lag"),
    ("2026-11-09", "gpt-4o"): ("dearer", "more tokens"),
    ("2026-11-12", "gpt-4o-mini"): ("dearer", "dearer tier"),
    ("2026-11-17", "gpt-4o"): ("cheaper", "batch"),
    ("2026-11-21", "gpt-4o-mini"): ("cheaper", "fewer tokens"),
    ("2026-11-24", "gpt-4o"): ("dearer", "no known cost"),
}


def month() -> list[Record]:
    """Our side: ten calls of each model on each day."""
    records = []
    for day in range(1, 31):
        for model in MODELS:
            name = model.removesuffix("-2024-08-06")
            if PLANTED.get((f"2026-11-{day:02}", name), ("",))[0] == "missing":
                continue
            for number in range(10):
                record = Record(id=f"{day}-{model}-{number}", response_model=model, cost=0.01,
                                created_at=datetime(2026, 11, day, number * 2, tzinfo=UTC))  # fmt: skip
                record.usage_input_tokens, record.usage_output_tokens = 900, 100
                if (day, name, number) == (24, "gpt-4o", 0):
                    record.cost = None
                records.append(record)
    return records


def theirs(day: int, model: str) -> tuple[float, int]:
    """The provider's side: dollars and tokens of a day."""
    verdict, reason = PLANTED.get((f"2026-11-{day:02}", model.removesuffix("-2024-08-06")), ("", ""))
    return {
        ("unbilled", "may lag"): (0.0, 0),
        ("dearer", "more tokens"): (0.13, 13_000),
        ("dearer", "dearer tier"): (0.2, 10_000),
        ("cheaper", "batch"): (0.05, 10_000),
        ("cheaper", "fewer tokens"): (0.08, 8_000),
    }.get((verdict, reason), (0.1, 10_000))


def paged(buckets: Callable[[str, int], dict[str, Any]]) -> Any:
    """Return what fetches seven days at a time."""

    def fetch(path: str, parameters: list[tuple[str, str]]) -> dict[str, Any]:
        first = int(dict(parameters).get("page", "1"))
        days = range(first, min(first + 7, 31))
        more = days.stop < 31
        data = [buckets(path, day) for day in days]
        return {"data": data, "has_more": more, "next_page": str(days.stop) if more else None}

    return fetch


def openai_bucket(path: str, day: int) -> dict[str, Any]:
    results: list[dict[str, Any]] = []
    for model in MODELS:
        cost, tokens = theirs(day, model)
        if path.endswith("/costs") and cost:
            results += [
                {"amount": {"value": cost / 2, "currency": "usd"}, "line_item": f"{model}, {part}"}
                for part in ("input", "output")
            ]
        elif path.endswith("/usage/completions") and tokens:
            results.append(
                {"model": model, "input_tokens": tokens - 1000, "output_tokens": 1000, "num_model_requests": 10}
            )
    return {"start_time": int(datetime(2026, 11, day, tzinfo=UTC).timestamp()), "results": results}


def anthropic_bucket(path: str, day: int) -> dict[str, Any]:
    results: list[dict[str, Any]] = []
    for model in MODELS:
        cost, tokens = theirs(day, model)
        if path.endswith("/cost_report") and cost:
            results.append({"amount": str(cost * 100), "currency": "USD", "model": model, "description": "Usage"})
        elif path.endswith("/usage_report/messages") and tokens:
            results.append({"model": model, "uncached_input_tokens": tokens - 1000, "cache_read_input_tokens": 500,
                            "cache_creation": {"ephemeral_5m_input_tokens": 400}, "output_tokens": 100})  # fmt: skip
    return {"starting_at": f"2026-11-{day:02}T00:00:00Z", "results": results}


@pytest.mark.parametrize(("report", "bucket"), [(openai_report, openai_bucket), (anthropic_report, anthropic_bucket)])
def test_every_planted_difference_is_found_and_none_invented(report: Any, bucket: Any) -> None:
    lines = compare(logged(month()), report(paged(bucket), START, END))
    assert len(lines) == 60
    found = {(line.day, line.model): line for line in lines if line.verdict != "agreed"}
    assert found.keys() == PLANTED.keys()
    for key, (verdict, reason) in PLANTED.items():
        assert found[key].verdict == verdict
        assert reason in found[key].reason


def test_a_downloaded_report_is_read_by_its_columns() -> None:
    rows = [{"date": "2026-11-01", "model": "gpt-4o-2024-08-06", "cost_usd": "$0.04"},
            {"date": "2026-11-01", "model": "gpt-4o", "cost_usd": "0.06"}]  # fmt: skip
    sums: Sums = csv_report(rows)
    assert {key: total.cost for key, total in sums.items()} == {("2026-11-01", "gpt-4o"): pytest.approx(0.1)}
    with pytest.raises(ValueError, match="no column is called date"):
        csv_report([{"when": "1"}])


def test_rounding_is_no_difference() -> None:
    record = Record(id="1", response_model="m", cost=1.0, created_at=datetime(2026, 11, 1, tzinfo=UTC))
    for billed, verdict in ((1.004, "agreed"), (1.01, "dearer")):
        (line,) = compare(logged([record]), csv_report([{"date": "2026-11-01", "model": "m", "cost": str(billed)}]))
        assert line.verdict == verdict
