"""The `autolog ui` command."""

from __future__ import annotations

import secrets
import threading
import webbrowser

import click

from autolog.cli._options import needs_server, open_local, store_option
from autolog.cli.serve import listen


@click.command()
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="The port; 0 for any free one.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@store_option
def ui(port: int, no_browser: bool, store: str | None) -> None:
    """Open the dashboard in the browser. Only this machine can reach it; Ctrl-C stops it.

    \b
    autolog ui
    autolog ui --store sqlite:///other.db --no-browser
    """
    try:
        import uvicorn

        from autolog.server import Limits, create_app
        from autolog.server._connections import allow_hosts, config
    except ImportError as error:
        raise needs_server("the dashboard", error) from error
    key = secrets.token_urlsafe(24)
    app = allow_hosts({"127.0.0.1", "localhost"}, create_app(open_local(store, create=True), api_key=key))
    settings = config(app, Limits(), host="127.0.0.1", port=port)
    server = uvicorn.Server(settings)
    with listen("127.0.0.1", port) as socket:
        address = f"http://127.0.0.1:{socket.getsockname()[1]}/ui/enter?key={key}"
        click.echo(f"autolog ui: {address}", err=True)
        if not no_browser:
            threading.Timer(0.5, webbrowser.open, [address]).start()
        server.run(sockets=[socket])
