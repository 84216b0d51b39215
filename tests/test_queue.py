"""The way off the caller's thread: nothing blocks, nothing raises, losses are counted, forks and exits are survived."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import autolog
from autolog import _guard
from autolog._capture.span import Span
from autolog._delivery import queue as _queue
from autolog._delivery.delivery import Delivery
from autolog._delivery.journal import Journal
from autolog._delivery.queue import DurableQueue, Queue
from autolog._lifecycle import flush_all
from autolog._record.record import Record
from autolog.dialects import native
from autolog.errors import StoreUnavailable
from autolog.stores import open_store
from autolog.stores.query import Query


class Sink:
    """Keeps records; fails or blocks on command."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.failures = 0
        self.gate = threading.Event()
        self.gate.set()

    def write(self, records: Sequence[Record]) -> None:
        self.gate.wait(10)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("memory:", "away")
        self.records.extend(records)

    def close(self) -> None: ...


class Line(Queue):
    """A queue and its one delivery, as the recorder has them."""

    delivery: Delivery

    def flush(self, timeout: float) -> bool:
        return super().flush(timeout) and self.delivery.flush(timeout)

    def close(self, timeout: float) -> bool:
        return super().close(timeout) & self.delivery.close(timeout)

    @property
    def lost(self) -> dict[str, int]:
        return dict(self.dropped + self.delivery.dropped)


class DurableLine(DurableQueue, Line):
    """The same, with every record on disk first."""


def make(
    sink: Sink,
    max_records: int = 5000,
    max_bytes: int = 10_000_000,
    journal: Journal | None = None,
    kind: type[Line] = Line,
) -> Line:
    delivery = Delivery(lambda: sink, max_records, max_bytes, journal)
    line = kind(lambda span: [Record(id=span.name)], [delivery], max_records, max_bytes)
    line.delivery = delivery
    return line


def journal_in(folder: Path, max_bytes: int = 10_000_000, max_age: float = 1000) -> Journal:
    return Journal(folder / "journal.db", "somewhere", max_bytes, max_age)


def put(queue: Queue, *names: str) -> None:
    for name in names:
        Span(queue.put, name, "span").end()


def test_everything_arrives_in_order() -> None:
    sink = Sink()
    queue = make(sink)
    names = [str(number) for number in range(1200)]
    put(queue, *names)
    assert queue.flush(5)
    assert [record.id for record in sink.records] == names
    assert (queue.delivery.written, queue.queued) == (1200, 0)


def test_a_busy_program_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Sink()
    line = make(sink)
    woken: list[int] = []
    monkeypatch.setattr(line, "wake", lambda: woken.append(1) or Line.wake(line))
    for number in range(20):
        line.put(Span(line.put, str(number), "span"))
        time.sleep(0.02)
    assert len(woken) == 1  # the worker looks by itself while there is something every now and then
    assert line.flush(5)
    assert len(sink.records) == 20
    time.sleep(2.5)
    line.put(Span(line.put, "later", "span"))
    assert len(woken) == 2  # it had gone to sleep
    assert line.close(5)


def test_reading_waits_for_a_quiet_moment_but_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    line = make(Sink())
    monkeypatch.setattr(
        line, "_wait", lambda seconds: setattr(line, "_wakeup_delay", 1.0) or line._wakeup.wait(seconds)
    )
    begun = time.perf_counter()
    put(line, "one")
    while not line.delivery.written and time.perf_counter() - begun < 10:
        time.sleep(0.005)
    took = time.perf_counter() - begun
    assert line.delivery.written == 1
    assert took > 0.25  # somebody else wanted the interpreter all the while
    put(line, "two")
    assert line.flush(5)  # who asks for it need not wait
    assert line.close(5)


def test_a_worker_that_gets_no_turn_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(_queue, "sleep", lambda seconds: pauses.append(seconds) if seconds else None)
    turn = threading.Event()
    line = make(Sink())
    line._read = lambda span: [Record(id=span.name)] if turn.wait(10) else []
    put(line, *map(str, range(100)))
    assert not pauses
    time.sleep(_queue.STARVED / 1e9 + 0.1)  # nothing is seen of the worker
    put(line, *map(str, range(100, 200)))
    assert pauses == [_queue.PAUSE]  # now and then, not at every call
    turn.set()
    assert line.flush(5)
    time.sleep(_queue.STARVED / 1e9 + 0.1)  # it sleeps, and is well
    put(line, *map(str, range(200, 240)))
    assert len(pauses) == 1
    assert line.close(5)


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    sink = Sink()
    sink.gate.clear()
    queue = make(sink, max_records=10)
    started = time.perf_counter()
    put(queue, *map(str, range(100)))
    assert time.perf_counter() - started < 1
    assert queue.lost["queue full"] >= 70
    sink.gate.set()
    assert queue.flush(5)
    assert queue.delivery.written + queue.lost["queue full"] == 100


def test_bytes_are_bounded_too() -> None:
    sink = Sink()
    sink.gate.clear()
    queue = make(sink, max_bytes=5_000)
    put(queue, *map(str, range(100)))
    assert queue.lost["queue full"] > 80
    sink.gate.set()
    assert queue.flush(5)


