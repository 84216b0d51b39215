"""Sinks: the default store, and several targets at once."""

from __future__ import annotations

from pathlib import Path

from live import KEY, live
from shipping import call_openai

import autolog
from autolog.stores import open_store
from autolog.stores.query import Query


def test_the_default_store_is_a_file_here(tmp_path: Path) -> None:
    with autolog.span("s"):
        pass
    assert autolog.flush()
    store = open_store(f"sqlite:///{tmp_path}/.autolog/logs.db", create=False)
    assert store is not None
    assert [record.name for record in store.find(Query())] == ["s"]
    assert autolog.status()["written"] == 1


def test_natively_nothing_is_lost_on_the_way(tmp_path: Path) -> None:
    with live(tmp_path / "server.db") as server:
        autolog.configure(store=f"sqlite:///{tmp_path}/local.db", sinks=[{"endpoint": server.url, "api_key": KEY}])
        call_openai()
        with autolog.span("s", kind="chain") as span:
            span.set(n=1)
        assert autolog.flush()
        here = open_store(f"sqlite:///{tmp_path}/local.db").find(
            Query(), order_by="seq", newest_first=False, bodies=True
        )
        there = server.records()
    assert len(here) == len(there) == 2
    for mine, theirs in zip(here, there, strict=True):
        theirs.received_at, theirs.updated_at = mine.received_at, mine.updated_at
        assert theirs == mine


def test_a_dead_sink_does_not_hold_up_another(tmp_path: Path) -> None:
    autolog.configure(
        store=f"sqlite:///{tmp_path}/local.db", sinks=[{"endpoint": "http://127.0.0.1:9", "dialect": "portkey"}]
    )
    call_openai()
    autolog.flush(2)
    assert len(open_store(f"sqlite:///{tmp_path}/local.db").find(Query())) == 1
    assert "ConnectError" in autolog.status()["last_error"]
    assert (autolog.status()["queued"], autolog.status()["journalled"]) == (0, 1)
