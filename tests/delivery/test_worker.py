"""Workers: threads that start, sleep, stop and survive a fork."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest
from lines import Line, Sink, journal_in, make, put
from waiting import until

from autolog import _guard
from autolog._capture.span import Span
from autolog._record.record import Record


def test_a_busy_program_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Sink()
    line = make(sink)
    woken: list[int] = []
    monkeypatch.setattr(line, "wake", lambda: woken.append(1) or Line.wake(line))
    for number in range(20):
        line.put(Span(line.put, str(number), "span"))
        time.sleep(0.02)
    assert len(woken) == 1  # the worker checks by itself while records keep arriving
    assert line.flush(5)
    assert len(sink.records) == 20
    time.sleep(2.5)
    line.put(Span(line.put, "later", "span"))
    assert len(woken) == 2  # the worker had gone to sleep
    assert line.close(5)


def test_a_fork_does_not_wait_for_a_sink_that_hangs_after_a_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autolog._lifecycle.IMPORT_TIMEOUT", 60)
    sink = Sink()
    line = make(sink)
    put(line, "one")
    assert line.flush(5)
    sink.gate.clear()
    put(line, "two")
    until(lambda: line.delivery._sending_since is not None)
    fork = threading.Thread(target=line.delivery.pause_for_fork, args=(0.1,))
    fork.start()
    fork.join(20)
    paused = not fork.is_alive()
    sink.gate.set()
    assert paused


def test_an_error_that_recurs_does_not_keep_a_processor_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "strict", False)
    line = make(Sink())

    def fail() -> None:
        raise ValueError

    monkeypatch.setattr(line.delivery, "_step", fail)
    put(line, "one")
    assert not line.flush(0.5)
    thread = line.delivery._thread
    line.close(0.1)
    assert thread is not None
    thread.join(10)
    assert 0 < _guard.failures.pop("delivering records") < 50


def delay_workers(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Make the start of a worker's thread take this long."""
    start = threading.Thread.start

    def slowly(thread: threading.Thread) -> None:
        time.sleep(seconds if thread.name == "autolog" else 0)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slowly)


def test_a_fork_while_a_worker_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    delay_workers(monkeypatch, 0.2)
    line = make(Sink())
    first = threading.Thread(target=put, args=(line, "one"))
    first.start()
    time.sleep(0.05)  # its worker is there, and does not run yet
    line.pause_for_fork(2)
    assert line._thread is None
    line.resume_after_fork()
    first.join()
    put(line, "two")
    assert line.flush(5)
    assert line.delivery.written == 2
    assert line.close(5)


def test_work_that_arrives_while_the_thread_ends_after_closing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    line = make(sink := Sink())
    delivery, sleep = line.delivery, line.delivery._sleep

    def sleep_until_it_is_late() -> bool:
        awake = sleep()
        if not awake and not sink.records:
            delivery.put([Record(id="late")])
        return awake

    monkeypatch.setattr(delivery, "_sleep", sleep_until_it_is_late)
    delivery.accepting = False
    delivery.wake()
    until(lambda: bool(sink.records))
    assert line.close(5)


def test_closing_waits_for_a_thread_that_is_about_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    delay_workers(monkeypatch, 0.05)
    for _ in range(5):
        sink = Sink()
        line = make(sink)
        first = threading.Thread(target=put, args=(line, "one"))
        first.start()
        time.sleep(0.02)  # its worker is there, and does not run yet
        assert line.close(5)
        first.join()
        assert line.delivery.written == 1


def test_a_thread_that_died_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    line = make(Sink())
    put(line, "one")
    assert line.flush(5)
    monkeypatch.setattr(line, "_sleep", lambda: 1 / 0)
    monkeypatch.setattr("autolog._delivery.worker.AWAKE", 0.0)
    put(line, "two")
    until(lambda: line.delivery.written == 2)
    until(lambda: line._thread is not None and not line._thread.is_alive())
    monkeypatch.undo()
    put(line, "three")
    until(lambda: line.delivery.written == 3)
    assert line.close(5)


def test_what_a_signal_handler_raises_while_the_thread_is_woken_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    line = make(Sink())

    def limit(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, limit)
    with monkeypatch.context() as patch:
        patch.setattr(line, "_start", lambda: signal.raise_signal(signal.SIGALRM))
        with pytest.raises(TimeoutError):
            put(line, "one")
    signal.signal(signal.SIGALRM, before)
    put(line, "two")
    until(lambda: line.delivery.written == 2)
    assert line.close(5)


def test_start_up_work_is_done_before_the_first_record() -> None:
    prepared: list[str] = []
    line = make(Sink())
    line._prepare_reading = lambda: prepared.append(threading.current_thread().name)
    line.wake()
    until(lambda: prepared == ["autolog"])
    put(line, "one")
    assert line.close(5)
    assert len(prepared) == 1


def test_start_up_work_is_begun_again_after_an_import_that_another_thread_broke_off() -> None:
    tried: list[int] = []

    def prepare() -> None:
        tried.append(1)
        if len(tried) == 1:
            raise ImportError("cannot import name 'x' from partially initialized module 'y'")

    line = make(Sink())
    line._prepare_reading = prepare
    put(line, "one")
    assert line.close(5)
    assert len(tried) == 2


def test_closing_does_not_wait_for_start_up_work() -> None:
    line = make(Sink())
    prepared = threading.Event()
    line._prepare_reading = lambda: prepared.wait(20)
    line.wake()
    time.sleep(0.05)
    started = time.monotonic()
    assert line.close(5)
    assert time.monotonic() - started < 15
    prepared.set()


def test_losses_are_noted_while_the_program_runs(tmp_path: Path) -> None:
    line = make(Sink(), journal=journal_in(tmp_path))
    line._drop("queue full", 3)
    put(line, "one")
    until(lambda: bool(journal_in(tmp_path).losses()))
    assert line.close(5)
    assert [(loss["reason"], loss["count"]) for loss in journal_in(tmp_path).losses()] == [("queue full", 3)]
