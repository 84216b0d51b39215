"""The `autolog reconcile` command."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import click
from msgspec.structs import asdict
from rich.padding import Padding
from rich.text import Text

from autolog._display.figures import dollars, safe
from autolog._display.styled import text
from autolog._pricing import reconcile as compare, reports
from autolog.cli._options import open_for_reading, store_option
from autolog.cli._render import console, echo_json, print_lines, print_prose, table_width
from autolog.cli._table import Column, draw
from autolog.errors import AutologError
from autolog.stores.query import Query

#: For each provider: the base URL of its API, the variable with the admin key, and the function that reads its reports.
PROVIDERS: dict[str, Any] = {
    "openai": ("https://api.openai.com", "OPENAI_ADMIN_KEY", reports.openai_report),
    "anthropic": ("https://api.anthropic.com", "ANTHROPIC_ADMIN_KEY", reports.anthropic_report),
}
#: The maximum size of a page of a provider's report, in bytes.
MAX_BYTES = 64 * 1024 * 1024
_COLUMNS = (
    Column("day"), Column("model", least=12, most=36), Column("key", least=8, most=20), Column("verdict"),
    Column("logged", point=True), Column("billed", point=True), Column("reason"),
)  # fmt: skip
_KEY, _REASON = 2, 6
_STYLES = {"agreed": "green", "cheaper": "green", "missing": "red", "dearer": "red"}
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("provider", type=click.Choice(list(PROVIDERS)))
@click.option("--from", "start", type=_DAY, required=True, help="The first day (UTC): 2026-11-01.")
@click.option("--to", "end", type=_DAY, required=True, help="The last day (UTC), inclusive.")
@click.option(
    "--csv",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A downloaded report, instead of asking the provider.",
)
@click.option("--base-url", help="A different address of the provider's API.")
@click.option("--all", "everything", is_flag=True, help="Also show what agrees.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@store_option
def reconcile(
    provider: str, start: datetime, end: datetime, file: Path | None, base_url: str | None, everything: bool,
    as_json: bool, store: str | None,
) -> None:  # fmt: skip
    """Compare what was logged with the provider's own cost and usage reports, by day, model and key.

    The admin key is read from OPENAI_ADMIN_KEY or ANTHROPIC_ADMIN_KEY, and sent only to the provider. Exits with 1 if
    anything differs.

    \b
    autolog reconcile openai --from 2026-11-01 --to 2026-11-30
    """
    after = end + timedelta(days=1)
    address, variable, read = PROVIDERS[provider]
    if after <= start:
        raise click.UsageError("--to is before --from")
    if file is not None:
        with file.open(newline="", encoding="utf-8-sig") as rows:
            try:
                billed = reports.csv_report(csv.DictReader(rows))
            except ValueError as error:
                raise AutologError(f"{file}: {error}") from error
        days = (start.date().isoformat(), end.date().isoformat())
        billed.sums = {key: total for key, total in billed.sums.items() if days[0] <= key[0] <= days[1]}
    else:
        billed = read(_fetcher(provider, base_url or address, variable), start.date(), after.date())
    since, before = start.replace(tzinfo=UTC), after.replace(tzinfo=UTC)
    query = Query({"provider_name": provider, "kind": "llm"}, since=since, until=before)
    lines = compare.compare(compare.logged(open_for_reading(store).scan(query), billed.keys), billed)
    _show(lines, everything, as_json)
    if any(line.verdict != "agreed" for line in lines):
        click.get_current_context().exit(1)


def _fetcher(provider: str, address: str, variable: str) -> reports.Fetch:
    try:
        import httpx2

        from autolog._record.http_client import HTTPClient
    except ImportError as error:
        raise AutologError("asking a provider needs httpx2: pip install 'autolog-llm[ship]'; or give --csv") from error
    key = os.environ.get(variable)
    if not key:
        raise AutologError(f"set {variable} to an admin key of your organisation, or give --csv")
    headers = {"authorization": f"Bearer {key}"}
    if provider == "anthropic":
        headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    client = HTTPClient(60, max_bytes=MAX_BYTES, base_url=address.rstrip("/"), headers=headers)

    def fetch(path: str, parameters: list[tuple[str, str]]) -> Mapping[str, Any]:
        try:
            response = client.get(path, params=httpx2.QueryParams(tuple(parameters)))
            response.raise_for_status()
            page: Mapping[str, Any] = response.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise AutologError(f"{client.base_url.host}, {path}: {safe(str(error))}") from error
        return page

    return fetch


def _show(lines: list[compare.Line], everything: bool, as_json: bool) -> None:
    shown = [line for line in lines if everything or line.verdict != "agreed"]
    if as_json:
        echo_json([asdict(line) for line in shown])
        return
    if shown:
        _draw(shown)
    agreed = sum(line.verdict == "agreed" for line in lines)
    sums = f"{dollars(sum(line.logged for line in lines))} logged, {dollars(sum(line.billed for line in lines))} billed"
    print_prose(console(), Text(f"{agreed} of {len(lines)} days, models and keys agree; {sums}"))


def _draw(lines: list[compare.Line]) -> None:
    """Print a table, with the reasons below their rows on a terminal, and as the last column elsewhere."""
    screen = console()
    width = table_width(screen)
    rows = [
        [
            Text(line.day), text(line.model), text(line.key), Text(line.verdict, _STYLES.get(line.verdict, "")),
            Text(dollars(line.logged)), Text(dollars(line.billed)), text(line.reason, "dim"),
        ]
        for line in lines
    ]  # fmt: skip
    left_out = {_KEY} if not any(line.key for line in lines) else set()
    left_out |= set() if width is None else {_REASON}
    columns = [column for place, column in enumerate(_COLUMNS) if place not in left_out]
    drawn = draw(columns, [[cell for place, cell in enumerate(row) if place not in left_out] for row in rows], width)
    print_lines(screen, islice(drawn, 2))
    for row, line in zip(rows, drawn, strict=True):
        print_lines(screen, [line])
        if width is not None and row[_REASON].plain:
            screen.print(Padding(row[_REASON], (0, 0, 0, 4)))
