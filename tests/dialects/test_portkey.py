"""Portkey: logs, and the meaning of their headers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dialects.samples import (
    KEY,
    RECORDS,
    Server,
)
from hypothesis import given, settings

from autolog._record.record import Record
from autolog.dialects import portkey


@pytest.mark.parametrize(
    ("body", "status", "rows"),
    [
        ([], 200, 0), ({"request": {}, "response": {}}, 200, 1), ([{"request": {}, "response": {}}] * 3, 200, 3),
        ({"request": {}}, 400, 0), ({"request": [], "response": {}}, 400, 0), ([{"request": {}, "response": {}}, {}], 400, 0),
        ({"request": {}, "response": {"status": "200"}}, 400, 0), ({"request": {}, "response": {}, "metadata": []}, 400, 0),
        ({"request": {}, "response": {"response_time": "0012"}}, 200, 1), ({"request": {}, "response": {"response_time": "x"}}, 400, 0),
        ("text", 400, 0), (b"", 400, 0),
    ],
)  # fmt: skip
def test_portkey_logs(server: Server, body: Any, status: int, rows: int) -> None:
    answer = server.call("POST", "/v1/logs", body, key=None, headers={"x-portkey-api-key": KEY})
    assert (answer.status_code, len(server.rows())) == (status, rows), answer.text
    if status == 200:
        assert answer.json() == {"status": "success", "ids": [record.id for record in server.rows()]}
    else:
        assert answer.json()["data"]["errorCode"] == "AB01"
        assert answer.json()["success"] is False


def test_portkey_headers_fill_gaps(server: Server) -> None:
    headers = {
        "x-portkey-trace-id": "from-header",
        "x-portkey-metadata": '{"_user": "u", "k": "h"}',
        "x-portkey-provider": "groq",
    }
    body = {
        "request": {"body": {"model": "m"}},
        "response": {"body": {}},
        "metadata": {"k": "b", "spanId": 18126913807647771390},
    }
    server.call("POST", "/v1/logs", body, headers=headers)
    record = server.only()
    assert (record.trace_id, record.user, record.provider_name) == ("from-header", "u", "groq")
    assert (record.metadata["k"], record.span_id) == ("b", "18126913807647771390")


def test_portkey_body_wins_over_headers(server: Server) -> None:
    headers = {
        "x-portkey-trace-id": "hdr",
        "x-portkey-metadata": '{"_user": "hdr", "c": "é"}'.encode().decode("latin-1"),
    }
    body = json.dumps({"request": {}, "response": {}, "metadata": {"trace_id": "body", "user": "body"}}).encode()
    raw = [(k.encode(), v.encode("latin-1")) for k, v in {**headers, "x-api-key": KEY}.items()]
    assert server.client.post("/v1/logs", content=body, headers=raw).status_code == 200
    record = server.only()
    assert (record.trace_id, record.user, record.metadata["c"]) == ("body", "body", "é")


@settings(deadline=None)
@given(RECORDS)
def test_portkey_round_trip(record: Record) -> None:
    body = json.loads(portkey.encode_request([record]).body)
    (back,) = portkey.decode_logs(json.dumps(body).encode(), {})
    assert (back.user, back.name and record.name) == (record.user, record.name)
    assert back.duration == pytest.approx(record.duration)
