"""Real provider traffic through the real SDKs: one record per call, exact bytes, and no difference for the caller."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from traffic import FOLDER, Player, Recording, play_either, recordings

import autolog
from autolog._record.record import Record
from autolog.testing import capture

FORMS = ("plain", "with_raw_response", "with_streaming_response")

#: The names of ../shared/traffic in the words of the OpenTelemetry conventions, where these differ.
PROVIDER_NAMES = {
    "anthropic-bedrock": "aws.bedrock",
    "azure-openai": "azure.ai.openai",
    "bedrock-mantle": "aws.bedrock",
    "mistral": "mistral_ai",
    "xai": "x_ai",
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/traffic is not here")


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("recording", recordings(), ids=lambda recording: recording.id)
def test_recording(recording: Recording, form: str, asynchronous: bool) -> None:
    player, without = play_either(recording, form, asynchronous)
    if not player.offered:
        pytest.skip("this version of the SDK does not have the method")
    with capture() as records:
        autolog.patch()
        player, seen = play_either(recording, form, asynchronous)
        assert seen == without
        if not records:  # openai 2.x leaves a stream that brought an error to the garbage collector
            gc.collect()
        assert len(records) == 1
        check_wire(records[0], player)
        check_facts(records[0], player.data)


def check_wire(record: Record, player: Player) -> None:
    assert record.request_body == player.sent[-1]
    assert (record.response_body or b"") == player.body
    assert record.retries == 0
    assert record.duration is not None
    assert record.duration >= 0


def check_facts(record: Record, data: dict[str, Any]) -> None:
    expect = data["expect"]
    provider = data["provider"]
    assert record.provider_name == PROVIDER_NAMES.get(provider, provider)
    assert record.status_code == expect["http_status"]
    if "request_model" in expect:
        assert record.request_model == expect["request_model"]
    assert record.response_model == expect.get("model")
    if "id" in expect:
        assert record.response_id == expect["id"]
    finish = [reason for reason in expect.get("finish_reasons") or [] if reason]
    assert (record.response_finish_reasons or []) == finish
    if expect["http_status"] < 400:
        assert record.request_stream == expect["streamed"]
    else:
        assert record.status == "error"
        assert record.error_message == expect.get("error_message")
        wanted = expect.get("error_type") or expect.get("error_code")
        if wanted is not None:
            assert record.error_type == str(wanted)
    check_usage(record, expect, added_up=data["sdk"]["package"] == "anthropic")
    if expect.get("tool_calls") and "custom" not in expect["tool_calls"]:  # there, it names the type and not the tool
        assert [call["name"] for call in record.tool_calls or []] == expect["tool_calls"]


def check_usage(record: Record, expect: dict[str, Any], added_up: bool) -> None:
    wanted_input = expect.get("input_tokens")
    if added_up and wanted_input is not None:
        wanted_input += (expect.get("cached_input_tokens") or 0) + (expect.get("cache_creation_input_tokens") or 0)
    assert record.usage_input_tokens == wanted_input
    for field, name in {
        "usage_output_tokens": "output_tokens",
        "usage_cache_creation_input_tokens": "cache_creation_input_tokens",
        "usage_cache_creation_5m_input_tokens": "cache_creation_5m_tokens",
        "usage_cache_creation_1h_input_tokens": "cache_creation_1h_tokens",
        "usage_reasoning_output_tokens": "reasoning_tokens",
    }.items():
        assert getattr(record, field) == expect.get(name), field
    for field, name in {  # some parsers omit fields of some vendors
        "usage_cache_read_input_tokens": "cached_input_tokens",
        "usage_input_audio_tokens": "audio_input_tokens",
        "usage_output_audio_tokens": "audio_output_tokens",
    }.items():
        if name in expect:
            assert getattr(record, field) == expect[name], field


def test_all_recordings_are_there() -> None:
    assert len(recordings()) >= 205
    assert all(json.loads(recording.path.read_text()) for recording in recordings())