def test_a_sink_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink()
    sink.failures = 2
    queue = make(sink)
    put(queue, "a", "b")
    deadline = time.monotonic() + 10
    while not sink.records and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [record.id for record in sink.records] == ["a", "b"]
    assert len([line for line in caplog.messages if "cannot write" in line]) == 1
    assert queue.delivery.last_error is None


def test_closing_gives_up_in_time_and_counts() -> None:
    sink = Sink()
    sink.failures = 1000
    queue = make(sink)
    put(queue, "a", "b")
    started = time.monotonic()
    assert not queue.close(0.5)
    assert time.monotonic() - started < 1.5
    assert queue.lost["not written before exit"] == 2
    put(queue, "c")
    assert queue.dropped["shut down"] == 1


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


def test_what_functions_hold_counts(tmp_path: Path) -> None:
    autolog.configure(store=f"sqlite:///{tmp_path}/x.db", max_queue_bytes=1_000_000)
    recorder = autolog.autolog
    sink = Sink()
    sink.gate.clear()
    with recorder.diverted(sink):
        for _ in range(50):
            recorder(lambda text: None)("x" * 100_000)
        assert autolog.status()["dropped"]["queue full"] > 30
        sink.gate.set()


def test_an_error_in_reading_costs_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "strict", False)

    def enrich(span: Span) -> list[Record]:
        if span.name == "bad":
            raise ZeroDivisionError
        return [Record(id=span.name)]

    sink = Sink()
    queue = make(sink)
    queue._read = enrich
    put(queue, "a", "bad", "b")
    assert queue.flush(5)
    assert [record.id for record in sink.records] == ["a", "b"]
    assert _guard.failures.pop("reading a call") == 1


def test_the_default_store_is_a_file_here(tmp_path: Path) -> None:
    with autolog.span("s"):
        pass
    assert autolog.flush()
    store = open_store(f"sqlite:///{tmp_path}/.autolog/logs.db", create=False)
    assert store is not None
    assert [record.name for record in store.find(Query())] == ["s"]
    assert autolog.status()["written"] == 1


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


# Whole processes


def run(program: str, tmp_path: Path, timeout: float = 30) -> tuple[int, list[str], float]:
    """Run a program with a store of its own; its exit code, what was recorded, and how long it took."""
    path = tmp_path / "logs.db"
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "AUTOLOG_STORE": f"sqlite:///{path}", "PYTHONPATH": str(Path(autolog.__file__).parents[1])},
        timeout=timeout,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stderr == "" or done.returncode != 0, done.stderr
    took = time.monotonic() - started
    store = open_store(f"sqlite:///{path}", create=False)
    names = sorted(str(record.name) for record in store.find(Query(), 1000)) if store else []
    return done.returncode, names, took


EXITS = {
    "normal": ("", 0),
    "sys.exit": ("import sys; sys.exit(3)", 3),
    "unhandled exception": ("raise ValueError('x')", 1),
    "thread still running": (
        "import threading, time; threading.Thread(target=time.sleep, args=(30,), daemon=True).start()",
        0,
    ),
}


@pytest.mark.parametrize("way", EXITS)
def test_exits(way: str, tmp_path: Path) -> None:
    end, expected = EXITS[way]
    code, names, _ = run(f"import autolog\nwith autolog.span('s'): pass\n{end}\n", tmp_path)
    assert (code, names) == (expected, ["s"])


def test_exit_closes_every_queue() -> None:
    queues = [make(Sink()) for _ in range(4)]
    for queue in queues:
        put(queue, "a")
    flush_all()
    assert [(queue.accepting, queue.delivery.written) for queue in queues] == [(False, 1)] * 4


def test_a_forked_child_goes_on_logging(tmp_path: Path) -> None:
    _, names, _ = run(
        """
        import autolog, os, sys
        with autolog.span("before"): pass
        with autolog.span("around"):
            pid = os.fork()
            if pid == 0:
                with autolog.span("child"): pass
                sys.exit(0)
            os.waitpid(pid, 0)
        with autolog.span("after"): pass
        """,
        tmp_path,
    )
    assert names == ["after", "around", "before", "child"]


