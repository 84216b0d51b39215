"""The `autolog serve` command."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from autolog._config import config_from
from autolog._pricing.cost import keep_updated
from autolog.cli._options import Age, BudgetOption, Size, needs_server, store_option
from autolog.errors import AutologError, StoreError, shown
from autolog.stores._contract import Store
from autolog.stores.retention import Retain

if TYPE_CHECKING:
    from autolog.server import Limits
    from autolog.server._login import HeaderLogin
    from autolog.server._tls import Certificate

logger = logging.getLogger("autolog.server")

F = TypeVar("F", bound=Callable[..., Any])
#: How long a start looks for damage of the store, in seconds, while the server runs: a large file is checked in part,
#: because its write-ahead log cannot be emptied meanwhile.
CHECK_SECONDS = 10.0
#: The bytes of a response that the system takes before it has sent them to the client. Without a limit that can be 4 MB
#: for each client that takes nothing, and what a slow one takes is only seen after a third of them.
UNSENT = 128 * 1024
_FILE = click.Path(exists=True, dir_okay=False)


def _limit(name: str, default: int, description: str) -> Callable[[F], F]:
    """Return an option for a limit of at least 1."""
    return click.option(name, default=default, show_default=True, type=click.IntRange(min=1), help=description)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 for all.")
@click.option("--port", default=8790, show_default=True, type=click.IntRange(0, 65535), help="0 for any free port.")
@_limit("--max-body", 32, "Maximum size of a request body, in MiB.")
@_limit("--max-decompressed", 128, "Maximum size of a decompressed body, in MiB.")
@_limit("--max-batch", 10_000, "Maximum number of items in one call.")
@_limit("--max-connections", 1_000, "Maximum number of connections.")
@_limit("--max-memory", 512, "Maximum size of all bodies in memory, in MiB.")
@click.option("--rate", default=0.0, type=click.FloatRange(min=0),
              help="Maximum requests per second for each key; 0 for no limit.")  # fmt: skip
@click.option("--no-delete-all", is_flag=True, help="Refuse Cloudflare's delete call without filters.")
@click.option("--body-timeout", default=60.0, show_default=True, type=click.FloatRange(min=0.1),
              help="How long a body may take to arrive, in seconds.")  # fmt: skip
@click.option("--retain", type=Age(), help="Delete records older than this: 30d, 12h.")
@click.option("--max-size", type=Size(), help="Delete the oldest records beyond this size: 500MB, 20G.")
@click.option("--budget", "budgets", multiple=True, type=BudgetOption(), metavar="LIMIT/PERIOD[,KIND=VALUE][,then=URL]",
              help="Warn when this is spent: 5/day, 20/week,project=*, 1/hour,user=u1,then=https://hook.")  # fmt: skip
@click.option("--smtp", envvar="AUTOLOG_SMTP", metavar="URL", help="The mail server for alerts: "
              "smtp://user:password@host:587?from=ADDRESS, or smtps://. [default: AUTOLOG_SMTP]")  # fmt: skip
@click.option("--allow-private-webhooks", is_flag=True, help="Alerts' webhooks may be in private networks.")
@click.option("--address", metavar="URL", help="The public address of the pages, for links in alerts.")
@click.option("--update-prices", is_flag=True, help="Fetch newer prices every hour; needs the network.")
@click.option("--root-path", default="", metavar="PATH", help="The path under which a proxy serves this: /logs.")
@click.option("--trusted-proxy", "trusted_proxies", multiple=True, metavar="ADDRESS",
              help="A proxy whose X-Forwarded-* headers are trusted: an address or network; may be repeated. "
              "[default: FORWARDED_ALLOW_IPS, else this machine]")  # fmt: skip
@click.option("--login-header", metavar="NAME", help="The header in which a trusted proxy names the user, "
              "who is then signed in to the pages.")  # fmt: skip
@click.option("--login-groups-header", default="X-Forwarded-Groups", show_default=True, metavar="NAME")
@click.option("--login-role", "login_roles", multiple=True, metavar="WHO=SCOPE[,project=NAME]",
              help="What users may do; the first match applies: ann@example.com=admin, group:ops=admin.")  # fmt: skip
@click.option("--tls-cert", type=_FILE, help="A certificate in PEM format, to serve HTTPS; read again on SIGHUP.")
@click.option("--tls-key", type=_FILE, help="The certificate's key in PEM format.")
@click.option("--log-level", default="warning", show_default=True,
              type=click.Choice(["debug", "info", "warning", "error"]),
              help="On standard error; info has a line for each request.")  # fmt: skip
@click.option("--log-format", default="plain", show_default=True, type=click.Choice(["plain", "json"]))
@store_option
def serve(host: str, port: int, store: str | None, **options: Any) -> None:
    """Run the server: OTLP, other loggers' APIs and our own over one store.

    The first start creates an admin key and shows it once; AUTOLOG_SERVER_API_KEY sets a fixed one instead.

    \b
    autolog serve --host 0.0.0.0 --store sqlite:////var/lib/autolog/logs.db
    """
    try:
        from autolog.server import create_app
        from autolog.server._connections import AnnouncedServer, config, raise_open_file_limit
        from autolog.server._logs import set_up
        from autolog.server._notify import Notifier, read_mail_server
    except ImportError as error:
        raise needs_server("the server", error) from error
    from autolog.stores import open_store

    root_path, proxied = _proxied(options)
    certificate = _certificate(options)
    mail = read_mail_server(options["smtp"]) if options["smtp"] else None
    notifier = Notifier(options["allow_private_webhooks"], mail, options["address"])
    set_up(options["log_level"], options["log_format"] == "json")
    limits = _limits(options)
    with listen(host, port) as listening:
        opened = open_store(store or config_from({}).store)
        if options["update_prices"]:
            keep_updated()
        raise_open_file_limit()
        app = create_app(opened, limits=limits, budgets=options["budgets"], retain=_retain(options), notifier=notifier)
        name = f"[{host}]" if ":" in host else host
        address = f"{'https' if certificate else 'http'}://{name}:{listening.getsockname()[1]}{root_path}"
        announce = partial(_announce, opened, address, root_path)
        AnnouncedServer(config(proxied(app), limits, app.shortcuts), announce, certificate).run(sockets=[listening])


def _announce(store: Store, address: str, root_path: str) -> None:
    """Say on standard error where the server is; at the first start, create an admin key and show it."""
    from autolog.server._keys import ANY_PROJECT, SCOPES, create_key, list_keys

    if not os.environ.get("AUTOLOG_SERVER_API_KEY") and not list_keys(store):
        key = create_key(store, "first start", ANY_PROJECT, SCOPES)
        click.echo(f"Admin key, shown this once: {key}", err=True)
    click.echo(f"autolog serves {shown(store.url)} on {address} (API: {root_path}/docs)", err=True)
    threading.Thread(target=_report_damage, args=(store,), daemon=True).start()


def _report_damage(store: Store) -> None:
    """Log an error if the store is damaged, instead of at the first query that meets the damage."""
    try:
        found = store.damage(CHECK_SECONDS)
    except StoreError as error:
        logger.warning("the store could not be checked for damage: %s", error)
        return
    if found:
        logger.error("the store %s is damaged: %s; restore a backup, or move it away and a new one will be created",
                     shown(store.url), found.replace("\n", " "))  # fmt: skip


def _certificate(options: dict[str, Any]) -> Certificate | None:
    """Return the certificate to serve HTTPS with, or None for HTTP.

    Raises:
        AutologError: if the certificate cannot be used.
        UsageError: if its key is missing, or it itself.
    """
    from autolog.server._tls import Certificate

    if bool(options["tls_cert"]) != bool(options["tls_key"]):
        raise click.UsageError("--tls-cert and --tls-key must be given together")
    if not options["tls_cert"]:
        return None
    certificate = Certificate(options["tls_cert"], options["tls_key"])
    certificate.check()
    return certificate


def _proxied(options: dict[str, Any]) -> tuple[str, Callable[[Any], Any]]:
    """Return the path under which a proxy serves the application, and the middleware to wrap it in.

    Raises:
        UsageError: if an option is not valid.
    """
    from autolog.server._proxy import BehindProxy, clean_prefix, trusted_networks

    try:
        root_path, trusted = clean_prefix(options["root_path"]), trusted_networks(options["trusted_proxies"])
        login = _login(options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return root_path, lambda app: BehindProxy(app, root_path, trusted, login)


def _login(options: dict[str, Any]) -> HeaderLogin | None:
    """Return the configuration of sign-in by a proxy's header, or None if it is off.

    Raises:
        ValueError: if the options contradict one another or are not safe.
    """
    from autolog.server._login import HeaderLogin, read_role

    header, proxies = options["login_header"], options["trusted_proxies"]
    if header is None:
        if options["login_roles"]:
            raise ValueError("--login-role needs --login-header")
        return None
    if not proxies or "*" in proxies:
        raise ValueError(
            "--login-header needs the addresses of the proxies that may name users: --trusted-proxy 10.0.0.7; "
            "otherwise anyone who reaches the server could claim to be anybody"
        )
    roles = tuple(read_role(role) for role in options["login_roles"])
    if not roles:
        raise ValueError(
            "--login-header needs roles, because without one nobody may do anything: --login-role '*=read'"
        )
    return HeaderLogin(header.lower(), options["login_groups_header"].lower(), roles)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        AutologError: if it cannot listen on the address.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        problem = str(getattr(error, "strerror", None) or error).partition(" (while")[0]
        raise AutologError(f"cannot listen on {host}:{port}: {problem}; choose another address") from error
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # inherited by the connections
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
    return listening


def _limits(options: dict[str, Any]) -> Limits:
    from autolog.server import Limits

    mib = 1024 * 1024
    return Limits(
        body_bytes=options["max_body"] * mib,
        decompressed_bytes=options["max_decompressed"] * mib,
        batch_items=options["max_batch"],
        requests_per_second=options["rate"],
        body_seconds=options["body_timeout"],
        delete_all=not options["no_delete_all"],
        connections=options["max_connections"],
        memory_bytes=options["max_memory"] * mib,
    )


def _retain(options: dict[str, Any]) -> Retain | None:
    age, most = options["retain"], options["max_size"]
    return Retain(age, most) if age or most else None
