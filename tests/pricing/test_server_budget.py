"""The budgets of a server hold for all programs that use it."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from endless import dripping
from invoices import chat
from live import KEY, live
from sdk_http import openai_http as http
from spenders import COST, spend

import autolog
from autolog import _guard
from autolog._pricing import server_budget
from autolog.errors import ConfigError


def reserve(url: str, number: str, bound: float, **given: Any) -> Any:
    body = {"id": number, "bound": bound, **given}
    answer = httpx2.post(f"{url}/api/v1/reservations", json=body, headers={"authorization": f"Bearer {KEY}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def settle(url: str, number: str, cost: float) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    done = httpx2.post(f"{url}/api/v1/reservations/{number}/settlement", json={"cost": cost}, headers=headers)
    assert done.status_code == 200, done.text


def test_a_reservation_is_settled_or_expires(tmp_path: Path) -> None:
    with live(tmp_path / "s.db", budgets=[{"limit": 1, "per": "day", "user": "*"}]) as server:
        assert reserve(server.url, "1", 0.9, user="a") == {"reserved": True, "reason": None}
        refused = reserve(server.url, "2", 0.2, user="a")
        assert not refused["reserved"]
        assert "by user 'a'" in refused["reason"]
        assert reserve(server.url, "3", 0.9, user="b")["reserved"]
        settle(server.url, "1", 0.1)
        assert reserve(server.url, "2", 0.8, user="a", seconds=60)["reserved"]
        assert not reserve(server.url, "4", 0.8, user="a")["reserved"]
        assert reserve(server.url, "5", 0.9, user="c", seconds=0.05)["reserved"]
        time.sleep(0.1)
        assert reserve(server.url, "6", 0.9, user="c")["reserved"]


def test_four_programs_never_spend_more_even_if_one_is_killed(tmp_path: Path) -> None:
    limit = 50 * COST
    with live(tmp_path / "s.db", budgets=[{"limit": limit, "per": "day"}]) as server:
        calls, _ = spend(tmp_path, {"endpoint": server.url, "api_key": KEY, "journal": ""}, {"server": True})
        assert 20 < calls <= 50
        # Apart from the killed program's reservations, each call counts once, by its settlement and its record
        assert not reserve(server.url, "more", limit - COST * (calls - 11))["reserved"]


def test_each_key_has_a_budget_of_its_own(tmp_path: Path) -> None:
    with live(tmp_path / "s.db", budgets=[{"limit": 1, "per": "day", "key": "*"}]) as server:
        assert reserve(server.url, "1", 0.9, key="AAAA")["reserved"]
        refused = reserve(server.url, "2", 0.2, key="AAAA")
        assert "by key 'AAAA'" in refused["reason"]
        assert reserve(server.url, "3", 0.9, key="BBBB")["reserved"]
        assert reserve(server.url, "4", 9.0)["reserved"]  # without a key, no budget applies


@pytest.mark.parametrize("end", ["WXYZ", "VVVV"])
def test_a_program_says_with_which_key_it_is_about_to_call(tmp_path: Path, end: str) -> None:
    budgets = [{"limit": 0.5, "per": "day", "key": "WXYZ"}]
    with live(tmp_path / "s.db", budgets=budgets) as server:
        assert reserve(server.url, "1", 0.5, key="WXYZ")["reserved"]
        autolog.configure(endpoint=server.url, api_key=KEY, journal="", budgets=[{"server": True}])
        autolog.patch_openai()
        answer = http.Response(200, json=chat("gpt-4o", 10, 5))
        client = openai.OpenAI(api_key=f"sk-proj-0123456789abcdefghij{end}", max_retries=0,
                               http_client=http.Client(transport=http.MockTransport(lambda _: answer)))  # fmt: skip
        request: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
        if end == "WXYZ":
            with pytest.raises(autolog.BudgetExceeded, match="by key 'WXYZ'"):
                client.chat.completions.create(**request)
        else:
            client.chat.completions.create(**request)
        assert autolog.shutdown(10)  # while the server can still receive what was spent


def test_servers_on_one_database_hold_a_budget_together(clickhouse_url: str) -> None:
    budgets = [{"limit": 1, "per": "day", "user": "*"}]
    with live(clickhouse_url, budgets=budgets) as first, live(clickhouse_url, budgets=budgets) as second:
        assert reserve(first.url, "1", 0.7, user="a")["reserved"]
        refused = reserve(second.url, "2", 0.4, user="a")
        assert not refused["reserved"]
        assert "$0.70 reserved" in refused["reason"]
        assert reserve(second.url, "3", 0.4, user="b")["reserved"]
        settle(second.url, "1", 0.1)
        assert reserve(first.url, "4", 0.8, user="a")["reserved"]
        assert not reserve(second.url, "5", 0.2, user="a")["reserved"]


def test_only_then_and_unpriced_go_with_a_servers() -> None:
    with pytest.raises(ConfigError, match="sets the limits"):
        autolog.configure(budgets=[{"server": True, "limit": 1}])


def test_a_settlement_does_not_hold_what_is_behind_it_for_as_long_as_a_call_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_budget, "TIMEOUT", 600.0)
    monkeypatch.setattr(server_budget, "SETTLEMENT_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        budget = server_budget.ServerBudget(url, None, autolog.BudgetExceeded, "allow", "allow")
        with pytest.raises(httpx2.ReadTimeout):
            budget.settle("1", 0.1)
        budget.settle("2", 0.1)  # is not sent


@pytest.mark.parametrize("unreserved", ["allow", "refuse"])
def test_a_server_whose_reply_drips_counts_as_one_that_cannot_be_reached(
    unreserved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autolog._pricing.server_budget.TIMEOUT", 0.1)
    monkeypatch.setattr("autolog._delivery.http_sink.TIMEOUT", 0.1)
    monkeypatch.setattr(_guard, "strict", False)
    with dripping("headers") as port:
        budget: Any = {"server": True, "then": autolog.BudgetExceeded, "unreserved": unreserved}
        url = f"http://127.0.0.1:{port}"
        autolog.configure(endpoint=url, journal=str(tmp_path / "journal.db"), budgets=[budget])
        autolog.patch_openai()
        transport = http.MockTransport(lambda _: http.Response(200, json=chat("gpt-4o", 10, 5)))
        client = openai.OpenAI(api_key="k", max_retries=0, http_client=http.Client(transport=transport))
        request: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
        if unreserved == "refuse":
            with pytest.raises(autolog.BudgetExceeded, match="ReadTimeout"):
                client.chat.completions.create(**request)
        else:
            client.chat.completions.create(**request)
        assert autolog.status()["unreserved"] == (unreserved == "allow")
        autolog.shutdown()
        status = autolog.status()
    assert (status["failures"], status["dropped"]) == ({"reserving of a budget": 1}, {})  # nothing waits to settle
    _guard.failures.clear()
