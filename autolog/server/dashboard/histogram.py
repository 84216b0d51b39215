"""The histogram above a list: the number of matching records over time, from which a range can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from markupsafe import Markup

from autolog._display import figures
from autolog.stores._contract import Store
from autolog.stores.query import Query, Summary

#: The possible lengths of a bar; the shortest that makes no more than `BARS` bars is used.
STEPS = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        1,
        5,
        15,
        60,
        300,
        900,
        3600,
        3 * 3600,
        6 * 3600,
        12 * 3600,
        86400,
        3 * 86400,
        7 * 86400,
        28 * 86400,
    )
)
BARS = 96
WIDTH, HEIGHT = 960, 60

_BAR = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="{}"><title>{}</title></rect>')
_SVG = Markup('<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>')


@dataclass(frozen=True, slots=True)
class Histogram:
    """The histogram's SVG, and the times at its ends."""

    svg: Markup
    since: datetime
    until: datetime


def summed(store: Store, query: Query, zone: tzinfo) -> tuple[Summary, Histogram] | None:
    """Return the totals of matching records and their histogram; None if nothing matches.

    Both come from one pass over the matching records, in steps of the requested time range, or of that of the whole
    store. A second pass with shorter steps follows only if all matches lie in a small part of the range.
    """
    since, until = query.since or _oldest(store), query.until or datetime.now(UTC)
    if since is None:
        return None
    step, steps = _steps(store, query, since, until)
    if not steps:
        return None
    if query.since is None and len(steps) < BARS / 4:
        since = steps[0].first
        if (until - since) / step < BARS / 4:
            step, steps = _steps(store, query, since, until)
    whole = _total(steps)
    until = max(until, whole.last, since + timedelta(seconds=1))
    top = max(summary.records for summary in steps)
    bar_width = max(1.5, WIDTH * (step / (until - since)))
    bars = Markup("").join(_bars(summary, since, until, bar_width, top, zone) for summary in steps)
    words = f"{whole.records:,} records between {_words(since, zone)} and {_words(until, zone)}"
    return whole, Histogram(_SVG.format(WIDTH, HEIGHT, words, bars), since, until)


def _oldest(store: Store) -> datetime | None:
    micros = store.extremes(Query(), ["created_at"])["created_at"][0]
    return None if micros is None else datetime.fromtimestamp(micros / 1e6, UTC)


def _steps(store: Store, query: Query, since: datetime, until: datetime) -> tuple[timedelta, list[Summary]]:
    """Return the length of a bar, and the sums of each bar."""
    step = next((step for step in STEPS if (until - since) / step <= BARS), STEPS[-1])
    return step, store.summarise(query, step)


def _total(steps: Sequence[Summary]) -> Summary:
    """Return the sums of all steps together."""
    costs = [step.cost for step in steps if step.cost is not None]
    counted = {
        name: sum(getattr(step, name) for step in steps)
        for name in ("records", "turns", "calls", "errors", "input_tokens", "output_tokens", "unpriced")
    }
    return Summary(
        value=None, cost=sum(costs) if costs else None, first=steps[0].first, last=max(step.last for step in steps),
        **counted,
    )  # fmt: skip


def _bars(step: Summary, since: datetime, until: datetime, bar_width: float, top: int, zone: tzinfo) -> Markup:
    x = WIDTH * ((step.first - since) / (until - since))
    x, bar_width = max(0.0, x), bar_width + min(0.0, x)
    words = (
        f"{_words(step.first, zone)}: {step.records:,} records, {step.errors:,} errors, {figures.dollars(step.cost)}"
    )
    tall, failed = HEIGHT * step.records / top, HEIGHT * step.errors / top
    bar = _BAR.format(x, HEIGHT - tall, max(1.0, bar_width - 1.5), tall, "calls", words)
    return bar + (
        _BAR.format(x, HEIGHT - failed, max(1.0, bar_width - 1.5), failed, "errors", words) if failed else Markup("")
    )


def _words(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%d %b %H:%M:%S")
