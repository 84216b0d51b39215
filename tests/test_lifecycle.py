"""Forks, exits and signals: nothing that was recorded is lost, and the program gets what is its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import autolog
from autolog import _lifecycle
from autolog._lifecycle import Opening
from autolog.stores import open_store
from autolog.stores.query import Query

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60)


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
for number in range(2000):
    with autolog.span(str(number)) as span: span.set(output="x" * 2000)
threading.Thread(target=lambda: (time.sleep(0.02), os.kill(os.getpid(), {number})), daemon=True).start()
"""
ALARM = "def late(*_): print('handled'); raise TimeoutError('late')\nsignal.signal(signal.SIGALRM, late)"


@posix
@pytest.mark.parametrize(("handler", "number", "said"), [("", signal.SIGINT, ""), (ALARM, signal.SIGALRM, "handled\n")])
def test_a_signal_during_the_last_flush_loses_nothing_and_is_handled_after_it(
    handler: str, number: int, said: str, tmp_path: Path
) -> None:
    done = run(INTERRUPTED.format(handler=handler, number=int(number)), tmp_path)
    assert kept(tmp_path) == 2001
    assert done.stdout == said


@posix
def test_handlers_are_put_back_after_a_flush() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: seen.append(number))
    try:
        held = signal.getsignal(signal.SIGALRM)
        with _lifecycle._signals_deferred():
            os.kill(os.getpid(), signal.SIGALRM)
            os.kill(os.getpid(), signal.SIGALRM)
            assert seen == []
        assert seen == [signal.SIGALRM]
        assert signal.getsignal(signal.SIGALRM) is held
    finally:
        signal.signal(signal.SIGALRM, before)


def free(opening: Opening) -> bool:
    """Whether another thread may open something."""
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
    print(autolog.span("x").trace_id if pid == 0 else "", span.elsewhere, flush=True)
    if pid: os.waitpid(pid, 0)
"""
    words = run(code, tmp_path).stdout.split()
    assert sorted(word for word in words if word in {"True", "False"}) == ["False", "True"]
    assert kept(tmp_path) == 1


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
