"""Connections to our SQLite files."""

from __future__ import annotations

import gc
import sqlite3
from pathlib import Path

import pytest

from autolog._sqlite import Connection


def test_a_connection_is_closed_with_its_last_reference(tmp_path: Path) -> None:
    closed = []

    class Watched(Connection):
        def close(self) -> None:
            closed.append(True)
            super().close()

    db = sqlite3.connect(tmp_path / "logs.db", factory=Watched)
    del db
    gc.collect()
    assert closed
    with pytest.raises(sqlite3.OperationalError):  # and no warning of an exception that is ignored
        sqlite3.connect(tmp_path / "missing" / "logs.db", factory=Connection)
    gc.collect()
