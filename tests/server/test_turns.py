"""The items of all senders are taken in turn."""

from __future__ import annotations

import threading

from autolog.server._turns import Turns


def taken(turns: Turns[list[int]], most: int) -> list[int]:
    """Return what is served next, of items that are lists of costs and are served number by number."""
    served: list[int] = []

    def serve(item: list[int], left: int) -> tuple[int, list[int] | None]:
        cost = 0
        while item and (cost < left or not cost):
            served.append(item[0])
            cost += item.pop(0)
        return cost, item or None

    turns.deal(serve, most)
    return served


def test_senders_have_equal_parts_of_what_is_served() -> None:
    turns = Turns[list[int]]()
    turns.put("many", [1] * 100)
    turns.put("one", [2])
    turns.put("many", [3])
    turns.put("other", [4, 4, 4])
    assert len(turns) == 4
    assert taken(turns, 12) == [1, 1, 1, 1, 2, 4, 1, 4]
    assert taken(turns, 2) == [1, 4]
    turns.put("one", [2])
    assert taken(turns, 3) == [1, 2]
    assert taken(turns, 200) == [*[1] * 93, 3]
    assert len(turns) == 0


def test_who_was_served_longest_ago_is_next() -> None:
    turns = Turns[list[int]]()
    for sender in (1, 2, 3):
        turns.put(str(sender), [sender] * 3)
    assert [taken(turns, 1) for _ in range(5)] == [[1], [2], [3], [1], [2]]


def test_an_item_that_costs_too_much_is_served_by_itself() -> None:
    turns = Turns[list[int]]()
    turns.put("large", [500])
    turns.put("small", [1])
    assert taken(turns, 10) == [500]
    assert taken(turns, 10) == [1]


def test_waiting_ends_when_everything_is_taken() -> None:
    turns = Turns[list[int]]()
    seen: list[list[int]] = []

    def work() -> None:
        while turns.wait():
            seen.append(taken(turns, 10))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(50):
        turns.put(str(number % 3), [number])
    turns.close()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert sorted(number for numbers in seen for number in numbers) == list(range(50))
