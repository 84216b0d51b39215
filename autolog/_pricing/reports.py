"""Read providers' cost and usage reports, from their APIs or as downloaded CSV.

The formats are as published in 2026-11: OpenAI's as in the types of its SDK 3.57 (`/organization/costs`,
`/organization/usage/*`, `/organization/projects/*/api_keys`), Anthropic's at platform.claude.com/docs/en/api/admin
(`cost_report`, `usage_report/messages`, `api_keys`). OpenAI's amounts are in dollars, Anthropic's in cents as a decimal
string. Anthropic reports tokens by key, but not costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec

#: The model name for anything that is not billed with a model's tokens: searches, containers, stored files.
FEES = "tools and storage"
_DATE = re.compile(r"[-@](\d{4}-\d\d-\d\d|\d{8})$")

#: A function that fetches one page: it takes a path and query parameters, and returns the decoded JSON.
Fetch = Callable[[str, list[tuple[str, str]]], Mapping[str, Any]]


class Sum(msgspec.Struct):
    """The totals of a day, model and key: dollars, and input and output tokens, including cached ones."""

    cost: float = 0.0
    tokens: int = 0
    calls: int = 0
    unknown: int = 0
    """The number of calls whose cost is unknown."""
    others: dict[str, float] = {}
    """Other counts, such as images or seconds, by name."""


#: Sums by day (UTC), model and key; the key is a label in `Report.keys`, or empty if unknown.
Sums = dict[tuple[str, str, str], Sum]


class Report(msgspec.Struct):
    """A provider's report.

    Attributes:
        sums: dollars and tokens by day, model and key.
        keys: labels of the existing keys, by their last characters as the provider shows them.
        costs_by_key: whether the report breaks down costs by key, and not only tokens.
    """

    sums: Sums = msgspec.field(default_factory=dict)
    keys: dict[str, str] = msgspec.field(default_factory=dict)
    costs_by_key: bool = False

    def at(self, when: Any, model: str, key: str = "") -> Sum:
        """Return the sum to add to for a day (a timestamp or an ISO 8601 date), a model and a key."""
        day = datetime.fromtimestamp(when, UTC).date().isoformat() if isinstance(when, int) else str(when)[:10]
        return self.sums.setdefault((day, undated(model), key), Sum())


def undated(model: str) -> str:
    """Return a model's name without the date of its version, which one of the sides may omit."""
    return _DATE.sub("", model)


def label(name: str | None, hint: str) -> tuple[str, str]:
    """Return the last characters of a key, taken from the hint that the provider shows, and a label for the key."""
    end = re.split(r"[.*…]+", hint)[-1][-4:]
    return end, f"{name or 'key'} (…{end})"


# OpenAI

#: OpenAI's usage reports, and what each counts besides requests.
_OPENAI_USAGE = {
    "completions": ("input_tokens", "output_tokens"),
    "embeddings": ("input_tokens",),
    "moderations": ("input_tokens",),
    "images": ("images",),
    "audio_speeches": ("characters",),
    "audio_transcriptions": ("seconds",),
    "vector_stores": ("usage_bytes",),
    "code_interpreter_sessions": ("num_sessions",),
}
_WITHOUT_MODEL = {"vector_stores", "code_interpreter_sessions"}


def openai_report(fetch: Fetch, start: date, end: date) -> Report:
    """Return OpenAI's cost and usage reports from `start` until the day before `end`."""
    ids = _openai_keys(fetch)
    report = Report(keys=dict(ids.values()), costs_by_key=True)
    keys = {key_id: name for key_id, (_, name) in ids.items()}
    times = [
        ("start_time", str(_epoch(start))),
        ("end_time", str(_epoch(end))),
        ("bucket_width", "1d"),
        ("limit", "31"),
    ]
    groups = [("group_by", "model"), ("group_by", "api_key_id")]
    models = set()
    for name, counted in _OPENAI_USAGE.items():
        parameters = [*times, *([] if name in _WITHOUT_MODEL else groups)]
        for bucket in _pages(fetch, f"/v1/organization/usage/{name}", parameters):
            for result in bucket["results"]:
                model = result.get("model") or FEES
                models.add(model)
                total = report.at(bucket["start_time"], model, keys.get(result.get("api_key_id") or "", ""))
                total.calls += result.get("num_model_requests") or 0
                _count(total, result, counted)
    groups = [("group_by", "line_item"), ("group_by", "api_key_id")]
    for bucket in _pages(fetch, "/v1/organization/costs", [*times, *groups]):
        for result in bucket["results"]:
            item, comma, _ = str(result.get("line_item") or "").partition(",")  # such as "gpt-4o, input"
            model = item if comma or item in models else FEES
            key = keys.get(result.get("api_key_id") or "", "")
            report.at(bucket["start_time"], model, key).cost += float(result["amount"]["value"])
    return report


