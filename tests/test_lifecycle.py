"""Forks, exits and signals: no record is lost, and the program's own behaviour is unchanged."""

from __future__ import annotations

import inspect
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lines import Sink, journal_in, make, put

import autolog
from autolog import _lifecycle
from autolog._delivery.journal import Journal
from autolog._lifecycle import ForkGate, Opening, flush_all, in_c_library
from autolog._pricing.ledger import Ledger
from autolog._record.record import Record
from autolog.stores import open_store
from autolog.stores.query import Query

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300)


def kept(folder: Path) -> int:
    store = open_store(f"sqlite:///{folder}/.autolog/logs.db")
    try:
        return store.count(Query())
    finally:
        store.close()


INTERRUPTED = """
import os, signal, threading, time
import autolog
with autolog.span("warm"): pass
autolog.flush()
{handler}
for number in range(400):
    with autolog.span(str(number)) as span: span.set(output="x" * 2000)
threading.Thread(target=lambda: (time.sleep(0.005), os.kill(os.getpid(), {number})), daemon=True).start()
"""
#: A second run of a program, which sends what a fast exit has left in the journal.
SETTLE = "import autolog; autolog.configure(); assert autolog.flush(20)"
ALARM = "def late(*_): print('handled'); raise TimeoutError('late')\nsignal.signal(signal.SIGALRM, late)"


@posix
@pytest.mark.parametrize(
    ("handler", "number", "stdout"), [("", signal.SIGINT, ""), (ALARM, signal.SIGALRM, "handled\n")]
)
def test_a_signal_during_the_last_flush_loses_nothing_and_is_handled_after_it(
    handler: str, number: int, stdout: str, tmp_path: Path
) -> None:
    done = run(INTERRUPTED.format(handler=handler, number=int(number)), tmp_path)
    run(SETTLE, tmp_path)
    assert kept(tmp_path) == 401
    assert done.stdout == stdout


@posix
def test_handlers_are_put_back_after_a_flush() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: seen.append(number))
    try:
        held = signal.getsignal(signal.SIGALRM)
        with _lifecycle.signals_deferred():
            os.kill(os.getpid(), signal.SIGALRM)
            os.kill(os.getpid(), signal.SIGALRM)
            assert seen == []
        assert seen == [signal.SIGALRM]
        assert signal.getsignal(signal.SIGALRM) is held
    finally:
        signal.signal(signal.SIGALRM, before)


def free(opening: Opening) -> bool:
    """Return whether another thread can enter the opening."""
    entered = threading.Event()

    def enter() -> None:
        with opening:
            entered.set()

    threading.Thread(target=enter, daemon=True).start()
    return entered.wait(0.2)


def test_opening_is_free_again_in_a_forked_child_whoever_held_it() -> None:
    opening = Opening()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        opening.__enter__()
        held.set()
        done.wait(10)

    threading.Thread(target=hold).start()
    held.wait(10)
    opening.pause_for_fork(0.01)
    assert not free(opening)
    opening.reset()
    assert free(opening)
    done.set()


def test_a_thread_that_forks_while_it_opens_something_goes_on_doing_so_in_the_child() -> None:
    opening = Opening()
    with opening:
        opening.pause_for_fork(0.01)
        opening.reset()
        assert not free(opening)
    assert free(opening)


@posix
def test_a_forked_child_has_ids_of_its_own_and_ends_nothing_of_its_parents(tmp_path: Path) -> None:
    code = """
import os
import autolog
with autolog.span("both") as span:
    pid = os.fork()
    os.write(1, f"{autolog.span('x').trace_id if pid == 0 else ''} {span.elsewhere}\\n".encode())  # at once
    if pid: os.waitpid(pid, 0)
"""
    words = run(code, tmp_path).stdout.split()
    assert sorted(word for word in words if word in {"True", "False"}) == ["False", "True"]
    assert kept(tmp_path) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux wipes memory at a fork")
