"""Journals apart from those of other programs on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _apart(own_temporary_folder: Path) -> None:
    """Leave alone what other programs have left in the machine's temporary folder."""
