"""Spending and reservations add up: in memory, in a file of several processes, in a database of several servers."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autolog._pricing.ledger import Accounts, Claim, Ledger
from autolog.server._shared_accounts import SharedAccounts
from autolog.stores.clickhouse.reservations import Reservations
from autolog.stores.clickhouse.store import ClickHouseStore

HOURLY = Claim("all", 1.0, 3600.0)
USERS = Claim("user\na", 0.5, 3600.0)

#: Opens the accounts of the test once more, as another process or server does: the same ones for all in memory.
Opens = Callable[[], Accounts]


class Clock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "file", "clickhouse"])
def opens(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Opens:
    if request.param == "clickhouse":
        store = ClickHouseStore(request.getfixturevalue("clickhouse_url"))
        return lambda: SharedAccounts(Reservations(store._db, store._target, clock))
    if request.param == "file":
        return lambda: Ledger(str(tmp_path / "l"), clock)
    ledger = Ledger(now=clock)
    return lambda: ledger


def test_a_reservation_is_of_all_claims_or_of_none_and_others_see_it(opens: Opens) -> None:
    first, second = opens(), opens()
    assert first.reserve("1", [HOURLY, USERS], 0.4, 60) is None
    refused = second.reserve("2", [HOURLY, USERS], 0.2, 60)
    assert refused is not None
    assert (refused.claim, refused.spent, refused.reserved) == (1, 0.0, pytest.approx(0.4))
    assert second.figures(HOURLY) == (0.0, pytest.approx(0.4))
    second.settle("1", 0.1)
    first.settle("1", 0.1)
    for each in (first, second):
        assert each.figures(HOURLY) == each.figures(USERS) == (pytest.approx(0.1), 0.0)
    assert sorted(first.keys("")) == ["all", "user\na"]
    assert first.keys("user") == ["user\na"]
    assert first.reserve("3", [], 9.0, 60) is None


def test_a_reservation_expires_and_its_late_cost_still_counts(opens: Opens, clock: Clock) -> None:
    accounts = opens()
    assert accounts.reserve("1", [HOURLY], 0.9, 60) is None
    assert accounts.reserve("2", [HOURLY], 0.9, 60) is not None
    clock.time += 61
    assert accounts.reserve("2", [HOURLY], 0.9, 60) is None
    accounts.settle("1", 0.3)
    assert accounts.figures(HOURLY) == (pytest.approx(0.3), pytest.approx(0.9))
    clock.time += 3661
    assert accounts.figures(HOURLY) == (0.0, 0.0)


def test_a_reservation_is_seen_even_if_it_was_refused_before_the_clock_was_set_back(
    opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = opens(), opens()
    assert first.reserve("other", [HOURLY], 0.9, 60) is None
    assert first.reserve("late", [HOURLY], 0.05, 60) is None
    first.settle("late", 0.0)
    first.settle("other", 0.0)
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now - 60_000_000_000)
    assert second.reserve("late", [HOURLY], 0.9, 60) is None
    assert first.reserve("more", [HOURLY], 0.2, 60) is not None


def test_a_reservation_that_is_repeated_counts_once(opens: Opens) -> None:
    first, second = opens(), opens()
    for accounts in (first, second, first):
        assert accounts.reserve("1", [HOURLY], 0.7, 60) is None
    assert second.figures(HOURLY) == (0.0, pytest.approx(0.7))
    assert second.reserve("2", [HOURLY], 0.4, 60) is not None
    assert first.reserve("1", [HOURLY], 1.1, 60) is not None  # and so the call is not made
    assert second.figures(HOURLY) == (0.0, 0.0)


def test_what_a_call_has_cost_counts_if_its_id_is_used_again(opens: Opens) -> None:
    accounts = opens()
    for refused in (False, False, True):
        assert (accounts.reserve("1", [HOURLY], 0.5, 60) is not None) == refused
        if not refused:
            assert accounts.figures(HOURLY)[1] == pytest.approx(0.5)
            accounts.settle("1", 0.3)
    assert accounts.figures(HOURLY) == (pytest.approx(0.6), 0.0)


def test_what_was_spent_long_ago_is_forgotten(opens: Opens, clock: Clock) -> None:
    accounts, ever = opens(), Claim("ever", 1.0)
    accounts.add([HOURLY, ever], 1.0)
    clock.time += 3500
    assert accounts.reserve("1", [HOURLY], 0.0, 60) is not None
    clock.time += 200
    assert accounts.reserve("1", [HOURLY], 1.0, 60) is None
    assert accounts.reserve("2", [ever], 0.0, 60) is not None


def test_a_record_that_arrives_by_itself_counts_once_whichever_comes_first(opens: Opens) -> None:
    accounts, other = opens(), opens()
    for number, record_first in (("1", True), ("2", False)):
        accounts.reserve(number, [HOURLY], 0.3, 60, record=f"r{number}")
        if record_first:
            other.add([HOURLY], 0.1, f"r{number}")
            accounts.settle(number, 0.1)
        else:
            accounts.settle(number, 0.1)
            other.add([HOURLY], 0.1, f"r{number}")
    assert accounts.figures(HOURLY) == (pytest.approx(0.2), 0.0)
    other.add([HOURLY], 0.1, "another")
    other.add([HOURLY], 0.1, "r2")  # it costs more than was known
    assert accounts.figures(HOURLY)[0] == pytest.approx(0.4)


def test_what_was_spent_before_is_added_once(opens: Opens, clock: Clock) -> None:
    for amount in (0.5, 0.6):
        opens().seed("all", [(HOURLY, clock.time - 1, amount)])
    assert opens().figures(HOURLY) == (0.5, 0.0)


def test_threads_cannot_both_take_what_is_left(opens: Opens) -> None:
    servers = [opens(), opens()]
    taken: list[str] = []

    def take(accounts: Accounts, thread: int) -> None:
        names = [f"{thread}-{number}" for number in range(10)]
        taken.extend(name for name in names if accounts.reserve(name, [HOURLY], 0.0625, 600) is None)

    threads = [threading.Thread(target=take, args=(servers[number % 2], number)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fewest = 16 if isinstance(servers[0], Ledger) else 12  # without transactions, two may both withdraw
    assert fewest <= len(taken) <= 16
    assert servers[0].figures(HOURLY) == (0.0, pytest.approx(0.0625 * len(taken)))


def test_only_the_user_may_read_the_file(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        ledger = Ledger(str(tmp_path / "l"))
        assert ledger.reserve("1", [USERS], 0.1, 60) is None
    finally:
        os.umask(old)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == dict.fromkeys(
        ("l", "l-wal", "l-shm"), 0o600
    )


def test_a_new_file_that_another_connection_has_locked_is_waited_for(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "l", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE another(id)")
    release = threading.Timer(0.1, lambda: other.execute("COMMIT"))  # SQLite itself would not wait for it
    release.start()
    assert Ledger(str(tmp_path / "l")).reserve("1", [HOURLY], 0.1, 60) is None
    release.join()


_TAKES = """
    import sys
    from autolog._pricing.ledger import Claim, Ledger
    from autolog.server._shared_accounts import SharedAccounts
    from autolog.stores.clickhouse.store import ClickHouseStore
    shared = sys.argv[1].startswith("clickhouse")
    accounts = SharedAccounts(ClickHouseStore(sys.argv[1]).reservations()) if shared else Ledger(sys.argv[1])
    for number in range(30):
        if accounts.reserve(f"{sys.argv[2]}-{number}", [Claim("all", 1.0, 3600.0)], 0.0625, 3600) is None:
            print("taken", flush=True)
    print("end", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(("engine", "fewest"), [("file", 16), ("clickhouse", 10)])
def test_four_processes_never_take_more_and_what_a_killed_one_held_expires(
    request: pytest.FixtureRequest, tmp_path: Path, engine: str, fewest: int
) -> None:
    place = str(tmp_path / "l") if engine == "file" else request.getfixturevalue("clickhouse_url")

    def opened(now: Callable[[], float] = time.time) -> Accounts:
        if engine == "file":
            return Ledger(place, now)
        store = ClickHouseStore(place)
        return SharedAccounts(Reservations(store._db, store._target, now))

    opened()
    started = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(_TAKES), place, str(number)],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]  # fmt: skip
    assert started[0].stdout is not None
    taken = int(started[0].stdout.readline() == "taken\n")
    os.kill(started[0].pid, signal.SIGKILL)
    taken += started[0].stdout.read().count("taken")
    taken += sum(process.communicate(timeout=120)[0].count("taken") for process in started[1:])
    spent, reserved = opened().figures(HOURLY)
    assert spent == 0
    assert reserved <= 1.0
    assert fewest - 1 <= taken <= 16  # one may have been reserved, and not told any more
    assert opened(lambda: time.time() + 3601).reserve("more", [HOURLY], 1.0, 60) is None


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
