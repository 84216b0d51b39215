"""The histogram above a list: how many records match over time, and a range to choose from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from markupsafe import Markup

from autolog._display import figures
from autolog.stores._contract import Store
from autolog.stores.query import Query, Summary

#: A bar is one of these steps of time, the smallest that makes no more than `BARS`.
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
    """The drawing, and the times of its ends."""

    svg: Markup
    since: datetime
    until: datetime


def draw(store: Store, query: Query, whole: Summary, zone: tzinfo) -> Histogram:
    """Draw what matches over the range asked for, or over that of what there is. `whole` is the sum of it."""
    since, until = query.since or whole.first, query.until or max(whole.last, datetime.now(UTC))
    until = max(until, since + timedelta(seconds=1))
    step = next((step for step in STEPS if (until - since) / step <= BARS), STEPS[-1])
    steps = store.summarise(query, step)
    top = max((one.records for one in steps), default=1)
    wide = max(1.5, WIDTH * (step / (until - since)))
    bars = Markup("").join(_bars(one, since, until, wide, top, zone) for one in steps)
    words = f"{whole.records:,} records between {_words(since, zone)} and {_words(until, zone)}"
    return Histogram(_SVG.format(WIDTH, HEIGHT, words, bars), since, until)


def _bars(one: Summary, since: datetime, until: datetime, wide: float, top: int, zone: tzinfo) -> Markup:
    x = WIDTH * ((one.first - since) / (until - since))
    x, wide = max(0.0, x), wide + min(0.0, x)
    words = f"{_words(one.first, zone)}: {one.records:,} records, {one.errors:,} errors, {figures.dollars(one.cost)}"
    tall, failed = HEIGHT * one.records / top, HEIGHT * one.errors / top
    bar = _BAR.format(x, HEIGHT - tall, max(1.0, wide - 1.5), tall, "calls", words)
    return bar + (
        _BAR.format(x, HEIGHT - failed, max(1.0, wide - 1.5), failed, "errors", words) if failed else Markup("")
    )


def _words(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%d %b %H:%M:%S")
