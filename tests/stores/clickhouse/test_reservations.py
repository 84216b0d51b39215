"""Reservations in ClickHouse: several servers together never give more than a limit, killed ones hold theirs a while."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from autolog.stores.clickhouse.reservations import Limit, Reservations
from autolog.stores.clickhouse.store import ClickHouseStore

HOURLY = Limit("all", 1.0, 3600.0)
USER = Limit("user\na", 0.5, 3600.0)


class Clock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


def opened(url: str, clock: Clock | None = None) -> Reservations:
    made = ClickHouseStore(url).reservations()
    return made if clock is None else Reservations(made._db, ClickHouseStore(url)._target, clock)


def test_a_reservation_is_of_all_limits_or_of_none_and_others_see_it(clickhouse_url: str) -> None:
    one, other = opened(clickhouse_url), opened(clickhouse_url)
    assert one.reserve("1", [HOURLY, USER], 0.4, 60) is None
    assert other.reserve("2", [HOURLY, USER], 0.2, 60) == (1, 0.0, pytest.approx(0.4))
    assert other.figures(HOURLY) == (0.0, pytest.approx(0.4))
    other.settle("1", 0.1)
    one.settle("1", 0.1)
    for each in (one, other):
        assert each.figures(HOURLY) == each.figures(USER) == (pytest.approx(0.1), 0.0)
    assert sorted(one.keys("")) == ["all", "user\na"]
    assert one.reserve("3", [], 9.0, 60) is None


def test_a_reservation_expires_and_its_late_cost_still_counts(clickhouse_url: str) -> None:
    clock = Clock()
    shared = opened(clickhouse_url, clock)
    assert shared.reserve("1", [HOURLY], 0.9, 60) is None
    assert shared.reserve("2", [HOURLY], 0.9, 60) is not None
    clock.time += 61
    assert shared.reserve("2", [HOURLY], 0.9, 60) is None
    shared.settle("1", 0.3)
    assert shared.figures(HOURLY) == (pytest.approx(0.3), pytest.approx(0.9))
    clock.time += 3601
    assert shared.figures(HOURLY) == (0.0, 0.0)


def test_a_record_that_arrives_by_itself_counts_once_whichever_comes_first(clickhouse_url: str) -> None:
    shared, other = opened(clickhouse_url), opened(clickhouse_url)
    for number, record_first in (("1", True), ("2", False)):
        shared.reserve(number, [HOURLY], 0.3, 60, record=f"r{number}")
        if record_first:
            other.add([HOURLY], 0.1, f"r{number}")
            shared.settle(number, 0.1)
        else:
            shared.settle(number, 0.1)
            other.add([HOURLY], 0.1, f"r{number}")
    assert shared.figures(HOURLY) == (pytest.approx(0.2), 0.0)
    other.add([HOURLY], 0.1, "another")
    other.add([HOURLY], 0.1, "r2")  # it costs more than was known
    assert shared.figures(HOURLY)[0] == pytest.approx(0.4)


def test_what_was_spent_before_is_added_once(clickhouse_url: str) -> None:
    clock = Clock()
    for amount in (0.5, 0.6):
        opened(clickhouse_url, clock).seed("all", [(HOURLY, clock.time - 1, amount)])
    assert opened(clickhouse_url, clock).figures(HOURLY) == (0.5, 0.0)


def test_threads_of_two_servers_cannot_take_more_than_is_left(clickhouse_url: str) -> None:
    servers = [opened(clickhouse_url), opened(clickhouse_url)]
    taken: list[str] = []

    def take(server: Reservations, thread: int) -> None:
        names = [f"{thread}-{number}" for number in range(10)]
        taken.extend(name for name in names if server.reserve(name, [HOURLY], 0.0625, 600) is None)

    threads = [threading.Thread(target=take, args=(servers[number % 2], number)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 12 <= len(taken) <= 16
    assert servers[0].figures(HOURLY) == (0.0, pytest.approx(0.0625 * len(taken)))


_TAKES = """
    import sys
    from autolog.stores.clickhouse.reservations import Limit
    from autolog.stores.clickhouse.store import ClickHouseStore
    shared = ClickHouseStore(sys.argv[1]).reservations()
    for number in range(30):
        if shared.reserve(f"{sys.argv[2]}-{number}", [Limit("all", 1.0, 3600.0)], 0.0625, 600) is None:
            print("taken", flush=True)
    print("end", flush=True)
    sys.stdin.read()
"""


def test_four_processes_never_take_more_even_if_one_is_killed(clickhouse_url: str) -> None:
    opened(clickhouse_url)
    started = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(_TAKES), clickhouse_url, str(number)],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]  # fmt: skip
    assert started[0].stdout is not None
    assert started[0].stdout.readline() == "taken\n"
    os.kill(started[0].pid, signal.SIGKILL)
    taken = 1 + sum(one.communicate(timeout=120)[0].count("taken") for one in started)
    spent, reserved = opened(clickhouse_url).figures(HOURLY)
    assert spent == 0
    assert reserved <= 1.0
    assert 10 <= taken <= 16
