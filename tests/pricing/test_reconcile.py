"""A month of calls with planted differences: all are found, and no others are reported."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from autolog._pricing.reconcile import compare, logged
from autolog._pricing.reports import anthropic_report, csv_report, openai_report
from autolog._record.record import Record

START, END = date(2026, 11, 1), date(2026, 12, 1)
MODELS = ("gpt-4o-2024-08-06", "gpt-4o-mini")
#: The last characters of the keys, and their names; then a key of another program.
KEYS = {"AAAA": "ci", "BBBB": "web"}
ELSEWHERE = ("ZZZZ", "notebook")
#: The planted differences: the day and the model, the verdict, and words of the reason. All are of the first key.
PLANTED = {
    ("2026-11-03", "gpt-4o"): ("missing", "another program or key"),
    ("2026-11-05", "gpt-4o-mini"): ("unbilled", "may lag"),
    ("2026-11-09", "gpt-4o"): ("dearer", "more tokens"),
    ("2026-11-12", "gpt-4o-mini"): ("dearer", "more expensive tier"),
    ("2026-11-17", "gpt-4o"): ("cheaper", "batch"),
    ("2026-11-21", "gpt-4o-mini"): ("cheaper", "fewer tokens"),
    ("2026-11-24", "gpt-4o"): ("dearer", "no known cost"),
}
#: The day on which another program spends with another key.
OTHERS = ("2026-11-27", "gpt-4o")


def name(model: str) -> str:
    return model.removesuffix("-2024-08-06")


def month(hints: bool = True) -> list[Record]:
    """Return our records: ten calls of each model with each key on each day."""
    records = []
    for day in range(1, 31):
        for model in MODELS:
            for end in KEYS:
                if end == "AAAA" and PLANTED.get((f"2026-11-{day:02}", name(model)), ("",))[0] == "missing":
                    continue
                for number in range(10):
                    record = Record(id=f"{day}-{model}-{end}-{number}", response_model=model, cost=0.01,
                                    created_at=datetime(2026, 11, day, number * 2, tzinfo=UTC))  # fmt: skip
                    record.usage_input_tokens, record.usage_output_tokens = 900, 100
                    record.request_meta = {"key_hint": end} if hints else {}
                    if (day, name(model), number, end) == (24, "gpt-4o", 0, "AAAA"):
                        record.cost = None
                    records.append(record)
    return records


def provider_report(day: int, model: str, end: str) -> tuple[float, int]:
    """Return the provider's report: dollars and tokens of a day and a key."""
    place = (f"2026-11-{day:02}", name(model))
    if end == "ZZZZ":
        return (0.07, 7_000) if place == OTHERS else (0.0, 0)
    verdict, reason = PLANTED.get(place, ("", "")) if end == "AAAA" else ("", "")
    return {
        ("unbilled", "may lag"): (0.0, 0),
        ("dearer", "more tokens"): (0.13, 13_000),
        ("dearer", "more expensive tier"): (0.2, 10_000),
        ("cheaper", "batch"): (0.05, 10_000),
        ("cheaper", "fewer tokens"): (0.08, 8_000),
    }.get((verdict, reason), (0.1, 10_000))


def paged(buckets: Callable[[str, int], dict[str, Any]], lists: dict[str, list[dict[str, Any]]]) -> Any:
    """Return what fetches seven days, or one key, at a time."""

    def fetch(path: str, parameters: list[tuple[str, str]]) -> dict[str, Any]:
        query = dict(parameters)
        if path in lists:
            ids = [entry["id"] for entry in lists[path]]
            after = query.get("after") or query.get("after_id")
            at = ids.index(after) + 1 if after else 0
            page = lists[path][at : at + 1]
            return {"data": page, "has_more": at + 1 < len(ids), "last_id": page[-1]["id"] if page else None}
        assert query["bucket_width"] == "1d"
        first = int(query.get("page", "1"))
        days = range(first, min(first + 7, 31))
        more = days.stop < 31
        data = [buckets(path, day) for day in days]
        return {"data": data, "has_more": more, "next_page": str(days.stop) if more else None}

    return fetch


ALL_KEYS = {**KEYS, ELSEWHERE[0]: ELSEWHERE[1]}