def test_a_fork_that_python_does_not_know_of_starts_over_too(tmp_path: Path) -> None:
    code = """
import ctypes, os, time
import autolog
with autolog.span("parent"): pass
assert autolog.flush(20)
while not all(worker._idle for worker in autolog._lifecycle.workers): time.sleep(0.1)
time.sleep(0.1)  # a thread that waits for the interpreter at such a fork makes Python itself hang in the child
children = []
for number in range(2):
    child = ctypes.PyDLL(None).fork()  # as uWSGI does
    if not child:
        with autolog.span(f"child {number}"): pass
        os._exit(0 if autolog.flush(20) else 1)
    children.append(child)
print(*(os.waitpid(child, 0)[1] for child in children))
"""
    done = run(code, tmp_path)
    assert done.stdout == "0 0\n", done.stderr
    store = open_store(f"sqlite:///{tmp_path}/.autolog/logs.db")
    records = store.find(Query())
    store.close()
    assert sorted(str(record.name) for record in records) == ["child 0", "child 1", "parent"]
    assert len({record.trace_id for record in records}) == 3


@posix
def test_a_fork_waits_for_our_imports_before_it_takes_locks_that_these_may_need(tmp_path: Path) -> None:
    code = """
import os, threading, time
import concurrent.futures.thread as pools
from autolog import _lifecycle
def open_something():
    with _lifecycle.opening:
        held.set()
        time.sleep(0.3)
        with pools._global_shutdown_lock: pass
held = threading.Event()
threading.Thread(target=open_something).start()
held.wait()
begun = time.monotonic()
if os.fork() == 0:
    with _lifecycle.opening: os._exit(0)
os.wait()
print(time.monotonic() - begun < _lifecycle.IMPORT_TIMEOUT / 2)
"""
    assert run(code, tmp_path).stdout == "True\n"


@posix
def test_a_fork_waits_until_a_worker_is_prepared(tmp_path: Path) -> None:
    code = """
import os, sys, time
import autolog
def prepare(processing):
    time.sleep(1)
    prepared.append(1)
prepared = []
autolog._processing.deferred.DeferredPipeline.prepare = prepare
autolog.configure()
time.sleep(0.1)
if os.fork() == 0:
    print(prepared, flush=True)
    os._exit(0)
os.wait()
"""
    assert run(code, tmp_path).stdout == "[1]\n"


@posix
def test_a_fork_waits_until_no_other_thread_is_in_a_c_library_with_locks_of_the_process(tmp_path: Path) -> None:
    code = """
import os, threading, time
from autolog._lifecycle import in_c_library
def hold():
    with in_c_library:
        with in_c_library: held.set()
        time.sleep(0.3)
        left.append("left")
held, left = threading.Event(), []
threading.Thread(target=hold).start()
held.wait()
with in_c_library:  # its own is no reason to wait
    if os.fork() == 0:
        with in_c_library: os.write(1, f"{left}".encode())
        os._exit(0)
os.wait()
with in_c_library: print(left)
"""
    assert run(code, tmp_path).stdout == "['left']['left']\n"


@posix
def test_a_forked_child_waits_for_no_lock_that_a_thread_of_its_parents_holds(tmp_path: Path) -> None:
    code = """
import os, threading
import autolog
from autolog._capture import threads
from autolog._capture.websocket import Channel, open_channels
from autolog._pricing.budgets import Budgets
from autolog._pricing.reservations import Gate
from autolog.stores import open_store
store = open_store("sqlite:///logs.db")
owners = [autolog.budget(1.0), Budgets([]), Gate([], None), Channel(autolog.autolog._emit, "openai", "wss://x"), store._file]
def held(): return [*(owner._lock for owner in owners), threads._following]
thread = threading.Thread(target=lambda: [lock.acquire() for lock in held()])
thread.start()
thread.join()
if os.fork() == 0:
    os.write(1, f"{[lock.acquire(timeout=0) for lock in held()]} {len(open_channels)}".encode())
    os._exit(0)
os.wait()
os._exit(0)
"""
    assert run(code, tmp_path).stdout == f"{[True] * 6} 0"


def test_whoever_would_enter_a_c_library_waits_until_a_fork_is_over() -> None:
    gate, entered = ForkGate(), threading.Event()

    def enter() -> None:
        with gate:
            entered.set()

    gate.pause_for_fork(1)
    threading.Thread(target=enter).start()
    assert not entered.wait(0.1)
    gate.resume_after_fork()
    assert entered.wait(10)


