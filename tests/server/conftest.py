"""A server for each test of the server's own routes, called directly or over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dialects.samples import Server
from live import KEY, Live, live
from starlette.testclient import TestClient

from autolog.server import Limits, create_app
from autolog.stores import open_store
from autolog.stores._contract import Store


@pytest.fixture
def store(store_url: str) -> Store:
    return open_store(store_url)


@pytest.fixture
def server(store: Store) -> Iterator[Server]:
    """Run a server with small limits."""
    limits = Limits(body_bytes=50_000, decompressed_bytes=100_000, batch_items=10)
    with TestClient(create_app(store, api_key=KEY, limits=limits)) as client:  # type: ignore[arg-type]
        yield Server(client, store)


@pytest.fixture
def running(store_url: str) -> Iterator[Live]:
    with live(store_url) as started:
        yield started