def openai_bucket(path: str, day: int) -> dict[str, Any]:
    results: list[dict[str, Any]] = []
    for model in MODELS:
        for end in ALL_KEYS:
            cost, tokens = provider_report(day, model, end)
            key = {"api_key_id": f"key_{end}"}
            if path.endswith("/costs") and cost:
                results += [
                    {"amount": {"value": cost / 2, "currency": "usd"}, "line_item": f"{model}, {part}", **key}
                    for part in ("input", "output")
                ]
            elif path.endswith("/usage/completions") and tokens:
                results.append(
                    {"model": model, "input_tokens": tokens - 1000, "output_tokens": 1000, "num_model_requests": 10,
                     **key}
                )  # fmt: skip
    return {"start_time": int(datetime(2026, 11, day, tzinfo=UTC).timestamp()), "results": results}


def anthropic_bucket(path: str, day: int) -> dict[str, Any]:
    results: list[dict[str, Any]] = []
    for model in MODELS:
        for end in ALL_KEYS:
            cost, tokens = provider_report(day, model, end)
            if path.endswith("/cost_report") and cost:
                results.append({"amount": str(cost * 100), "currency": "USD", "model": model, "description": "Usage"})
            elif path.endswith("/usage_report/messages") and tokens:
                results.append({"model": model, "uncached_input_tokens": tokens - 1000, "cache_read_input_tokens": 500,
                                "cache_creation": {"ephemeral_5m_input_tokens": 400}, "output_tokens": 100,
                                "api_key_id": f"apikey_{end}"})  # fmt: skip
    return {"starting_at": f"2026-11-{day:02}T00:00:00Z", "results": results}


OPENAI = paged(
    openai_bucket,
    {
        "/v1/organization/projects": [{"id": "proj_1"}, {"id": "proj_2"}],
        "/v1/organization/projects/proj_1/api_keys": [
            {"id": f"key_{end}", "name": of, "redacted_value": f"sk-proj-****{end}"} for end, of in KEYS.items()
        ],
        "/v1/organization/projects/proj_2/api_keys": [
            {"id": "key_ZZZZ", "name": "notebook", "redacted_value": "sk-...ZZZZ"}
        ],
    },
)
ANTHROPIC = paged(
    anthropic_bucket,
    {
        "/v1/organizations/api_keys": [
            {"id": f"apikey_{end}", "name": of, "partial_key_hint": f"sk-ant-api03-R2D...{end}"}
            for end, of in ALL_KEYS.items()
        ]
    },
)


def test_openai_every_planted_difference_is_found_with_its_key_and_none_invented() -> None:
    report = openai_report(OPENAI, START, END)
    lines = compare(logged(month(), report.keys), report)
    assert len(lines) == 30 * 2 * 2 + 1
    found = {(line.day, line.model): line for line in lines if line.verdict != "agreed"}
    assert found.keys() == PLANTED.keys() | {OTHERS}
    for place, (verdict, reason) in PLANTED.items():
        line = found[place]
        assert (line.verdict, line.key) == (verdict, "ci (…AAAA)")
        assert reason in line.reason
    others = found[OTHERS]
    assert (others.verdict, others.key, others.billed) == ("missing", "notebook (…ZZZZ)", pytest.approx(0.07))
    assert "another program uses it" in others.reason


def test_anthropic_every_planted_difference_is_found_and_the_reason_names_the_key() -> None:
    report = anthropic_report(ANTHROPIC, START, END)
    lines = compare(logged(month(), report.keys), report)
    assert len(lines) == 60
    found = {(line.day, line.model): line for line in lines if line.verdict != "agreed"}
    assert found.keys() == PLANTED.keys() | {OTHERS}
    assert "by key: notebook (…ZZZZ) 0 tokens logged, 7,000 billed" in found[OTHERS].reason
    assert "by key: ci (…AAAA) 10,000 tokens logged, 13,000 billed" in found["2026-11-09", "gpt-4o"].reason
    assert "by key" not in found["2026-11-12", "gpt-4o-mini"].reason  # the tokens agree


@pytest.mark.parametrize(("read", "fetch"), [(openai_report, OPENAI), (anthropic_report, ANTHROPIC)])
def test_calls_that_do_not_say_their_key_are_compared_without(read: Any, fetch: Any) -> None:
    report = read(fetch, START, END)
    lines = compare(logged(month(hints=False), report.keys), report)
    assert len(lines) == 60
    found = {(line.day, line.model): line for line in lines if line.verdict != "agreed"}
    assert found.keys() == PLANTED.keys() | {OTHERS}
    assert {line.key for line in lines} == {""}
    assert not any("by key" in line.reason for line in lines)


