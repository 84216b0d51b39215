"""Filling in records from bodies of every encoding and provider."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire import read_call, sse

from autolog._reading.describe import bodies, preview
from autolog._redaction.headers import kept_headers, plain_headers

URL = "https://api.openai.com/v1/chat/completions"
ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Why?"}]}
ANSWER = {"object": "chat.completion", "id": "c", "model": "gpt-4o-mini", "usage": {"prompt_tokens": 5, "completion_tokens": 2},
          "choices": [{"index": 0, "message": {"role": "assistant", "content": "Só."}, "finish_reason": "stop"}]}  # fmt: skip
CHUNKS = [
    {"choices": [{"index": 0, "delta": {"content": "Só."}, "finish_reason": "stop"}]},
    {"choices": [], "usage": ANSWER["usage"]},
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("streamed", [False, True])
def test_bodies_in_any_coding(encoding: str, streamed: bool) -> None:
    body = sse(*CHUNKS).decode() if streamed else json.dumps(ANSWER, ensure_ascii=False)
    record = read_call(URL, ASKED, body.encode(encoding), "text/event-stream" if streamed else "application/json")
    assert (record.usage_input_tokens, record.usage_output_tokens, record.output_preview) == (5, 2, "Só.")
    assert bodies(record)[1]["choices"][0]["message"]["content"] == "Só."


@pytest.mark.parametrize(
    "body", [b"", b"{", b"<html>Busy</html>", b"\xff\xfe", b"\xef\xbb\xbf", b"null", b'"x"', b"[]", b"data: [DONE]\n\n"]
)
def test_a_body_that_is_no_answer_leaves_the_record_as_it_is(body: bytes) -> None:
    record = read_call(URL, ASKED, body)
    assert (record.request_model, record.operation_name, record.usage, record.cost) == (
        "gpt-4o-mini",
        "chat",
        None,
        None,
    )


def test_the_host_says_who_answered() -> None:
    assert read_call("https://api.groq.com/openai/v1/chat/completions", ASKED, ANSWER).provider_name == "groq"
    assert (
        read_call("https://gateway.internal/v1/chat/completions", ASKED, ANSWER).provider_name == "openai"
    )  # by the model


def test_an_unknown_format_at_a_known_host_keeps_what_is_known() -> None:
    record = read_call(
        "https://generativelanguage.googleapis.com/v9/models/gemini-9:dream", {"wish": "x"}, {"dream": "y"}
    )
    assert (record.provider_name, record.request_model, record.cost) == ("gcp.gemini", "gemini-9", None)
    assert record.cost_details is not None


def test_a_stream_that_is_none_and_one_that_is_not_said_to_be_one() -> None:
    none = read_call(URL, ASKED, json.dumps(ANSWER).encode(), "text/event-stream")
    assert (none.request_stream, none.output_preview, none.usage_input_tokens) == (False, "Só.", 5)
    refused = read_call(URL, ASKED, {"error": {"message": "no"}}, "text/event-stream")
    assert (refused.status, refused.error_message) == ("error", "no")
    hidden = read_call(URL, ASKED, sse(*CHUNKS), "application/octet-stream")
    assert (hidden.request_stream, hidden.output_preview) == (True, "Só.")


@pytest.mark.parametrize(
    ("text", "shown"), [(None, None), ("", None), (" a \n b ", "a b"), ("x" * 300, "x" * 199 + "…")]
)
def test_previews_are_short_and_on_one_line(text: Any, shown: str | None) -> None:
    assert preview(text) == shown


@pytest.mark.parametrize(
    ("name", "value", "cached"),
    [
        ("cf-aig-cache-status", "HIT", True),
        ("x-portkey-cache-status", "SEMANTIC HIT", True),
        ("helicone-cache", "hit", True),
        ("cf-aig-cache-status", "MISS", False),
        ("x-portkey-cache-status", "DISABLED", False),
    ],
)
def test_an_answer_from_the_cache_of_a_gateway_costs_nothing(name: str, value: str, cached: bool) -> None:
    record = read_call("https://gateway.example/v1/chat/completions", ASKED, ANSWER, headers={name: value})
    assert record.cached is cached
    assert (record.cost == 0) is cached
    assert (record.cost_details or {})["certainty"] == ("exact" if cached else "estimated")
    assert kept_headers(plain_headers({name: value})) == {name: value}
