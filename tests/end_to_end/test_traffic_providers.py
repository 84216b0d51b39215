"""The recorded exchanges in ../shared/traffic_providers are read in agreement with an independent reading."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from conftest import SHARED

from autolog._reading.describe import bodies, describe
from autolog._reading.messages import request_messages, response_messages
from autolog._record.record import Record
from autolog.providers import format_of

FOLDER = SHARED / "traffic_providers"
RECORDINGS = sorted(FOLDER.glob("*/*.json")) if FOLDER.is_dir() else []


def content_type(data: dict[str, Any]) -> str:
    """Return the content type of the response, guessed if the recording lacks it."""
    response = data["response"]
    if given := response["headers"].get("content-type"):
        return str(given)
    if "body_base64" in response:
        return "application/vnd.amazon.eventstream"
    return "" if data["expect"]["streamed"] else "application/json"


def record_of(data: dict[str, Any]) -> Record:
    response = data["response"]
    content = base64.b64decode(response["body_base64"]) if "body_base64" in response else response["body"].encode()
    return Record(
        id="r",
        request_method="POST",
        request_url=data["request"]["url"],
        request_body=json.dumps(data["request"].get("body")).encode(),
        request_content_type="application/json",
        response_body=content,
        response_content_type=content_type(data),
        response_headers=response["headers"],
        status_code=response["status"],
    )


def read_ids(paths: list[Path]) -> list[str]:
    return [f"{path.parent.name}/{path.stem}" for path in paths]


@pytest.mark.skipif(not RECORDINGS, reason="needs ../shared/traffic_providers")
@pytest.mark.parametrize("path", RECORDINGS, ids=read_ids(RECORDINGS))
def test_recording(path: Path) -> None:
    data = json.loads(path.read_text())
    expect = data["expect"]
    record = record_of(data)
    describe(record)
    got = {
        "provider": record.provider_name,
        "request_model": record.request_model,
        "model": record.response_model,
        "input_tokens": record.usage_input_tokens,
        "output_tokens": record.usage_output_tokens,
        "cached_input_tokens": record.usage_cache_read_input_tokens,
        "cache_creation_input_tokens": record.usage_cache_creation_input_tokens,
        "reasoning_tokens": record.usage_reasoning_output_tokens,
        "finish_reasons": record.response_finish_reasons or [],
        "tool_calls": [call["name"] for call in record.tool_calls or []],
        "streamed": record.request_stream,
        "error_message": record.error_message,
        "id": record.response_id,
    }
    wanted = {key: expect[key] for key in got if key in expect}
    if not data["operation"].startswith("invoke"):  # the recording says nothing about such calls
        wanted.setdefault("tool_calls", [])
    assert {key: got[key] for key in wanted} == wanted
    if not re.search(r"embed", path.stem + str(record.request_model)):  # recorded as chats
        assert record.operation_name == expect["operation"]
    if not expect["usage_on_wire"]:
        assert record.usage is None
        assert record.cost is None
    assert record.status == ("error" if expect["http_status"] >= 400 else "ok")


@pytest.mark.skipif(not RECORDINGS, reason="needs ../shared/traffic_providers")
@pytest.mark.parametrize("path", RECORDINGS, ids=read_ids(RECORDINGS))
def test_a_recording_is_shown(path: Path) -> None:
    data = json.loads(path.read_text())
    request, response = bodies(record_of(data))
    assert request_messages(request)
    if data["expect"].get("operation") == "chat" and data["response"]["status"] == 200:
        assert any(message.parts for message in response_messages(response)) or "embed" in data["request"]["url"]


@pytest.mark.skipif(not RECORDINGS, reason="needs ../shared/traffic_providers")
@pytest.mark.parametrize("path", RECORDINGS, ids=read_ids(RECORDINGS))
def test_a_recording_that_breaks_off_is_read_as_far_as_it_came(path: Path) -> None:
    data = json.loads(path.read_text())
    record = record_of(data)
    whole = record.response_body or b""
    for part in (0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 1):
        broken = record_of(data)
        broken.response_body = whole[:part]
        describe(broken)


@pytest.mark.skipif(not RECORDINGS, reason="needs ../shared/traffic_providers")
def test_every_recording_is_billable_where_it_was_sent() -> None:
    for path in RECORDINGS:
        data = json.loads(path.read_text())
        _, _, host, *rest = data["request"]["url"].split("/")
        where = unquote("/" + "/".join(rest).partition("?")[0])
        assert format_of(host, where, {}, {}).billable("POST", where), path
