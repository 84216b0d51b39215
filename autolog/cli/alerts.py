"""The `autolog alerts` command."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

import click
from rich.text import Text

from autolog._display.styled import text
from autolog.cli._administration import OfServer, administration
from autolog.cli._options import administration_options, options_for
from autolog.cli._render import console, echo_json, print_lines, print_prose, table_width
from autolog.cli._table import Column, draw
from autolog.server._alerts import RULE_FILTERS, Rule, filter_pairs
from autolog.server._keys import ANY_PROJECT

_COLUMNS = (
    Column("alert", least=16, most=30), Column("state"), Column("now", right=True), Column("when"),
    Column("project", least=8, most=20, leave=2), Column("filters", least=8, leave=3),
)  # fmt: skip
_EVENTS = 10
_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")


@click.group(invoke_without_command=True)
@_json_option
@administration_options
@click.pass_context
def alerts(ctx: click.Context, as_json: bool, store: str | None, server: str | None) -> None:
    """List alerts and their latest events.

    A running server watches them: error rate, latency (p95), cost or number of calls over a window, by any filter.
    Each notifies once when it fires, and once when it is over.

    \b
    autolog alerts set errors --when 'error_rate > 5% over 15m' \\
        --min-calls 20 --webhook https://hooks.slack.com/...
    autolog alerts set spend --when 'cost > 50 over 1d' --mail ops@example.com
    autolog alerts set silence --when 'calls < 1 over 1h' --function report
    """
    if ctx.invoked_subcommand is None:
        _list(administration(store, server).alerts(), as_json)


@alerts.command("list")
@_json_option
@administration_options
def list_them(as_json: bool, store: str | None, server: str | None) -> None:
    """List alerts and their latest events, as `autolog alerts` does."""
    _list(administration(store, server).alerts(), as_json)


def _list(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        for alert in found:
            echo_json(alert)
        return
    if not found:
        click.echo("There are no alerts yet; see `autolog alerts --help`.")
        return
    screen = console()
    rows = [
        [
            text(alert["name"]), _state(alert), text(alert["shown"] or "–"), text(alert["when"]),
            text(alert["project"]),
            text(" ".join(f"{word}={value}" for word, value in filter_pairs(alert["filters"]))),
        ]
        for alert in found
    ]  # fmt: skip
    print_lines(screen, draw(_COLUMNS, rows, table_width(screen)))
    events = sorted(((event["at"], event) for alert in found for event in alert["events"]), key=lambda pair: pair[0])
    for at, event in events[-_EVENTS:]:
        problem = f"  not delivered: {event['problem']}" if event.get("problem") else ""
        print_prose(screen, Text.assemble(f"{_local(at)}  ", text(event["text"]), text(problem, "red")))


def _state(alert: dict[str, Any]) -> Text:
    if alert["problem"]:
        return text("not checked", "red")
    if alert["firing"]:
        return Text(f"firing since {_local(alert['since'])}", "bold red")
    return Text("ok" if alert["checked_at"] else "not checked yet")


def _local(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone():%d %b %H:%M}"


@alerts.command("set")
@click.argument("alert", metavar="NAME")
@click.option("--when", required=True, metavar="CONDITION",
              help="error_rate > 5% over 15m, p95 > 20s over 1h, cost > 50 over 1d, calls < 1 over 1h.")  # fmt: skip
@click.option("--project", metavar="NAME", help="The project whose calls are watched; without this option all, "
              "or the one that your key is for.")  # fmt: skip
@click.option("--min-calls", default=1, show_default=True, type=click.IntRange(min=1),
              help="With fewer calls in the window, an error rate or latency is not evaluated.")  # fmt: skip
@click.option("--webhook", metavar="URL", help="Where to post JSON, including a text that Slack shows.")
@click.option("--mail", multiple=True, metavar="ADDRESS", help="Who gets a mail; may be repeated. Needs serve --smtp.")
@options_for(RULE_FILTERS)
@administration_options
def set_(alert: str, store: str | None, server: str | None, mail: tuple[str, ...], **options: Any) -> None:
    """Set an alert; it replaces the one with this name."""
    filters = {
        word: list(given) if isinstance(given, tuple) else given for word in RULE_FILTERS if (given := options[word])
    }
    rule = Rule(alert, ANY_PROJECT, options["when"], filters, options["min_calls"], options["webhook"], mail)
    rule = administration(store, server, create=True).set_alert(rule, options["project"])
    click.echo(f"set {alert}: {rule.when} in {rule.scope}")


@alerts.command()
@click.argument("name")
@administration_options
def remove(name: str, store: str | None, server: str | None) -> None:
    """Remove an alert."""
    administration(store, server).remove_alert(name)
    click.echo(f"removed {name}")


@alerts.command()
@click.argument("name")
@administration_options
def test(name: str, store: str | None, server: str | None) -> None:
    """Have the server send an alert, to see that it arrives."""
    of = administration(store, server)
    if not isinstance(of, OfServer):
        raise click.UsageError("the server sends it: name it with --server")
    problems = of.try_alert(name)
    for problem in problems:
        click.echo(f"not delivered: {problem}", err=True)
    if problems:
        sys.exit(1)
    click.echo(f"delivered {name}")
