"""A logical call, from its request to the end of its response, however that ends."""

from __future__ import annotations

from typing import Any

import pytest
from sdk_http import openai_http as http

from autolog._capture.exchange import Exchange, complete_content, end_open_exchanges, request_content
from autolog._capture.span import Span
from autolog._capture.tee import sync_tee


@pytest.fixture
def ended() -> list[Span]:
    return []


@pytest.fixture
def exchange(ended: list[Span]) -> Exchange:
    return Exchange(ended.append, "openai", object, False)


def request(content: bytes = b"{}") -> Any:
    return http.Request("POST", "https://api.example/v1/chat/completions", content=content)


def unread(*chunks: bytes) -> Any:
    return http.Response(200, content=iter(chunks))


def test_a_complete_response_is_kept_and_the_call_ends_once(exchange: Exchange, ended: list[Span]) -> None:
    exchange.sends(request(b'{"model": "m"}'), asked_usage=False)
    exchange.received(http.Response(200, content=b"done"), sync_tee)
    exchange.end()
    exchange.end(ValueError("late"))
    assert ended == [exchange]
    assert (exchange.request.content, exchange.content, exchange.error) == (b'{"model": "m"}', b"done", None)
    assert exchange.size > len(b'{"model": "m"}') + len(b"done")


def test_attempts_are_counted_and_the_last_request_is_kept(exchange: Exchange) -> None:
    exchange.sends(request(b"1"), asked_usage=True)
    exchange.sends(request(b"2"), asked_usage=False)
    exchange.end()
    assert (exchange.attempts, exchange.request.content) == (2, b"2")
    assert not exchange.asked_usage, "the last attempt did not ask: its usage is the caller's"


def test_an_error_response_is_kept_if_it_stands(exchange: Exchange, ended: list[Span]) -> None:
    exchange.sends(request(), asked_usage=False)
    response = http.Response(503, content=b"full", request=request())
    exchange.received(response, sync_tee)
    assert exchange.status_code is None
    exchange.failed(http.HTTPStatusError("full", request=request(), response=response))
    assert (exchange.status_code, exchange.content, len(ended)) == (503, b"full", 1)


def test_a_call_that_sent_nothing_is_none(exchange: Exchange, ended: list[Span]) -> None:
    exchange.failed(ValueError("before anything was sent"))
    assert ended == []


def test_what_follows_an_error_is_an_attempt_and_what_follows_a_success_is_a_call(
    exchange: Exchange, ended: list[Span]
) -> None:
    exchange.status_code = 500
    assert exchange.followed_by() is exchange
    exchange.status_code = 200
    following = exchange.followed_by()
    assert following is not exchange
    assert ended == [exchange]
    assert (following.trace, following.parent_span, following.context) == (
        exchange.trace, exchange.parent_span, exchange.context,
    )  # fmt: skip
    assert following.span != exchange.span


def test_a_response_is_teed_once(exchange: Exchange) -> None:
    response = unread(b"a")
    exchange.received(response, sync_tee)
    stream = response.stream
    exchange.received(response, sync_tee)
    assert response.stream is stream
    response.close()


def test_streams_that_are_open_at_exit_end_with_what_has_arrived(exchange: Exchange, ended: list[Span]) -> None:
    exchange.sends(request(), asked_usage=False)
    response = unread(b"a", b"b")
    exchange.received(response, sync_tee)
    next(iter(response.stream))
    end_open_exchanges()
    assert ended == [exchange]
    assert exchange.chunks == [b"a"]


def test_bodies_that_nobody_kept_are_none() -> None:
    assert complete_content(unread(b"x")) is None
    assert request_content(http.Request("POST", "https://api.example", content=iter([b"x"]))) is None
    assert request_content(request(b"y")) == b"y"
