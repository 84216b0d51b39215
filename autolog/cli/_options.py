"""What commands share: which store, which records."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from autolog._config import config_from
from autolog._display.figures import safe
from autolog._pricing.budgets import read_budget
from autolog._record.record import Record
from autolog.dialects import NAMES
from autolog.errors import AutologError, ConfigError, shown
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.filters import FILTERS, REPEATED, FilterError, parse_age, parse_time, read_query
from autolog.stores.query import Condition, Query

F = TypeVar("F", bound=Callable[..., Any])


class Time(click.ParamType[datetime]):
    """A time as `parse_time` reads it, in this machine's zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_time(value, zone=None)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_SIZES = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}


class Size(click.ParamType[int]):
    """A number of bytes: 500MB, 2G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", str(value).lower())
        if not found:
            self.fail(f"{value!r} is no size such as 500MB or 2G", param, ctx)
        return int(float(found[1]) * _SIZES[found[2]])


class BudgetOption(click.ParamType[dict[str, Any]]):
    """LIMIT/PERIOD, and for whom and what then after commas."""

    name = "budget"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        amount, *rest = str(value).split(",")
        limit, _, period = amount.partition("/")
        try:
            given: dict[str, Any] = {"limit": float(limit), "per": period or "day"}
            given |= dict(part.partition("=")[::2] for part in rest)
            read_budget(given)
        except (ValueError, ConfigError) as error:
            self.fail(f"{value!r} is no budget such as 5/day,user=*: {error}", param, ctx)
        return given


def age_of(text: str) -> timedelta:
    """Return a length of time such as 30d.

    Raises:
        BadParameter: it is none.
    """
    try:
        return parse_age(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


_STORE = click.option(
    "--store", metavar="URL", help="The store to read; else AUTOLOG_STORE, else sqlite:///.autolog/logs.db."
)
_FILTER_HELP = FILTERS | {"dialect": f"The format that it came in: {', '.join(NAMES)}."}


def store_option(command: F) -> F:
    """Gives the command `store`, an open store."""
    return _STORE(command)


def filter_options(command: F) -> F:
    """Gives the command the options that `query_from` reads: one for each of `FILTERS`, and --errors."""
    command = click.option("--errors", is_flag=True, help="The same as --status error.")(command)
    for word in reversed(FILTERS):
        name = "--" + word.replace("_", "-")
        command = click.option(name, word, help=_FILTER_HELP[word], multiple=word in REPEATED)(command)
    return command


def query_from(options: dict[str, Any]) -> Query:
    """Return the query that the filter options amount to; their times are in this machine's zone.

    Raises:
        BadParameter: a value that makes no sense.
    """
    pairs = [("status", "error")] if options["errors"] else []
    for word in FILTERS:
        given = options[word] if word in REPEATED else (options[word],)
        pairs += [(word, value) for value in given if value is not None]
    try:
        return read_query(pairs, zone=None)
    except FilterError as error:
        raise click.BadParameter(error.problem, param_hint="--" + error.name.replace("_", "-")) from None


def find_one(store: Store, record_id: str, bodies: bool = True) -> Record | None:
    """A record by its id, or by a beginning of it that only one has."""
    record = store.get(record_id, bodies=bodies)
    if record is None and record_id:
        begin = Condition("id", "ge", (record_id,)), Condition("id", "lt", (record_id + "\U0010ffff",))
        found = store.find(Query(conditions=begin), limit=2, bodies=bodies)
        record = found[0] if len(found) == 1 else None
    return record


def require_one(store: Store, record_id: str) -> Record:
    """A record by its id or the beginning of it; without one, the command ends with exit code 1."""
    record = find_one(store, record_id)
    if record is None:
        click.echo(f"autolog: no single record has an id that begins with {record_id!r}; see `autolog logs`", err=True)
        sys.exit(1)
    return record


def mention_journal() -> None:
    """Say on standard error what waits in the journal: it was recorded, and is in no store yet."""
    config = config_from({})
    if not config.journal:
        return
    from autolog._delivery.journal import journal_for

    journal = journal_for(config, config.store)
    with contextlib.suppress(AutologError):  # `doctor` tells of it
        for waiting in journal.all_waiting():
            click.echo(
                f"{waiting.records:,} more in the journal {safe(journal.path)}, for {safe(waiting.target)}:"
                " the next program that ships there sends them",
                err=True,
            )


def open_for_reading(url: str | None) -> Store:
    """The store to read.

    Raises:
        AutologError: there is none yet.
    """
    url = url or config_from({}).store
    store = open_store(url, create=False)
    if store is None:
        raise AutologError(
            f"there are no logs yet at {shown(url)}\nRun `autolog demo` to make some, or name a store with --store."
        )
    return store