def test_the_store_the_journal_and_the_ledger_use_sqlite_only_where_no_process_forks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, outside = sqlite3.connect, list[str]()

    def watched(*args: Any, **named: Any) -> sqlite3.Connection:
        db = connect(*args, **named)
        db.set_trace_callback(lambda sql: None if in_c_library._inside else outside.append(sql))
        return db

    monkeypatch.setattr(sqlite3, "connect", watched)
    store = open_store(f"sqlite:///{tmp_path}/logs.db")
    record = Record(id="1", created_at=datetime.now(UTC), name="one", request_body=b"{}")
    store.write([record])
    store.update("1", "default", lambda found: setattr(found, "name", "uno"))
    store.put_document("view", "1", {"name": "mine"})
    assert all([store.find(Query(), bodies=True), store.get("1"), store.count(Query()), store.last()])
    assert all([list(store.scan(Query())), store.aggregate(Query()), store.projects(), store.documents("view")])
    store.delete(Query())
    store.compact()
    assert store.size()
    store.close()
    journal = Journal(tmp_path / "journal.db", "a sink", 10**6, 60)
    journal.release(journal.add([record], claimed=True))
    journal.remove([seq for _, seq in journal.claim(10) if seq])
    journal.note_losses({"a reason": 1})
    assert "a reason" in [loss["reason"] for loss in journal.losses()]
    assert journal.waiting().records == 0
    ledger = Ledger(str(tmp_path / "ledger.db"))
    ledger.reserve("1", [], 1.0, 60)
    ledger.settle("1", 0.5)
    assert outside == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system lists no threads as files")
def test_a_fork_waits_until_the_threads_that_ended_are_gone_for_the_system_too(tmp_path: Path) -> None:
    """Check this because a C library's cleanup after a thread holds locks, for which a child would wait forever."""
    code = """
import ctypes, os
os.register_at_fork(before=lambda: print(len(os.listdir("/proc/self/task")), flush=True))  # runs after autolog's
import autolog
libc = ctypes.CDLL(None)
key = ctypes.c_uint()
libc.pthread_key_create(ctypes.byref(key), ctypes.cast(libc.usleep, ctypes.c_void_p))  # the clean-up: 0.1 s of sleep
def clean_up_slowly(record):
    libc.pthread_setspecific(key, ctypes.c_void_p(100_000))
    return record
autolog.configure(redact=clean_up_slowly)
with autolog.span("one"): pass
assert autolog.flush(10)
if os.fork() == 0: os._exit(0)
os.wait()
"""
    assert run(code, tmp_path).stdout == "1\n"


@posix
def test_every_fork_hook_of_the_package_is_registered_in_one_place() -> None:
    package = Path(autolog.__file__).parent
    assert [path.name for path in package.rglob("*.py") if "register_at_fork" in path.read_text(encoding="utf-8")] == [
        "_lifecycle.py"
    ]


@posix
def test_a_hook_that_fails_in_a_child_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(_lifecycle, "_in_child", [lambda: 1 / 0, lambda: called.append("second")])
    monkeypatch.setattr("autolog._guard.strict", False)
    _lifecycle._after_fork_in_child()
    assert called == ["second"]
    from autolog import _guard

    _guard.failures.clear()


# Whole processes


def named(program: str, tmp_path: Path, timeout: float = 120, silent: bool = True) -> tuple[int, list[str], float]:
    """Run a program with a store of its own; its exit code, what was recorded, and how long it took."""
    path = tmp_path / "logs.db"
    environment = {
        **os.environ,
        "AUTOLOG_STORE": f"sqlite:///{path}",
        "PYTHONPATH": str(Path(autolog.__file__).parents[1]),
    }

    def execute(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            timeout=timeout,
            check=False,
            capture_output=True,
            text=True,
        )

    started = time.monotonic()
    done = execute(textwrap.dedent(program))
    assert done.stderr == "" or done.returncode != 0 or not silent, done.stderr
    took = time.monotonic() - started
    if (tmp_path / ".autolog").exists():
        execute(SETTLE)
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


