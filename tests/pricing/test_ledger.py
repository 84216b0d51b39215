"""A ledger adds up what is spent and reserved, for one process and for several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from autolog._pricing.ledger import Claim, Ledger

HOURLY = Claim("all", 1.0, 3600.0)
USERS = Claim("user\na", 0.5, 3600.0)


class Clock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


def test_a_reservation_is_of_all_claims_or_of_none() -> None:
    ledger = Ledger()
    assert ledger.reserve("1", [HOURLY, USERS], 0.4, 60) is None
    refused = ledger.reserve("2", [HOURLY, USERS], 0.2, 60)
    assert refused is not None
    assert (refused.claim, refused.spent, refused.reserved) == (1, 0.0, 0.4)
    assert ledger.figures(HOURLY) == (0.0, 0.4)
    ledger.settle("1", 0.1)
    ledger.settle("1", 0.1)
    assert ledger.figures(HOURLY) == ledger.figures(USERS) == (0.1, 0.0)


def test_a_reservation_expires_and_its_late_cost_still_counts() -> None:
    clock = Clock()
    ledger = Ledger(now=clock)
    assert ledger.reserve("1", [HOURLY], 0.9, 60) is None
    assert ledger.reserve("2", [HOURLY], 0.9, 60) is not None
    clock.time += 61
    assert ledger.reserve("2", [HOURLY], 0.9, 60) is None
    ledger.settle("1", 0.3)
    assert ledger.figures(HOURLY) == (0.3, 0.9)


def test_what_was_spent_long_ago_is_forgotten() -> None:
    clock = Clock()
    ledger = Ledger(now=clock)
    ledger.add([HOURLY], 1.0)
    clock.time += 3500
    assert ledger.reserve("1", [HOURLY], 0.0, 60) is not None
    clock.time += 200
    assert ledger.reserve("1", [HOURLY], 1.0, 60) is None


def test_a_record_that_arrives_by_itself_counts_once_whichever_comes_first() -> None:
    ledger = Ledger()
    for number, record_first in (("1", True), ("2", False)):
        ledger.reserve(number, [HOURLY], 0.3, 60, record=f"r{number}")
        if record_first:
            ledger.add([HOURLY], 0.1, f"r{number}")
            ledger.settle(number, 0.1)
        else:
            ledger.settle(number, 0.1)
            ledger.add([HOURLY], 0.1, f"r{number}")
    assert ledger.figures(HOURLY) == (pytest.approx(0.2), 0.0)
    ledger.add([HOURLY], 0.1, "another")
    ledger.add([HOURLY], 0.1, "r2")  # it costs more than was known
    assert ledger.figures(HOURLY)[0] == pytest.approx(0.4)


def test_what_was_spent_before_is_added_once(tmp_path: Path) -> None:
    clock = Clock()
    for _ in range(2):
        Ledger(str(tmp_path / "l"), clock).seed("all", [(HOURLY, clock.time, 0.5)])
    assert Ledger(str(tmp_path / "l"), clock).figures(HOURLY) == (0.5, 0.0)


def test_threads_cannot_both_take_what_is_left() -> None:
    ledger = Ledger()
    taken: list[int] = []

    def take(start: int) -> None:
        taken.extend(n for n in range(start, start + 50) if ledger.reserve(str(n), [HOURLY], 0.015625, 60) is None)

    threads = [threading.Thread(target=take, args=(start,)) for start in range(0, 400, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 64


_TAKES = """
    import sys
    from autolog._pricing.ledger import Claim, Ledger
    ledger, taken = Ledger(sys.argv[1]), 0
    for number in range(50):
        if ledger.reserve(f"{sys.argv[2]}-{number}", [Claim("all", 1.0, 3600.0)], 0.015625, float(sys.argv[3])) is None:
            taken += 1
    print(taken, flush=True)
    sys.stdin.read()
"""


def processes(path: Path, seconds: float) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_TAKES), str(path), str(number), str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(4)
    ]  # fmt: skip


def test_four_processes_share_a_file_and_what_a_killed_one_held_expires(tmp_path: Path) -> None:
    started = processes(tmp_path / "l", 3600)
    assert sum(int(one.stdout.readline()) for one in started if one.stdout) == 64
    for one in started:
        os.kill(one.pid, signal.SIGKILL)
        one.communicate()
    ledger = Ledger(str(tmp_path / "l"))
    assert ledger.figures(HOURLY) == (0.0, 1.0)
    assert ledger.reserve("more", [HOURLY], 0.1, 60) is not None
    later = Ledger(str(tmp_path / "l"), lambda: __import__("time").time() + 3601)
    assert later.reserve("more", [HOURLY], 1.0, 60) is None


def test_a_forked_child_has_a_connection_of_its_own(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "l"))
    ledger.add([HOURLY], 0.25)
    child = os.fork()
    if not child:
        try:
            ledger.add([HOURLY], 0.25)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert ledger.figures(HOURLY) == (0.5, 0.0)
