"""Configured budgets hold for the processes that share a store, and errors of the ledger are no one else's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import openai
import pytest
from sdk_http import openai_http as http

import autolog
from autolog import _guard
from autolog._pricing.reservations import Reserved
from autolog.testing import Records

#: A hundred output tokens of gpt-4o, and forty of input.
COST = 0.0011
ASK: Any = {"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
USAGE = {"prompt_tokens": 40, "completion_tokens": 100, "total_tokens": 140}

_WORKER = """
    import os, sys, time
    from concurrent.futures import ThreadPoolExecutor
    import openai
    from openai import _base_client
    import autolog
    http = getattr(_base_client, "httpx2", None) or _base_client.httpx
    charged = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    def answer(request):
        os.write(charged, b"x")
        time.sleep(0.02)
        usage = {"prompt_tokens": 40, "completion_tokens": 100, "total_tokens": 140}
        return http.Response(200, json={"object": "chat.completion", "model": "gpt-4o", "choices": [], "usage": usage})
    class Refused(Exception): ...
    autolog.configure(store=sys.argv[1], budgets=[{"limit": float(sys.argv[3]), "per": "day", "then": Refused}])
    autolog.patch_openai()
    client = openai.OpenAI(api_key="k", max_retries=0, http_client=http.Client(transport=http.MockTransport(answer)))
    def ask(_):
        try:
            client.chat.completions.create(model="gpt-4o", max_tokens=100, messages=[{"role": "user", "content": "Hi"}])
        except Refused:
            pass
    print("ready", flush=True)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(ask, range(50)))
    autolog.flush()
    print(autolog.status()["budgets"][0]["spent"], flush=True)
"""


def test_four_processes_never_spend_more_even_if_one_is_killed(tmp_path: Path) -> None:
    charged = tmp_path / "charged"
    command = [sys.executable, "-c", textwrap.dedent(_WORKER), f"sqlite:///{tmp_path}/s.db", str(charged), "0.055"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert started[0].stdout is not None
    started[0].stdout.readline()
    time.sleep(0.1)
    os.kill(started[0].pid, signal.SIGKILL)
    ends = [one.communicate(timeout=60)[0].split() for one in started]
    calls = len(charged.read_bytes())
    assert 20 < calls <= 50
    assert max(float(end[-1]) for end in ends[1:]) <= 0.055


def test_a_ledger_that_cannot_be_written_stops_no_call(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_guard, "strict", False)
    autolog.configure(budgets=[{"limit": 1, "then": ValueError}])
    autolog.patch_openai()
    budgets = autolog.autolog._budgets
    assert budgets is not None
    budgets._ledger._path, budgets._ledger._db = str(tmp_path), None
    client = openai.OpenAI(
        api_key="k",
        http_client=http.Client(
            transport=http.MockTransport(
                lambda _: http.Response(200, json={"model": "gpt-4o", "choices": [], "usage": USAGE})
            )
        ),
    )
    client.chat.completions.create(**ASK)
    autolog.flush()
    assert len(records) == 1
    assert "reserving of a budget" in autolog.status()["failures"]
    _guard.failures.clear()


class Holder:
    raises: type[BaseException] = ValueError
    unpriced = "allow"

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
