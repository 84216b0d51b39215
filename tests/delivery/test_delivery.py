"""Delivery: failing sinks are retried, their records go to the journal, and no record holds up another."""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from lines import Sink, journal_in, make, put
from waiting import until

import autolog
from autolog import _guard
from autolog._delivery.journal import Journal
from autolog._record.record import Record
from autolog.stores import open_store
from autolog.stores.query import Query


def test_a_sink_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink(failures=2)
    queue = make(sink)
    put(queue, "a", "b")
    until(lambda: sink.records)
    assert [record.id for record in sink.records] == ["a", "b"]
    assert len([line for line in caplog.messages if "cannot write" in line]) == 1
    assert queue.delivery.last_error is None


def test_closing_gives_up_in_time_and_counts() -> None:
    sink = Sink(failures=1000)
    queue = make(sink)
    put(queue, "a", "b")
    started = time.monotonic()
    assert not queue.close(0.5)
    assert time.monotonic() - started < 20
    assert queue.lost["not written before exit"] == 2
    put(queue, "late")
    assert queue.lost["not written before exit"] == 3


def test_a_record_that_cannot_be_written_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "strict", False)

    class Picky(Sink):
        def write(self, records: Sequence[Record]) -> None:
            if any(record.id == "poison" for record in records):
                raise OverflowError
            super().write(records)

    sink = Picky()
    queue = make(sink)
    put(queue, "a", "poison", "b")
    assert queue.flush(5)
    assert [record.id for record in sink.records] == ["a", "b"]
    assert queue.lost["cannot be written"] == 1
    _guard.failures.clear()


def test_a_record_waits_for_memory_unless_it_is_itself_too_large_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "strict", False)

    class Tight(Sink):
        def write(self, records: Sequence[Record]) -> None:
            self.failures = max(0, left := self.failures - 1)
            if left >= 0 or any(len(record.request_body or b"") > 10**6 for record in records):
                raise MemoryError
            super().write(records)

    sink = Tight(failures=5)
    line = make(sink)
    line.delivery.put([Record(id="a"), Record(id="large", request_body=bytes(2 * 10**6)), Record(id="b")])
    assert line.flush(20)
    assert [record.id for record in sink.records] == ["a", "b"]
    assert line.lost == {"cannot be written": 1}
    _guard.failures.clear()


@pytest.mark.parametrize("journal", ["journal.db", ""])
def test_values_of_the_program_in_a_record_hold_up_no_other(tmp_path: Path, journal: str) -> None:
    class Lazy:
        def __str__(self) -> str:
            return "Ann"

    def rename(record: Record) -> Record:
        record.user = cast("Any", Lazy())
        return record

    autolog.configure(store=f"sqlite:///{tmp_path}/logs.db", redact=rename, journal=journal)
    autolog.score(cast("Any", uuid.UUID(int=1)), 1.0, name=cast("Any", uuid.UUID(int=2)), comment=cast("Any", Lazy()))
    for name in ("a", "b"):
        with autolog.span(name):
            pass
    assert autolog.flush(10)
    kept = {record.id: record for record in open_store(f"sqlite:///{tmp_path}/logs.db").find(Query())}
    assert kept.pop(str(uuid.UUID(int=1))).scores == {str(uuid.UUID(int=2)): {"value": 1.0, "comment": "Ann"}}
    assert [record.user for record in kept.values()] == ["Ann", "Ann"]


def test_a_store_that_fails_later_is_retried(tmp_path: Path) -> None:
    autolog.configure(store=f"sqlite:///{tmp_path}/sub/logs.db")
    for file in (tmp_path / "sub").iterdir():
        file.unlink()
    (tmp_path / "sub").rmdir()
    (tmp_path / "sub").write_text("in the way")
    with autolog.span("s"):
        pass
    assert not autolog.flush(0.5)
    assert "StoreError" in autolog.status()["last_error"]
    (tmp_path / "sub").unlink()
    assert autolog.flush(5)
    assert autolog.status()["written"] == 1


