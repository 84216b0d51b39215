"""Options that commands share, and the stores and records that they select."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from autolog._config import config_from
from autolog._display.figures import safe
from autolog._record.record import Record
from autolog.cli._remote import RemoteStore
from autolog.cli._render import complain, moment
from autolog.dialects import NAMES
from autolog.errors import AutologError, ConfigError, shown
from autolog.stores import lookup, open_store
from autolog.stores._contract import Store
from autolog.stores.filters import FILTERS, REPEATED, parse_age, parse_time, read_query
from autolog.stores.query import FilterError, Query

ReadableStore = Store | RemoteStore
F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V")


class _Parsed(click.ParamType[V]):
    """A value that is parsed from a text; the message of a `ValueError` is shown."""

    def parse(self, text: str) -> V:
        raise NotImplementedError

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> V:
        if not isinstance(value, str):  # a default
            parsed: V = value
            return parsed
        try:
            return self.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Time(_Parsed[datetime]):
    """A time in the formats of `parse_time`, in this machine's time zone."""

    name = "time"

    def parse(self, text: str) -> datetime:
        return parse_time(text, zone=None)


class Age(_Parsed[timedelta]):
    """A length of time, such as 30d or 12h."""

    name = "age"

    def parse(self, text: str) -> timedelta:
        return parse_age(text)


_SIZES = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}


class Size(click.ParamType[int]):
    """A number of bytes, such as 500MB or 2G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", str(value).lower())
        if not match:
            self.fail(f"{value!r} is not a size such as 500MB or 2G", param, ctx)
        return int(float(match[1]) * _SIZES[match[2]])


def _dollars(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number of dollars") from None


class BudgetOption(click.ParamType[dict[str, Any]]):
    """A budget, LIMIT/PERIOD, optionally followed by KEY=VALUE pairs that say whose it is and what happens then."""

    name = "budget"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        from autolog._pricing.budgets import read_budget  # with the price table, which few commands need

        amount, *rest = str(value).split(",")
        limit, _, period = amount.partition("/")
        try:
            given: dict[str, Any] = {"limit": _dollars(limit), "per": period or "day"}
            given |= dict(part.partition("=")[::2] for part in rest)
            read_budget(given)
        except (ValueError, ConfigError) as error:
            self.fail(f"{value!r} is not a budget such as 5/day,user=*: {error}", param, ctx)
        return given


_STORE = click.option(
    "--store", metavar="URL", help="The store. [default: AUTOLOG_STORE, or sqlite:///.autolog/logs.db]"
)
_SERVER = click.option(
    "--server",
    metavar="URL",
    help="Read from this server instead, with the key in AUTOLOG_API_KEY. [default: AUTOLOG_ENDPOINT]",
)
_FILTER_HELP = FILTERS | {"dialect": f"The format it arrived in: {', '.join(NAMES)}."}


def needs_server(feature: str, error: ImportError) -> AutologError:
    """Return the error for a command that needs the server's packages when one of them is missing."""
    return AutologError(
        f"{feature} needs more packages ({(error.name or '?').partition('.')[0]}): pip install 'autolog-llm[server]'"
    )


def store_option(command: F) -> F:
    """Add the parameter `store`, a store's URL, to a command."""
    return _STORE(command)


def reading_options(command: F) -> F:
    """Add the parameters `store` and `server`, for `open_for_reading`, to a command."""
    return _SERVER(_STORE(command))


def project_option(command: F) -> F:
    """Add the parameter `project`, for `require_one`, to a command."""
    text = "Look only in this project. On a server, a key for all projects looks in `default` otherwise."
    return click.option("--project", help=text)(command)


def administration_options(command: F) -> F:
    """Add the parameters `store` and `server`, for `administration`, to a command."""
    server = click.option(
        "--server",
        metavar="URL",
        help="Use this server over HTTP instead, with an admin key in AUTOLOG_API_KEY. [default: AUTOLOG_ENDPOINT]",
    )
    return server(_STORE(command))


def filter_options(command: F) -> F:
    """Add the options that `query_from` reads to a command: one for each of `FILTERS`, and --errors."""
    return options_for(FILTERS)(click.option("--errors", is_flag=True, help="The same as --status error.")(command))


def options_for(filters: Iterable[str]) -> Callable[[F], F]:
    """Return a decorator that adds an option for each of the given filters to a command."""

    def add(command: F) -> F:
        for word in reversed([*filters]):
            name = "--" + word.replace("_", "-")
            command = click.option(name, word, help=_FILTER_HELP[word], multiple=word in REPEATED)(command)
        return command

    return add


