"""`autolog reprice`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from invoices import CHAT, MESSAGES, Invoice, bill, chat, message

from autolog._record.record import Record
from autolog.cli import cli
from autolog.stores import open_store

PLAIN = Invoice("plain", CHAT, chat("gpt-4o-2024-08-06", 1000, 100), "1,000 x 2.50 + 100 x 10", 0.0035)
SEARCHES = Invoice("two web searches", MESSAGES, message("claude-sonnet-4-5", 1000, 100, server_tool_use={"web_search_requests": 2}),
                   "1,000 x 3 + 100 x 15 + 2 x 0.01", 0.0245)  # fmt: skip


def test_reprice(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/.autolog/logs.db")
    right = bill(PLAIN)
    right.id, right.cost, right.cost_details = "old", 99.0, {"prices": "an older table"}
    mine = bill(PLAIN)
    mine.id, mine.cost, mine.custom_cost = "mine", 7.0, True
    store.write([right, mine, Record(id="span", kind="span")])
    shown = CliRunner().invoke(cli, ["reprice", "--dry-run"])
    assert "1 of 1" in shown.output
    assert store.get("old").cost == 99.0  # type: ignore[union-attr]
    assert CliRunner().invoke(cli, ["reprice", "--model", "gpt-4o-2024-08-06"]).exit_code == 0
    record = store.get("old")
    assert record is not None
    assert record.cost == pytest.approx(PLAIN.cost)
    assert (record.cost_details or {})["before"] == [{"cost": 99.0, "prices": "an older table"}]
    assert store.get("mine").cost == 7.0  # type: ignore[union-attr]
    assert "0 of 1" in CliRunner().invoke(cli, ["reprice"]).output


def test_reprice_never_knows_less_than_before(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/.autolog/logs.db")
    searches = bill(SEARCHES)
    searches.id, searches.request_body, searches.response_body, searches.response_headers = "bodiless", None, None, {}
    mine = bill(PLAIN)
    mine.id, mine.cost, mine.cost_details = "mine", 9.0, {"prices": "yours", "certainty": "exact"}
    store.write([searches, mine])
    done = CliRunner().invoke(cli, ["reprice"])
    assert "changed 0 of 1" in done.output
    assert "bodies were not kept" in done.output
    assert (store.get("bodiless").cost, store.get("mine").cost) == (searches.cost, 9.0)  # type: ignore[union-attr]
