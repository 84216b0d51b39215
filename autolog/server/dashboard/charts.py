"""The overview's totals and charts: hourly sums are combined into points and drawn as SVG, which needs no script."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from markupsafe import Markup

from autolog.stores.query import Hour

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 190, 66, 24, 10


@dataclass(slots=True)
class Total:
    """The sums of a time range, of all calls or of those with one value of a dimension."""

    value: str = ""
    calls: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    priced: int = 0
    durations: list[Mapping[float, int]] = field(default_factory=list)
    """Counts of calls by approximate duration, one mapping for each part; merged when a percentile is requested."""
    percentiles: dict[float, float | None] = field(default_factory=dict)
    """Percentiles that are known without the durations."""

    def add(self, part: Hour | Total) -> None:
        self.calls += part.calls
        self.errors += part.errors
        self.input_tokens += part.input_tokens
        self.output_tokens += part.output_tokens
        self.cost += part.cost
        self.priced += part.priced
        self.durations += part.durations if isinstance(part, Total) else [part.durations]

    @property
    def error_share(self) -> float:
        return self.errors / self.calls if self.calls else 0.0

    @property
    def unpriced(self) -> int:
        return self.calls - self.priced

    @property
    def known_cost(self) -> float | None:
        """The cost in dollars, or None if no call has a known cost."""
        return self.cost if self.priced else None

    def percentile(self, share: float) -> float | None:
        """Return the duration that this share of the calls did not exceed, in seconds, accurate to five per cent."""
        if share in self.percentiles:
            return self.percentiles[share]
        whole: Counter[float] = Counter()
        for part in self.durations:
            whole.update(part)
        self.durations = [whole]
        wanted, seen = share * whole.total(), 0
        for duration, count in sorted(whole.items()):
            seen += count
            if seen >= wanted:
                return duration
        return None


def totals(hours: Iterable[Hour]) -> list[Total]:
    """Return the sums by value, most calls first."""
    found: dict[str, Total] = {}
    for hour in hours:
        found.setdefault(hour.value, Total(hour.value)).add(hour)
    return sorted(found.values(), key=lambda total: -total.calls)


@dataclass(frozen=True, slots=True)
class Point:
    """One step on a chart's time axis."""

    start: datetime
    label: str
    total: Total


