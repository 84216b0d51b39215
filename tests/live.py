"""A real server on a free port, with its own store."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from autolog.cli.serve import listen
from autolog.server import Limits, create_app
from autolog.server._connections import config
from autolog.server._services import Services
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.query import Query

KEY = "test-key"


@dataclass
class Live:
    """A running server's address and store."""

    url: str
    store: Store
    services: Services

    def names(self) -> list[str]:
        """Return the names of all stored records, in order."""
        return sorted(str(record.name) for record in self.store.find(Query(), 1_000_000))

    def records(self, **equal: Any) -> list[Any]:
        return self.store.find(Query(equal), 1000, newest_first=False, order_by="seq", bodies=True)


@contextlib.contextmanager
def live(place: Path | str, limits: Limits | None = None, **options: Any) -> Iterator[Live]:
    """Run a server like `autolog serve` for the block over the store at a URL or in a file."""
    store = open_store(place if isinstance(place, str) else f"sqlite:///{place}")
    app = create_app(store, api_key=KEY, limits=limits, **options)
    server = uvicorn.Server(config(app, limits or Limits(), app.shortcuts, lifespan="on"))
    listening = listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = listening.getsockname()[1]
    try:
        yield Live(f"http://127.0.0.1:{port}", store, app.state.services)
    finally:
        server.should_exit = True
        thread.join(60)
