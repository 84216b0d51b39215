"""`autolog keys`"""

from __future__ import annotations

import json

import click
from rich import box
from rich.table import Table

from autolog._config import config_from
from autolog._display.figures import safe
from autolog.cli._options import store_option
from autolog.cli._render import console
from autolog.server._keys import ANY_PROJECT, SCOPES, create_key, list_keys, revoke_key
from autolog.stores import open_store
from autolog.stores._contract import Store


def _open(url: str | None) -> Store:
    return open_store(url or config_from({}).store)


@click.group()
def keys() -> None:
    """Create, list and revoke the API keys of a server.

    \b
    autolog keys create --name web --project shop --scope ingest
    autolog keys list
    autolog keys revoke 1f2e3d4c
    """


@keys.command()
@click.option("--name", required=True, help="What it is for.")
@click.option("--project", default="default", show_default=True, help=f"Which project; {ANY_PROJECT} for all.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="May be repeated.")
@store_option
def create(name: str, project: str, scopes: tuple[str, ...], store: str | None) -> None:
    """Create a key and show it, once. Without --scope it may ingest and read."""
    click.echo(create_key(_open(store), name, project, scopes or ("ingest", "read")))


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@store_option
def list_(as_json: bool, store: str | None) -> None:
    """List all keys; the keys themselves are not stored, only their hashes."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("id", "name", "project", "scopes", "created", "revoked"):
        table.add_column(heading)
    for key_id, data in list_keys(_open(store)).items():
        if as_json:
            click.echo(json.dumps({"id": key_id, **data}))
        table.add_row(
            key_id, safe(data["name"]), safe(data["project"]), ", ".join(data["scopes"]), data["created_at"],
            data["revoked_at"] or "",
        )  # fmt: skip
    if not as_json:
        console().print(table)


@keys.command()
@click.argument("key_id", metavar="ID")
@store_option
def revoke(key_id: str, store: str | None) -> None:
    """Revoke a key; a running server refuses it within two seconds."""
    revoke_key(_open(store), key_id)
    click.echo(f"revoked {key_id}")
