"""Released libraries that log elsewhere, pointed here by their environment variables alone.

They are no part of the development environment, for what they require clashes: `python tests/beside/sender_sdks.py` makes
an environment for each and runs these there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live import Live, live


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path / "server.db") as running:
        yield running
