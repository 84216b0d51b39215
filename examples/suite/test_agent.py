"""A test suite with cassettes and a budget: `pytest examples/suite`, without a network or a key.

The cassettes beside this file provide the responses. To record one again, delete it and run `pytest
--autolog-replay=once` with your keys. If you change a prompt, the test shows the difference from the recorded request.
"""

import pytest
from agent import answer, headline


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set placeholder keys, because the SDKs require them."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "not needed")


def test_the_agent_asks_for_the_weather(autolog_replay, autolog_records):
    assert "Lisbon" in answer("What is the weather in Lisbon?")
    first, last = autolog_records
    assert [call["name"] for call in first.tool_calls] == ["get_weather"]
    assert last.response_finish_reasons == ["stop"]
    assert autolog_replay.left == []


@pytest.mark.autolog_budget(0.001)
def test_a_headline_is_cheap(autolog_replay):
    assert headline("It is sunny in Lisbon.")


@pytest.mark.autolog_replay("cassettes/test_agent/test_a_headline_is_cheap.yaml", repeat=True)
def test_the_same_headline_twice(autolog_replay, autolog_records):
    assert headline("It is sunny in Lisbon.") == headline("It is sunny in Lisbon.")
    assert sum(record.cost for record in autolog_records) < 0.002
