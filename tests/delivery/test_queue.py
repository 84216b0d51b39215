"""The queue: putting never blocks and never raises, memory is bounded, losses are counted."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lines import DurableLine, Sink, journal_in, make, put
from waiting import until

import autolog
from autolog import _guard
from autolog._capture.span import Span
from autolog._config import Config
from autolog._delivery import assembly, queue as _queue
from autolog._delivery.queue import Queue
from autolog._processing.deferred import DeferredPipeline
from autolog._record.record import Record


def test_everything_arrives_in_order() -> None:
    sink = Sink()
    queue = make(sink)
    names = [str(number) for number in range(1200)]
    put(queue, *names)
    assert queue.flush(5)
    assert [record.id for record in sink.records] == names
    assert (queue.delivery.written, queue.queued) == (1200, 0)


class _Stream(Span):
    """A call whose response was streamed, of the maximum size."""

    streaming = True
    size = _queue.LONGEST_STREAM_AHEAD


@pytest.mark.parametrize("fails", [False, True])
def test_the_next_spans_are_shown_before_each_is_read(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "strict", False)
    seen: list[list[str]] = []

    def look_ahead(spans: Sequence[Span]) -> None:
        seen.append([span.name for span in spans])
        if fails:
            raise ValueError("a fault of ours")

    sink = Sink()
    line = make(sink, look_ahead=look_ahead)
    names = [str(number) for number in range(3 * _queue.AHEAD + 1)]
    with line._work:
        put(line, *names)
        Span(line.put, "large", "span").set(input="x" * _queue.LONGEST_AHEAD).end()
        line.put(_Stream(line.put, "stream", "span"))
    assert line.flush(5)
    assert [record.id for record in sink.records] == [*names, "large", "stream"]
    assert [len(group) for group in seen] == [_queue.AHEAD, _queue.AHEAD, _queue.AHEAD, 2]
    assert [name for group in seen for name in group] == [*names, "stream"]
    assert _guard.failures.pop("looking ahead", 0) == (4 if fails else 0)


def test_reading_waits_for_a_quiet_moment_but_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    line = make(Sink())
    monkeypatch.setattr(
        line, "_wait", lambda seconds: setattr(line, "_wakeup_delay", _queue.BUSY) or line._wakeup.wait(seconds)
    )
    put(line, "after a rest")  # is read soon, even if other threads want the interpreter
    until(lambda: line.delivery.written == 1)
    started = time.perf_counter()
    put(line, "one")
    until(lambda: line.delivery.written == 2)
    turns = _queue.TURNS * _queue.BUSY
    # Other threads wanted the interpreter meanwhile
    assert time.perf_counter() - started > _queue.POSTPONED / 1e9 - turns
    put(line, "two")
    assert line.flush(5)  # an explicit flush does not wait
    assert line.close(5)


@pytest.mark.parametrize("others", [(), ("two", "three")])
def test_a_single_call_is_read_soon_and_the_first_of_many_with_the_others(
    others: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_queue, "LINGER", 60)
    line = make(Sink())
    pauses: list[float] = []
    before_reading: list[list[float]] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 1:
            put(line, *others)  # while the worker waits
        return False

    read = line._read_next
    monkeypatch.setattr(line, "_wait", wait)
    monkeypatch.setattr(line, "_read_next", lambda: (before_reading.append([*pauses]), read()))
    put(line, "one")
    until(lambda: bool(before_reading))
    first, *second = before_reading[0]
    assert first == _queue.FIRST_LINGER
    assert [0 < pause < 60 for pause in second] == ([True] if others else [])  # less what the first has waited
    monkeypatch.undo()
    assert line.close(5)


@pytest.mark.parametrize(
    ("options", "interval"),
    [({"store": "sqlite:///logs.db"}, _queue.WRITE_EVERY), ({"endpoint": "http://127.0.0.1:9"}, _queue.SEND_EVERY)],
)
def test_calls_are_gathered_for_longer_if_they_are_sent(options: dict[str, Any], interval: float) -> None:
    config = Config(journal="", **options)
    line = assembly.queue(config, DeferredPipeline(config, None, describes=True), lambda sink: None)
    assert line.poll_interval == interval
    for worker in (line, *line.deliveries):
        assert worker.close(5)


@pytest.mark.parametrize(("overrun", "yields_taking", "allowed"), [(0, 0, 3), (0, 1, 1), (1, 0, 0)])
def test_a_worker_lets_others_go_first_until_they_have_had_their_time(
    overrun: float, yields_taking: float, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_queue, "SLICE", -1)
    monkeypatch.setattr(_queue, "HAND_OVER", 60_000_000_000)
    monkeypatch.setattr(_queue, "GIVEN", 500_000_000)
    clock = iter(itertools.count(step=1_000))
    passed, yields = [0], []

    def yielding(seconds: float) -> None:
        yields.append(seconds)
        passed[0] += int(yields_taking * 1e9)

    line = make(Sink())
    with line._work:
        put(line, "one", "two", "three")
        monkeypatch.setattr(_queue, "sleep", yielding)
        monkeypatch.setattr(_queue, "perf_counter_ns", lambda: next(clock) + passed[0])
        line._wakeup_delay = overrun
        line._step()
        monkeypatch.undo()
    assert len(yields) == allowed
    assert line.close(5)


def test_a_wait_that_overran_makes_the_next_one_shorter() -> None:
    line = make(Sink())
    pauses = []
    for overrun in (0.0, line.poll_interval / 4, 10.0):
        line._wakeup_delay = overrun
        pauses.append(line._poll_pause / line.poll_interval)
    assert pauses == pytest.approx([1, 0.75, 0.5])
    assert line.close(5)


def test_spans_are_postponed_for_less_time_the_more_threads_are_waiting() -> None:
    line = make(Sink())
    line._age = lambda: 0
    with line._work:
        put(line, "one")
        line._rested = False
        pauses = []
        for overrun in (0.003, 0.006, 1.0):
            line._wakeup_delay = overrun
            pauses.append(line._due() or 0.0)
    assert pauses[0] > pauses[1] > pauses[2] == 0
    assert line.close(5)


def test_a_worker_that_gets_no_turn_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(_queue, "sleep", lambda seconds: pauses.append(seconds) if seconds else None)
    turn = threading.Event()
    line = make(Sink())
    line._read = lambda span: [Record(id=span.name)] if turn.wait(10) else []
    put(line, *map(str, range(100)))
    assert not pauses
    time.sleep(_queue.STARVED / 1e9 + 0.1)  # the worker does not run
    put(line, *map(str, range(100, 200)))
    assert pauses == [_queue.PAUSE]  # not at every call
    turn.set()
    assert line.flush(5)
    time.sleep(_queue.STARVED / 1e9 + 0.1)  # the worker sleeps as it should
    put(line, *map(str, range(200, 240)))
    assert len(pauses) == 1
    assert line.close(5)


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    sink = Sink(blocked=True)
    queue = make(sink, max_records=10)
    started = time.perf_counter()
    put(queue, *map(str, range(100)))
    assert time.perf_counter() - started < 1
    assert queue.lost["queue full"] >= 70
    sink.gate.set()
    assert queue.flush(5)
    assert queue.delivery.written + queue.lost["queue full"] == 100


def test_bytes_are_bounded_too() -> None:
    sink = Sink(blocked=True)
    queue = make(sink, max_bytes=5_000)
    put(queue, *map(str, range(100)))
    assert queue.lost["queue full"] > 80
    sink.gate.set()
    assert queue.flush(5)


def test_what_functions_hold_counts(tmp_path: Path) -> None:
    autolog.configure(store=f"sqlite:///{tmp_path}/x.db", max_queue_bytes=1_000_000)
    recorder = autolog.autolog
    sink = Sink(blocked=True)
    with recorder.diverted(sink):
        for _ in range(50):
            recorder(lambda text: None)("x" * 100_000)
        assert autolog.status()["dropped"]["queue full"] > 30
        sink.gate.set()


def test_more_than_fits_into_memory_goes_to_the_journal(tmp_path: Path) -> None:
    sink = Sink(blocked=True)
    queue = make(sink, max_records=10, journal=journal_in(tmp_path))
    put(queue, *map(str, range(300)))
    assert queue.lost == {}
    sink.gate.set()
    assert queue.flush(10)
    until(lambda: len({record.id for record in sink.records}) == 300)


def test_durable_is_on_disk_when_the_call_returns(tmp_path: Path) -> None:
    sink = Sink(blocked=True)
    queue = make(sink, journal=journal_in(tmp_path), kind=DurableLine)
    put(queue, "a")
    assert journal_in(tmp_path).waiting().records == 1
    sink.gate.set()
    assert queue.flush(5)
    assert [record.id for record in sink.records] == ["a"]
    until(lambda: journal_in(tmp_path).waiting().records == 0)


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_an_error_or_exit_in_reading_costs_one_record(error: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "strict", False)

    def read(span: Span) -> list[Record]:
        if span.name == "bad":
            raise error
        return [Record(id=span.name)]

    sink = Sink()
    queue = make(sink)
    queue._read = read
    put(queue, "a", "bad", "b")
    until(lambda: len(sink.records) == 2)
    put(queue, "c")
    until(lambda: len(sink.records) == 3)
    assert [record.id for record in sink.records] == ["a", "b", "c"]
    assert queue.lost == {"could not be read": 1}
    assert _guard.failures.pop("reading a call") == 1


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Queue, Sink]:
    """Return a queue that has been closed after one record, and its sink; records that end now are delivered soon."""
    monkeypatch.setattr(_queue, "EXIT_TIMEOUT", 0.2)
    sink = Sink()
    queue = make(sink, journal=journal_in(tmp_path))
    put(queue, "a")
    assert queue.close(5)
    return queue, sink


def test_what_ends_after_closing_is_delivered_before_the_call_returns(
    closed: tuple[Queue, Sink], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, sink = closed
    put(queue, "late", "later")
    assert [record.id for record in sink.records] == ["a", "late", "later"]
    sink.gate.clear()  # a sink that hangs
    until(lambda: time.monotonic() > queue._late_until)
    drained: list[float] = []
    monkeypatch.setattr(queue.delivery, "drain", drained.append)
    put(queue, *map(str, range(20)))
    assert journal_in(tmp_path).waiting().records == 20
    assert not drained  # the sink is waited for no more
    sink.gate.set()


def test_what_ends_after_closing_goes_to_the_journal_if_the_sink_hangs(
    closed: tuple[Queue, Sink], tmp_path: Path
) -> None:
    queue, sink = closed
    sink.gate.clear()
    put(queue, "late", "later")  # returns although the sink does not
    assert journal_in(tmp_path).waiting().records == 2
    sink.gate.set()


def test_what_ends_after_closing_waits_for_start_up_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autolog._delivery.queue.EXIT_TIMEOUT", 0.1)
    sink = Sink()
    line = make(sink)
    line._prepare_reading = lambda: time.sleep(0.6)
    line.close(5)
    put(line, "late")
    assert ([record.id for record in sink.records], line.lost) == (["late"], {})


def test_before_a_sudden_end_records_are_on_disk_when_their_call_returns(tmp_path: Path) -> None:
    sink, journal = Sink(blocked=True), journal_in(tmp_path)
    line = make(sink, journal=journal)
    line.keep_at_once()
    put(line, "on disk")
    assert journal.waiting().records == 1
    line.keep_later()
    put(line, "in memory")
    assert (journal.waiting().records, line.accepting) == (1, True)
    sink.gate.set()
    assert line.flush(5)
    assert sorted(record.id for record in sink.records) == ["in memory", "on disk"]
    line.close(5)
    line.keep_later()
    assert not line.accepting


@pytest.mark.parametrize("room", [10, 0])
def test_records_that_the_journal_cannot_take_wait_in_memory_or_are_counted(room: int, tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()
    sink = Sink()
    line = make(sink, max_records=room, journal=journal_in(tmp_path))
    line.keep_at_once()
    put(line, "a")
    line.keep_later()
    assert line.flush(5)
    assert (len(sink.records), line.lost) == ((1, {}) if room else (0, {"queue full": 1}))
    line.close(5)


def test_the_last_flush_goes_on_while_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = make(sink := Sink())

    def read_slowly(span: Span) -> list[Record]:
        time.sleep(0.002)
        return [Record(id=span.name)]

    monkeypatch.setattr(queue, "_read", read_slowly)
    put(queue, *map(str, range(400)))  # fewer than one batch, taking longer than the first timeout
    assert queue.flush_while_progressing(0.05, 20)
    assert queue.close(5)
    assert len(sink.records) == 400
    assert queue.lost == {}


def test_the_last_flush_waits_for_start_up_work_and_for_the_journal_however_slow_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("autolog._delivery.worker.LOOK", 0.02)
    queue = make(sink := Sink())
    hand_over = queue.delivery.put

    def slowly(records: list[Record]) -> None:
        time.sleep(0.15)  # the disk is slow
        hand_over(records)

    monkeypatch.setattr(queue.delivery, "put", slowly)
    monkeypatch.setattr(_queue, "BATCH", 5)
    queue._prepare_reading = lambda: time.sleep(0.15)
    put(queue, *map(str, range(10)))
    assert queue.flush_while_progressing(0.04, 20)
    assert queue.close(5)
    assert len(sink.records) == 10


def test_the_last_flush_does_not_wait_for_a_function_of_the_users_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autolog._delivery.worker.LOOK", 0.02)
    queue = make(Sink())
    hangs, goes_on = threading.Event(), threading.Event()
    monkeypatch.setattr(queue, "_read", lambda span: hangs.set() or (goes_on.wait(60) and []))
    put(queue, "a", "b")
    assert hangs.wait(10)
    last = threading.Thread(target=queue.flush_while_progressing, args=(0.04, 60))
    last.start()
    last.join(20)
    ended = not last.is_alive()
    goes_on.set()
    assert ended
    assert queue.close(5)


def test_a_queue_is_not_empty_before_its_records_are_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = make(sink := Sink())
    hand_over = queue.delivery.put

    def slowly(records: list[Record]) -> None:
        time.sleep(0.3)  # the operating system runs another thread
        hand_over(records)

    monkeypatch.setattr(queue.delivery, "put", slowly)
    put(queue, "a", "b")
    assert queue.close(5)
    assert [record.id for record in sink.records] == ["a", "b"]


def test_at_the_deadline_every_span_is_either_handed_over_or_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = make(sink := Sink())

    def read_slowly(span: Span) -> list[Record]:
        time.sleep(0.005)
        return [Record(id=span.name)]

    monkeypatch.setattr(queue, "_read", read_slowly)
    put(queue, *map(str, range(300)))
    assert not queue.close(0.2)
    lost = queue.lost["not written before exit"]
    assert 0 < lost < 300
    assert len(sink.records) + lost == 300