SIGNALS = {
    "Ctrl-C": ("", "os.kill(os.getpid(), signal.SIGINT)"),
    "many": ("", "for _ in range(50): os.kill(os.getpid(), signal.SIGINT); time.sleep(0.001)"),
    "SIGTERM": ("", "os.kill(os.getpid(), signal.SIGTERM)"),
    "SIGTERM of the program's own": ("signal.signal(15, lambda *_: sys.exit(7))", "os.kill(os.getpid(), 15)"),
    "a time limit": ("signal.signal(14, limit)", "os.kill(os.getpid(), 14)"),
    "SIGTERM whose handler is gone": (
        "before = signal.signal(15, limit); atexit.register(lambda: signal.signal(15, before))",
        "subprocess.call(['kill', str(os.getpid())])",
    ),
}


@pytest.mark.parametrize("way", SIGNALS)
def test_a_signal_during_the_last_flush_costs_no_record(way: str, tmp_path: Path) -> None:
    before, send = SIGNALS[way]
    _, names, took = named(
        f"""
        import atexit, autolog, os, signal, subprocess, sys, threading, time

        class Limit(Exception): ...
        def limit(*arguments): raise Limit
        {before}
        autolog.configure()
        for number in range(800):
            with autolog.span(str(number)): pass

        def strike():
            time.sleep(0.02)
            {send}
        atexit.register(lambda: threading.Thread(target=strike, daemon=True).start())
        """,
        tmp_path,
        silent=False,
    )
    assert len(names) == 800
    assert took < 60


@pytest.mark.parametrize("first", ["", "with autolog.span('early'): pass"])
def test_records_made_by_exit_handlers_that_run_after_ours(first: str, tmp_path: Path) -> None:
    _, names, _ = named(
        f"""
        import atexit
        def late():
            for number in range(3):
                with autolog.span(f"late {{number}}"): pass
        atexit.register(late)
        import autolog
        {first}
        """,
        tmp_path,
    )
    assert names == [*(["early"] if first else []), "late 0", "late 1", "late 2"]


#: How a program ends itself by a signal: what it does first, and at its end.
OWN_ENDS = {
    "raise_signal": ("", "signal.signal(15, signal.SIG_DFL)\nsignal.raise_signal(15)"),
    "kill": ("", "signal.signal(15, signal.SIG_DFL)\nos.kill(os.getpid(), signal.SIGTERM)"),
    "kill, SIGINT": ("", "signal.signal(2, signal.SIG_DFL)\nos.kill(os.getpid(), 2)"),
    "on another thread": (
        "",
        "signal.signal(15, signal.SIG_DFL)\n"
        "thread = threading.Thread(target=os.kill, args=(os.getpid(), 15))\nthread.start()\nthread.join()",
    ),
    "in its handler": ("signal.signal(15, again)", "os.kill(os.getpid(), 15)\ntime.sleep(10)"),
    "what it was before": (
        "before = signal.signal(15, lambda *_: None)",
        "signal.signal(15, before)\nos.kill(os.getpid(), 15)",
    ),
}


@posix
@pytest.mark.parametrize("way", OWN_ENDS)
def test_a_program_that_ends_itself_by_a_signal_loses_nothing(way: str, tmp_path: Path) -> None:
    before, end = OWN_ENDS[way]
    program = """
import autolog, os, signal, threading, time

def again(number, frame):
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)

{before}
autolog.configure()
for number in range(200):
    with autolog.span(str(number)): pass
{end}
"""
    code, names, _ = named(program.format(before=before, end=end), tmp_path)
    assert code == -(signal.SIGINT if "SIGINT" in way else signal.SIGTERM)
    assert len(names) == 200


ENDED_IN_ITS_LIFESPAN = """
import asyncio, os, signal, threading, time, uvicorn

async def application(scope, receive, send):
    assert scope["type"] == "lifespan"
    import autolog
    autolog.configure()
    await receive()
    await send({"type": "lifespan.startup.complete"})
    threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGTERM)).start()
    await receive()
    for number in range(50):
        with autolog.span(str(number)): pass
    await send({"type": "lifespan.shutdown.complete"})

config = uvicorn.Config(application, port=0, log_level="critical")
asyncio.run(uvicorn.Server(config).serve())
"""


