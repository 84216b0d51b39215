"""The costs of recorded exchanges agree with a manual calculation from `expect` and unit prices alone."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime
from typing import Any

import pytest
from genai_prices import data, types
from traffic import FOLDER, Recording, play, recordings

import autolog
from autolog._record.record import Record
from autolog.testing import capture

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/traffic is not here")

#: The recordings' names for those providers that the price table names otherwise.
TABLE = {"anthropic-bedrock": "aws", "azure-openai": "azure", "bedrock-mantle": "aws", "xai": "x-ai",
         "huggingface": "huggingface", "mistral": "mistral"}  # fmt: skip


def record_of(recording: Recording) -> Record:
    autolog.patch()
    with capture() as records, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        play(recording, "plain")
    (record,) = records
    return record


def unit_prices(provider: str, model: str, context: dict[str, str]) -> dict[str, types.TieredPrices | Any] | None:
    for candidate in data.providers:
        if candidate.id != TABLE.get(provider, provider):
            continue
        found = candidate.find_model(model)
        if found is not None:
            return {
                key: value
                for key, value in vars(found.get_prices(datetime.now(UTC), context)).items()
                if value is not None
            }
    return None


def by_hand(data: dict[str, Any]) -> float | None:
    """Dollars for what `expect` says was used; None where nothing, or no price, is known."""
    expect, provider = data["expect"], data["provider"]
    try:
        response = json.loads(data["response"].get("body") or "null")
    except ValueError:  # a stream
        response = None
    if expect["http_status"] >= 400:
        return None
    usage = response.get("usage") if isinstance(response, dict) else None
    if isinstance(usage, dict) and isinstance(usage.get("cost"), dict):
        return float(usage["cost"]["total_cost"])
    if isinstance(expect.get("cost"), (int, float)):
        return float(expect["cost"])
    used_in, used_out = expect.get("input_tokens"), expect.get("output_tokens")
    if used_in is None and used_out is None:
        return None
    tier = expect.get("service_tier")
    context = (
        {"processing": "batch"}
        if tier == "batch"
        else {"service_tier": tier}
        if tier not in {None, "default", "standard", "auto", "on_demand"}
        else {}
    )
    prices = unit_prices(provider, expect.get("model") or expect.get("request_model") or "", context)
    if prices is None:
        return None
    read, written = expect.get("cached_input_tokens") or 0, expect.get("cache_creation_input_tokens") or 0
    whole = (used_in or 0) + (read + written if data["sdk"]["package"] == "anthropic" else 0)
    if read + written > whole:
        return None

    def price(name: str, instead: str | None = None) -> float:
        value: Any = prices.get(name, prices.get(instead or ""))
        if value is None:
            return 0.0
        if isinstance(value, types.TieredPrices):
            above = [tier.price for tier in value.tiers if whole > tier.start]
            value = above[-1] if above else value.base
        return float(value) / 1_000_000

    audio_input, audio_output = expect.get("audio_input_tokens") or 0, expect.get("audio_output_tokens") or 0
    if data["kind"].startswith("audio-transcription"):
        audio_input = whole  # nothing else follows
    hour = expect.get("cache_creation_1h_tokens") or 0
    plain = whole - read - written - audio_input
    total = plain * price("input_mtok") + read * price("cache_read_mtok", "input_mtok")
    total += (written - hour) * price("cache_write_mtok", "input_mtok")
    total += hour * price("cache_write_1h_mtok", "cache_write_mtok")
    total += audio_input * price("input_audio_mtok", "input_mtok") + audio_output * price(
        "output_audio_mtok", "output_mtok"
    )
    total += ((used_out or 0) - audio_output) * price("output_mtok")
    items = expect.get("output_types") or []
    searches = (expect.get("web_search_requests") or 0) + items.count("web_search_call")
    total += searches * float(prices.get("web_searches_kcount", 0)) / 1000
    total += items.count("file_search_call") * float(prices.get("storage_searches_kcount", 0)) / 1000
    return total + 0.03 * min(1, items.count("code_interpreter_call"))  # one container


@pytest.mark.parametrize("recording", recordings(), ids=lambda recording: recording.id)
def test_cost(recording: Recording) -> None:
    loaded = recording.load()
    record = record_of(recording)
    details = record.cost_details or {}
    if record.cost is None:
        assert details["certainty"] == "unknown"
        assert details["unknown"]
    wanted = by_hand(loaded)
    if wanted is not None and not details.get("unknown", "").startswith(("token counting", "moderation", "billed")):
        assert record.cost == pytest.approx(wanted, rel=1e-9, abs=1e-12), json.dumps(details)
    elif record.cost is not None:
        assert details["tier"] == "standard", (
            "what expect does not know is a unit of its own: characters, seconds, images"
        )