def points(hours: Iterable[Hour], since: datetime, until: datetime, step: timedelta, zone: tzinfo = UTC) -> list[Point]:
    """Return the sums of each time step, empty ones included; days are UTC days, as in the hourly sums."""
    begin = datetime.fromtimestamp(since.timestamp() // step.total_seconds() * step.total_seconds(), UTC)
    count = max(1, min(400, -((begin - until) // step)))
    sums = [Total() for _ in range(count)]
    for hour in hours:
        place = (hour.start - begin) // step
        if 0 <= place < count:
            sums[place].add(hour)
    daily = step >= timedelta(days=1)
    return [
        Point(
            start := begin + index * step,
            start.strftime("%d %b") if daily else start.astimezone(zone).strftime("%d %b %H:%M"),
            total,
        )
        for index, total in enumerate(sums)
    ]


Series = tuple[str, str, Callable[[Total], float | None]]


_AXIS = Markup('<text x="{:.1f}" y="{}" class="axis {}">{}</text>')
_HOVER = Markup(
    '<a href="{}" tabindex="-1" aria-label="{}"><rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" class="hover">'
    "<title>{}</title></rect></a>"
)
_GRID = Markup(
    '<line x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}" class="grid"/>'
    '<text x="{3}" y="{4:.1f}" class="axis end">{5}</text>'
)
_BAR = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="{}"/>')
_DOT = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="2.5" class="{}"/>')
_LINE = Markup('<polyline points="{}" class="line {}"/>')
_KEY = Markup('<span class="key {}">{}</span>')
_FIGURE = Markup(
    '<figure><figcaption><span>{}<button type="button" class="keep" hidden>Save</button></span> '
    '<span class="legend">{}</span></figcaption>'
    '<svg viewBox="0 0 {} {}" role="group" class="chart" aria-label="{}">{}{}{}{}</svg></figure>'
)

Show = Callable[[float | None], str]


@dataclass(frozen=True, slots=True)
class Chart:
    """The contents of a chart. `kind` is `bars` (one in front of the other), `stack` or `lines`."""

    title: str
    series: Sequence[Series]
    show: Show
    kind: str

    def draw(self, steps: Sequence[Point], link: Callable[[Point], str]) -> Markup:
        """Return the chart as SVG; each step shows its figures and links to its logs."""
        figures = [[figure(step.total) for step in steps] for _, _, figure in self.series]
        top = _round_up(max(_heights(figures, self.kind), default=0.0))
        step_width = (WIDTH - LEFT) / len(steps)
        grid = Markup("").join(_grid(share, top, self.show) for share in (0.0, 0.5, 1.0))
        hover = Markup("").join(
            _HOVER.format(
                link(step), words := _words(step, index, self.series, figures, self.show),
                LEFT + index * step_width, TOP, step_width, HEIGHT - TOP - BOTTOM, words,
            )
            for index, step in enumerate(steps)
        )  # fmt: skip
        legend = Markup(" ").join(_KEY.format(style, name) for name, style, _ in self.series)
        marks = self._marks(figures, top, step_width)
        return _FIGURE.format(
            self.title, legend, WIDTH, HEIGHT, self.title, grid, marks, _labels(steps, step_width), hover
        )

    def _marks(self, figures: list[list[float | None]], top: float, step_width: float) -> Markup:
        styles = [style for _, style, _ in self.series]
        if self.kind == "lines":
            rows = (_line(row, style, top, step_width) for row, style in zip(figures, styles, strict=True))
            return Markup("").join(rows)
        below = [0.0] * len(figures[0])
        drawn = Markup("")
        for row, style in zip(figures, styles, strict=True):
            drawn += _bars(row, style, top, step_width, below)
            if self.kind == "stack":
                below = [base + (value or 0.0) for base, value in zip(below, row, strict=True)]
        return drawn


def _heights(figures: list[list[float | None]], kind: str) -> list[float]:
    if kind == "stack":
        return [sum(value or 0.0 for value in column) for column in zip(*figures, strict=True)]
    return [value for row in figures for value in row if value is not None]


def _labels(steps: Sequence[Point], step_width: float) -> Markup:
    """Return at most five labels of the time axis: evenly spaced ones, and the last; the outermost stay inside."""
    last = len(steps) - 1
    apart = max(1, -(-last // 4))
    drawn = Markup("")
    for number, index in enumerate([*range(0, last - apart + 1, apart), last]):
        ends = {0: (LEFT, ""), last: (WIDTH, "end")}
        x, anchor = ends.get(index, (LEFT + (index + 0.5) * step_width, "middle between" if number % 2 else "middle"))
        drawn += _AXIS.format(x, HEIGHT - 6, anchor, steps[index].label)
    return drawn


def _words(step: Point, index: int, series: Sequence[Series], figures: list[list[float | None]], show: Show) -> str:
    values = ", ".join(f"{name} {show(row[index])}" for (name, _, _), row in zip(series, figures, strict=True))
    return f"{step.label}: {values}"


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / top if top else 0.0)


def _grid(share: float, top: float, show: Show) -> Markup:
    y = _y(share, 1.0)
    words = _tick(share * top, top, show) if share else "0"
    return _GRID.format(LEFT, WIDTH, y, LEFT - 6, y + 4, words)


def _tick(value: float, top: float, show: Show) -> str:
    """Format a figure on an axis, short enough for the margin: 2M, $1,500k, 0.5 s.

    All figures of an axis, which are its top and half of it, have the same unit.
    """
    words = re.sub(r"\.?0+ s$", " s", show(value))
    if top < 1_000_000 or " " in words:
        return words
    unit, letter = next((step for step in _LARGE if top / 2 % step[0] == 0), _LARGE[-1])
    return re.sub(r"\.00$", "", show(value / unit)) + letter


def _bars(row: Sequence[float | None], style: str, top: float, step_width: float, below: Sequence[float]) -> Markup:
    return Markup("").join(
        _BAR.format(
            LEFT + (index + 0.1) * step_width,
            y := _y(value + base, top),
            max(0.5, step_width * 0.8),
            _y(base, top) - y,
            style,
        )
        for index, (value, base) in enumerate(zip(row, below, strict=True))
        if value
    )


def _line(row: Sequence[float | None], style: str, top: float, step_width: float) -> Markup:
    """Draw a line through the known values, with gaps for missing values and dots for isolated ones."""
    runs: list[list[tuple[float, float]]] = [[]]
    for index, value in enumerate(row):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((LEFT + (index + 0.5) * step_width, _y(value, top)))
    drawn = Markup("")
    for run in runs:
        if len(run) == 1:
            drawn += _DOT.format(*run[0], style)
        elif run:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
            drawn += _LINE.format(path, style)
    return drawn


#: The suffixes of large figures.
_LARGE = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
#: The values at which an axis may end, as multiples of a power of ten.
_ENDS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)


def _round_up(value: float) -> float:
    """Round up to the next value at which an axis may end."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power < value:
        power *= 10
    while power / 10 >= value:
        power /= 10
    return next(power / 10 * end for end in _ENDS if power / 10 * end >= value * 0.999999)
