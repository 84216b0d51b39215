"""The `autolog stats` command."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from autolog._display.chart import bar_chart
from autolog._display.figures import dollars, number, seconds
from autolog._display.files import safe_cell
from autolog._display.styled import text
from autolog.cli._comparison import compare, comparison_lines
from autolog.cli._options import (
    ReadableStore,
    filter_options,
    nothing_matches,
    open_for_reading,
    query_from,
    reading_options,
)
from autolog.cli._render import console, data_output, echo_json, print_lines, table_width
from autolog.cli._table import Column, draw
from autolog.stores.query import GROUPS, SCORE_GROUPS, Aggregate, Query, ScoreSum

_COLUMNS = (
    Column("calls", right=True, leave=-2), Column("errors", right=True, leave=-1), Column("input", right=True, leave=2),
    Column("output", right=True, leave=2), Column("cost", point=True), Column("unpriced", right=True, leave=4),
    Column("p50", right=True, leave=3), Column("p95", right=True, leave=1), Column("p99", right=True, leave=5),
)  # fmt: skip
#: The figures by which groups can be sorted and drawn, each with a function for its value and one to format it.
_FIGURES: dict[str, tuple[Callable[[Aggregate], float], Callable[[float], str]]] = {
    "calls": (lambda row: row.calls, number),
    "errors": (lambda row: row.errors, number),
    "tokens": (lambda row: (row.input_tokens or 0) + (row.output_tokens or 0), number),
    "cost": (lambda row: row.cost or 0.0, dollars),
    "latency": (lambda row: row.p95 or 0.0, seconds),
}
#: The most bars in a chart.
_MOST_BARS = 100


@click.command()
@filter_options
@click.option(
    "--by",
    default="model",
    show_default=True,
    type=click.Choice(GROUPS),
    metavar="FIELD",
    help=f"What to group by: {', '.join(GROUPS)}.",
)
@click.option("--sort", type=click.Choice([*_FIGURES]), help="Largest first. [default: most calls first, or by time]")
@click.option("--compare", "beside", is_flag=True, help="Compare with the period before, of the same length.")
@click.option("--scores", is_flag=True, help="Summarise scores instead: count, mean, min and max of each name.")
@click.option("--wide", is_flag=True, help="All columns, however wide the terminal is.")
@click.option("--csv", "as_csv", is_flag=True, help="For a spreadsheet.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Draw a chart for a slide, of cost or of what --sort names.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@reading_options
def stats(
    by: str, sort: str | None, beside: bool, scores: bool, wide: bool, as_csv: bool, svg: Path | None, as_json: bool,
    store: str | None, server: str | None, **options: Any,
) -> None:  # fmt: skip
    """Summarise calls, errors, tokens, cost and latency.

    Hours, days, weeks (by their Monday) and months are those of your time zone. A failed call counts for the
    model that it requested. `unpriced` are calls without a cost that should have one.

    \b
    autolog stats --by day --since 7d
    autolog stats --by user --since 'this week' --sort cost
    autolog stats --by day --since 30d --svg cost.svg
    autolog stats --by model --since 1d --compare
    autolog stats --by prompt_version --scores
    """
    opened = open_for_reading(store, server)
    query = query_from(options, opened)
    if scores:
        if sums := opened.scores(query, _score_group(by)):
            _show_scores(sums, by, wide, as_json)
        elif not as_json:
            nothing_matches(opened, query, "No matching record has scores.")
        return
    if beside:
        _show_comparison(opened, query, by, wide, as_json)
        return
    rows = opened.aggregate(query, by, None)
    if sort is not None:
        rows.sort(key=_FIGURES[sort][0], reverse=True)
    if svg is not None:
        _write_chart(svg, rows, by, sort or "cost")
    elif as_csv:
        _write_csv(rows, by)
    elif as_json:
        for row in rows:
            echo_json(asdict(row))
    elif rows:
        screen = console()
        (total,) = opened.aggregate(query)
        columns = [Column(by, least=24, most=40), *_COLUMNS]
        cells = [[text("–" if row.group is None else row.group), *_cells(row)] for row in rows]
        print_lines(screen, draw(columns, cells, table_width(screen, wide), [Text("total"), *_cells(total)]))
    else:
        nothing_matches(opened, query)


def _show_comparison(opened: ReadableStore, query: Query, by: str, wide: bool, as_json: bool) -> None:
    pairs = compare(opened, query, by)
    if as_json:
        for pair in pairs:
            echo_json(pair.as_json())
    elif pairs:
        (total,) = compare(opened, query, None)
        screen = console()
        print_lines(screen, comparison_lines(pairs, total, by, table_width(screen, wide)))
    else:
        nothing_matches(opened, query)


def _score_group(by: str) -> str:
    if by not in SCORE_GROUPS:
        raise click.UsageError(f"scores can be grouped by {', '.join(SCORE_GROUPS)}, not by {by}")
    return by


def _show_scores(sums: Sequence[ScoreSum], by: str, wide: bool, as_json: bool) -> None:
    if as_json:
        for score in sums:
            echo_json(asdict(score))
    else:
        columns = [
            Column(by, least=16, most=40), Column("score", least=12, most=30), Column("scores", right=True),
            *(Column(heading, point=True) for heading in ("mean", "min", "max")),
        ]  # fmt: skip
        cells = [
            [text("–" if score.group is None else score.group), text(score.name), Text(number(score.count)),
             *(Text(f"{value:.4g}") for value in (score.mean, score.min, score.max))]
            for score in sums
        ]  # fmt: skip
        screen = console()
        print_lines(screen, draw(columns, cells, table_width(screen, wide)))


def _cells(row: Aggregate) -> list[Text]:
    errors = Text(f"{number(row.errors)} ({100 * row.errors / row.calls:.1f}%)", "red") if row.errors else Text("0")
    words = (
        number(row.input_tokens), number(row.output_tokens), dollars(row.cost), number(row.unpriced),
        seconds(row.p50), seconds(row.p95), seconds(row.p99),
    )  # fmt: skip
    return [Text(number(row.calls)), errors, *map(Text, words)]


def _write_csv(rows: Sequence[Aggregate], by: str) -> None:
    names = [*Aggregate.__dataclass_fields__]
    writer = csv.writer(data_output(), lineterminator="\n")
    writer.writerow([by, *names[1:]])
    for row in rows:
        figures = [getattr(row, name) for name in names[1:]]
        writer.writerow(
            [safe_cell(row.group), *(round(figure, 10) if isinstance(figure, float) else figure for figure in figures)]
        )


def _write_chart(path: Path, rows: Sequence[Aggregate], by: str, figure: str) -> None:
    value, shown = _FIGURES[figure]
    bars = [("–" if row.group is None else row.group, value(row)) for row in rows]
    if by == "day" and bars:
        known = dict(bars)
        bars = [(day, known.get(day, 0.0)) for day in _days(min(known), max(known))]
    if len(bars) > _MOST_BARS:
        raise click.UsageError(f"{len(bars)} bars are too many for a chart: choose a range with --since, or weeks")
    title = f"{'Latency (p95)' if figure == 'latency' else figure.capitalize()} by {by.replace('_', ' ')}"
    note = f"{len(bars)} {by.replace('_', ' ')}{'' if len(bars) == 1 else 's'}"
    if figure != "latency":
        note += f", {shown(sum(amount for _, amount in bars))} in all"
    path.write_text(bar_chart(title, note, bars, shown), encoding="utf-8")
    click.echo(f"wrote {path}")


def _days(first: str, last: str) -> Iterator[str]:
    """Yield all days from `first` to `last`, including those without calls."""
    day = date.fromisoformat(first)
    while day <= date.fromisoformat(last):
        yield day.isoformat()
        day += timedelta(days=1)
