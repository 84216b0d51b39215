"""Causes of cache misses, by the providers' published rules, case by case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from prompts import anthropic_body, call, function, gemini_body, marked, openai_body, prompt_tokens, tool, words

from autolog._reading.caching.calls import CachedCall, cached_call
from autolog._reading.caching.causes import CAUSES, Miss, explain, nearest
from autolog._record.record import Record


@dataclass
class Case:
    """Two calls, one after the other, and what is to be said of the second: a cause and a place, or nothing."""

    name: str
    first: dict[str, Any]
    second: dict[str, Any]
    cause: str | None
    where: str = ""
    provider: str = "anthropic"
    read: int = 0
    after: float = 60
    one: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)


def changed(body: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    change(body)
    return body


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        at: Any = body
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = to

    return change


A, P, G = anthropic_body, openai_body, gemini_body
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo" * 300}}
OTHER_IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw1KGgo" * 300}}


def with_image(image: dict[str, Any], turns: int) -> dict[str, Any]:
    body = A(turns)
    body["messages"][0]["content"] = [image, *body["messages"][0]["content"]]
    return body


def keys_turned(body: dict[str, Any], index: int = 1) -> dict[str, Any]:
    body["tools"][index] = dict(reversed(body["tools"][index].items()))
    return body


def far(turns: int) -> dict[str, Any]:
    """Return a conversation of a number of turns, with a cache mark only at its end."""
    return A(turns) | {"system": [{"type": "text", "text": words(2_000, "system")}]}


SYSTEM_AT = words(2_000, "system")
CASES = [
    # Anthropic: tools, then system, then messages; what is marked is cached, for five minutes or an hour
    Case("a hit", A(1), A(2), None, read=prompt_tokens(A(1))),
    Case("a tool's description", A(1), changed(A(2), _set("tools", 1, "description", to=words(300, "other"))),
         "prefix_changed", "tools[1].description"),
    Case("a tool's schema", A(1), changed(A(2), _set("tools", 0, "input_schema", "type", to="array")),
         "prefix_changed", "tools[0].input_schema.type"),
    Case("a tool more", A(1), changed(A(2), lambda body: body["tools"].append(tool("more"))), "prefix_changed",
         "tools[2].name"),
    Case("a tool less", A(1), changed(A(2), lambda body: body["tools"].pop()), "prefix_changed", "tools[1].name"),
    Case("tools in another order", A(1), changed(A(2), lambda body: body["tools"].reverse()), "tools_reordered", "tools"),
    Case("keys in another order", A(1), keys_turned(A(2)), "keys_reordered", "tools[1]"),
    Case("the system text", A(1), A(2, system=[marked("At 12:01. " + SYSTEM_AT)]), "prefix_changed", "system[0].text",
         read=0),
    Case("a time at the end of the system text", A(1, system=[marked(SYSTEM_AT + " 12:00")]),
         A(2, system=[marked(SYSTEM_AT + " 12:01")]), "prefix_changed", "system[0].text"),
    Case("an early message was edited", A(2), changed(A(3), _set("messages", 0, "content", 0, "text", to=words(200, "x"))),
         "prefix_changed", "messages[0].content[0].text", read=2_600),
    Case("an image was exchanged", with_image(IMAGE, 4), with_image(OTHER_IMAGE, 5), "prefix_changed",
         "messages[0].content[0].source.data", read=2_600),
    Case("a role changed", A(3), changed(A(4), _set("messages", 1, "role", to="user")), "prefix_changed",
         "messages[1].role", read=2_800),
    Case("nothing was ever marked", A(1, mark_last=False, system=SYSTEM_AT), A(2, mark_last=False, system=SYSTEM_AT),
         "not_marked", "cache_control"),
    Case("the mark is missing", A(1), A(2, mark_last=False, system=SYSTEM_AT), "mark_missing", "cache_control"),
    Case("the mark moved before what was cached", A(3), A(4, mark_last=False), "mark_moved",
         "messages[4].content[0]", read=2_600),
    Case("the mark is too far behind", far(1), far(13), "mark_too_far", "messages[0].content[0]"),
    Case("the mark is twenty blocks behind", far(1), far(11), "unknown"),
    Case("five minutes passed", A(1), A(2), "expired", after=400),
    Case("five minutes passed but it was marked for an hour", A(1, system=[marked(SYSTEM_AT, "1h")]),
         A(2, system=[marked(SYSTEM_AT, "1h")]), None, read=prompt_tokens(A(1)), after=400),
    Case("an hour passed", A(1, system=[marked(SYSTEM_AT, "1h")]), A(2, system=[marked(SYSTEM_AT, "1h")]), "expired",
         after=4_000),
    Case("the earlier call had not ended", A(1), A(2), "concurrent", after=1),
    Case("another model", A(1), A(2, model="claude-opus-4-1"), "model_changed", "model"),
    Case("tool_choice changed", A(2), A(3, tool_choice={"type": "any"}), "parameter_changed", "tool_choice", read=2_600),
    Case("thinking changed", A(4), A(5, thinking={"type": "enabled", "budget_tokens": 2_000}), "parameter_changed",
         "thinking", read=2_600),
    Case("a beta header came", A(1), A(2), "header_changed", "anthropic-beta",
         other={"request_headers": {"Anthropic-Beta": "context-1m"}}),
    Case("another tier", A(1), A(2), "tier_changed", "service_tier", one={"response_service_tier": "standard"},
         other={"response_service_tier": "priority"}),
    Case("too short for the model", A(1, model="claude-haiku-4-5"), A(2, model="claude-haiku-4-5"), "below_minimum"),
    Case("long enough for a newer one", A(1, model="claude-opus-5"), A(2, model="claude-opus-5"), "unknown"),
    Case("the same and yet not read", A(1), A(2), "unknown"),
    Case("automatic caching", A(1, mark_last=False, system=SYSTEM_AT, cache_control={"type": "ephemeral"}),
         A(2, mark_last=False, system=SYSTEM_AT, cache_control={"type": "ephemeral"}), "unknown"),
    Case("content as a text and as a part are the same", A(1, mark_last=False), changed(A(2), _set(
         "messages", 0, "content", to=words(200, "t0"))), None, read=2_650),
    Case("another conversation with the same instructions", A(1, mark_last=False), changed(A(1, mark_last=False), _set(
         "messages", 0, "content", to="Hello!")), None, read=2_600, other={"session": "t"}),
    # OpenAI: all prompts from 1,024 tokens on, by 128; gone after 5 to 10 minutes, at most an hour
    Case("a hit of OpenAI", P(1), P(2), None, provider="openai", read=2_688),
    Case("a tool of OpenAI", P(1), changed(P(2), _set("tools", 1, "function", "description", to=words(300, "other"))),
         "prefix_changed", "tools[1].function.description", "openai"),
    Case("functions in another order", P(1), changed(P(2), lambda body: body["tools"].reverse()), "tools_reordered",
         "tools", "openai"),
    Case("a function more", P(1), changed(P(2), lambda body: body["tools"].append(function("more"))), "prefix_changed",
         "tools[2].type", "openai"),
    Case("another schema of the answer", P(1, response_format={"type": "json_object"}),
         P(2, response_format={"type": "text"}), "prefix_changed", "response_format.type", "openai"),
    Case("the system message of OpenAI", P(1), changed(P(2), _set("messages", 0, "content", to="12:01 " + SYSTEM_AT)),
         "prefix_changed", "messages[0].content[0].text", "openai"),
    Case("it may have passed", P(1), P(2), "expired", provider="openai", after=500),
    Case("it has passed", P(1), P(2), "expired", provider="openai", after=4_000),
    Case("it was kept for a day", P(1, prompt_cache_retention="24h"), P(2, prompt_cache_retention="24h"), "unknown",
         provider="openai", after=4_000),
    Case("another prompt_cache_key", P(1, prompt_cache_key="a"), P(2, prompt_cache_key="b"), "cache_key_changed",
         "prompt_cache_key", "openai"),
    Case("another model of OpenAI", P(1), P(2, model="gpt-5-mini"), "model_changed", "model", "openai"),
    Case("below 1,024", {"model": "gpt-5", "messages": [{"role": "user", "content": words(300)}]},
         {"model": "gpt-5", "messages": [{"role": "user", "content": words(300)}]}, "below_minimum", "", "openai"),
    Case("a short beginning in common", {"model": "gpt-5", "messages": [{"role": "system", "content": words(400)},
         {"role": "user", "content": words(2_000, "x")}]}, {"model": "gpt-5", "messages": [{"role": "system", "content":
         words(400)}, {"role": "user", "content": words(2_000, "y")}]}, None, "", "openai", other={"session": "t"}),
    Case("instructions of the Responses API", {"model": "gpt-5", "instructions": SYSTEM_AT, "input": "Hi?"},
         {"model": "gpt-5", "instructions": "12:01 " + SYSTEM_AT, "input": "Hi?"}, "prefix_changed", "instructions",
         "openai"),
    # Gemini: implicitly, from 2,048 tokens on for 2.5; nothing is published on how long
    Case("a hit of Gemini", G(1), G(2), None, provider="gcp.gemini", read=4_400),
    Case("the system instruction", G(1), G(2, systemInstruction={"parts": [{"text": "12:01 " + words(4_000, "system")}]}),
         "prefix_changed", "systemInstruction.parts[0].text", "gcp.gemini"),
    Case("Gemini publishes no time to live", G(1), G(2), "unknown", provider="gcp.gemini", after=7_200),
    # OpenAI from GPT-5.6 on: at breakpoints, for half an hour at least
    Case("a hit at the end of the earlier prompt", P(1, model="gpt-5.6"), P(2, model="gpt-5.6"), None, provider="openai",
         read=2_700),
    Case("nothing is read short of a breakpoint", {"model": "gpt-6-astra", "messages": [{"role": "system", "content":
         words(2_000)}, {"role": "user", "content": "x"}]}, {"model": "gpt-6-astra", "messages": [{"role": "system",
         "content": words(2_000)}, {"role": "user", "content": "y"}]}, None, "", "openai", other={"session": "t"}),
    Case("a system message before a breakpoint", P(1, model="gpt-5.6"), changed(P(2, model="gpt-5.6"), _set(
         "messages", 0, "content", to="12:01 " + SYSTEM_AT)), "prefix_changed", "messages[0].content[0].text", "openai"),
    Case("twenty minutes are not long for GPT-5.6", P(1, model="gpt-5.6"), P(2, model="gpt-5.6"), "unknown",
         provider="openai", after=1_200),
    Case("an hour may be", P(1, model="gpt-5.6"), P(2, model="gpt-5.6"), "expired", provider="openai", after=3_700),
    # DeepSeek: on disk, whole prompts, for hours to days
    Case("the second with a common beginning finds nothing yet", {"model": "deepseek-chat", "messages": [{"role": "system",
         "content": words(2_000)}, {"role": "user", "content": "x"}]}, {"model": "deepseek-chat", "messages": [{"role":
         "system", "content": words(2_000)}, {"role": "user", "content": "y"}]}, None, "", "deepseek",
         other={"session": "t"}),
    Case("a hit of DeepSeek", P(1, model="deepseek-chat"), P(2, model="deepseek-chat"), None, provider="deepseek",
         read=2_688),
    Case("a system message of DeepSeek", P(1, model="deepseek-chat"), changed(P(2, model="deepseek-chat"), _set(
         "messages", 0, "content", to="12:01 " + SYSTEM_AT)), "prefix_changed", "messages[0].content[0].text", "deepseek"),
    Case("an hour is not long for DeepSeek", P(1, model="deepseek-chat"), P(2, model="deepseek-chat"), "unknown",
         provider="deepseek", after=4_000),
]  # fmt: skip


def judged(case: Case) -> tuple[CachedCall, Miss | None]:
    first = cached_call(call(case.first, provider=case.provider, **case.one))
    second = cached_call(call(case.second, case.read, at=case.after, provider=case.provider, **case.other))
    assert first is not None
    assert second is not None
    return second, explain(second, nearest(second, [first]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_miss_has_its_cause(case: Case) -> None:
    second, miss = judged(case)
    assert (miss.cause if miss else None, miss.where if miss else "") == (case.cause, case.where)
    if miss is not None:
        assert 0 <= miss.tokens <= second.tokens - second.read
        assert miss.against == "at-0"


def test_there_are_enough_cases_and_every_cause_has_one() -> None:
    assert len(CASES) >= 40
    assert {case.cause for case in CASES} - {None} == CAUSES.keys()


def _miss(name: str) -> Miss:
    miss = judged(next(case for case in CASES if case.name == name))[1]
    assert miss is not None
    return miss


def test_a_change_is_shown_with_what_stands_around_it() -> None:
    miss = _miss("a time at the end of the system text")
    assert miss.before is not None
    assert miss.after is not None
    assert (miss.before[-5:], miss.after[-5:]) == ("12:00", "12:01")
    assert len(miss.before) < 60
    assert miss.explanation == "the prefix broke at system[0].text"
    assert miss.avoidable


def test_what_a_miss_costs_is_the_difference_to_a_read() -> None:
    miss = _miss("it has passed")
    assert miss.dollars == pytest.approx(miss.tokens * 2.7 / 1_000_000)
    assert not miss.avoidable
    body = openai_body()
    unpriced = [cached_call(call(body, at=at, cost_details=None)) for at in (0, 4_000)]
    found = explain(unpriced[1], unpriced[0])  # type: ignore[arg-type]
    assert found is not None
    assert found.dollars is None


def test_what_was_written_again_is_charged_as_a_write() -> None:
    first, second = (cached_call(call(A(1), at=at, written=2_700, provider="anthropic")) for at in (0, 400))
    assert first is not None
    assert second is not None
    miss = explain(second, first)
    assert miss is not None
    assert miss.dollars == pytest.approx(miss.tokens * 3.45 / 1_000_000)


def test_the_nearest_call_is_of_the_session_and_shares_most() -> None:
    calls = [
        call(openai_body(1), id="a", session="other"), call(openai_body(2), id="b", at=10), call(openai_body(3), id="c", at=20),
        call(openai_body(1), id="d", at=30), call(openai_body(9), id="late", at=900),
    ]  # fmt: skip
    earlier = [found for candidate in calls if (found := cached_call(candidate)) is not None]
    now = cached_call(call(openai_body(4), at=40))
    assert now is not None
    chosen = nearest(now, earlier)
    assert chosen is not None
    assert chosen.id == "c"


@pytest.mark.parametrize(
    "record",
    [
        call(openai_body(), status="error"), call(openai_body(), usage_input_tokens=None), call(openai_body(), cached=True),
        call(openai_body(), provider_name="groq"), call(openai_body(), operation_name="embeddings"),
        call(openai_body(previous_response_id="resp_1")), call({"model": "gpt-5"}), call(openai_body(), kind="function"),
        call(openai_body(), request_body=b"\xff"), call(openai_body(), request_body=None),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_left_alone(record: Record) -> None:
    assert cached_call(record) is None
