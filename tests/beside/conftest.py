"""A provider that every test of a module calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autolog.cli import _standin


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return the address of the demo's provider, which answers without pauses."""
    pace, _standin.PACE = _standin.PACE, 0
    with _standin.standin() as address:
        yield address
    _standin.PACE = pace
