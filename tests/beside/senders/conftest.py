"""Other released logging libraries, pointed at our server by their environment variables alone.

They are not part of the development environment, because their requirements conflict: `python
tests/beside/sender_sdks.py` creates an environment for each, and runs these tests there.
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
