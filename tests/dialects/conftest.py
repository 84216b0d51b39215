"""A server for each test of a dialect, called directly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dialects.samples import Server, serving


@pytest.fixture
def server(store_url: str) -> Iterator[Server]:
    with serving(store_url) as running:
        yield running
