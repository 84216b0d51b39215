"""Shipping from the client: in the native and vendors' formats, to several places, and to misbehaving backends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from endless import dripping
from live import KEY, Live, live
from shipping import Backend, backend, call_openai
from waiting import until

import autolog
from autolog import dialects
from autolog._delivery import delivery as _delivery
from autolog.errors import ConfigError


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path / "server.db") as running:
        yield running


@pytest.fixture
def moody() -> Iterator[Backend]:
    with backend() as running:
        yield running


BASES = {"native": "", "otlp": "", "responselog": "", "promptlayer": "", "portkey": "/v1", "humanloop": "/v5"}


@pytest.mark.parametrize("dialect", dialects.shipping())
def test_every_dialect(server: Live, dialect: str) -> None:
    autolog.configure(endpoint=server.url + BASES[dialect], api_key=KEY, dialect=dialect)
    call_openai()
    assert autolog.flush()
    (record,) = server.records()
    assert (record.dialect, record.request_model, record.provider_name) == (dialect, "gpt-4o", "openai")
    assert (record.usage_output_tokens or 0) > 0
    assert record.cost
    assert record.metadata["plan"] == "gold"
    assert autolog.status()["written"] == 1
    assert autolog.status()["endpoint"] == server.url + BASES[dialect]


@pytest.mark.parametrize("in_sinks", [False, True])
def test_an_opentelemetry_backend_gets_the_key_as_a_bearer_token_and_the_further_headers(
    moody: Backend, in_sinks: bool, tmp_path: Path
) -> None:
    moody.otherwise = (200, {}, b"{}")
    target = {"endpoint": moody.url, "api_key": KEY, "dialect": "otlp", "headers": {"X-Scope": "shop"}}
    autolog.configure(**({"store": f"sqlite:///{tmp_path}/a.db", "sinks": [target]} if in_sinks else target))  # type: ignore[arg-type]
    call_openai()
    autolog.flush()
    assert [headers.get("x-scope") for headers in moody.request_headers] == ["shop"]
    assert {headers.get("authorization") for headers in moody.request_headers} == {f"Bearer {KEY}"}


def test_retries_until_it_is_taken(moody: Backend) -> None:
    moody.answers = [(500, {}, b""), (429, {"retry-after": "1"}, b""), (503, {}, b"")]
    autolog.configure(endpoint=moody.url)
    call_openai()
    until(lambda: autolog.status()["written"] > 0)
    assert autolog.status()["written"] == 1
    assert len(moody.request_times) == 4
    assert moody.request_times[2] - moody.request_times[1] >= 0.9
    assert autolog.status()["dropped"] == {}


def test_what_is_refused_for_good_is_counted(moody: Backend) -> None:
    moody.answers = [(400, {}, b'{"error": {"message": "no"}}')]
    autolog.configure(endpoint=moody.url)
    call_openai()
    assert autolog.flush()
    assert autolog.status()["dropped"] == {"refused by the backend": 1}


def test_one_by_one_formats_do_not_repeat_what_was_taken(moody: Backend) -> None:
    autolog.configure(endpoint=moody.url, dialect="responselog")
    moody.answers = [(200, {}, None), (500, {}, b"")]
    for _ in range(3):
        with autolog.span("s"):
            pass
    until(lambda: autolog.status()["written"] >= 3)
    assert autolog.status()["written"] == 3
    assert len(moody.request_times) == 4


def test_a_batch_that_is_too_large_goes_in_halves(moody: Backend) -> None:
    moody.answers = [(413, {}, b"")]
    autolog.configure(endpoint=moody.url)
    for _ in range(4):
        with autolog.span("s"):
            pass
    assert autolog.flush()
    assert len(moody.request_times) == 3
    assert autolog.status()["dropped"] == {}


def test_a_record_that_is_refused_costs_no_other(moody: Backend) -> None:
    fault = b'{"error": {"message": "no"}}'
    moody.answers = [(400, {}, fault), (400, {}, fault), (400, {}, fault)]  # all four, the first two, the first
    autolog.configure(endpoint=moody.url)
    for _ in range(4):
        with autolog.span("s"):
            pass
    assert autolog.flush()
    assert autolog.status()["dropped"] == {"refused by the backend": 1}
    assert autolog.status()["written"] == 3


@pytest.mark.parametrize("dialect", ["native", "responselog"])  # which take a whole batch, and a record at a time
def test_what_is_refused_before_the_backend_fails_is_no_less_counted(dialect: str, moody: Backend) -> None:
    fault = (400, {}, b'{"error": {"message": "no"}}')
    down = (500, {}, b"")
    first = [fault] * 3 if dialect == "native" else [fault]  # both, the first two, the first; the second is taken
    moody.answers = [*first, (200, {}, None), down] if dialect == "native" else [*first, down]
    autolog.configure(endpoint=moody.url, dialect=dialect)
    for _ in range(4):
        with autolog.span("s"):
            pass
    until(lambda: sum(autolog.status()["dropped"].values()) + autolog.status()["written"] == 4)
    assert autolog.status()["dropped"] == {"refused by the backend": 1}


#: Replies as from another service, which do not say whether the records were stored.
UNCLEAR = [
    (200, b""), (204, b""), (200, b"{}"), (200, b"[]"), (200, b'{"status": "ok"}'), (200, b"OK"), (202, b'{"id": 7}'),
    (200, b'{"accepted": 3, "rejected": 0}'), (200, b'{"accepted": true, "rejected": 0}'),
    (200, b'{"accepted": "1", "rejected": "0"}'), (200, b'{"accepted": 2, "rejected": -1}'), (200, b"<html>"),
    (301, b""), (400, b""), (400, b'{"message": "Bad Request"}'), (400, b'{"error": "bad"}'), (409, b"{}"),
    (400, b'{"error": {"code": 400, "message": "x", "status": "INVALID_ARGUMENT"}}'), (415, b'{"message": "x"}'),
    (413, b"<html>Request Entity Too Large"), (422, b'{"detail": "x"}'), (404, b'{"error": {"message": "x"}}'),
    (401, b'{"error": {"message": "x"}}'),
]  # fmt: skip


@pytest.mark.parametrize(("status", "reply"), UNCLEAR)
def test_a_reply_that_does_not_say_what_became_of_the_records(status: int, reply: bytes, moody: Backend) -> None:
    moody.otherwise = (status, {}, reply)
    autolog.configure(endpoint=moody.url)
    with autolog.span("s"):
        pass
    while autolog.status()["last_error"] is None:
        assert not autolog.flush(0.3)
    state = autolog.status()
    assert (state["written"], state["dropped"], state["queued"] + state["journalled"]) == (0, {}, 1)
    assert str(status) in state["last_error"]
    moody.otherwise = (200, {}, None)
    assert autolog.flush(5)
    assert autolog.status()["written"] == 1


#: For each vendor, its backend's replies for a stored and for a refused record.
REPLIES = {
    "otlp": (b'{"partialSuccess": {}}', b'{"code": 3, "message": "no"}'),
    "portkey": (b'{"status": "success"}', b'{"success": false, "data": {"message": "no"}}'),
    "humanloop": (b'{"id": "log_1"}', b'{"detail": "no"}'),
    "promptlayer": (b'{"id": 1}', b'{"success": false, "message": "no"}'),
    "responselog": (b'{"id": "1", "success": true}', b'{"error": "no"}'),
}


@pytest.mark.parametrize("dialect", REPLIES)
def test_the_replies_of_vendors(dialect: str, moody: Backend) -> None:
    stored, refused = REPLIES[dialect]
    autolog.configure(endpoint=moody.url, dialect=dialect)
    moody.answers = [(200, {}, b'{"message": "Welcome"}'), (400, {}, b'{"message": "Bad Request"}'), (200, {}, stored)]
    with autolog.span("s"):
        pass
    while autolog.status()["written"] < 1:
        autolog.flush(0.3)
    assert len(moody.request_times) == 3
    moody.answers = [(400, {}, refused)]
    with autolog.span("s"):
        pass
    assert autolog.flush(5)
    assert autolog.status()["dropped"] == {"refused by the backend": 1}


def test_spans_that_an_opentelemetry_backend_refuses_are_counted(moody: Backend) -> None:
    autolog.configure(endpoint=moody.url, dialect="otlp")
    moody.otherwise = (200, {}, b'{"partialSuccess": {"rejectedSpans": "1", "errorMessage": "no"}}')
    for _ in range(3):
        with autolog.span("s"):
            pass
    assert autolog.flush(5)
    assert (autolog.status()["written"], autolog.status()["dropped"]) == (2, {"refused by the backend": 1})


SOON = ["0", "0.0", "-1", "nan", "inf", "-inf", "1e-9", "soon", "", "Thu, 01 Jan 1970 00:00:00 GMT", "0 GMT"]


@pytest.mark.parametrize("retry_after", SOON)
def test_a_pause_asked_for_never_shortens_our_own(retry_after: str, moody: Backend) -> None:
    moody.otherwise = (503, {"retry-after": retry_after}, b"{}")
    autolog.configure(endpoint=moody.url)
    with autolog.span("s"):
        pass
    time.sleep(1.2)
    assert 1 <= len(moody.request_times) <= 3  # immediately, after about half a second, and after another


@pytest.mark.parametrize("retry_after", ["3600", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "inf"])
def test_a_pause_asked_for_is_bounded(retry_after: str, moody: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_delivery, "MAX_PAUSE", 0.6)
    moody.answers = [(503, {"retry-after": retry_after}, b"{}")]
    autolog.configure(endpoint=moody.url)
    with autolog.span("s"):
        pass
    until(lambda: autolog.status()["written"] > 0)
    assert autolog.status()["written"] == 1


@pytest.mark.parametrize("key", ["secret-key\n", "secret-key\u2013"])
def test_a_key_that_no_header_can_hold_is_reported_without_the_key(key: str, moody: Backend) -> None:
    autolog.configure(endpoint=moody.url, api_key=key)
    with autolog.span("s"):
        pass
    until(lambda: autolog.status()["last_error"] is not None)
    assert "API key" in autolog.status()["last_error"]
    assert "secret-key" not in autolog.status()["last_error"]
    assert autolog.status()["dropped"] == {}


def test_scores(server: Live) -> None:
    autolog.configure(endpoint=server.url, api_key=KEY)
    call_openai()
    autolog.flush()
    autolog.score(server.records()[0].id, 0.9, comment="good")
    assert autolog.flush()
    (record,) = server.records()
    assert record.scores == {"default": {"value": 0.9, "comment": "good"}}
    assert record.request_model == "gpt-4o"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"endpoint": "localhost:8790"}, "is not an http:// or https:// URL"),
        ({"dialect": "cloudflare"}, "has no call to insert logs"),
        ({"dialect": "klingon"}, "is not one of native"),
        ({"sinks": [3]}, "is neither a store URL nor a mapping"),
        ({"sinks": [{"endpoint": "http://x", "key": "y"}]}, "is neither a store URL nor a mapping"),
    ],
)
def test_bad_options(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        autolog.configure(**options)


@pytest.mark.parametrize("reply", ["headers", "body"])
def test_a_reply_that_drips_is_a_failed_attempt_and_the_record_is_kept(
    reply: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autolog._delivery.http_sink.TIMEOUT", 0.1)
    with dripping(reply) as port:
        autolog.configure(endpoint=f"http://127.0.0.1:{port}", journal=str(tmp_path / "journal.db"))
        call_openai()
        until(lambda: "ReadTimeout" in str(autolog.status()["last_error"]))
        state = autolog.status()
        assert (state["written"], state["dropped"], state["queued"] + state["journalled"]) == (0, {}, 1)
