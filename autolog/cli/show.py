"""The `autolog show` command."""

from __future__ import annotations

import click

from autolog._display.page import record_page
from autolog._reading.caching.report import line
from autolog.cli._options import open_for_reading, project_option, reading_options, require_one
from autolog.cli._render import console, echo_record
from autolog.stores.lookup import calls_before


@click.command()
@click.argument("record_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The record as JSON, bodies included.")
@click.option("--raw", is_flag=True, help="The exact bytes of the request's and the response's body.")
@project_option
@reading_options
def show(record_id: str, as_json: bool, raw: bool, project: str | None, store: str | None, server: str | None) -> None:
    """Show one record: the conversation, tokens, cost and timing. The beginning or the end of an ID is enough.

    \b
    autolog show 0199d2c1-7e4a
    autolog show 0199d2c1-7e4a --json | jq .response_body.usage
    """
    opened = open_for_reading(store, server)
    record = require_one(opened, record_id, project)
    if as_json:
        echo_record(record, bodies=True)
    elif raw:
        for body in (record.request_body, record.response_body):
            click.echo(body or b"")
    else:
        console().print(record_page(record, line(record, calls_before(opened, record)) or ""))
