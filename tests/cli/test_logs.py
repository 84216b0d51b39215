"""`autolog logs`: filters and columns."""

from __future__ import annotations

import json

import pytest
from commands import output, run

from autolog._config import config_from
from autolog._delivery.journal import journal_for
from autolog._record.record import FIELDS, Record
from autolog.stores._contract import Store


def test_logs(store: Store) -> None:
    lines = [line for line in output("logs").splitlines() if line.strip()]
    assert "0003" in lines[2]
    assert "429 rate_limit" in lines[2]
    assert "1,200 → 34" in output("logs")
    assert "$0.0125" in output("logs")


@pytest.mark.parametrize(
    ("args", "found"),
    [
        ([], ["0003", "0001", "0002"]),
        (["--limit", "1"], ["0003"]),
        (["--errors"], ["0003"]),
        (["--status", "ok", "--kind", "llm"], ["0001"]),
        (["--model", "gpt-4o", "--user", "u", "--tag", "t", "--metadata", "k=v"], ["0001"]),
        (["--since", "1h"], ["0003"]),
        (["--until", "1h", "--name", "answer"], ["0002"]),
        (["--trace", "a" * 32], ["0001", "0002"]),
        (["--text", "slow"], ["0003"]),
        (["--provider", "openai"], ["0001"]),
    ],
)
def test_filters(store: Store, args: list[str], found: list[str]) -> None:
    assert sorted(json.loads(line)["id"] for line in output("logs", "--json", *args).splitlines()) == sorted(found)


def test_json_has_every_field(store: Store) -> None:
    record = json.loads(output("logs", "--json").splitlines()[0])
    assert set(record) == set(FIELDS) - {"request_body", "response_body"}
    shown = json.loads(output("show", "0001", "--json"))
    assert shown["request_body"]["messages"][1]["content"] == "Hi?"
    assert shown["cost"] == 0.0125


def test_what_waits_in_the_journal_is_mentioned(store: Store) -> None:
    assert run("logs").stderr == ""
    journal_for(config_from({}), "sqlite:///.autolog/logs.db").add([Record(id="a"), Record(id="b")])
    done = run("logs", "--json")
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr.startswith("2 more in the journal ")
