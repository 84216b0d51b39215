"""The budget of a run holds, however many calls are made at once and on whichever thread."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from sdk_http import anthropic_http, openai_http as http

import autolog
from autolog.errors import BudgetExceeded, ConfigError
from autolog.testing import Records

#: The cost of a call at gpt-4o's prices of 2.50 and 10 dollars per million tokens.
USAGE = {"prompt_tokens": 40, "completion_tokens": 100, "total_tokens": 140}
COST = (40 * 2.5 + 100 * 10) / 1_000_000
ASK: Any = {"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}


class TooExpensive(Exception):
    pass


class Provider:
    """Answers after a moment, in whole or as a stream, and counts what it would charge."""

    def __init__(self, status: int = 200, usage: dict[str, int] | None = USAGE) -> None:
        self.calls = 0
        self._status = status
        self._usage = usage
        self._lock = threading.Lock()

    @property
    def charged(self) -> float:
        return self.calls * COST

    def __call__(self, request: Any) -> Any:
        with self._lock:
            self.calls += 1
        time.sleep(0.005)
        if self._status != 200:
            return http.Response(self._status, json={"error": {"message": "no"}})
        body = {"object": "chat.completion", "model": "gpt-4o", "choices": [], "usage": self._usage}
        if b'"stream":true' not in request.content.replace(b" ", b""):
            return http.Response(200, json=body)
        chunk = json.dumps({**body, "object": "chat.completion.chunk"})
        content = f"data: {chunk}\n\ndata: [DONE]\n\n".encode()
        return http.Response(200, headers={"content-type": "text/event-stream"}, content=content)


def sync_client(provider: Provider) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", max_retries=0, http_client=http.Client(transport=http.MockTransport(provider)))


def test_two_hundred_threads_never_spend_more(patched: Records) -> None:
    provider = Provider()
    client = sync_client(provider)
    refused = []

    def ask(number: int) -> None:
        try:
            if number % 2:
                list(client.chat.completions.create(**ASK, stream=True))
            else:
                client.chat.completions.create(**ASK)
        except BudgetExceeded as error:
            refused.append(error)

    with autolog.budget(20 * COST) as budget, ThreadPoolExecutor(40) as pool:
        list(pool.map(ask, range(200)))
    autolog.flush()
    assert provider.charged <= 20 * COST
    assert provider.calls >= 15
    assert provider.calls + len(refused) == 200
    assert budget.spent == pytest.approx(provider.charged)
    assert budget.reserved == 0
    assert "this run's budget of $0.02" in str(refused[0])


def test_two_hundred_tasks_never_spend_more(patched: Records) -> None:
    provider = Provider()

    async def answer(request: Any) -> Any:
        provider.calls += 1
        await asyncio.sleep(0.01)
        return http.Response(200, json={"object": "chat.completion", "model": "gpt-4o", "choices": [], "usage": USAGE})

    async def run() -> list[Any]:
        client = openai.AsyncOpenAI(api_key="k", http_client=http.AsyncClient(transport=http.MockTransport(answer)))
        async with autolog.budget(10 * COST, raises=TooExpensive):
            calls = [client.chat.completions.create(**ASK) for _ in range(200)]
            return await asyncio.gather(*calls, return_exceptions=True)

    answers = asyncio.run(run())
    assert 0 < provider.charged <= 10 * COST
    assert sum(isinstance(outcome, TooExpensive) for outcome in answers) == 200 - provider.calls


def test_calls_one_after_the_other_use_the_budget_up(patched: Records) -> None:
    provider = Provider()
    client = sync_client(provider)
    with autolog.budget(10.5 * COST) as budget:
        with pytest.raises(BudgetExceeded):
            for _ in range(12):
                client.chat.completions.create(**ASK)
        assert autolog.status()["budgets"] == [
            {"limit": 10.5 * COST, "by": "run", "spent": budget.spent, "reserved": 0.0}
        ]
    assert provider.calls == 10  # the costs of those that have ended are waited for
    client.chat.completions.create(**ASK)  # outside of the block nothing holds
    autolog.flush()
    assert len(patched) == 11
    assert budget.spent == pytest.approx(10 * COST)


def test_a_call_that_fails_releases_what_was_reserved(patched: Records) -> None:
    client = sync_client(Provider(status=400))
    with autolog.budget(2 * COST) as budget:
        for _ in range(5):
            with pytest.raises(openai.BadRequestError):
                client.chat.completions.create(**ASK)
        autolog.flush()
    assert (budget.spent, budget.reserved) == (0, 0)


def test_where_the_cost_stays_unknown_what_was_reserved_is_spent(patched: Records) -> None:
    client = sync_client(Provider(usage=None))
    with autolog.budget(1.0) as budget:
        client.chat.completions.create(**ASK)
        autolog.flush()
    assert COST < budget.spent < 2 * COST
    assert budget.left == pytest.approx(1.0 - budget.spent)


def test_blocks_nest_and_the_narrowest_decides(patched: Records) -> None:
    provider = Provider()
    client = sync_client(provider)
    with autolog.budget(1.0) as wide, autolog.context(user="u"):
        with autolog.budget(COST / 2) as narrow, pytest.raises(BudgetExceeded):
            client.chat.completions.create(**ASK)
        assert (wide.reserved, narrow.reserved, provider.calls) == (0, 0, 0)
        client.chat.completions.create(**ASK)
        autolog.flush()
    assert wide.spent == pytest.approx(COST)
    assert narrow.spent == 0


def test_each_call_of_a_function_has_a_budget_of_its_own(patched: Records) -> None:
    provider = Provider()
    client = sync_client(provider)

    @autolog.autolog(budget=2.5 * COST)
    def agent(steps: int) -> None:
        for _ in range(steps):
            client.chat.completions.create(**ASK)

    @autolog.autolog(budget=2.5 * COST)
    def stream(steps: int) -> Any:
        for _ in range(steps):
            yield client.chat.completions.create(**ASK)

    agent(2)
    agent(2)
    with pytest.raises(BudgetExceeded):
        agent(4)
    assert provider.calls == 6
    with pytest.raises(BudgetExceeded):
        list(stream(4))
    assert provider.calls == 8
    client.chat.completions.create(**ASK)


def test_what_has_no_price_goes_out_unless_it_is_refused(patched: Records) -> None:
    provider = Provider()
    client = sync_client(provider)
    ask = {**ASK, "model": "our-own-model"}
    with autolog.budget(1.0):
        client.chat.completions.create(**ask)
        assert autolog.status()["unpriced"] >= 1
    with autolog.budget(1.0, unpriced="refuse"), pytest.raises(BudgetExceeded, match="no known price"):
        client.chat.completions.create(**ask)
    assert provider.calls == 1


def test_a_message_of_anthropic_and_one_through_an_http_library_are_held_too(patched: Records) -> None:
    sent: list[Any] = []
    body = {"model": "claude-sonnet-4-20250514", "max_tokens": 1000, "messages": [{"role": "user", "content": "Hi"}]}
    client = anthropic.Anthropic(
        api_key="k", http_client=anthropic_http.Client(transport=anthropic_http.MockTransport(sent.append))
    )
    autolog.patch_http()
    try:
        with autolog.budget(0.01):
            with pytest.raises(BudgetExceeded):
                client.messages.create(**body)  # type: ignore[call-overload]
            with httpx2.Client(transport=httpx2.MockTransport(sent.append)) as other, pytest.raises(BudgetExceeded):  # type: ignore[arg-type]
                other.post("https://api.anthropic.com/v1/messages", json=body)
    finally:
        autolog.unpatch_http()
    autolog.flush()
    assert not sent
    assert not len(patched)


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": "2"}, {"limit": 1, "raises": ValueError("x")},
                                   {"limit": 1, "unpriced": "maybe"}])  # fmt: skip
def test_what_is_no_budget_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError):
        autolog.budget(**wrong)
