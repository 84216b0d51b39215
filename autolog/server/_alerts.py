"""Alert rules and their states. Both are stored as documents, and so are shared by all servers on a store.

A rule has a condition: `error_rate > 5% over 15m`, `p95 > 20s over 1h`, `cost > 50 over 1d` or `calls < 1 over 1h`. It
applies to the calls of one project, or of all, that match the rule's filters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit

from autolog._display.figures import dollars, number, seconds
from autolog.errors import AutologError
from autolog.server._keys import ANY_PROJECT
from autolog.stores._contract import Store
from autolog.stores.filters import FILTERS, parse_age, read_query
from autolog.stores.query import Aggregate, FilterError, Query

#: The measures that a condition may use, each with the function that formats its figures.
MEASURES = {"error_rate": lambda value: f"{100 * value:.3g}%", "p95": seconds, "cost": dollars, "calls": number}
#: The filters that a rule may have; its project and time window are set separately.
RULE_FILTERS = tuple(word for word in FILTERS if word not in {"project", "since", "until"})
#: The longest window of a condition; the window's calls are aggregated at each check.
LONGEST_WINDOW = timedelta(days=31)
#: The number of events (firings and resolutions) that are kept for each rule.
EVENTS = 20
_RULES, _STATES = "alert", "alert_state"
_WHEN = re.compile(
    r"(?P<measure>\w+) *(?P<sign>[<>]) *\$?(?P<number>\d+(?:\.\d+)?) *(?P<unit>%|ms|s|min)? +over +(?P<window>.+)",
    re.ASCII,
)
_UNITS = {("error_rate", "%"): 0.01, ("p95", "ms"): 0.001, ("p95", "min"): 60.0}
_NAME = re.compile(r"[^\x00-\x1f/\x7f]{1,100}")
_MAIL = re.compile(r"[^@\s<>,\x00-\x1f]+@[^@\s<>,\x00-\x1f]+")


@dataclass(frozen=True, slots=True)
class When:
    """A condition on the calls of a time window: a measure is above, or below, a threshold.

    The threshold is a fraction (0 to 1) for `error_rate`, seconds for `p95`, dollars for `cost` and a count for
    `calls`.
    """

    measure: str
    above: bool
    threshold: float
    window: timedelta

    def holds(self, value: float | None) -> bool:
        """Return whether the condition holds for a figure; False if the figure is None, that is, unknown."""
        return value is not None and (value > self.threshold if self.above else value < self.threshold)

    def figure(self, sums: Aggregate | None) -> float | None:
        """Return the condition's figure from the sums of a window; None if it cannot be told from them."""
        calls = sums.calls if sums else 0
        if self.measure == "calls":
            return float(calls)
        if self.measure == "cost":
            return (sums.cost if sums else None) or 0.0
        if sums is None or not calls:
            return None
        return sums.p95 if self.measure == "p95" else sums.errors / calls


def read_when(text: str) -> When:
    """Parse a condition such as `error_rate > 5% over 15m`.

    Raises:
        AutologError: if the text is not a valid condition; the message says why.
    """
    match = _WHEN.fullmatch(" ".join(text.lower().split()))
    if match is None or match["measure"] not in MEASURES:
        raise AutologError(
            f"when: {text[:100]!r} is not of the form 'error_rate > 5% over 15m', 'p95 > 20s over 1h', "
            f"'cost > 50 over 1d' or 'calls < 1 over 1h'"
        )
    measure, unit = match["measure"], match["unit"]
    natural = {"error_rate": "%", "p95": "s"}.get(measure)
    if (unit not in {None, natural} and (measure, unit) not in _UNITS) or (measure == "error_rate" and unit is None):
        raise AutologError(f"when: {measure} is in {natural or 'plain figures'}: {text[:100]!r}")
    try:
        window = parse_age(match["window"])
    except ValueError as error:
        raise AutologError(f"when: {error}") from error
    if not timedelta(minutes=1) <= window <= LONGEST_WINDOW:
        raise AutologError(f"when: a window has 1 minute to {LONGEST_WINDOW.days} days, not {match['window']}")
    factor = _UNITS.get((measure, unit or ""), 1.0)
    return When(measure, match["sign"] == ">", float(match["number"]) * factor, window)


