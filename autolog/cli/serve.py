"""`autolog serve`"""

from __future__ import annotations

import os
from typing import Any

import click

from autolog._config import config_from
from autolog._pricing.cost import keep_updated
from autolog.cli._options import BudgetOption, Size, age_of, store_option
from autolog.errors import AutologError
from autolog.stores.retention import Retain


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Which address to listen on; 0.0.0.0 for all.")
@click.option("--port", default=8790, show_default=True, type=click.IntRange(0, 65535))
@click.option("--max-body", default=32, show_default=True, type=click.IntRange(min=1), help="Request body, in MiB.")
@click.option("--max-decompressed", default=128, show_default=True, type=click.IntRange(min=1), help="In MiB.")
@click.option("--max-batch", default=10_000, show_default=True, type=click.IntRange(min=1), help="Items in one call.")
@click.option("--max-connections", default=1_000, show_default=True, type=click.IntRange(min=1))
@click.option("--max-memory", default=512, show_default=True, type=click.IntRange(min=1), help="All bodies, in MiB.")
@click.option("--rate", default=0.0, type=click.FloatRange(min=0), help="Requests a second for each key; 0: no limit.")
@click.option("--no-delete-all", is_flag=True, help="Refuse Cloudflare's delete call without filters.")
@click.option("--body-timeout", default=60.0, show_default=True, type=click.FloatRange(min=0.1), help="In seconds.")
@click.option("--retain", metavar="AGE", help="Delete records older than this: 30d, 12h.")
@click.option("--max-size", type=Size(), help="Delete the oldest beyond this: 500MB, 20G.")
@click.option("--budget", "budgets", multiple=True, type=BudgetOption(), metavar="LIMIT/PERIOD[,KIND=VALUE][,then=URL]",
              help="Warn when spent: 5/day, 20/week,project=*, 1/hour,user=u1,then=https://hook.")  # fmt: skip
@click.option("--update-prices", is_flag=True, help="Fetch newer prices every hour; needs the network.")
@click.option("--root-path", default="", metavar="PATH", help="The path that a proxy serves this under: /logs.")
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    metavar="ADDRESS",
    help="A proxy whose X-Forwarded-* headers count: an address or network; may be repeated. "
    "[default: FORWARDED_ALLOW_IPS, else this machine]",
)
@store_option
def serve(host: str, port: int, store: str | None, **options: Any) -> None:
    """Run the server: five vendors' logging APIs, OTLP and our own over one store.

    The first start makes an admin key and shows it once; AUTOLOG_SERVER_API_KEY sets a fixed one instead.

    \b
    autolog serve --host 0.0.0.0 --port 8790 --store sqlite:////var/lib/autolog/logs.db
    """
    try:
        import uvicorn

        from autolog.server import Limits, create_app
        from autolog.server._connections import config, raise_open_file_limit
        from autolog.server._keys import ANY_PROJECT, SCOPES, create_key, list_keys
        from autolog.server._proxy import BehindProxy, clean_prefix, trusted_networks
    except ImportError as error:
        raise AutologError(
            f"the server needs more packages ({error.name}): pip install 'autolog-llm[server]'"
        ) from error
    from autolog.stores import open_store

    try:
        root_path, trusted = clean_prefix(options["root_path"]), trusted_networks(options["trusted_proxies"])
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    url = store or config_from({}).store
    opened = open_store(url)
    if not os.environ.get("AUTOLOG_SERVER_API_KEY") and not list_keys(opened):
        key = create_key(opened, "first start", ANY_PROJECT, SCOPES)
        click.echo(f"Admin key, shown this once: {key}", err=True)
    limits = Limits(
        body_bytes=options["max_body"] * 1024 * 1024,
        decompressed_bytes=options["max_decompressed"] * 1024 * 1024,
        batch_items=options["max_batch"],
        requests_per_second=options["rate"],
        body_seconds=options["body_timeout"],
        delete_all=not options["no_delete_all"],
        connections=options["max_connections"],
        memory_bytes=options["max_memory"] * 1024 * 1024,
    )
    age = None if options["retain"] is None else age_of(options["retain"])
    retain = Retain(age, options["max_size"]) if age or options["max_size"] else None
    if options["update_prices"]:
        keep_updated()
    click.echo(f"autolog serves {opened.url} on http://{host}:{port} (API: /docs)", err=True)
    raise_open_file_limit()
    app = create_app(opened, limits=limits, budgets=options["budgets"], retain=retain)
    uvicorn.Server(config(BehindProxy(app, root_path, trusted), limits, host=host, port=port)).run()
