"""ResponseLog: insert and update."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from dialects.samples import (
    RECORDS,
    Server,
)
from engines import every_store
from hypothesis import given, settings

from autolog._record.record import Record
from autolog.dialects import responselog


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"\xff\xfe", 400), (b"[]", 400), (b"null", 400), (b'{"model": NaN}', 400),
        (b'{"model":"m","duration":NaN}', 400), (b'{"model":"m","cost":1e999}', 400), (b"[" * 100_000, 400),
        (b'{"a":' * 300 + b"1" + b"}" * 300, 400), ({}, 400), ({"model": 3}, 400), ({"model": "m", "duration": "1"}, 400),
        ({"model": "m", "duration": True}, 400), ({"model": "m", "cost": "free"}, 400), ({"model": "m", "initiator": {}}, 400),
        ({"model": "m", "metadata": []}, 400), ({"model": "m", "request_data": "x"}, 400), ({"model": "m", "media": []}, 400),
        ({"model": "m", "media": {"request": {}}}, 400), ({"model": "m", "media": {"request": [{"type": "image"}]}}, 400),
        ({"model": "m", "media": {"request": [{"type": "video", "data": "x"}]}}, 400),
        ({"model": "m", "media": {"response": [{"type": "image", "data": "A" * 14_100_000}]}}, 413),
        ({"model": "m", "media": {"response": [{"type": "image", "data": "A" * 13_900_000}]}}, 200),
        (b'{"model":"m","description":"\\ud800"}', 200), ({"model": "m", "duration": None, "cost": 0, "extra": [1]}, 200),
        (b'{"model":"m","request_data":{"big":123456789012345678901234567890,"nul":"\\u0000"}}', 200),
    ],
)  # fmt: skip
def test_responselog_inserts(server: Server, body: Any, status: int) -> None:
    answer = server.call("POST", "/api/logs/insert", body)
    assert answer.status_code == status, answer.text
    assert len(server.rows()) == (1 if status == 200 else 0)
    assert set(answer.json()) >= ({"id", "success"} if status == 200 else {"error"})


@every_store
def test_responselog_payloads_come_back_exactly(server: Server) -> None:
    data = {"big": 123456789012345678901234567890, "nul": "\u0000", "emoji": "🙂", "float": 0.1, "none": None}
    server.call("POST", "/api/logs/insert", {"model": "m", "request_data": data})
    path = f"/client/v4/accounts/a/ai-gateway/gateways/default/logs/{server.only().id}/request"
    assert server.call("GET", path).json()["result"] == data


@every_store
def test_responselog_update(server: Server) -> None:
    body = {"model": "gpt-4o", "duration": 2, "metadata": {"a": 1}, "response_data": {"usage": {"prompt_tokens": 1}}}
    record_id = server.call("POST", "/api/logs/insert", body).json()["id"]
    change = {"metadata": {"b": 2}, "cost": 0, "response_data": {"usage": {"prompt_tokens": 7, "completion_tokens": 2}}}
    assert server.call("POST", "/api/logs/update", {"id": record_id, "update_data": change}).json()["success"] is True
    record = server.only()
    assert (record.duration, record.metadata, record.cost, record.custom_cost) == (2, {"b": 2}, 0, True)
    assert (record.usage_input_tokens, record.usage_output_tokens) == (7, 2)
    assert server.call("POST", "/api/logs/update", {"id": record_id, "update_data": {}}).status_code == 200
    for bad in (
        {"id": record_id},
        {"update_data": {}},
        {"id": record_id, "update_data": {"duration": "x"}},
        {"id": True, "update_data": {}},
    ):
        assert server.call("POST", "/api/logs/update", bad).status_code == 400
    for unknown in ("x" * 100_000, "../..", 18126913807647771390, "' OR 1=1"):
        assert server.call("POST", "/api/logs/update", {"id": unknown, "update_data": {}}).status_code == 404
    assert server.call("GET", "/api/logs/insert").status_code == 405
    assert "error" in server.call("GET", "/api/logs/insert").json()
    assert server.only().duration == 2


@settings(deadline=None)
@given(RECORDS)
def test_responselog_round_trip(record: Record) -> None:
    body = json.loads(responselog.encode_request([record]).body)
    back = responselog.decode_insert(body)
    assert (back.request_model, back.user, back.duration, back.metadata) == (
        record.request_model, record.user, record.duration, record.metadata,
    )  # fmt: skip
    assert (back.request_body and json.loads(back.request_body)) == (
        record.request_body and json.loads(record.request_body)
    )


def test_an_image_with_line_breaks_is_measured_without_them(server: Server) -> None:
    image = base64.encodebytes(b"x" * 10 * 1024 * 1024).decode()
    media = {"request": [{"type": "image", "data": image}]}
    assert server.call("POST", "/api/logs/insert", {"model": "m", "media": media}).status_code == 200
