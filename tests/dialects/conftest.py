"""A server for each test of a dialect, called directly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dialects.samples import Server, serving
from engines import empty_store


@pytest.fixture(params=["sqlite"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is: of one engine, but where the store itself filters, orders or changes (`every_store`)."""
    return empty_store(request, tmp_path)


@pytest.fixture
def server(store_url: str) -> Iterator[Server]:
    with serving(store_url) as running:
        yield running
