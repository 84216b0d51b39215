"""Programs that cannot write where they are, apart from all others on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _apart(own_temporary_folder: Path) -> None:
    """Leave nothing in the machine's temporary folder: other programs would send what lies there."""
