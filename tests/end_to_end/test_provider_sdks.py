"""Real traffic of other providers through their own SDKs: one record per call, and no difference for the caller."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from provider_sdks import StandIn, body_of, is_missing, name_of, play_either, recordings, stand_in

import autolog
from autolog._record.record import Record
from autolog.testing import capture

pytestmark = pytest.mark.skipif(not recordings(), reason="../shared/traffic_providers is not here")


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("path", recordings(), ids=name_of)
def test_recording(path: Path, asynchronous: bool, server: StandIn) -> None:
    data = json.loads(path.read_text())
    if package := is_missing(data):
        pytest.skip(f"needs {package}")
    if asynchronous and data["sdk"]["package"] == "boto3":
        pytest.skip("boto3 has no async client")
    server.playing = data
    origin = server.origin(data["request"]["url"])
    without = play_either(data, origin, asynchronous)
    server.got.clear()
    with capture() as records:
        if data["provider"] == "ollama":
            autolog.configure(hosts={origin.partition("//")[2]: "ollama"})
        autolog.patch()
        seen = play_either(data, origin, asynchronous)
        assert seen == without
        if data["expect"]["http_status"] < 400:
            assert not issubclass(seen[0], Exception), seen
        if not records:
            gc.collect()
        assert len(records) == len(server.got) == 1, seen
        check(records[0], data, server.got[0])


def check(record: Record, data: dict[str, Any], got: bytes) -> None:
    expect = data["expect"]
    assert record.request_body == got
    assert record.response_body == body_of(data)
    assert record.status_code == expect["http_status"]
    assert record.status == ("error" if expect["http_status"] >= 400 else "ok")
    wanted = {
        "provider_name": expect["provider"],
        "request_model": expect.get("request_model", record.request_model),
        "response_model": expect.get("model"),
        "usage_input_tokens": expect.get("input_tokens"),
        "usage_output_tokens": expect.get("output_tokens"),
        "usage_reasoning_output_tokens": expect.get("reasoning_tokens"),
        "response_finish_reasons": expect.get("finish_reasons") or None,
        "error_message": expect.get("error_message"),
        "retries": 0,
    }
    if not record.usage_output_tokens and "output_tokens" not in expect:
        del wanted["usage_output_tokens"]  # an embedding's 0 is as good as none
    for field, name in {"usage_cache_read_input_tokens": "cached_input_tokens",
                        "usage_cache_creation_input_tokens": "cache_creation_input_tokens"}.items():  # fmt: skip
        if name in expect:
            wanted[field] = expect[name]
    assert {name: getattr(record, name) for name in wanted} == wanted
    if expect["http_status"] < 400:
        assert bool(record.request_stream) == expect["streamed"]
    if not re.search(r"embed", data["operation"] + str(record.request_model)):
        assert record.operation_name == expect["operation"]
    if expect.get("tool_calls"):
        assert [call["name"] for call in record.tool_calls or []] == expect["tool_calls"]
    if expect["usage_on_wire"] and expect.get("output_tokens"):
        assert record.cost is not None or record.cost_details
