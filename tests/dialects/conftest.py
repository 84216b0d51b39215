"""A server for each test of a dialect, called directly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dialects.samples import Server, serving
from engines import empty_store


@pytest.fixture(params=["sqlite"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty SQLite store, or of every engine for tests that depend on it (`every_store`)."""
    return empty_store(request, tmp_path)


@pytest.fixture
def server(store_url: str) -> Iterator[Server]:
    with serving(store_url) as running:
        yield running
