"""The upper bound of a call's cost is never below its cost, and there is none if the price is unknown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autolog._pricing.bound import upper_bound
from autolog.providers import format_named

CHAT = "https://api.openai.com/v1/chat/completions"
MESSAGES = "https://api.anthropic.com/v1/messages"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"


def bound(url: str, own: Any = None, **body: Any) -> float | None:
    name = "anthropic" if "anthropic" in url else "gemini" if "googleapis" in url else "openai"
    return upper_bound(format_named(name), url, json.dumps(body).encode(), own)


def messages(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def test_input_is_bounded_by_its_bytes_and_output_by_max_tokens() -> None:
    body = {"model": "gpt-4o", "max_tokens": 100, "messages": messages("x" * 1000)}
    size = len(json.dumps(body))
    assert bound(CHAT, **body) == pytest.approx((size * 2.5 + 100 * 10) / 1e6)
    assert bound(CHAT, **{**body, "n": 3}) == pytest.approx((len(json.dumps({**body, "n": 3})) * 2.5 + 3000) / 1e6)


def test_without_max_tokens_the_models_limit_counts() -> None:
    given = bound(CHAT, model="gpt-4o", messages=messages("Hi"))
    assert given is not None
    assert 0.1638 < given < 0.165
    gemini = bound(GEMINI, contents=[{"parts": [{"text": "Hi"}]}])
    less = bound(GEMINI, contents=[{"parts": [{"text": "Hi"}]}], generationConfig={"maxOutputTokens": 10})
    assert gemini is not None
    assert less is not None
    assert less < 0.001 < 0.16 < gemini


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}],
        [{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}],
        [{"type": "file", "file": {"file_id": "file-1"}}],
    ],
)
def test_what_is_not_in_the_body_as_text_may_fill_the_window(content: Any) -> None:
    given = bound(CHAT, model="gpt-4o", max_tokens=10, messages=[{"role": "user", "content": content}])
    assert given is not None
    assert given >= 128_000 * 2.5 / 1e6


def test_an_earlier_response_may_fill_the_window_and_quoted_words_do_not() -> None:
    url = "https://api.openai.com/v1/responses"
    assert (bound(url, model="gpt-4o", input="Hi", max_output_tokens=10, previous_response_id="r") or 0) > 0.3
    assert (bound(url, model="gpt-4o", input='a "image": {', max_output_tokens=10) or 1) < 0.001


def test_tokens_may_all_be_written_to_the_cache() -> None:
    body = {"model": "claude-sonnet-4-20250514", "max_tokens": 10, "messages": messages("x" * 1000)}
    assert bound(MESSAGES, **body) == pytest.approx((len(json.dumps(body)) * 6 + 10 * 15) / 1e6)


def test_a_dearer_tier_is_bounded_by_its_price() -> None:
    body = {"model": "gpt-4o", "max_tokens": 1000, "messages": messages("Hi")}
    assert (bound(CHAT, **body, service_tier="priority") or 0) > (bound(CHAT, **body) or 9)


def test_a_tool_of_the_providers_has_room() -> None:
    body = {"model": "gpt-4o", "input": "Hi", "max_output_tokens": 10}
    url = "https://api.openai.com/v1/responses"
    assert (bound(url, **body, tools=[{"type": "web_search"}]) or 0) > 0.6


def test_a_tool_is_bounded_by_how_often_it_may_be_used() -> None:
    url = "https://api.openai.com/v1/responses"
    body: dict[str, Any] = {
        "model": "gpt-4o",
        "input": "Hi",
        "max_output_tokens": 10,
        "tools": [{"type": "web_search"}],
    }
    ten, two = bound(url, **body), bound(url, **body, max_tool_calls=2)
    assert ten is not None
    assert two is not None
    assert ten - two == pytest.approx(8 * 0.035)
    request: dict[str, Any] = {"model": "claude-sonnet-4-20250514", "max_tokens": 10, "messages": messages("Hi")}
    limited = bound(MESSAGES, **request, tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}])
    open_ended = bound(MESSAGES, **request, tools=[{"type": "web_search_20250305", "name": "web_search"}])
    assert open_ended is not None
    assert limited is not None
    assert open_ended - limited == pytest.approx(9 * 0.035)


IMAGES = "https://api.openai.com/v1/images/generations"
SPEECH = "https://api.openai.com/v1/audio/speech"


@pytest.mark.parametrize(
    ("body", "dollars"),
    [
        ({"prompt": "a cat"}, 0.020),
        ({"prompt": "a cat", "model": "dall-e-2", "n": 4, "size": "256x256"}, 0.064),
        ({"prompt": "a cat", "model": "dall-e-3"}, 0.120),
        ({"prompt": "a cat", "model": "dall-e-3", "size": "1024x1024"}, 0.080),
        ({"prompt": "a cat", "model": "dall-e-3", "size": "9x9"}, None),
        ({"prompt": "a cat", "model": "gpt-image-9"}, None),
    ],
)
def test_images_by_the_piece_are_bounded_by_how_many_are_asked_for(body: dict[str, Any], dollars: float | None) -> None:
    assert bound(IMAGES, **body) == (None if dollars is None else pytest.approx(dollars))


def test_images_by_tokens_are_bounded_by_the_largest() -> None:
    single = bound(IMAGES, model="gpt-image-1", prompt="a cat")
    triple = bound(IMAGES, model="gpt-image-1", prompt="a cat", n=3, partial_images=2)
    assert single is not None
    assert triple is not None
    assert 0.25 < single < 0.28
    assert 3 * single < triple < 3 * single + 0.03


def test_speech_is_bounded_by_its_characters_where_it_is_billed_by_them() -> None:
    spoken = bound(SPEECH, model="tts-1", input="x" * 1_000, voice="alloy")
    assert spoken is not None
    assert 0.015 <= spoken < 0.017
    assert bound(SPEECH, model="gpt-4o-mini-tts", input="x" * 1_000, voice="alloy") is None


def test_own_prices_go_before_the_table() -> None:
    body = {"model": "ours", "max_tokens": 100, "messages": messages("Hi")}
    assert bound(CHAT, **body) is None
    assert bound(CHAT, {"ours": {"input": 0, "output": 5}}, **body) == pytest.approx(0.0005)
    assert bound(CHAT, lambda record: record.usage_output_tokens * 1.0, **body) == 100.0


def test_embeddings_have_no_output_and_what_is_free_costs_nothing() -> None:
    embed = bound("https://api.openai.com/v1/embeddings", model="text-embedding-3-small", input="abc")
    assert embed is not None
    assert 0 < embed < 0.00001
    assert bound(MESSAGES + "/count_tokens", model="claude-sonnet-4-20250514", messages=messages("x")) == 0


def test_where_nobody_knows_there_is_no_bound() -> None:
    openai = format_named("openai")
    assert upper_bound(openai, CHAT, None) is None
    assert upper_bound(openai, CHAT, b"not json") is None
    assert upper_bound(openai, CHAT, b"{}") is None
    assert bound("https://api.openai.com/v1/batches", input_file_id="f") is None
