"""What a provider says that it charged: its cost and usage reports, and those that were downloaded as CSV.

Shapes as published, read 2026-11: OpenAI's as in the types of its SDK 3.57 (`/organization/costs`,
`/organization/usage/*`, `/organization/projects/*/api_keys`), Anthropic's at platform.claude.com/docs/en/api/admin
(`cost_report`, `usage_report/messages`, `api_keys`). Amounts of OpenAI are dollars, those of Anthropic cents as a
decimal string. Anthropic tells tokens by key, and costs not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec

#: What is billed beside the tokens of a model: searches, containers, stored files.
FEES = "tools and storage"
_DATE = re.compile(r"[-@](\d{4}-\d\d-\d\d|\d{8})$")

#: Fetches one page: a path and its parameters, to the JSON of the answer.
Fetch = Callable[[str, list[tuple[str, str]]], Mapping[str, Any]]


class Sum(msgspec.Struct):
    """What a day, a model and a key amount to; `tokens` are those of input and output, cached ones included."""

    cost: float = 0.0
    tokens: int = 0
    calls: int = 0
    unknown: int = 0
    """How many calls have no known cost."""
    others: dict[str, float] = {}
    """What else was counted, such as images or seconds, by its name."""


#: By day (UTC), model and key; the key is a label of `Report.keys`, or empty where nobody says which it was.
Sums = dict[tuple[str, str, str], Sum]


class Report(msgspec.Struct):
    """A provider's side.

    Attributes:
        keys: the keys that there are: a label of each by its last characters, as the provider shows them.
        costs_by_key: its costs are told by key, and not only its tokens.
    """

    sums: Sums = msgspec.field(default_factory=dict)
    keys: dict[str, str] = msgspec.field(default_factory=dict)
    costs_by_key: bool = False

    def at(self, when: Any, model: str, key: str = "") -> Sum:
        """Return the sum of a day, a model and a key, to be added to. Days are timestamps, or ISO 8601."""
        day = datetime.fromtimestamp(when, UTC).date().isoformat() if isinstance(when, int) else str(when)[:10]
        return self.sums.setdefault((day, undated(model), key), Sum())


def undated(model: str) -> str:
    """Return a model's name without the date of its version, which one side may leave out."""
    return _DATE.sub("", model)


def label(name: str | None, hint: str) -> tuple[str, str]:
    """Return the last characters of a key by the hint that its provider shows, and what to call the key."""
    end = re.split(r"[.*…]+", hint)[-1][-4:]
    return end, f"{name or 'key'} (…{end})"


# OpenAI

#: What each usage report counts besides requests, and by what it can be grouped.
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
    """Return OpenAI's cost and usage reports from a day to another, without the latter."""
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
        told = [*times, *([] if name in _WITHOUT_MODEL else groups)]
        for bucket in _pages(fetch, f"/v1/organization/usage/{name}", told):
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
    """Return the end and the label of every project's keys, by their ids."""
    found = {}
    for project in _listed(fetch, "/v1/organization/projects", "after", [("include_archived", "true")]):
        for key in _listed(fetch, f"/v1/organization/projects/{project['id']}/api_keys", "after", []):
            found[key["id"]] = label(key.get("name"), key.get("redacted_value") or "")
    return found


# Anthropic

#: The counts of Anthropic's usage report, besides those of cache writes.
_ANTHROPIC_TOKENS = ("uncached_input_tokens", "cache_read_input_tokens", "output_tokens")


def anthropic_report(fetch: Fetch, start: date, end: date) -> Report:
    """Return Anthropic's cost and usage reports from a day to another, without the latter."""
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
    """Return a downloaded report's rows, in dollars; a column with the ends of keys is read, too.

    Raises:
        ValueError: there is no column for the day, the model or the cost.
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
    raise ValueError(f"no column is called {', '.join(names[:-1])} or {names[-1]}; there are {', '.join(row)}")


# Pages


def _pages(fetch: Fetch, path: str, parameters: list[tuple[str, str]]) -> Iterator[Any]:
    """Yield the buckets of a report, all pages of it."""
    page: str | None = None
    while True:
        answer = fetch(path, [*parameters, *([("page", page)] if page else [])])
        yield from answer["data"]
        page = answer.get("next_page")
        if not answer.get("has_more") or not page:
            return


def _listed(fetch: Fetch, path: str, cursor: str, parameters: list[tuple[str, str]]) -> Iterator[Any]:
    """Yield the objects of a list, all pages of it: the next one begins after the last id."""
    after: str | None = None
    while True:
        answer = fetch(path, [*parameters, ("limit", "100"), *([(cursor, after)] if after else [])])
        yield from answer["data"]
        after = answer.get("last_id")
        if not answer.get("has_more") or not after:
            return


def _epoch(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
