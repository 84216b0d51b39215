"""Configured budgets hold across processes that share a store, and errors of the ledger stay inside autolog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest
from sdk_http import openai_http as http
from spenders import COST, spend

import autolog
from autolog import _guard
from autolog._pricing.reservations import Reserved
from autolog.testing import Records

ASK: Any = {"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
USAGE = {"prompt_tokens": 40, "completion_tokens": 100, "total_tokens": 140}


def test_four_processes_never_spend_more_even_if_one_is_killed(tmp_path: Path) -> None:
    limit = 50 * COST
    calls, statuses = spend(tmp_path, {"store": f"sqlite:///{tmp_path}/s.db"}, {"limit": limit, "per": "day"})
    assert 20 < calls <= 50
    assert max(budgets[0]["spent"] for budgets in statuses) <= limit


@pytest.mark.parametrize("policy", ["allow", "refuse"])
def test_a_call_for_which_nothing_can_be_reserved_is_made_or_refused(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    monkeypatch.setattr(_guard, "strict", False)
    autolog.configure(budgets=[{"limit": 1, "then": ValueError, "unreserved": policy}])
    autolog.patch_openai()
    budgets = autolog.autolog._budgets
    assert budgets is not None
    ledger: Any = budgets._ledger
    ledger._path, ledger._db = str(tmp_path), None  # a folder cannot be opened as a file

    def answer(_: Any) -> Any:
        ledger._path = ":memory:"
        return http.Response(200, json={"model": "gpt-4o", "choices": [], "usage": USAGE})

    client = openai.OpenAI(api_key="k", http_client=http.Client(transport=http.MockTransport(answer)))
    if policy == "allow":
        client.chat.completions.create(**ASK)
    else:
        with pytest.raises(ValueError, match=r"nothing could be reserved .*OperationalError"):
            client.chat.completions.create(**ASK)
    autolog.flush()
    status = autolog.status()
    sent = int(policy == "allow")
    assert (len(records), status["unreserved"], status["failures"]["reserving of a budget"]) == (sent, sent, 1)
    if sent:
        assert status["budgets"][0]["spent"] == records[0].cost  # it counts, as the ledger works again
    _guard.failures.clear()


class Holder:
    raises: type[BaseException] = ValueError
    unpriced = unreserved = "allow"

    def __init__(self) -> None:
        self.settled: list[float] = []

    def reserve(self, number: str, bound: float, seconds: float, exchange: Any) -> str | None:
        return None

    def settle(self, number: str, cost: float) -> None:
        self.settled.append(cost)


@pytest.mark.parametrize(
    ("cost", "failed", "counts"), [(0.5, False, 0.5), (0.5, True, 0.5), (None, True, 0), (None, False, 2)]
)
def test_a_reservation_is_settled_once(cost: float | None, failed: bool, counts: float) -> None:
    holder = Holder()
    reserved = Reserved("1", 2.0, [holder])
    reserved.settle(cost, failed)
    reserved.settle(9.0, failed)
    assert holder.settled == [counts]
