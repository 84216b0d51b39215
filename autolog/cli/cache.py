"""The `autolog cache` command."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from rich.text import Text

from autolog._display.figures import dollars, number, safe
from autolog._display.styled import text
from autolog._reading.caching.causes import Miss
from autolog._reading.caching.report import GROUPS, Cause, Sums, report
from autolog.cli._options import filter_options, nothing_matches, open_for_reading, query_from, reading_options
from autolog.cli._render import console, echo_json, print_lines, print_prose, table_width
from autolog.cli._table import Column, draw

_FIGURES = (
    Column("calls", right=True), Column("hit rate", right=True), Column("input", right=True, leave=3),
    Column("read", right=True, leave=2), Column("written", right=True, leave=4), Column("saved", point=True),
    Column("lost", point=True),
)  # fmt: skip
_CAUSES = (
    Column("cause"), Column("where", least=16, most=48), Column("misses", right=True), Column("tokens", right=True),
    Column("lost", point=True), Column("for example", leave=1),
)  # fmt: skip


@click.command()
@filter_options
@click.option("--by", default="model", show_default=True, type=click.Choice(GROUPS), help="What to group by.")
@click.option("--misses", is_flag=True, help="Each miss with what changed, instead of totals.")
@click.option(
    "--limit",
    "-n",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="The maximum number of causes or misses.",
)
@click.option("--json", "as_json", is_flag=True, help="Totals, causes and misses as one JSON object.")
@reading_options
def cache(
    by: str, misses: bool, limit: int, as_json: bool, store: str | None, server: str | None, **options: Any
) -> None:
    """Show why prompts were not read from the provider's cache, and what that cost.

    Each call is compared with the nearest earlier one of its session, its function or with the same beginning, by the
    rules that OpenAI, Anthropic, Gemini and DeepSeek publish. `saved` is what the cache saved, `lost` what avoidable
    misses cost. Token counts of a part of a prompt are estimates.

    \b
    autolog cache --since 7d
    autolog cache --by function --model claude-sonnet-5
    autolog cache --session ticket-17 --misses
    """
    opened = open_for_reading(store, server)
    query = query_from(options, opened)
    judged = report(opened.scan(query), by)
    causes = judged.causes()
    if as_json:
        echo_json(
            {
                "total": _sums(judged.total),
                "groups": [{by: group, **_sums(sums)} for group, sums in judged.groups.items()],
                "causes": [_cause(cause) for cause in causes[:limit]],
                "misses": [asdict(miss) for miss in judged.misses[-limit:]] if misses else None,
            }
        )
        return
    if not judged.total.calls:
        nothing_matches(opened, query, "No matching call uses a prompt cache.")
        return
    screen = console()
    if misses:
        for line in (line for miss in judged.misses[-limit:] for line in _drawn(miss)):
            print_prose(screen, line, indent="    ")
        return
    groups = sorted(judged.groups.items(), key=lambda group: group[0] if by == "day" else -group[1].lost)
    rows = [[text(group), *_figures(sums)] for group, sums in groups]
    columns = [Column(by, least=16, most=40), *_FIGURES]
    print_lines(screen, draw(columns, rows, table_width(screen), [Text("total"), *_figures(judged.total)]))
    if causes:
        screen.print()
        print_lines(screen, draw(_CAUSES, [_row(cause) for cause in causes[:limit]], table_width(screen)))
        screen.print(Text("\nWhat changed: autolog cache --misses; one log: autolog show ID", style="dim"))


def _sums(sums: Sums) -> dict[str, Any]:
    return {**asdict(sums), "rate": sums.rate}


def _cause(cause: Cause) -> dict[str, Any]:
    return {**asdict(cause), "avoidable": cause.avoidable}


def _figures(sums: Sums) -> list[Text]:
    words = (number(sums.calls), f"{100 * sums.rate:.1f}%", number(sums.tokens), number(sums.read),
             number(sums.written), dollars(sums.saved))  # fmt: skip
    return [*map(Text, words), Text(dollars(sums.lost), style="red" if sums.lost else "")]


def _row(cause: Cause) -> list[Text]:
    style = "" if cause.avoidable else "dim"
    words = (cause.cause.replace("_", " "), cause.where, number(cause.misses), number(cause.tokens),
             dollars(cause.dollars), cause.example.id)  # fmt: skip
    return [text(word, style) for word in words]


def _drawn(miss: Miss) -> list[Text]:
    head = (
        f"{miss.id}  {number(miss.tokens)} tokens  {dollars(miss.dollars)}  {miss.explanation}  (after {miss.against})"
    )
    lines = [text(head, "bold" if miss.avoidable else "dim")]
    lines += [] if miss.before is None else [Text("  - " + safe(miss.before), style="red")]
    return lines if miss.after is None else [*lines, Text("  + " + safe(miss.after), style="green")]