def test_a_fork_while_a_worker_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def slowly(thread: threading.Thread) -> None:
        time.sleep(0.2 if thread.name == "autolog" else 0)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slowly)
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


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent(f"""
            import autolog, multiprocessing

            def work(number):
                with autolog.span(f"child {{number}}"): pass

            if __name__ == "__main__":
                with autolog.span("parent"): pass
                context = multiprocessing.get_context({method!r})
                children = [context.Process(target=work, args=(n,)) for n in range(3)]
                [child.start() for child in children]
                [child.join() for child in children]
        """)
    )
    code, names, _ = run(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')" if method == "fork" else f"""
        import subprocess, sys
        sys.exit(subprocess.call([sys.executable, {str(script)!r}]))
        """, tmp_path)  # fmt: skip
    assert (code, names) == (0, ["child 0", "child 1", "child 2", "parent"])


def test_exit_does_not_wait_for_a_store_that_is_locked(tmp_path: Path) -> None:
    code, _, took = run(
        """
        import autolog, os, sqlite3
        path = os.environ["AUTOLOG_STORE"].removeprefix("sqlite:///")
        autolog.configure()
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        with autolog.span("s"): pass
        """,
        tmp_path,
    )
    assert code == 0
    assert took < 4


# The journal


def test_what_cannot_be_delivered_waits_on_disk_and_is_resent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink()
    sink.failures = 2
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
    away = Sink()
    away.failures = 1000
    queue = make(away, journal=journal_in(tmp_path))
    put(queue, *map(str, range(700)))
    started = time.monotonic()
    assert not queue.close(1)
    assert time.monotonic() - started < 2
    assert queue.lost == {}
    sink = Sink()
    later = make(sink, journal=journal_in(tmp_path))
    later.delivery.resume_backlog()
    until(lambda: len(sink.records) == 700)
    assert {record.id for record in sink.records} == set(map(str, range(700)))


def test_a_sink_that_hangs_holds_up_no_exit_and_loses_nothing(tmp_path: Path) -> None:
    sink = Sink()
    sink.gate.clear()
    queue = make(sink, journal=journal_in(tmp_path))
    put(queue, "a", "b")
    started = time.monotonic()
    assert not queue.close(0.5)
    assert time.monotonic() - started < 1.5
    assert journal_in(tmp_path).waiting().records == 2
    sink.gate.set()


def test_more_than_fits_into_memory_goes_to_the_journal(tmp_path: Path) -> None:
    sink = Sink()
    sink.gate.clear()
    queue = make(sink, max_records=10, journal=journal_in(tmp_path))
    put(queue, *map(str, range(300)))
    assert queue.lost == {}
    sink.gate.set()
    assert queue.flush(10)
    until(lambda: len({record.id for record in sink.records}) == 300)


def test_the_journal_is_bounded_and_says_what_it_shed(tmp_path: Path) -> None:
    journal = journal_in(tmp_path, max_bytes=3_000)
    for number in range(100):
        journal.add([Record(id=str(number), metadata={"x": os.urandom(50).hex()})])
    waiting = journal.waiting()
    assert 5 < waiting.records < 40
    assert waiting.bytes <= 3_000
    assert journal.shed() == {"journal full": 100 - waiting.records}
    assert [int(record.id) for record, _ in journal.claim(100)][-1] == 99
    young = journal_in(tmp_path, max_age=0)
    assert young.claim(10) == []
    assert young.shed() == {"too old in the journal": waiting.records}


def test_losses_are_remembered_for_doctor(tmp_path: Path) -> None:
    sink = Sink()
    sink.failures = 1000
    journal = Journal(tmp_path / "journal.db", "somewhere", 1, 1000)
    queue = make(sink, journal=journal)
    put(queue, "a", "b")
    queue.close(1)
    assert [(loss["reason"], loss["count"]) for loss in journal.losses()] == [("journal full", 2)]


def test_a_claim_is_void_when_its_process_is_gone(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    program = f"""
        import os
        from pathlib import Path
        from autolog._delivery.journal import Journal
        from autolog._record.record import Record
        Journal(Path({str(tmp_path / "journal.db")!r}), "somewhere", 10**6, 1000).add([Record(id="a")], claimed=True)
        os.kill(os.getpid(), 9)
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert journal.waiting().records == 1
    held = journal.add([Record(id="mine")], claimed=True)
    claimed = journal.claim(10)
    assert [record.id for record, _ in claimed] == ["a"]
    assert journal.claim(10) == []  # both are ours
    journal.release(held)
    assert [record.id for record, _ in journal.claim(10)] == ["mine"]


def test_durable_is_on_disk_when_the_call_returns(tmp_path: Path) -> None:
    sink = Sink()
    sink.gate.clear()
    queue = make(sink, journal=journal_in(tmp_path), kind=DurableLine)
    put(queue, "a")
    assert journal_in(tmp_path).waiting().records == 1
    sink.gate.set()
    assert queue.flush(5)
    assert [record.id for record in sink.records] == ["a"]
    until(lambda: journal_in(tmp_path).waiting().records == 0)


def test_a_journal_that_cannot_be_written_is_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "journal.db").write_text("something else, and long enough to be no empty file")
    sink = Sink()
    sink.failures = 1
    queue = make(sink, journal=journal_in(tmp_path))
    put(queue, "a")
    until(lambda: len(sink.records) == 1)
    assert (tmp_path / "journal.db").read_text().startswith("something else")
    assert any("not a SQLite database" in line for line in caplog.messages)


def test_what_messagepack_cannot_hold_is_kept_all_the_same(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    odd = Record(id="a", input_preview="cut \ud83d", metadata={"n": 2**70, "deep": [{"\udc00": -(2**70)}]})
    journal.add([odd])
    ((back, _),) = journal.claim(1)
    assert back.input_preview == "cut ?"
    assert back.metadata == {"n": hex(2**70), "deep": [{"?": hex(-(2**70))}]}
    (decoded,) = native.decode_batch(native.encode_batch([odd]), native.MSGPACK)
    assert decoded == back


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
