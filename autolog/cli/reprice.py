"""The `autolog reprice` command."""

from __future__ import annotations

from typing import Any

import click

from autolog._display.figures import dollars, number
from autolog._reading.derive import fill_in
from autolog._record.record import Record
from autolog.cli._options import filter_options, open_local, query_from, store_option
from autolog.cli._render import counted, echo_json


@click.command()
@filter_options
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@store_option
def reprice(dry_run: bool, as_json: bool, store: str | None, **options: Any) -> None:
    """Recompute costs from the bodies, with today's price table.

    The old figures stay in `cost_details.before`. Costs given by a caller or computed from your own prices are left
    alone, and so are records without bodies.

    \b
    autolog reprice --since 30d --model gpt-5 --dry-run
    """
    opened = open_local(store)
    changed = seen = bodiless = 0
    before = after = 0.0
    for record in opened.scan(query_from(options, opened).where(kind="llm")):
        details = record.cost_details or {}
        if record.custom_cost or details.get("prices") in {"yours", "your function"}:
            continue
        seen += 1
        if record.response_body is None and record.response_headers is not None:
            bodiless += 1  # the record alone does not contain enough to compute the cost
            continue
        old = record.cost
        _price_again(record)
        if record.cost is None and old is not None:
            continue
        if record.cost == old:
            continue
        changed, before, after = changed + 1, before + (old or 0), after + (record.cost or 0)
        if not dry_run:
            opened.update(record.id, record.project, lambda kept, new=record: _apply(kept, new))  # type: ignore[misc]
    if as_json:
        counts = {"changed": changed, "of": seen, "without_bodies": bodiless, "dry_run": dry_run}
        echo_json({**counts, "before": before, "after": after})
        return
    would = "would change" if dry_run else "changed"
    sums = f", in total from {dollars(before)} to {dollars(after)}" if changed else ""
    click.echo(f"{would} {number(changed)} of {counted(seen, 'cost')}{sums}")
    if bodiless:
        click.echo(f"{bodiless} left unchanged, because their bodies were not kept")


def _price_again(record: Record) -> None:
    old, details = record.cost, record.cost_details or {}
    record.cost = record.cost_details = None
    fill_in(record)
    past = [*details.get("before", []), {"cost": old, "prices": details.get("prices")}]
    if record.cost != old:
        record.cost_details = {**(record.cost_details or {}), "before": past}


def _apply(kept: Record, new: Record) -> None:
    kept.cost, kept.cost_details = new.cost, new.cost_details
