"""A log with plain counts is exact only if it states all that the tariff depends on."""

from __future__ import annotations

import json

from autolog._reading.derive import fill_in
from autolog._record.record import Record


def test_counts_of_a_reporter_are_exact_only_where_all_that_the_tariff_depends_on_is_told() -> None:
    def unstated(provider: str, model: str, **counts: int) -> str | None:
        record = Record(id="r", provider_name=provider, request_model=model, operation_name="chat", usage_input_tokens=100,
                        usage_output_tokens=10, **counts)  # fmt: skip
        fill_in(record)
        return (record.cost_details or {}).get("why")

    assert unstated("groq", "llama-3.3-70b-versatile") is None
    claude = unstated("anthropic", "claude-sonnet-4-5")
    assert claude is not None
    for word in ("service tier", "read from the cache", "written to the cache", "web searches"):
        assert word in claude
    assert "5 minutes" not in claude
    assert "5 minutes" in str(unstated("anthropic", "claude-sonnet-4-5", usage_cache_creation_input_tokens=5))
    assert "audio" in str(unstated("openai", "gpt-4o-audio-preview"))
    assert "audio" not in str(unstated("openai", "gpt-4o"))


def test_a_usage_that_a_layer_above_the_sdks_made_is_not_the_providers_own() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    body = json.dumps({"model": "claude-sonnet-4-5", "choices": [], "usage": usage}).encode()
    above = Record(id="r", provider_name="anthropic", operation_name="chat", response_body=body)
    fill_in(above)
    assert (above.cost_details or {})["certainty"] == "estimated"
