"""Draw a bar chart for a slide as a self-contained SVG: 16:9, with labelled bars and no scripts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from autolog._display.figures import safe

#: The size of the chart, and the margins around the bars, in pixels.
WIDTH, HEIGHT = 1280, 720
_LEFT, _RIGHT, _TOP, _BOTTOM = 120, 40, 150, 90
#: The approximate number of steps on the axis.
_STEPS = 4
#: With more bars than this, values are not shown, and only some bars are labelled.
_CROWDED = 16
#: The approximate width of a letter, in pixels.
_LETTER = 13
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_STYLE = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:#1f2937;font-size:22px}"
    ".title{font-size:36px;font-weight:600}.note{fill:#6b7280}.mid{text-anchor:middle}.end{text-anchor:end}"
    ".grid{stroke:#e5e7eb}.bar{fill:#2563eb}"
)


def bar_chart(title: str, note: str, rows: Sequence[tuple[str, float]], shown: Callable[[float], str]) -> str:
    """Return an SVG document with a bar for each row, a pair of label and value; `shown` formats values."""
    most = max([value for _, value in rows], default=0.0)
    top, step = _axis(most)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
        f"<title>{_text(title)}</title><style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT - 70}" y="56" class="title">{_text(title)}</text>',
        f'<text x="{_LEFT - 70}" y="90" class="note">{_text(note)}</text>',
    ]
    for number in range(round(top / step) + 1):
        y = _height(number * step, top)
        parts.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 12}" y="{y + 7:.1f}" class="note end">{_text(shown(number * step))}</text>')
    parts += _bars(rows, top, shown)
    return "\n".join([*parts, "</svg>\n"])


def _bars(rows: Sequence[tuple[str, float]], top: float, shown: Callable[[float], str]) -> list[str]:
    room = (WIDTH - _LEFT - _RIGHT) / max(1, len(rows))
    every = math.ceil(len(rows) / _CROWDED)
    parts = []
    for index, (label, value) in enumerate(rows):
        x, y = _LEFT + (index + 0.15) * room, _height(value, top)
        middle = x + 0.35 * room
        words = f"{_text(label)}: {_text(shown(value))}"
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{0.7 * room:.1f}" height="{HEIGHT - _BOTTOM - y:.1f}" class="bar">'
            f"<title>{words}</title></rect>"
        )
        if every == 1:
            parts.append(f'<text x="{middle:.1f}" y="{y - 10:.1f}" class="mid">{_text(shown(value))}</text>')
        if index % every == 0:
            shortened = _shortened(label, max(5, int(room * every / _LETTER)))
            parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - _BOTTOM + 34}" class="mid">{_text(shortened)}</text>')
    return parts


def _shortened(label: str, letters: int) -> str:
    """Return a label shortened to at most `letters`: a day without its year, any other label cut off."""
    if len(label) <= letters:
        return label
    return label[5:] if _DAY.fullmatch(label) else label[: letters - 1] + "…"


def _axis(most: float) -> tuple[float, float]:
    """Return the end of an axis for values up to `most`, and its step: 1, 2, 2.5 or 5 times a power of ten."""
    if most <= 0:
        return 1.0, 1.0
    rough = most / _STEPS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    return step * math.ceil(most / step - 1e-9), step


def _height(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - max(0.0, value) / top * (HEIGHT - _TOP - _BOTTOM)


def _text(value: str) -> str:
    return escape(safe(value), {'"': "&quot;"})
