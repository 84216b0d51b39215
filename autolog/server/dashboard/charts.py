"""The overview's sums and charts: hourly sums gathered into points, drawn as SVG that needs no script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from autolog.stores.query import Hour

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 180, 56, 22, 10


@dataclass(slots=True)
class Total:
    """Sums over some time: of everything, or of one value of a dimension."""

    value: str = ""
    calls: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    priced: int = 0
    durations: Counter[float] = field(default_factory=Counter)

    def add(self, part: Hour | Total) -> None:
        self.calls += part.calls
        self.errors += part.errors
        self.input_tokens += part.input_tokens
        self.output_tokens += part.output_tokens
        self.cost += part.cost
        self.priced += part.priced
        self.durations.update(part.durations)

    @property
    def error_share(self) -> float:
        return self.errors / self.calls if self.calls else 0.0

    @property
    def unpriced(self) -> int:
        return self.calls - self.priced

    @property
    def known_cost(self) -> float | None:
        """Return the cost in dollars, or None if none of the calls has one."""
        return self.cost if self.priced else None

    def percentile(self, share: float) -> float | None:
        """Return the duration that this share of the calls did not exceed, in seconds; within five per cent."""
        wanted, seen = share * self.durations.total(), 0
        for duration, count in sorted(self.durations.items()):
            seen += count
            if seen >= wanted:
                return duration
        return None


def totals(hours: Iterable[Hour]) -> list[Total]:
    """Return sums by value, most calls first."""
    found: dict[str, Total] = {}
    for hour in hours:
        found.setdefault(hour.value, Total(hour.value)).add(hour)
    return sorted(found.values(), key=lambda total: -total.calls)


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a chart's time axis."""

    start: datetime
    label: str
    total: Total


def points(hours: Iterable[Hour], since: datetime, until: datetime, step: timedelta) -> list[Point]:
    """Return sums by steps of time, empty ones included."""
    begin = datetime.fromtimestamp(since.timestamp() // step.total_seconds() * step.total_seconds(), UTC)
    count = max(1, min(400, -((begin - until) // step)))
    sums = [Total() for _ in range(count)]
    for hour in hours:
        place = (hour.start - begin) // step
        if 0 <= place < count:
            sums[place].add(hour)
    shape = "%d %b" if step >= timedelta(days=1) else "%d %b %H:%M"
    return [Point(start := begin + index * step, start.strftime(shape), total) for index, total in enumerate(sums)]


Series = tuple[str, str, Callable[[Total], float | None]]


_AXIS = Markup('<text x="{:.1f}" y="{}" class="axis">{}</text>')
_HOVER = Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" class="hover"><title>{}</title></rect>')
_GRID = Markup(
    '<line x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}" class="grid"/>'
    '<text x="{3}" y="{4:.1f}" class="axis end">{5}</text>'
)
_BAR = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="{}"/>')
_DOT = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="2.5" class="{}"/>')
_LINE = Markup('<polyline points="{}" class="line {}"/>')
_KEY = Markup('<span class="key {}">{}</span>')
_FIGURE = Markup(
    '<figure><figcaption>{} <span class="legend">{}</span></figcaption>'
    '<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}{}</svg></figure>'
)

Show = Callable[[float | None], str]


def chart(title: str, steps: Sequence[Point], series: Sequence[Series], show: Show, bars: bool) -> Markup:
    """Return an SVG chart with a title for every step to hover; `series` are name, class and figure."""
    figures = [[figure(step.total) for step in steps] for _, _, figure in series]
    top = _round_up(max((value for row in figures for value in row if value is not None), default=0.0))
    wide = (WIDTH - LEFT) / len(steps)
    marks = Markup("").join(_grid(share, top, show) for share in (0.0, 0.5, 1.0))
    drawn = Markup("").join(
        _bars(row, style, top, wide) if bars else _line(row, style, top, wide)
        for (_, style, _), row in zip(series, figures, strict=True)
    )
    labels = Markup("").join(
        _AXIS.format(LEFT + index * wide, HEIGHT - 6, steps[index].label)
        for index in range(0, len(steps), max(1, len(steps) // 5))
    )
    hover = Markup("").join(
        _HOVER.format(LEFT + index * wide, TOP, wide, HEIGHT - TOP - BOTTOM, _words(step, index, series, figures, show))
        for index, step in enumerate(steps)
    )
    legend = Markup(" ").join(_KEY.format(style, name) for name, style, _ in series)
    return _FIGURE.format(title, legend, WIDTH, HEIGHT, title, marks, drawn, labels, hover)


def _words(step: Point, index: int, series: Sequence[Series], figures: list[list[float | None]], show: Show) -> str:
    said = ", ".join(f"{name} {show(row[index])}" for (name, _, _), row in zip(series, figures, strict=True))
    return f"{step.label} UTC: {said}"


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / top if top else 0.0)


def _grid(share: float, top: float, show: Show) -> Markup:
    y = _y(share, 1.0)
    return _GRID.format(LEFT, WIDTH, y, LEFT - 6, y + 4, show(share * top))


def _bars(row: Sequence[float | None], style: str, top: float, wide: float) -> Markup:
    return Markup("").join(
        _BAR.format(
            LEFT + (index + 0.1) * wide, _y(value, top), max(0.5, wide * 0.8), HEIGHT - BOTTOM - _y(value, top), style
        )
        for index, value in enumerate(row)
        if value
    )


def _line(row: Sequence[float | None], style: str, top: float, wide: float) -> Markup:
    """Draw a line through the known values: a gap where one is missing, a dot where one stands alone."""
    runs: list[list[tuple[float, float]]] = [[]]
    for index, value in enumerate(row):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((LEFT + (index + 0.5) * wide, _y(value, top)))
    drawn = Markup("")
    for run in runs:
        if len(run) == 1:
            drawn += _DOT.format(*run[0], style)
        elif run:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
            drawn += _LINE.format(path, style)
    return drawn


def _round_up(value: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power < value:
        power *= 10
    while power / 10 >= value:
        power /= 10
    return next(power / 10 * step for step in (1, 2, 5, 10) if power / 10 * step >= value * 0.999999)