def query_from(options: dict[str, Any], store: ReadableStore) -> Query:
    """Return the query for the values of the filter options; times are in this machine's time zone.

    Args:
        store: completes a trace id of which only a part is given; a server does so itself.

    Raises:
        BadParameter: if a value is not valid.
    """
    pairs = [("status", "error")] if options["errors"] else []
    for word in FILTERS:
        given = options[word] if word in REPEATED else (options[word],)
        pairs += [(word, value) for value in given if value is not None]
    try:
        return with_whole_trace(store, read_query(pairs, zone=None))
    except FilterError as error:
        raise click.BadParameter(safe(error.problem), param_hint="--" + error.name.replace("_", "-")) from None


def with_whole_trace(store: ReadableStore, query: Query) -> Query:
    """Return a query with its trace id, of which a part may be given, completed.

    Raises:
        FilterError: if several traces match.
    """
    return query if isinstance(store, RemoteStore) else lookup.with_whole_trace(store, query)


def find_by_part(store: ReadableStore, part: str, project: str | None = None) -> list[Record]:
    """Return the records, without bodies, whose id equals, begins with or ends with `part`."""
    if isinstance(store, RemoteStore):
        return store.find_by_part(part, project)
    return lookup.find_by_part(store, part, Query({} if project is None else {"project": project}))


def require_one(store: ReadableStore, part: str, project: str | None = None) -> Record:
    """Return the one record whose id equals, begins with or ends with `part`; exit with code 1 if there is none."""
    record = store.get(part, project)
    if record is not None:
        return record
    found = find_by_part(store, part, project)
    if len(found) == 1:
        return next(iter(store.with_bodies(found)))
    if found:
        click.echo(f"autolog: several records have an id that begins or ends with {part!r}:", err=True)
        for match in found:
            click.echo(f"  {safe(match.id)}  {moment(match.created_at)}  {safe(match.name or '?')}", err=True)
        if len(found) >= lookup.CANDIDATES:
            click.echo("  …", err=True)
    else:
        complain(f"no record has an id that begins or ends with {part!r}; see `autolog logs`")
        mention_projects(store, project)
    sys.exit(1)


def nothing_matches(store: ReadableStore, query: Query, sentence: str | None = None, err: bool = False) -> None:
    """Report that a query has no results, in which project, and what to do if the store has no records at all.

    Args:
        sentence: the report if the store has records.
        err: report it on standard error.
    """
    project = query.equal.get("project")
    if not isinstance(store, RemoteStore) and not store.last():
        where = shown(store.url)
        sentence = f"There are no records in {where}. Run `autolog demo` to make some, or name a store with --store."
    elif sentence is None:
        sentence = "Nothing matches." if project is None else f"Nothing in project {safe(project)} matches."
    click.echo(sentence, err=err)
    mention_projects(store, project)


def mention_projects(store: ReadableStore, project: str | None) -> None:
    """Report on standard error that a server was perhaps searched in part only: in the project `default`."""
    if isinstance(store, RemoteStore) and project is None:
        click.echo("With a key for all projects, only `default` was searched; --project names another.", err=True)


def mention_journal() -> None:
    """Report on standard error records that wait in the journal and are not in any store yet."""
    config = config_from({})
    if not config.journal:
        return
    from autolog._delivery.journal import journal_for

    journal = journal_for(config, config.store)
    with contextlib.suppress(AutologError):  # `doctor` reports it
        for waiting in journal.all_waiting():
            click.echo(
                f"{waiting.records:,} more in the journal {safe(journal.path)}, for {safe(waiting.target)}:"
                " the next program that ships there sends them",
                err=True,
            )


def open_for_reading(url: str | None, server: str | None = None, create: bool = False) -> ReadableStore:
    """Return the store to read, or a server's logs.

    The server is that of --server, or of AUTOLOG_ENDPOINT if no store is named and its dialect is autolog's own.

    Args:
        create: create the store if it does not exist.

    Raises:
        AutologError: if there is no store yet.
    """
    config = config_from({})
    if server is None and url is None and config.endpoint and config.dialect == "native":
        server = config.endpoint
    if server is not None:
        return RemoteStore(server, config.api_key)
    return open_local(url or config.store, create)


def open_local(url: str | None, create: bool = False) -> Store:
    """Return the local store, to read and change.

    Args:
        create: create the store if it does not exist.

    Raises:
        AutologError: if there is no store yet.
    """
    url = url or config_from({}).store
    store = open_store(url, create=create)
    if store is None:
        raise AutologError(
            f"there are no logs yet at {shown(url)}\nRun `autolog demo` to make some, or name a store with --store."
        )
    return store
