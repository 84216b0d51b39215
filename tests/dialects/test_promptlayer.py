"""PromptLayer: logs, enrichment, spans and search."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dialects.samples import (
    KEY,
    LOG,
    RECORDS,
    Server,
)
from engines import every_store
from hypothesis import given, settings

from autolog._record.record import Record
from autolog.dialects import promptlayer


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 201), ({"score": 101}, 422), ({"provider": None}, 422), ({"input": {"type": "poem"}}, 422),
        ({"input": {"type": "chat"}}, 422), ({"request_start_time": "soon"}, 422), ({"input_tokens": -1}, 422),
        ({"price": "free"}, 422), ({"metadata": {"a": 1}}, 422), ({"tags": ["x" * 513]}, 422), ({"status": "FINE"}, 422),
        ({"error_type": "SOME"}, 422), ({"prompt_version_number": 0}, 422), ({"error_message": "x" * 1025}, 422),
        ({"status": "WARNING", "score": 0, "unknown": 1}, 201), ({"request_start_time": 1e300}, 422), ({"model": 3}, 422),
    ],
)  # fmt: skip
def test_promptlayer_log_requests(server: Server, change: dict[str, Any], status: int) -> None:
    answer = server.call("POST", "/log-request", {**LOG, **change})
    assert answer.status_code == status, answer.text
    if status == 201:
        assert answer.json()["id"] == answer.json()["request_id"] == server.only().seq
        assert server.only().duration == 1.5
    else:
        assert server.rows() == []
        assert answer.json()["message"]


@every_store
def test_promptlayer_search_spans_and_keys_in_bodies(server: Server) -> None:
    for number in range(3):
        server.call("POST", "/log-request", {**LOG, "price": number, "tags": ["t"]})
    found = server.call("POST", "/api/public/v2/requests/search", {"sort_by": "price", "per_page": 2}).json()
    assert ([item["price"] for item in found["items"]], found["total"], found["next_num"]) == ([2, 1], 3, 2)
    span = {"name": "s", "context": {"trace_id": "t", "span_id": "s1"}, "start_time": 1767323045250000000,
            "end_time": 1767323046750000000, "log_request": {k: v for k, v in LOG.items() if "time" not in k}}  # fmt: skip
    answer = server.call("POST", "/spans-bulk", {"spans": [span]})
    assert (answer.status_code, len(answer.json()["request_logs"])) == (201, 1)
    assert server.call("POST", "/spans-bulk", {"spans": [span, {"name": "bad"}]}).status_code == 400
    assert len(server.rows()) == 5
    first = server.rows()[0].seq
    body = {"request_id": first, "metadata": {"a": "b"}, "api_key": KEY}
    assert server.call("POST", "/library-track-metadata", body, key=None).status_code == 200
    assert server.call("POST", "/library-track-metadata", {**body, "api_key": "no"}, key=None).status_code == 401
    assert server.call("POST", "/library-track-score", {"request_id": first, "score": 101}).status_code == 400
    assert server.call("POST", "/rest/track-score", {"request_id": str(first), "score": 7}).status_code == 200
    assert server.rows()[0].scores == {"default": 7}


@settings(deadline=None)
@given(RECORDS)
def test_promptlayer_round_trip(record: Record) -> None:
    body = json.loads(promptlayer.encode_request([record]).body)
    back = promptlayer.decode_log_request(body)
    assert (back.request_model, back.metadata) == (
        record.request_model,
        {k[:1024]: v for k, v in record.metadata.items()},
    )
    assert (back.usage_input_tokens, back.usage_output_tokens) == (
        record.usage_input_tokens,
        record.usage_output_tokens,
    )


def test_a_body_that_cannot_be_read_has_no_key_in_it(server: Server) -> None:
    assert server.call("POST", "/track-request", b"garbage{", key=None).status_code == 401


def test_a_method_that_a_path_does_not_have_gets_the_vendors_error(server: Server) -> None:
    assert server.call("GET", "/log-request").json() == {"success": False, "message": "GET is not allowed on this path"}


def test_a_score_is_the_only_one_whatever_its_name(server: Server) -> None:
    request_id = server.call("POST", "/log-request", {**LOG, "score": 30, "score_name": "tone"}).json()["id"]
    assert (server.only().score, server.only().scores) == (30, {"tone": 30})
    server.call("POST", "/rest/track-score", {"request_id": request_id, "score": 70})
    assert (server.only().score, server.only().scores) == (70, {"tone": 30, "default": 70})


def test_a_price_of_nothing_with_tokens_is_no_price(server: Server) -> None:
    server.call("POST", "/log-request", {**LOG, "price": 0, "input_tokens": 1000, "output_tokens": 100})
    server.call("POST", "/log-request", {**LOG, "price": 0, "input_tokens": 0, "output_tokens": 0})
    priced, free = server.rows()
    assert priced.cost == pytest.approx((1000 * 2.5 + 100 * 10) / 1e6)
    assert (priced.custom_cost, (priced.cost_details or {})["certainty"]) == (False, "estimated")
    assert (free.cost, free.custom_cost) == (0, True)
