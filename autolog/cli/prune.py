"""The `autolog prune` command."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from autolog._display.figures import size
from autolog.cli._options import Size, Time, filter_options, open_local, query_from, store_option
from autolog.cli._render import echo_json
from autolog.stores.retention import prune_store


@click.command()
@filter_options
@click.option("--older-than", type=Time(), help="30d, 12h, or a time.")
@click.option(
    "--max-size", type=Size(), help="Delete the oldest records until the store is no larger than this: 500MB, 2G."
)
@click.option("--dry-run", is_flag=True, help="Say how many records would be deleted, and delete none.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@store_option
def prune(
    older_than: datetime | None,
    max_size: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    store: str | None,
    **options: Any,
) -> None:
    """Delete old records, and free their space.

    \b
    autolog prune --older-than 30d
    autolog prune --max-size 2G --yes
    autolog prune --project staging --older-than 7d --dry-run
    """
    opened = open_local(store)
    query = query_from(options, opened)
    if older_than is not None:
        query = query.before(older_than)
    if (
        older_than is None
        and max_size is None
        and not any((query.equal, query.tags, query.metadata, query.text, query.since, query.until))
    ):
        raise click.UsageError("say what to delete: --older-than, --max-size, or a filter")
    matching = opened.count(query)
    if not dry_run and not yes:
        doomed = f"{matching:,} records" if max_size is None else "the oldest records"
        click.confirm(f"Delete {doomed} from {opened.url}?", abort=True, err=True)
    result = prune_store(opened, query, max_size, dry_run)
    if as_json:
        echo_json(result)
    else:
        word = "would delete" if dry_run else "deleted"
        click.echo(f"{word} {result['deleted']:,} records; the store has {size(result['size'])}")