def _count(total: Sum, result: Mapping[str, Any], counted: Iterable[str]) -> None:
    for name in counted:
        if name.endswith("tokens"):
            total.tokens += result.get(name) or 0
        else:
            total.others = {**total.others, name: total.others.get(name, 0) + (result.get(name) or 0)}


def _openai_keys(fetch: Fetch) -> dict[str, tuple[str, str]]:
    """Return the last characters and the label of each key of all projects, by key id."""
    found = {}
    for project in _listed(fetch, "/v1/organization/projects", "after", [("include_archived", "true")]):
        for key in _listed(fetch, f"/v1/organization/projects/{project['id']}/api_keys", "after", []):
            found[key["id"]] = label(key.get("name"), key.get("redacted_value") or "")
    return found


# Anthropic

#: The token counts in Anthropic's usage report, apart from those of cache writes.
_ANTHROPIC_TOKENS = ("uncached_input_tokens", "cache_read_input_tokens", "output_tokens")


def anthropic_report(fetch: Fetch, start: date, end: date) -> Report:
    """Return Anthropic's cost and usage reports from `start` until the day before `end`."""
    listed = _listed(fetch, "/v1/organizations/api_keys", "after_id", [])
    ids = {key["id"]: label(key.get("name"), key.get("partial_key_hint") or "") for key in listed}
    report = Report(keys=dict(ids.values()))
    times = [("starting_at", f"{start}T00:00:00Z"), ("ending_at", f"{end}T00:00:00Z"), ("limit", "31"),
             ("bucket_width", "1d")]  # fmt: skip
    for bucket in _pages(fetch, "/v1/organizations/cost_report", [*times, ("group_by[]", "description")]):
        for result in bucket["results"]:
            report.at(bucket["starting_at"], result.get("model") or FEES).cost += float(result["amount"]) / 100
    groups = [("group_by[]", "model"), ("group_by[]", "api_key_id")]
    for bucket in _pages(fetch, "/v1/organizations/usage_report/messages", [*times, *groups]):
        for result in bucket["results"]:
            written = result.get("cache_creation") or {}
            _, key = ids.get(result.get("api_key_id") or "", ("", ""))
            total = report.at(bucket["starting_at"], result.get("model") or FEES, key)
            total.tokens += sum(result.get(name) or 0 for name in _ANTHROPIC_TOKENS) + sum(written.values())
    return report


# CSV


def csv_report(rows: Iterable[Mapping[str, str]]) -> Report:
    """Return the report in a downloaded file's rows, whose amounts are dollars; a column of key hints is used, too.

    Raises:
        ValueError: if there is no column for the day, the model or the cost.
    """
    report = Report()
    for row in rows:
        day, model, cost = (_column(row, names) for names in (_DAYS, _MODELS, _COSTS))
        hint = next((row[name] for name in _KEYS if row.get(name)), "")
        end, key = label(row.get("api_key_name"), hint) if hint else ("", "")
        if hint:
            report.keys[end], report.costs_by_key = key, True
        at: Any = int(day) if day.isdecimal() else day
        report.at(at, model.partition(",")[0] or FEES, key).cost += float(cost.lstrip("$").replace(",", "") or 0)
    return report


_DAYS = ("date", "usage_date_utc", "start_time", "starting_at", "day")
_MODELS = ("model", "line_item", "description", "model_version")
_COSTS = ("cost", "cost_usd", "amount_value", "amount", "amount_in_usd")
_KEYS = ("api_key_redacted", "api_key_hint", "partial_key_hint")


def _column(row: Mapping[str, str], names: tuple[str, ...]) -> str:
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise ValueError(f"no column is called {', '.join(names[:-1])} or {names[-1]}; the columns are {', '.join(row)}")


# Pages


def _pages(fetch: Fetch, path: str, parameters: list[tuple[str, str]]) -> Iterator[Any]:
    """Yield the buckets of all pages of a report."""
    page: str | None = None
    while True:
        answer = fetch(path, [*parameters, *([("page", page)] if page else [])])
        yield from answer["data"]
        page = answer.get("next_page")
        if not answer.get("has_more") or not page:
            return


def _listed(fetch: Fetch, path: str, cursor: str, parameters: list[tuple[str, str]]) -> Iterator[Any]:
    """Yield the objects on all pages of a list, each of which starts after the last id of the page before."""
    after: str | None = None
    while True:
        answer = fetch(path, [*parameters, ("limit", "100"), *([(cursor, after)] if after else [])])
        yield from answer["data"]
        after = answer.get("last_id")
        if not answer.get("has_more") or not after:
            return


def _epoch(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
