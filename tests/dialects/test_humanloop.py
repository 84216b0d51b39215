"""Humanloop: logs of files and versions."""

from __future__ import annotations

import json

import pytest
from dialects.samples import (
    RECORDS,
    Server,
)
from engines import every_store
from hypothesis import given, settings

from autolog._record.record import Record
from autolog.dialects import humanloop
from autolog.server._keys import create_key


@every_store
def test_humanloop_shapes(server: Server) -> None:
    missing = server.call("POST", "/v5/prompts/log", {"output": "x"})
    assert missing.status_code == 422
    assert missing.json()["detail"][0]["loc"] == ["body", "path"]
    assert server.call("POST", "/v5/prompts/log", {"path": "a", "prompt_tokens": "1"}).json()["detail"][0]["loc"] == [
        "body",
        "prompt_tokens",
    ]
    assert server.call("GET", "/v5/logs").status_code == 422
    assert server.call("DELETE", "/v5/logs").status_code == 422
    created = server.call(
        "POST", "/v5/prompts/log", {"path": "a", "log_id": "mine", "output": "x", "prompt_tokens": 0}
    ).json()
    path = f"/v5/prompts/{created['prompt_id']}/log/mine"
    before = server.call("GET", "/v5/logs/mine").json()
    assert server.call("PATCH", path, {"created_at": "yesterday"}).status_code == 422
    assert server.call("PATCH", path, {"messages": [{"role": "robot"}]}).status_code == 422
    assert server.call("PATCH", "/v5/prompts/other/log/mine", {"output": "y"}).status_code == 404
    assert server.call("GET", "/v5/logs/mine").json() == before
    cleared = server.call("PATCH", path, {"output": None, "metadata": {"x": 1}, "inputs": {}, "error": ""}).json()
    assert (cleared["output"], cleared["metadata"], cleared["inputs"], cleared["error"]) == (None, {"x": 1}, {}, "")
    assert cleared["prompt_tokens"] == 0
    again = server.call("POST", "/v5/prompts/log", {"path": "a", "log_id": "mine", "output": "z"})
    assert again.status_code == 200
    assert server.call("GET", "/v5/logs/mine").json()["output"] == "z"
    assert len(server.rows()) == 1
    listed = server.call("GET", "/v5/logs", params={"file_id": created["prompt_id"], "page": 2}).json()
    assert (listed["records"], listed["total"]) == ([], 1)


@settings(deadline=None)
@given(RECORDS)
def test_humanloop_round_trip(record: Record) -> None:
    body = json.loads(humanloop.encode_request([record]).body)
    back = humanloop.decode_log("prompt", body, "default", lambda _: None)
    for field in ("id", "user", "duration", "usage_input_tokens", "usage_output_tokens", "created_at", "request_model"):
        assert getattr(back, field) == getattr(record, field)


def test_a_serialised_prompt_file_names_its_model(server: Server) -> None:
    text = "---\nmodel: gpt-4o\nprovider: openai\n---\n<system>Hi</system>"
    body = {"path": "p", "prompt": text, "save": True, "output": "Straße"}
    created = server.call("POST", "/v5/prompts/log", body).json()
    log = server.call("GET", f"/v5/logs/{created['id']}").json()
    assert (log["prompt"]["model"], log["save"]) == ("gpt-4o", True)
    found = server.call("GET", "/v5/logs", params={"file_id": created["prompt_id"], "search": "STRASSE"}).json()
    assert found["total"] == 1
    server.call("DELETE", "/v5/logs", params={"id": created["id"]})
    assert server.call("POST", "/v5/prompts/log", {"id": created["prompt_id"], "output": "again"}).status_code == 200


def test_a_log_is_counted_once_however_often_it_is_replaced(server: Server) -> None:
    for output in ("x", "y"):
        created = server.call("POST", "/v5/prompts/log", {"path": "a", "log_id": "mine", "output": output}).json()
    other = server.call("POST", "/v5/prompts/log", {"path": "b", "log_id": "mine", "output": "z"})
    assert (other.status_code, server.call("GET", "/v5/logs/mine").json()["output"]) == (422, "y")
    found = server.call("GET", "/v5/logs", params={"file_id": created["prompt_id"]}).json()
    assert [log["id"] for log in found["records"]] == ["mine"]
    lines = server.call("GET", "/metrics").text.splitlines()
    assert [line.rpartition(" ")[2] for line in lines if line.startswith("autolog_calls_total")] == ["1.0"]


@every_store
def test_a_changed_end_changes_the_duration_that_was_computed(server: Server) -> None:
    times = {"start_time": "2026-01-02T03:04:05Z", "end_time": "2026-01-02T03:04:06Z"}
    created = server.call("POST", "/v5/prompts/log", {"path": "a", **times}).json()
    path = f"/v5/prompts/{created['prompt_id']}/log/{created['id']}"
    assert server.call("PATCH", path, {"end_time": "2026-01-02T03:04:09Z"}).json()["provider_latency"] == 4.0


def test_a_key_that_only_writes_gets_ids_back_and_no_log(server: Server) -> None:
    key = create_key(server.store, "in", "default", ["ingest"])
    body = {"path": "a", "output": "a secret", "session_id": "secret"}
    created = server.call("POST", "/v5/prompts/log", body, key=key).json()
    named = {"id": created["id"], "prompt_id": created["prompt_id"], "version_id": None, "session_id": None}
    for body in (None, {}, {"metadata": {}}, {"output_message": None}):
        changed = server.call("PATCH", f"/v5/prompts/{created['prompt_id']}/log/{created['id']}", body, key=key)
        assert (changed.status_code, changed.json()) == (200, named)


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=x", "size=-1", "sample=many", "start_date=soon", "in_trace_filter=perhaps", "include_parent=2"],
)
def test_parameters_of_the_wrong_type_are_told_with_their_place(server: Server, query: str) -> None:
    answer = server.call("GET", f"/v5/logs?file_id=x&{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][1] == query.partition("=")[0]
