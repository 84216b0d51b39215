"""SVG charts for slides: complete documents whose bars are as high as their figures."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from autolog._display.chart import HEIGHT, WIDTH, bar_chart
from autolog._display.figures import dollars, number

_SVG = "{http://www.w3.org/2000/svg}"


def bars(svg: str) -> list[tuple[float, str]]:
    """Return the heights of bars, and what is said of each."""
    root = ElementTree.fromstring(svg)
    found = [node for node in root.iter(f"{_SVG}rect") if node.get("class") == "bar"]
    return [(float(node.get("height", 0)), node[0].text or "") for node in found]


def test_bars_are_as_high_as_their_figures() -> None:
    drawn = bars(bar_chart("Cost by day", "4 days", [("a", 4.0), ("b", 1.0), ("c", 0.0), ("d", 2.0)], dollars))
    heights = [height for height, _ in drawn]
    assert heights[0] / heights[1] == pytest.approx(4, rel=0.01)
    assert heights[3] / heights[1] == pytest.approx(2, rel=0.01)
    assert heights[2] == 0
    assert [words for _, words in drawn] == ["a: $4.00", "b: $1.00", "c: $0.00", "d: $2.00"]


@pytest.mark.parametrize("most", [0.0, 0.0000013, 0.07, 1.0, 4.0, 9.99, 123_456.0, 3e12])
def test_the_axis_reaches_the_highest_bar_in_few_round_steps(most: float) -> None:
    svg = bar_chart("t", "n", [("a", most)], lambda value: f"{value:.3g}")
    steps = [float(found) for found in re.findall(r'class="note end">([^<]*)<', svg)]
    assert steps[0] == 0
    assert steps[-1] >= most * 0.999
    assert 2 <= len(steps) <= 7
    assert all(height <= HEIGHT for height, _ in bars(svg))


def test_many_bars_and_hostile_labels_stay_inside() -> None:
    rows = [(f'<script>"{index}"&\x1b[31m', float(index)) for index in range(100)]
    svg = bar_chart('<b>"t"', "n", rows, number)
    assert len(bars(svg)) == 100
    assert "<script>" not in svg
    assert "\x1b" not in svg
    labels = [node for node in ElementTree.fromstring(svg).iter(f"{_SVG}text") if node.get("class") == "mid"]
    assert len(labels) <= 16
    assert all(0 <= float(node.get("x", -1)) <= WIDTH for node in labels)


def test_without_rows_there_is_a_chart_without_bars() -> None:
    assert bars(bar_chart("t", "0 days", [], dollars)) == []


def test_days_lose_their_year_and_names_their_end_where_room_is_short() -> None:
    svg = bar_chart("t", "n", [(f"2026-11-{day:02}", 1.0) for day in range(1, 15)], dollars)
    assert ">11-07<" in svg
    svg = bar_chart("t", "n", [("a-very-long-name-indeed" * 9, 1.0)] * 5, dollars)
    assert re.search(r">a-very-long[^<]*…<", svg)
