"""What commands share: which store, which records."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from autolog._config import config_from
from autolog._pricing.budgets import read_budget
from autolog._record.record import Record
from autolog.dialects import NAMES
from autolog.errors import AutologError, ConfigError, shown
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Time(click.ParamType[datetime]):
    """A time: ISO 8601, or an age such as 30m, 2h, 7d."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        age = re.fullmatch(r"(\d{1,6})([smhdw])", value)
        if age:
            try:
                return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
            except OverflowError:
                return datetime(1970, 1, 1, tzinfo=UTC)
        try:
            at = datetime.fromisoformat(value)
            if not 1970 <= at.year < 9999:
                raise ValueError(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither an age such as 30m, 2h or 7d nor a time such as 2026-11-20T12:00", param, ctx
            )
        return at if at.tzinfo else at.astimezone()


class Pair(click.ParamType[tuple[str, str]]):
    """key=value."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        key, found, text = str(value).partition("=")
        if not found or not key:
            self.fail(f"{value!r} is not of the form key=value", param, ctx)
        return key, text


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
    """An age such as 30d.

    Raises:
        BadParameter: it is none.
    """
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if not found:
        raise click.BadParameter(f"{text!r} is no age such as 12h or 30d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


_STORE = click.option(
    "--store", metavar="URL", help="The store to read; else AUTOLOG_STORE, else sqlite:///.autolog/logs.db."
)

_FILTERS = (
    click.option("--model", help="The model asked for or the one that answered."),
    click.option("--provider", help="openai, anthropic, azure.ai.openai, aws.bedrock, ..."),
    click.option("--name", help="The function's, span's or call's name."),
    click.option("--function", help="The function or span that the call was made in."),
    click.option("--kind", help="llm, function, span, tool, ..."),
    click.option("--status", type=click.Choice(["ok", "error"])),
    click.option("--errors", is_flag=True, help="The same as --status error."),
    click.option("--user"),
    click.option("--session"),
    click.option("--project", help="Of a store that a server shares among projects."),
    click.option("--dialect", help=f"The format that it came in: {', '.join(NAMES)}."),
    click.option("--trace", help="A trace id."),
    click.option("--tag", multiple=True, help="May be repeated: all must be there."),
    click.option("--metadata", type=Pair(), multiple=True, help="May be repeated: all must hold."),
    click.option("--text", help="Text in the prompt, answer, name, error or model."),
    click.option("--since", type=Time(), help="2h, 7d, or 2026-11-20T12:00."),
    click.option("--until", type=Time(), help="As --since."),
)


def store_option(command: F) -> F:
    """Gives the command `store`, an open store."""
    return _STORE(command)


def filter_options(command: F) -> F:
    """Gives the command the options that `query_from` reads."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def query_from(options: dict[str, Any]) -> Query:
    """The query that the filter options amount to."""
    names = {
        "model": "model", "provider": "provider_name", "name": "name", "kind": "kind", "status": "status",
        "user": "user", "session": "session", "trace": "trace_id", "project": "project", "dialect": "dialect",
        "function": "caller",
    }  # fmt: skip
    equal = {field: options[option] for option, field in names.items() if options[option] is not None}
    if options["errors"]:
        equal["status"] = "error"
    return Query(
        equal=equal,
        tags=options["tag"],
        metadata=dict(options["metadata"]),
        text=options["text"],
        since=options["since"],
        until=options["until"],
    )


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
