"""The `autolog projects` command."""

from __future__ import annotations

from typing import Any

import click
from rich.text import Text

from autolog._display.figures import dollars, number
from autolog._display.styled import text
from autolog._pricing.budgets import PERIODS
from autolog.cli._administration import administration
from autolog.cli._options import administration_options
from autolog.cli._render import console, echo_json, print_lines, table_width
from autolog.cli._table import Column, draw

_COLUMNS = (
    Column("project", least=8, most=30), Column("records", right=True, leave=2), Column("calls", right=True),
    Column("cost", point=True), Column("kept"), Column("budgets"),
)  # fmt: skip


class ProjectBudget(click.ParamType[dict[str, Any]]):
    """The parameter type of a project's budget: LIMIT/PERIOD."""

    name = "budget"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        limit, _, period = str(value).partition("/")
        try:
            return {"limit": float(limit), "per": period or "day"}
        except ValueError:
            self.fail(f"{value!r} is not a budget such as 5/day; periods are {', '.join(PERIODS)}", param, ctx)


@click.group()
def projects() -> None:
    """List the projects of a server, and set how long their records are kept and what they may spend.

    \b
    autolog projects list
    autolog projects set shop --retain 90d --budget 20/day --budget 300/month
    """


@projects.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@administration_options
def list_(as_json: bool, store: str | None, server: str | None) -> None:
    """List projects: records, calls, cost, retention and budgets."""
    found = administration(store, server).projects()
    if as_json:
        for project in found:
            echo_json(project)
        return
    screen = console()
    rows = []
    for row in found:
        first, *further = [_budget(budget) for budget in row["budgets"]] or [Text("–")]
        rows.append([
            text(row["name"]), Text(number(row["records"])), Text(number(row["calls"])), Text(dollars(row["cost"])),
            text(row["retain"] or "default"), first,
        ])  # fmt: skip
        rows += [[Text("")] * (len(_COLUMNS) - 1) + [budget] for budget in further]
    print_lines(screen, draw(_COLUMNS, rows, table_width(screen)))


def _budget(budget: dict[str, Any]) -> Text:
    """Return a budget and how much of it is spent, in red if it is used up."""
    used_up = budget["spent"] >= budget["limit"]
    words = f"{dollars(budget['spent'])} of {dollars(budget['limit'])} a {budget['per']}"
    return Text(words, "red" if used_up else "")


@projects.command("set")
@click.argument("name")
@click.option("--retain", metavar="AGE", help="Delete records older than this: 30d, 12h. [default: the server's]")
@click.option("--budget", "budgets", multiple=True, type=ProjectBudget(), metavar="LIMIT/PERIOD",
              help="What it may spend: 5/day, 300/month; may be repeated.")  # fmt: skip
@administration_options
def set_(
    name: str, retain: str | None, budgets: tuple[dict[str, Any], ...], store: str | None, server: str | None
) -> None:
    """Set a project's retention and budgets, replacing those it has. Without options they are removed."""
    changed = administration(store, server, create=True).set_project(name, retain, budgets)
    kept = (
        f"records are kept for {changed['retain']}"
        if changed["retain"]
        else "records are kept for the server's default time"
    )
    limits = ", ".join(f"{dollars(budget['limit'])} a {budget['per']}" for budget in changed["budgets"]) or "none"
    click.echo(f"{name}: {kept}; budgets: {limits}")