@dataclass(frozen=True)  # without slots, for `cached_property`
class Rule:
    """An alert rule.

    Attributes:
        name: the name, unique on the server.
        project: the project whose calls it looks at; `*` for all.
        when: the condition, in the form that `read_when` parses.
        filters: filter words and their values; a list of values where a filter is repeated.
        min_calls: the fewest calls in the window for which an error rate or a latency is judged.
        webhook: the URL that events are POSTed to, as JSON with a `text` field as Slack expects it.
        mail: the e-mail addresses that events are sent to.
    """

    name: str
    project: str
    when: str
    filters: Mapping[str, Any] = field(default_factory=dict)
    min_calls: int = 1
    webhook: str | None = None
    mail: tuple[str, ...] = ()

    @cached_property
    def condition(self) -> When:
        """The condition, parsed from `when`; AutologError if that is not valid."""
        return read_when(self.when)

    @property
    def scope(self) -> str:
        """The projects that it looks at, in words."""
        return "all projects" if self.project == ANY_PROJECT else f"project {self.project}"

    def query(self, now: datetime) -> Query:
        """Return the query for the records of the window that ends now."""
        query = read_query(filter_pairs(self.filters))
        if self.project != ANY_PROJECT:
            query = query.where(project=self.project)
        return replace(query, since=now - self.condition.window)

    def figure(self, store: Store, now: datetime) -> tuple[float | None, int]:
        """Return the figure to judge, None if there is none, and the number of calls that it is based on."""
        sums = next(iter(store.aggregate(self.query(now))), None)
        calls, condition = sums.calls if sums else 0, self.condition
        if condition.measure in {"error_rate", "p95"} and calls < self.min_calls:
            return None, calls
        return condition.figure(sums), calls

    def words(self, firing: bool, value: float | None, calls: int) -> str:
        """Return the message that says that the rule fires, or that it is resolved."""
        condition = self.condition
        shown = MEASURES[condition.measure]
        filters = "".join(f", {word}={wanted}" for word, wanted in filter_pairs(self.filters))
        figure = "no figure" if value is None else f"{condition.measure.replace('_', ' ')} {shown(value)}"
        limit = f"{'above' if condition.above else 'below'} {shown(condition.threshold)}"
        over = "" if condition.measure == "calls" else f", {calls:,} {'call' if calls == 1 else 'calls'}"
        state = "FIRING" if firing else "RESOLVED"
        window = f"over {_length(condition.window)}{over}"
        words = f"{state} {self.name}: {figure} ({limit} {window}) in {self.scope}{filters}"
        return " ".join(words.split())

    def path(self, at: datetime) -> str:
        """Return the path of the page that lists the window's calls up to `at`; for an error rate only failed ones."""
        pairs = [] if self.project == ANY_PROJECT else [("project", self.project)]
        pairs += filter_pairs(self.filters)
        pairs += [("status", "error")] if self.condition.measure == "error_rate" else []
        since = at - self.condition.window
        pairs += [("since", since.isoformat(timespec="seconds")), ("until", at.isoformat(timespec="seconds"))]
        return "/ui/?" + urlencode(pairs)

    def as_document(self) -> dict[str, Any]:
        return {
            "project": self.project, "when": self.when, "filters": dict(self.filters), "min_calls": self.min_calls,
            "webhook": self.webhook, "mail": list(self.mail),
        }  # fmt: skip


