"""The `autolog` command line. Each command is a module of this package, imported when it is called."""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Any

import click

from autolog._version import __version__
from autolog.errors import AutologError

#: The commands: name, module, and description in `autolog --help`.
COMMANDS = {
    "alerts": ("alerts", "List alerts and their events; set, test and remove them."),
    "backup": ("backup", "Copy the store into one file while programs keep writing."),
    "cache": ("cache", "Show why prompts were not read from the provider's cache, and what that cost."),
    "copy": ("copy", "Copy to another store, SQLite or ClickHouse, verified batch by batch."),
    "demo": ("demo", "See it work: a small app against a stand-in provider. No key, no network."),
    "diff": ("diff", "Show two records side by side: figures, requests, answers."),
    "doctor": ("doctor", "Check the configuration, the store or server, the SDKs and versions."),
    "env": ("env", "Print settings that point another program here: coding agents, LiteLLM, OpenTelemetry."),
    "export": ("export", "Export records: JSON lines, CSV, Parquet, vcrpy cassettes."),
    "import": ("importing", "Import records: JSON lines, Parquet, another store."),
    "keys": ("keys", "Create, list and revoke the API keys of a server."),
    "logs": ("logs", "List records, newest first."),
    "mcp": ("mcp", "Let a coding agent read the logs: a Model Context Protocol server on stdio."),
    "projects": ("projects", "List a server's projects; set their retention and budgets."),
    "prune": ("prune", "Delete old records: by age, size, project or any filter."),
    "reconcile": ("reconcile", "Compare the costs logged with the provider's own reports, by day and model."),
    "replay": ("replay", "Resend a recorded request, changed or not, and show the difference."),
    "reprice": ("reprice", "Recompute costs with today's price table, keeping the old figures."),
    "run": ("run", "Run a program with every installed SDK patched, without changing its code."),
    "serve": ("serve", "Run the server: OTLP, other loggers' APIs and our own over one store."),
    "show": ("show", "Show one record: the conversation, tokens, cost and timing."),
    "skill": ("skill", "Print a skill file or llms.txt: how coding agents read the logs."),
    "sql": ("sql", "Query with SELECT: calls, spans, messages, tool calls and scores."),
    "stats": ("stats", "Summarise calls, errors, tokens, cost and latency."),
    "tail": ("tail", "Watch records as they arrive."),
    "trace": ("trace", "Show a trace as a tree with durations and cost."),
    "ui": ("ui", "Open the dashboard in the browser."),
}


class Commands(click.Group):
    """A command group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"autolog.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, COMMANDS[cmd_name][0])
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            import difflib  # needed by this error alone

            similar = difflib.get_close_matches(name, COMMANDS)
            hint = f" Did you mean {' or '.join(similar)}?" if similar else ""
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:  # `autolog logs | head`: the reader has closed the pipe, which is not an error
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
            ctx.exit(0)
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="autolog")
def cli() -> None:
    """Show every LLM call that your program makes.

    \b
    Start with:  autolog demo
    Then:        autolog logs --errors --since 1h
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with 0 for success, 1 for failure, 2 for wrong usage, 130 if interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a code page of Windows has no lines and arrows
            stream.reconfigure(errors="replace")
    try:
        result: Any = cli.main(args=args, prog_name="autolog", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (
        AutologError,
        OSError,
        UnicodeDecodeError,
        OverflowError,
    ) as error:
        from autolog.cli._render import complain  # rich takes a while to import

        complain(error)
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)
