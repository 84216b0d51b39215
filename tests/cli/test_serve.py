"""`autolog serve`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from commands import NOON

from autolog._record.record import Record
from autolog.stores import open_store
from autolog.stores.query import Query


def test_a_server_keeps_what_it_is_told_to(tmp_path: Path) -> None:
    import time

    from live import live

    from autolog.server import Retain

    path = tmp_path / "s.db"
    open_store(f"sqlite:///{path}").write([Record(id="old", created_at=NOON - timedelta(days=400)), Record(id="new")])
    with live(path, retain=Retain(age=timedelta(days=30))) as running:
        deadline = time.monotonic() + 5
        while running.store.count(Query()) > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [record.id for record in running.records()] == ["new"]
