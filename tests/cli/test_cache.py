"""`autolog cache`, and the cache line in the display of one record."""

from __future__ import annotations

import json

import pytest
from commands import output
from prompts import anthropic_body, call, openai_body

from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.sql import select


@pytest.fixture
def cached() -> Store:
    """Store a cache hit, and a miss because of a changed tool."""
    broken = openai_body(3)
    broken["tools"][1]["function"]["description"] = "\x1b[2Jshort"
    opened = open_store("sqlite:///.autolog/logs.db")
    opened.write(
        [
            call(openai_body(1), id="first", caller="plan"), call(openai_body(2), 2_688, at=30, id="hit", caller="plan"),
            call(broken, 0, at=60, id="miss", caller="plan"),
            call(anthropic_body(1), 0, at=60, id="other", caller="act", session="t", provider="anthropic"),
        ]
    )  # fmt: skip
    return opened


def test_sums_and_causes(cached: Store) -> None:
    shown = output("cache", "--by", "function")
    assert "prefix changed" in shown
    assert "tools[1].function.description" in shown
    total = next(line for line in shown.splitlines() if line.startswith("total"))
    assert total.split()[1] == "4"
    assert "No matching call" in output("cache", "--user", "nobody")


def test_misses_show_what_changed(cached: Store) -> None:
    shown = output("cache", "--misses")
    assert "the prefix broke at tools[1].function.description" in shown
    assert "+ \\x1b[2Jshort" in shown


def test_json_has_sums_causes_and_misses(cached: Store) -> None:
    report = json.loads(output("cache", "--json", "--misses", "--by", "session"))
    assert report["total"]["calls"] == 4
    assert {group["session"] for group in report["groups"]} == {"s", "t"}
    assert report["causes"][0]["cause"] == "prefix_changed"
    assert report["causes"][0]["avoidable"]
    (miss,) = report["misses"]
    assert (miss["id"], miss["against"]) == ("miss", "hit")


def test_show_says_it_of_one_log(cached: Store) -> None:
    assert "tokens from the cache; the prefix broke at tools[1].function.description" in output("show", "miss")
    assert "2,688 of" in output("show", "hit")
    assert "from the cache" not in output("show", "first")


def test_misses_are_a_view(cached: Store) -> None:
    rows = select(cached, "select id, against, cause, place, avoidable, tokens > 0 from cache_misses").rows
    assert rows == [("miss", "hit", "prefix_changed", "tools[1].function.description", 1, 1)]
    joined = select(cached, "select c.caller from calls c join cache_misses m using (id)").rows
    assert joined == [("plan",)]