def test_a_key_that_was_deleted_is_compared_with_the_calls_of_unknown_keys() -> None:
    def fetch(path: str, parameters: list[tuple[str, str]]) -> dict[str, Any]:
        return {"data": []} if path.endswith("/projects") else OPENAI(path, parameters)

    report = openai_report(fetch, START, END)
    lines = compare(logged(month(), report.keys), report)
    assert {line.key for line in lines} == {""}
    assert {(line.day, line.model) for line in lines if line.verdict != "agreed"} == PLANTED.keys() | {OTHERS}


def test_tools_and_storage_are_a_line_of_their_own() -> None:
    def fetch(path: str, parameters: list[tuple[str, str]]) -> dict[str, Any]:
        results: dict[str, list[dict[str, Any]]] = {
            "/v1/organization/costs": [
                {"amount": {"value": 1.0}, "line_item": "gpt-4o, input"},
                {"amount": {"value": 0.25}, "line_item": "web search tool calls"},
                {"amount": {"value": 0.5}, "line_item": "vector store storage"},
                {"amount": {"value": 0.08}, "line_item": "dall-e-3"},
            ],
            "/v1/organization/usage/completions": [{"model": "gpt-4o", "input_tokens": 1000, "output_tokens": 0}],
            "/v1/organization/usage/images": [{"model": "dall-e-3", "images": 2, "num_model_requests": 2}],
            "/v1/organization/usage/vector_stores": [{"usage_bytes": 5_000_000}],
            "/v1/organization/usage/code_interpreter_sessions": [{"num_sessions": 3}],
        }
        listed = path.endswith("/projects")
        return {"data": [] if listed else [{"start_time": 1_793_491_200, "results": results.get(path, [])}]}

    searched = Record(id="1", response_model="gpt-4o", cost=1.25, cost_details={"input": 1.0, "tools": 0.25},
                      created_at=datetime(2026, 11, 1, tzinfo=UTC), usage_input_tokens=1000)  # fmt: skip
    drawn = Record(id="2", response_model="dall-e-3", cost=0.04, created_at=datetime(2026, 11, 1, tzinfo=UTC))
    fetched = openai_report(fetch, START, END)
    lines = {line.model: line for line in compare(logged([searched, drawn], {}), fetched)}
    assert lines["gpt-4o"].verdict == "agreed"
    tools = lines["tools and storage"]
    assert (tools.verdict, tools.logged, tools.billed) == ("dearer", 0.25, 0.75)
    assert "5,000,000 usage bytes, 3 num sessions" in tools.reason
    assert (lines["dall-e-3"].verdict, lines["dall-e-3"].reason) == (
        "dearer", "the provider counts 1 more calls (2 images)")  # fmt: skip


def test_a_downloaded_report_is_read_by_its_columns() -> None:
    rows = [{"date": "2026-11-01", "model": "gpt-4o-2024-08-06", "cost_usd": "$0.04"},
            {"date": "2026-11-01", "model": "gpt-4o", "cost_usd": "0.06"}]  # fmt: skip
    sums = csv_report(rows).sums
    assert {key: total.cost for key, total in sums.items()} == {("2026-11-01", "gpt-4o", ""): pytest.approx(0.1)}
    with pytest.raises(ValueError, match="no column is called date"):
        csv_report([{"when": "1"}])


def test_a_downloaded_report_with_keys_is_compared_by_them() -> None:
    rows = [
        {
            "date": "2026-11-01",
            "model": "gpt-4o",
            "cost": "0.1",
            "api_key_name": "ci",
            "api_key_redacted": "sk-...AAAA",
        },
        {"date": "2026-11-01", "model": "gpt-4o", "cost": "0.7", "api_key_name": "x", "api_key_redacted": "sk-...XXXX"},
    ]
    report = csv_report(rows)
    ours = [record for record in month() if record.id.startswith("1-gpt-4o-2024-08-06-AAAA")]
    lines = compare(logged(ours, report.keys), report)
    assert [(line.key, line.verdict) for line in lines] == [("ci (…AAAA)", "agreed"), ("x (…XXXX)", "missing")]


def test_rounding_is_no_difference() -> None:
    record = Record(id="1", response_model="m", cost=1.0, created_at=datetime(2026, 11, 1, tzinfo=UTC))
    for billed, verdict in ((1.004, "agreed"), (1.01, "dearer")):
        report = csv_report([{"date": "2026-11-01", "model": "m", "cost": str(billed)}])
        (line,) = compare(logged([record], {}), report)
        assert line.verdict == verdict
