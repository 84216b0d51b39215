"""The `autolog keys` command."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import click
from rich.text import Text

from autolog._display.styled import text
from autolog.cli._administration import administration
from autolog.cli._options import Age, administration_options
from autolog.cli._render import console, echo_json, print_lines, table_width
from autolog.cli._table import Column, draw
from autolog.server._keys import ANY_PROJECT, SCOPES

_COLUMNS = (
    Column("id"), Column("name", least=8, most=30), Column("project", least=8, most=24), Column("scopes"),
    Column("state"), Column("last used", leave=1), Column("created", leave=2),
)  # fmt: skip


@click.group()
def keys() -> None:
    """Create, list and revoke the API keys of a server.

    They are kept in the server's store. With --server and an admin key in AUTOLOG_API_KEY it works over HTTP.

    \b
    autolog keys create --name web --project shop --scope ingest
    autolog keys create --name ann --scope read --expires 90d
    autolog keys list
    autolog keys revoke 1f2e3d4c
    """


@keys.command()
@click.option("--name", required=True, help="What the key is for.")
@click.option("--project", default="default", show_default=True, help=f"The key's project; {ANY_PROJECT} for all.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="May be repeated.")
@click.option("--expires", type=Age(), help="How long the key is valid: 12h, 90d. [default: for ever]")
@administration_options
def create(
    name: str, project: str, scopes: tuple[str, ...], expires: timedelta | None, store: str | None, server: str | None
) -> None:
    """Create a key and show it once. Without --scope it may ingest and read."""
    expires_at = None if expires is None else datetime.now(UTC) + expires
    of = administration(store, server, create=True)
    click.echo(of.create_key(name, project, scopes or ("ingest", "read"), expires_at))
    if sys.stdout.isatty():
        click.echo("It is shown only once: copy it now.", err=True)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@administration_options
def list_(as_json: bool, store: str | None, server: str | None) -> None:
    """List all keys. Only their hashes are stored, not the keys themselves."""
    found = administration(store, server).keys()
    if as_json:
        for key in found:
            echo_json(key)
        return
    if not found:
        click.echo("There are no keys yet.")
        return
    screen = console()
    rows = [
        [
            text(key["id"]), text(key["name"]), text(key["project"]), text(", ".join(key["scopes"])), _state(key),
            text(_day(key["last_used_at"]) or "never"), text(_day(key["created_at"])),
        ]
        for key in found
    ]  # fmt: skip
    print_lines(screen, draw(_COLUMNS, rows, table_width(screen)))


def _state(key: dict[str, str | None]) -> Text:
    if key["revoked_at"]:
        return Text(f"revoked {_day(key['revoked_at'])}", "red")
    if key["expires_at"] and datetime.fromisoformat(key["expires_at"]) < datetime.now(UTC):
        return Text(f"expired {_day(key['expires_at'])}", "red")
    return Text(f"until {_day(key['expires_at'])}" if key["expires_at"] else "valid")


def _day(at: str | None) -> str:
    """Return a time in this machine's time zone, to the minute."""
    return f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M}" if at else ""


@keys.command()
@click.argument("key_id", metavar="ID")
@administration_options
def revoke(key_id: str, store: str | None, server: str | None) -> None:
    """Revoke a key; a running server refuses it within two seconds."""
    administration(store, server).revoke_key(key_id)
    click.echo(f"revoked {key_id}")