def test_what_cannot_be_delivered_waits_on_disk_and_is_resent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink(failures=2)
    queue = make(sink, journal=journal_in(tmp_path))
    put(queue, "a")
    until(lambda: journal_in(tmp_path).waiting().records == 1)
    assert queue.queued == queue.delivery.queued == 0
    put(queue, "b")
    until(lambda: len(sink.records) == 2)
    assert sorted(record.id for record in sink.records) == ["a", "b"]
    until(lambda: journal_in(tmp_path).waiting().records == 0)
    assert queue.delivery.written == 2
    assert len([line for line in caplog.messages if "cannot write" in line]) == 1


def test_the_next_process_sends_what_the_last_one_could_not(tmp_path: Path) -> None:
    away = Sink(failures=1000)
    queue = make(away, journal=journal_in(tmp_path))
    put(queue, *map(str, range(700)))
    started = time.monotonic()
    queue.close(1)  # the worker may or may not have given up by now
    assert time.monotonic() - started < 20
    assert (queue.lost, journal_in(tmp_path).waiting().records) == ({}, 700)
    sink = Sink()
    later = make(sink, journal=journal_in(tmp_path))
    later.delivery.resume_backlog()
    until(lambda: len(sink.records) == 700)
    assert {record.id for record in sink.records} == set(map(str, range(700)))


def test_a_sink_that_hangs_holds_up_no_exit_and_loses_nothing(tmp_path: Path) -> None:
    sink = Sink(blocked=True)
    queue = make(sink, journal=journal_in(tmp_path))
    put(queue, "a", "b")
    started = time.monotonic()
    assert not queue.close(0.5)
    assert time.monotonic() - started < 20
    assert journal_in(tmp_path).waiting().records == 2
    sink.gate.set()


def writing_to(journal: Journal) -> sqlite3.Connection:
    """Return a connection in whose open transaction nobody else can write to the journal."""
    other = sqlite3.connect(journal.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_an_exit_waits_for_a_journal_that_other_processes_write_to_and_failed_before(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.wait_up_to(0.01)
    other = writing_to(journal)
    queue = make(Sink(failures=1000), journal=journal)
    put(queue, "a", "b")
    until(lambda: not queue.delivery.has_journal)
    release = threading.Timer(0.5, other.execute, ["ROLLBACK"])
    release.start()
    assert not queue.close(0.1)
    assert queue.lost == {}
    assert journal_in(tmp_path).waiting().records == 2
    release.join()


def test_who_abandons_waits_for_the_thread_that_keeps_the_same_records(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    assert journal.opened_path()
    other = writing_to(journal)
    sink = Sink(failures=1000)
    queue = make(sink, journal=journal)
    put(queue, "a", "b")
    until(lambda: sink.failures < 1000 and queue.delivery._sending_since is None)  # the worker waits for the journal
    release = threading.Timer(0.4, other.execute, ["ROLLBACK"])
    release.start()
    queue.close(0.1)
    release.join()
    assert queue.lost == {}
    assert journal_in(tmp_path).waiting().records == 2


def test_losses_are_remembered_for_doctor(tmp_path: Path) -> None:
    sink = Sink(failures=1000)
    journal = Journal(tmp_path / "journal.db", "somewhere", 1, 1000)
    queue = make(sink, journal=journal)
    put(queue, "a", "b")
    queue.close(1)
    assert [(loss["reason"], loss["count"]) for loss in journal.losses()] == [("journal full", 2)]


def test_a_journal_that_cannot_be_written_is_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "journal.db").write_text("something else, and long enough to be no empty file")
    sink = Sink(failures=1)
    queue = make(sink, journal=journal_in(tmp_path))
    put(queue, "a")
    until(lambda: len(sink.records) == 1)
    assert (tmp_path / "journal.db").read_text().startswith("something else")
    assert any("not a SQLite database" in line for line in caplog.messages)


def test_what_arrives_while_the_rest_is_abandoned_is_kept_or_counted(tmp_path: Path) -> None:
    sink = Sink()
    queue = make(sink, journal=journal_in(tmp_path))
    sink.gate.clear()
    records = [Record(id=str(number)) for number in range(2000)]
    thread = threading.Thread(target=lambda: [queue.delivery.put([record]) for record in records])
    thread.start()
    while thread.is_alive():
        queue.delivery.abandon()
    queue.delivery.abandon()
    sink.gate.set()
    assert queue.close(5)
    kept = {record.id for record in sink.records} | {record.id for record, _ in journal_in(tmp_path).claim(5000)}
    assert queue.lost == {}
    assert kept == {record.id for record in records}