def _length(window: timedelta) -> str:
    minutes = int(window.total_seconds() // 60)
    for size, unit in ((1440, "d"), (60, "h")):
        if minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


def filter_pairs(filters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield filters as pairs of a word and a single value."""
    for word, value in filters.items():
        for item in value if isinstance(value, list) else [value]:
            yield word, str(item)


def check_rule(rule: Rule) -> None:
    """Check a rule.

    Raises:
        AutologError: if the rule is invalid; the message says why.
    """
    if not _NAME.fullmatch(rule.name) or rule.name in {".", ".."}:
        raise AutologError(f"name: {rule.name[:100]!r}: an alert's name has 1 to 100 characters, and no slash")
    condition = rule.condition
    unknown = [word for word in rule.filters if word not in RULE_FILTERS]
    if unknown:
        raise AutologError(
            f"filters: {unknown[0][:50]!r} is not a filter of alerts; choose one of {', '.join(RULE_FILTERS)}"
        )
    if condition.measure == "error_rate" and "status" in rule.filters:
        raise AutologError("filters: the error rate of calls with one status is 0 or 100%; leave status out")
    try:
        read_query(filter_pairs(rule.filters))
    except FilterError as error:
        raise AutologError(f"filters: {error}") from error
    if rule.webhook is not None and _origin(rule.webhook) is None:
        raise AutologError("webhook: it is not an address that begins with http:// or https://")
    strange = next((address for address in rule.mail if not _MAIL.fullmatch(address)), None)
    if strange is not None:
        raise AutologError(f"mail: {strange[:100]!r} is not an address such as ops@example.com")


@dataclass(frozen=True, slots=True)
class State:
    """The state of a rule.

    Attributes:
        firing: whether the rule is firing.
        since: since when it has been, in ISO format.
        value: the figure of the last check.
        checked_at: the time of the last check, in ISO format.
        problem: why the last notification was not delivered, or the rule could not be checked.
        events: the last firings and resolutions, newest first.
    """

    firing: bool = False
    since: str | None = None
    value: float | None = None
    checked_at: str | None = None
    problem: str | None = None
    events: tuple[dict[str, Any], ...] = ()

    def as_document(self) -> dict[str, Any]:
        return {
            "firing": self.firing, "since": self.since, "value": self.value, "checked_at": self.checked_at,
            "problem": self.problem, "events": list(self.events),
        }  # fmt: skip


def read_rules(store: Store) -> list[Rule]:
    """Return all rules, in the order of their creation."""
    return [
        Rule(name, **{**data, "mail": tuple(data["mail"])})
        for name, data in store.documents(_RULES).items()
        if not data.get("removed")
    ]


def read_states(store: Store) -> dict[str, State]:
    """Return the states of all rules, by rule name."""
    return {name: State(**{**data, "events": tuple(data["events"])}) for name, data in store.documents(_STATES).items()}


def put_rule(store: Store, rule: Rule) -> None:
    """Create a rule, or replace the rule of the same name, whose state is kept.

    Raises:
        AutologError: if the rule is invalid.
    """
    check_rule(rule)
    if rule.name not in {known.name for known in read_rules(store)}:
        put_states(store, {rule.name: State()})
    store.put_document(_RULES, rule.name, rule.as_document())


def remove_rule(store: Store, name: str) -> None:
    """Remove a rule.

    Raises:
        AutologError: if there is no rule of this name.
    """
    if name not in {known.name for known in read_rules(store)}:
        raise AutologError(f"there is no alert {name[:100]!r}; see `autolog alerts`")
    store.put_document(_RULES, name, {"removed": True})


def _origin(url: str) -> str | None:
    """Return the scheme, host and port of a web address; None if it is not one."""
    try:
        parts = urlsplit(url)
        named = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # brackets without their pair, or a port that is none
        return None
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if named else None


def put_states(store: Store, states: Mapping[str, State]) -> None:
    """Store states, by rule name."""
    for name, state in states.items():
        store.put_document(_STATES, name, state.as_document())


def described(store: Store, projects: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Return rules with their states as JSON data, of the given projects or of all; webhooks are cut to their hosts."""
    states = read_states(store)
    rows = []
    for rule in read_rules(store):
        if projects is None or rule.project in projects:
            hook = None if rule.webhook is None else f"{_origin(rule.webhook)}/…"
            state = states.get(rule.name, State())
            row = {"name": rule.name, **rule.as_document(), "webhook": hook, **state.as_document()}
            row["shown"] = None if state.value is None else MEASURES[rule.condition.measure](state.value)
            rows.append(row)
    return rows