@posix
def test_uvicorn_under_a_handler_of_its_own_loses_nothing(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    code, names, _ = named(ENDED_IN_ITS_LIFESPAN, tmp_path)
    assert code == -signal.SIGTERM
    assert len(names) == 50


#: What a program does before its first record.
STARTS = {
    "configure": "autolog.configure()",
    "patch": "autolog.patch()",
    "nothing": "",
    "a fork": "if os.fork(): sys.exit(os.wait()[1])",
    "a signal meanwhile": "signal.signal(14, lambda *_: None)\nsignal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)",
}


@posix
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", ["TERM", "HUP"])
def test_a_signal_that_the_program_does_not_handle_loses_nothing(name: str, start: str, tmp_path: Path) -> None:
    code, names, _ = named(
        f"""
import autolog, os, signal, subprocess, sys, time
{STARTS[start]}
for number in range(200):
    with autolog.span(str(number)): pass
subprocess.call(["kill", "-{name}", str(os.getpid())])
time.sleep(30)
""",
        tmp_path,
        silent=False,
    )
    number = signal.Signals[f"SIG{name}"]
    assert code == (number if start == "a fork" else -number)
    assert len(names) == 200


#: What a program does on the main thread before another makes the first record.
FIRST_ON_A_THREAD = {
    "decorates": "@autolog.autolog\ndef work():\n    for number in range(200): record(number)\nmain(work)",
    "has a span open": "with autolog.span('s'): main(work)",
    "has a context open": "with autolog.context(user='u'): main(work)",
    "starts another": "threading.Thread(target=record, args=(-1,)).start()\ntime.sleep(2)\nmain(work)",
}


@posix
@pytest.mark.parametrize("way", FIRST_ON_A_THREAD)
def test_a_signal_loses_nothing_if_another_thread_makes_the_first_record(way: str, tmp_path: Path) -> None:
    code, names, _ = named(
        f"""
import autolog, os, subprocess, threading, time
def record(number):
    with autolog.span(str(number)): pass
def work():
    for number in range(200): record(number)
def main(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    subprocess.call(["kill", str(os.getpid())])
    time.sleep(30)
{FIRST_ON_A_THREAD[way]}
""",
        tmp_path,
        silent=False,
    )
    assert code == -signal.SIGTERM
    assert {str(number) for number in range(200)} <= set(names)


#: Options of a program that only decorates a function, and what SIGTERM then does.
DECORATED = {
    "": "handled",
    "autolog.configure(handle_sigterm=False)": "default",
    "threading.Thread(target=autolog.configure, kwargs={'handle_sigterm': False}).start(); time.sleep(1)": "handled",
    "signal.signal(signal.SIGTERM, signal.SIG_DFL)": "default",
}


@posix
@pytest.mark.parametrize("then", DECORATED)
def test_a_program_that_only_decorates_ends_at_once(then: str, tmp_path: Path) -> None:
    ended = run(
        f"""
import autolog, os, signal, subprocess, threading, time
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
@autolog.autolog
def work(): pass
{then}
print("default" if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL else "handled", flush=True)
from autolog import _lifecycle
_lifecycle.flush_before_end = lambda: print("flushed", flush=True)
subprocess.call(["kill", str(os.getpid())])
time.sleep(30)
""",
        tmp_path,
    )
    assert (ended.stdout, ended.returncode) == (f"{DECORATED[then]}\n", -signal.SIGTERM), ended.stderr
    assert then or not (tmp_path / ".autolog").exists()


#: Ends of a program that wait for no other thread.
UNAWAITED = {
    "a signal": 'subprocess.call(["kill", str(os.getpid())]); time.sleep(30)',
    "its own signal": "os.kill(os.getpid(), signal.SIGTERM)",
    "_exit": "os._exit(-signal.SIGTERM)",
}


@posix
@pytest.mark.parametrize("way", UNAWAITED)
def test_what_other_threads_record_until_the_sudden_end_is_kept(way: str, tmp_path: Path) -> None:
    code, names, _ = named(
        f"""
import autolog, itertools, os, signal, subprocess, threading, time
autolog.configure()
numbers, made = itertools.count(), os.open("{tmp_path}/made", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
def work():
    while True:
        name = str(next(numbers))
        with autolog.span(name): pass
        os.write(made, name.encode() + b"\\n")
        time.sleep(0.001)
for _ in range(8): threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
{UNAWAITED[way]}
""",
        tmp_path,
        silent=False,
    )
    made = (tmp_path / "made").read_text().split()
    assert made
    assert set(made) <= set(names)
    assert code in {-signal.SIGTERM, 256 - signal.SIGTERM}


@posix
def test_a_handler_installed_while_signals_are_deferred_stays(tmp_path: Path) -> None:
    ended = run(
        """
import os, signal, subprocess
from autolog import _native
with _native.signals_deferred():
    with _native.signals_deferred():
        _native.handle_ending(lambda *_: print("ours", flush=True))
        subprocess.call(["kill", str(os.getpid())])
        print("deferred", flush=True)
        signal.signal(signal.SIGALRM, lambda *_: print("theirs", flush=True))
subprocess.call(["kill", "-ALRM", str(os.getpid())])
""",
        tmp_path,
    )
    assert (ended.stdout, ended.returncode) == ("deferred\nours\ntheirs\n", 0), ended.stderr


@posix
def test_signals_that_are_ignored_or_end_a_program_at_once_go_on_doing_so(tmp_path: Path) -> None:
    ended = run(
        """
import signal, sys
from autolog import _lifecycle
signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
signal.signal(signal.SIGINT, signal.SIG_DFL)  # as programs do whose main thread is in C
_lifecycle.flush_at_sigterm()
print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, signal.getsignal(signal.SIGINT) is signal.SIG_DFL)
""",
        tmp_path,
    )
    assert ended.stdout == "True True\n", ended.stderr


@posix
def test_a_program_that_is_killed_while_it_ends_by_ctrl_c_loses_nothing(tmp_path: Path) -> None:
    code, names, _ = named(
        """
        import autolog, os, signal, subprocess
        signal.signal(2, signal.default_int_handler)  # a test in the background ignores it
        signal.signal(15, lambda *_: None)
        autolog.configure()
        for number in range(200):
            with autolog.span(str(number)): pass
        signal.signal(15, signal.SIG_DFL)
        try: signal.raise_signal(signal.SIGINT)
        finally: subprocess.call(["kill", str(os.getpid())])
        """,
        tmp_path,
    )
    assert code == -signal.SIGTERM
    assert len(names) == 200


@posix
def test_a_signal_that_ends_the_process_does_so_after_a_flush(tmp_path: Path) -> None:
    ended = run(
        """
import os, signal, subprocess
from autolog import _native
with _native.signals_deferred():
    for number in ("TERM", "HUP"): subprocess.call(["kill", "-" + number, str(os.getpid())])
    print("flushed", flush=True)
print("still there")
""",
        tmp_path,
    )
    assert (ended.stdout, ended.returncode) == ("flushed\n", -signal.SIGTERM)


#: How a program ends without its exit handlers. Each ends with code 4.
SUDDEN_ENDS = {
    "os._exit": "os._exit(4)",
    "on another thread": "threading.Thread(target=os._exit, kwargs={'status': 4}).start()\ntime.sleep(30)",
    "in a handler": "signal.signal(15, lambda *_: os._exit(4))\nos.kill(os.getpid(), 15)\ntime.sleep(30)",
    "exec": "os.execv(sys.executable, [sys.executable, '-c', 'raise SystemExit(4)'])",
    "exec by a search": "os.execlp('sh', 'sh', '-c', 'exit 4')",
    "exec in an environment": "os.execle('/bin/sh', 'sh', '-c', 'exit $CODE', {'CODE': '4'})",
    "children": "if os.fork() == 0: work()\nelse: os.wait()\nos._exit(4)",
    "children of a silent parent": "if os.fork() == 0: work()\nelse: os.wait()\nos._exit(4)",
}


@posix
@pytest.mark.parametrize("way", SUDDEN_ENDS)
def test_a_program_that_ends_without_exit_handlers_loses_nothing(way: str, tmp_path: Path) -> None:
    first = "" if way == "children of a silent parent" else "work()"
    program = f"""
import autolog, os, signal, sys, threading, time
autolog.configure()

def work():
    for number in range(200):
        with autolog.span(str(number)): pass

{first}
{SUDDEN_ENDS[way]}
"""
    code, names, _ = named(program, tmp_path)
    assert code == 4
    assert len(names) == (400 if way == "children" else 200)


def test_a_program_that_could_not_be_executed_goes_on(tmp_path: Path) -> None:
    code, names, _ = named(
        """
        import autolog, os
        for name in ("before", "after"):
            with autolog.span(name): pass
            try: os.execvp("/nonexistent", ["x"])
            except FileNotFoundError: pass
        """,
        tmp_path,
    )
    assert (code, names) == (0, ["after", "before"])


@posix
def test_a_child_that_only_runs_another_program_flushes_nothing(tmp_path: Path) -> None:
    program = """
import autolog, os
from autolog import _lifecycle
with autolog.span("a"): pass
_lifecycle.flush_before_end = lambda: print("flushed by", "child" if child == 0 else "parent", flush=True)
child = os.fork()
if child == 0: os.execlp("true", "true")
os.wait()
os._exit(0)
"""
    assert run(program, tmp_path).stdout == "flushed by parent\n"


def test_functions_that_end_a_program_stay_what_they_were(tmp_path: Path) -> None:
    code, _, _ = named(
        """
        import autolog, inspect, os, pickle
        before = [os._exit, os.execv, os.execve]
        with autolog.span("so that a worker runs"): pass
        for function in before:
            now = getattr(os, function.__name__)
            assert inspect.unwrap(now) is function is not now
            assert pickle.loads(pickle.dumps(now)) is now
            assert str(inspect.signature(now)) == str(inspect.signature(function))
            try: now(*["no"] * 4)
            except TypeError: pass
            else: raise AssertionError(now)
        """,
        tmp_path,
    )
    assert code == 0


def test_functions_that_send_signals_stay_what_they_were() -> None:
    _lifecycle.flush_at_sigterm()
    kill, raise_signal = pickle.loads(pickle.dumps((os.kill, signal.raise_signal)))
    assert (kill, raise_signal) == (os.kill, signal.raise_signal)
    assert str(inspect.signature(os.kill)) == "(pid, signal, /)"
    for wrong in ((), ("1", 2), (os.getpid(), []), (os.getpid(), 99_999)):
        with pytest.raises((TypeError, OSError)):
            os.kill(*wrong)
    with pytest.raises(OSError):
        signal.raise_signal(-1)


@pytest.mark.parametrize("way", EXITS)
def test_exits(way: str, tmp_path: Path) -> None:
    end, expected = EXITS[way]
    code, names, _ = named(f"import autolog\nwith autolog.span('s'): pass\n{end}\n", tmp_path)
    assert (code, names) == (expected, ["s"])


def test_losses_are_noted_before_a_sudden_end(tmp_path: Path) -> None:
    line = make(Sink(), journal=journal_in(tmp_path))
    line.delivery._drop("queue full", 2)
    flush_all(end=False)
    assert [(loss["reason"], loss["count"]) for loss in journal_in(tmp_path).losses()] == [("queue full", 2)]
    line.close(5)


def test_configure_waits_until_all_calls_are_read(tmp_path: Path) -> None:
    _, names, _ = named(
        """
        import autolog, time
        autolog.configure(redact=lambda record: time.sleep(0.05) or record)
        for number in range(70):
            with autolog.span(str(number)): pass
        autolog.configure(redact=None)
        """,
        tmp_path,
        silent=False,
    )
    assert len(names) == 70


def test_exit_closes_every_queue() -> None:
    queues = [make(Sink()) for _ in range(4)]
    for queue in queues:
        put(queue, "a")
    flush_all()
    assert [(queue.accepting, queue.delivery.written) for queue in queues] == [(False, 1)] * 4


def test_a_span_that_a_finalizer_ends_as_python_shuts_down_is_kept(tmp_path: Path) -> None:
    code, names, _ = named(
        """
        import sys
        from autolog import autolog
        class Late:
            def __del__(self):
                with autolog.span("late"): pass
        sys.modules["late"] = Late()
        with autolog.span("early"): pass  # and no other: until Python 3.11, a thread that starts in `late` never runs
        """,
        tmp_path,
        silent=False,
    )
    assert (code, names) == (0, ["early", "late"])


def test_a_forked_child_goes_on_logging(tmp_path: Path) -> None:
    _, names, _ = named(
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


@pytest.mark.parametrize(
    ("method", "early"),
    [("fork", ""), ("spawn", ""), ("forkserver", ""), ("forkserver", "autolog.configure()")],  # early: before its work
)
def test_multiprocessing(method: str, early: str, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent(f"""
            import autolog, multiprocessing
            {early}

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
    code, names, _ = named(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')" if method == "fork" else f"""
        import subprocess, sys
        sys.exit(subprocess.call([sys.executable, {str(script)!r}]))
        """, tmp_path)  # fmt: skip
    assert (code, names) == (0, ["child 0", "child 1", "child 2", "parent"])


def test_children_of_multiprocessing_keep_their_records_where_no_thread_can_be_started(tmp_path: Path) -> None:
    code, names, _ = named(
        """
        import autolog, multiprocessing
        from autolog import _native

        def refuse(thread):
            raise RuntimeError("can't start new thread")

        def work(number):
            with autolog.span(f"child {number}"): pass

        _native.Thread.start = refuse
        with autolog.span("parent"): pass
        children = [multiprocessing.get_context("fork").Process(target=work, args=(n,)) for n in range(2)]
        [child.start() for child in children]
        [child.join() for child in children]
        """,
        tmp_path,
        silent=False,  # a warning says that the thread could not be started
    )
    assert (code, names) == (0, ["child 0", "child 1", "parent"])


def test_celery_s_children_flush_before_they_are_killed(tmp_path: Path) -> None:
    pytest.importorskip("celery")
    _, names, _ = named(
        """
        import autolog, celery.signals, os, signal
        autolog.configure()
        if os.fork() == 0:
            with autolog.span("last task"): pass
            celery.signals.worker_process_shutdown.send(None)
            os.kill(os.getpid(), signal.SIGKILL)
        os.wait()
        """,
        tmp_path,
    )
    assert names == ["last task"]


@pytest.mark.parametrize("journal", [False, True], ids=["store", "journal"])
def test_a_daemon_may_close_all_descriptors(journal: bool, tmp_path: Path) -> None:
    """SQLite would write to the program's files that get the same numbers, and its own records would be gone."""
    code, names, _ = named(
        f"""
        import autolog, os
        autolog.configure(durable={journal})
        for _ in range(3):
            with autolog.span("before"): pass
            assert autolog.flush(60)
            os.closerange(3, 1024)
            own = [open(f"own-{{number}}", "w+") for number in range(12)]
            for file in own:
                print("mine", file=file, flush=True)
            with autolog.span("after"): pass
            assert autolog.flush(60)
            assert autolog.status()["journalled"] == 0
            for file in own:
                assert os.path.getsize(file.name) == len("mine\\n"), file.name
                file.close()
        """,
        tmp_path,
    )
    assert (code, names) == (0, ["after"] * 3 + ["before"] * 3)


def test_exit_does_not_wait_for_a_store_that_is_locked(tmp_path: Path) -> None:
    code, _, took = named(
        """
        import autolog, os, sqlite3
        path = os.environ["AUTOLOG_STORE"].removeprefix("sqlite:///")
        autolog.configure()
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        with autolog.span("s"): pass
        """,
        tmp_path,
        silent=False,  # the warning says where the record waits
    )
    assert code == 0
    assert took < 9  # a store waits 10 seconds for its lock; the machine may be busy


_ENDED_AT_ONCE = """
import os, signal, time
from autolog import _lifecycle

blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])  # perhaps by what started this program
_lifecycle.flush_at_sigterm()
for _ in range(5):
    child = os.fork()
    if child == 0:
        time.sleep(20)
        os._exit(0)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(signal.pthread_sigmask(signal.SIG_BLOCK, []) == blocked)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_that_is_ended_as_soon_as_it_is_forked_ends(tmp_path: Path) -> None:
    ended = run(_ENDED_AT_ONCE, tmp_path)
    assert ended.stdout.split() == [str(-signal.SIGTERM)] * 5 + ["True"], ended.stderr


def test_a_subinterpreter_records_and_ends(tmp_path: Path) -> None:
    pytest.importorskip("_xxsubinterpreters")  # before Python 3.13
    _, names, _ = named(
        """
        import _xxsubinterpreters as interpreters
        inside = interpreters.create(isolated=False)
        interpreters.run_string(inside, '''if True:
            import autolog
            with autolog.span("inside"): pass
            assert autolog.flush(30)
            autolog.shutdown()
        ''')
        interpreters.destroy(inside)
        """,
        tmp_path,
    )
    assert names == ["inside"]
