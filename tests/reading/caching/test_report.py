"""Prompt caching over many calls."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import SHARED
from prompt_cache import PromptCache
from prompts import anthropic_body, call, openai_body, prompt_tokens, words

from autolog._reading.caching.calls import cached_call
from autolog._reading.caching.report import GROUPS, judge, line, report
from autolog._reading.derive import fill_in
from autolog._record.record import Record

TURNS = 200


def conversation(turn: int) -> dict[str, Any]:
    body = anthropic_body(turn + 1)
    for number, message in enumerate(body["messages"]):
        message["content"][0]["text"] = words(30, f"m{number:03}")
    return body


def faulty(turn: int) -> dict[str, Any]:
    """Return the request of a turn, with five changes that break the cache."""
    body = conversation(turn)
    if 30 <= turn < 45:  # the time in the instructions
        body["system"][0]["text"] = f"It is 12:{turn:02}. " + body["system"][0]["text"]
    if 60 <= turn < 74 and turn % 2:  # tools come out of a set
        body["tools"].reverse()
    if 90 <= turn < 103:  # a counter in a tool's description
        body["tools"][1]["description"] = f"{turn} calls so far. " + body["tools"][1]["description"]
    if 120 <= turn < 132 and turn % 2:  # a branch that forgets to mark
        for block in (body["system"][0], body["messages"][-1]["content"][0]):
            del block["cache_control"]
    if 150 <= turn < 160 and turn % 2:  # a cheaper model now and then
        body["model"] = "claude-haiku-3-5"
    return body


def agent() -> Iterator[Record]:
    cache, now = PromptCache(), 0.0
    for turn in range(TURNS):
        body = faulty(turn)
        now += 900.0 if turn == 180 else 10.0  # a long pause, whose miss is not avoidable
        whole, read, written = cache.ask(body, now)
        yield call(
            body, read, written, at=now, provider="anthropic", usage_input_tokens=whole, id=f"turn-{turn:03}",
            caller="agent", end_time=None, duration=2.0,
        )  # fmt: skip


def test_five_planted_faults_are_named_first() -> None:
    result = report(agent())
    causes = result.causes()
    planted = [
        ("prefix_changed", "system[0].text"), ("tools_reordered", "tools"),
        ("prefix_changed", "tools[1].description"), ("mark_missing", "cache_control"), ("model_changed", "model"),
    ]  # fmt: skip
    assert {(cause.cause, cause.where) for cause in causes[:5]} == set(planted)
    assert all(cause.avoidable and cause.dollars > 0 for cause in causes[:5])
    assert [(cause.cause, cause.misses) for cause in causes[5:] if cause.avoidable] == []
    assert ("expired", 1) in [(cause.cause, cause.misses) for cause in causes]
    assert result.total.calls == TURNS
    assert result.total.lost == pytest.approx(sum(cause.dollars for cause in causes if cause.avoidable))
    turns = {int(miss.id[-3:]) for miss in result.misses if miss.avoidable}
    assert turns <= {*range(30, 46), *range(60, 75), *range(90, 104), *range(120, 133), *range(150, 161)}


def test_an_agent_without_faults_has_no_misses() -> None:
    cache = PromptCache()
    records = []
    for turn in range(40):
        body = conversation(turn)
        whole, read, written = cache.ask(body, turn)
        records.append(call(body, read, written, at=10 * turn, provider="anthropic", usage_input_tokens=whole))
    result = report(records)
    assert result.misses == []
    assert result.total.rate > 0.9
    assert result.total.saved > 0
    assert result.total.lost == 0


def test_sums_are_by_model_function_session_and_day() -> None:
    records = [
        call(openai_body(1), 0, at=0, caller="plan"), call(openai_body(2), 2_688, at=60, caller="plan"),
        call(openai_body(1, model="gpt-4o"), 0, at=100_000, caller="act", session="t"),
    ]  # fmt: skip
    groups = {by: set(report(copy.deepcopy(records), by).groups) for by in GROUPS}
    assert groups == {
        "model": {"gpt-5", "gpt-4o"}, "function": {"plan", "act"}, "session": {"s", "t"},
        "day": {"2026-11-20", "2026-11-21"},
    }  # fmt: skip
    plan = report(records, "function").groups["plan"]
    assert (plan.calls, plan.read) == (2, 2_688)
    assert plan.rate == pytest.approx(2_688 / plan.tokens)
    assert plan.saved == pytest.approx(2_688 * 2.7 / 1_000_000)


def test_one_log_in_a_line() -> None:
    first = call(openai_body(1))
    broken = openai_body(2)
    broken["tools"][1]["function"]["description"] = "short"
    second = call(broken, 0, at=60)
    text = line(second, [first])
    assert text is not None
    assert text.startswith(
        f"0 of {prompt_tokens(broken):,} tokens from the cache; the prefix broke at tools[1].function.desc"
    )
    assert (
        line(call(openai_body(2), 2_688, at=60), [first])
        == f"2,688 of {prompt_tokens(openai_body(2)):,} tokens from the cache"
    )
    assert line(first, []) is None
    assert line(Record(id="x"), []) is None


def test_ten_calls_of_a_long_conversation_take_little_time() -> None:
    records = [call(openai_body(400 + n), 80_000, at=10 * n) for n in range(10)]
    started = time.process_time()
    list(judge(records))
    assert (time.process_time() - started) / len(records) < 0.25


def test_deep_and_odd_requests_are_no_harm() -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = {"a": deep}
    bodies: list[Any] = [
        {"model": "gpt-5", "messages": [{"role": "user", "content": deep}]}, {"model": "gpt-5", "messages": "text"},
        {"model": "gpt-5", "messages": [None, 5, [], {"content": None}]}, {"model": "gpt-5", "tools": {"a": 1}, "input": [1]},
        {"model": "gpt-5", "messages": [{"role": "user", "content": "x" * 5_000_000}]},
    ]  # fmt: skip
    records = [call(body, at=number) for number, body in enumerate(bodies * 2)]
    assert report(records).total.calls == len(records)


def test_nothing_is_claimed_that_the_usage_of_real_traffic_contradicts() -> None:
    paths = sorted((SHARED / "traffic").glob("*/*.json"))
    if not paths:
        pytest.skip("no recorded traffic here")
    records = [record for number, path in enumerate(paths) if (record := _recorded(path, number)) is not None]
    assert sum(cached_call(record) is not None for record in records) > 20
    for judged, miss in judge(records):
        if miss is not None:
            assert miss.tokens <= judged.tokens - judged.read, miss
            assert judged.read < judged.tokens
    result = report(records)
    assert result.total.read <= result.total.tokens


def _recorded(path: Any, number: int) -> Record | None:
    data = json.loads(path.read_text())
    request, response = data.get("request", {}), data.get("response", {})
    body, answer = request.get("body"), response.get("body")
    if body is None or answer is None:
        return None

    def raw(value: Any) -> bytes:
        return value.encode() if isinstance(value, str) else json.dumps(value).encode()

    record = Record(
        id=f"r{number}", request_url=request.get("url"), request_body=raw(body), response_body=raw(answer),
        response_content_type=(response.get("headers") or {}).get("content-type"),
        status_code=response.get("status"), start_time=call({}, at=number).start_time,
    )  # fmt: skip
    fill_in(record)
    return record
