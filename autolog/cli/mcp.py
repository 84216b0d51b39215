"""The `autolog mcp` command."""

from __future__ import annotations

import sys
from typing import Any

import click

from autolog._display import mcp as protocol
from autolog._display.tools import Logs
from autolog._record.bodies import encode_json
from autolog._record.record import Record
from autolog._version import __version__
from autolog.cli._options import find_by_part, open_for_reading, reading_options, with_whole_trace
from autolog.cli._remote import RemoteStore
from autolog.cli._render import complain
from autolog.cli.replay import TIMEOUT, send_again
from autolog.cli.sql import run_select
from autolog.errors import AutologError
from autolog.stores.sql import SECONDS


@click.command()
@click.option("--project", help="One project only.")
@click.option("--allow-replay", is_flag=True, help="Let the agent send requests again, with your keys, at your cost.")
@reading_options
def mcp(project: str | None, allow_replay: bool, store: str | None, server: str | None) -> None:
    """Let an agent read the logs: a server of the Model Context Protocol on standard input and output.

    Its tools only read: find, show, trace, diff, stats, cache, sql. An autolog server also has them at /mcp, for a
    key with the scope `read`.

    \b
    claude mcp add autolog -- autolog mcp
    autolog mcp --store sqlite:///.autolog/logs.db
    """
    opened = open_for_reading(store, server, create=True)

    def replay(record: Record, model: str | None, changes: dict[str, Any]) -> Record:
        given = tuple(f"{name}={encode_json(value).decode()}" for name, value in changes.items())
        replayed = send_again(record, model, given, None, None, TIMEOUT)
        if not isinstance(opened, RemoteStore):
            opened.write([replayed])
        return replayed

    logs = Logs(
        store=opened,
        project=project,
        find_by_part=lambda part: find_by_part(opened, part, project),
        with_whole_trace=lambda query: with_whole_trace(opened, query),
        select=lambda statement, query, rows: run_select(opened, statement, query, SECONDS, rows),
        replay=replay if allow_replay else None,
        failures=(AutologError,),
    )
    if sys.stdin.isatty():
        complain(
            "waiting for an agent's messages, one JSON object per line; Ctrl-C ends it. For people: `autolog logs`"
        )
    for line in sys.stdin.buffer:
        if line.strip() and (response := protocol.reply(line, logs, __version__)) is not None:
            sys.stdout.buffer.write(response + b"\n")
            sys.stdout.buffer.flush()
