"""A temporary folder for each test, because programs that cannot write to their folder use it."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _apart(own_temporary_folder: Path) -> None:
    """Keep journals out of the machine's temporary folder, from where other programs would send them."""
