"""Usage objects in the spellings of OpenAI and compatible vendors."""

from __future__ import annotations

from typing import Any

import pytest

from autolog.providers._openai_usage import contradiction, cost_uncertainty, read_usage, reported_cost, usage_in


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 6}, (5, 6)),
        ({"input_tokens": 5, "output_tokens": 6}, (5, 6)),
        ({"input_tokens": 0, "output_tokens": 0, "prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}, (5, 6)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "input_tokens": 5, "output_tokens": 6, "total_tokens": 11}, (5, 6)),
        ({"input_tokens": 0, "output_tokens": 6, "prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}, (5, 6)),
        ({"input_tokens": 0, "output_tokens": 0, "prompt_tokens": 5, "completion_tokens": 6}, (5, 6)),
        ({"input_tokens": None, "output_tokens": None, "prompt_tokens": 5, "completion_tokens": 6}, (5, 6)),
        ({"input_tokens": 5, "completion_tokens": 6}, (5, 6)),
        ({"prompt_tokens": 5, "total_tokens": 5}, (5, None)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (0, 0)),
        ({}, (None, None)),
    ],
)  # fmt: skip
def test_either_spelling_or_both(usage: dict[str, Any], wanted: tuple[int | None, int | None]) -> None:
    read = read_usage(usage)
    assert (read.input, read.output) == wanted


@pytest.mark.parametrize(
    ("total", "output"),
    [pytest.param(115, 105, id="beside"), pytest.param(15, 5, id="inside"), pytest.param(None, 5, id="untold")],
)
def test_reasoning_is_counted_beside_or_inside_as_the_total_says(total: int | None, output: int) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": total}
    read = read_usage({**usage, "completion_tokens_details": {"reasoning_tokens": 100 if total == 115 else 4}})
    assert read.output == output


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        pytest.param({"prompt_tokens": 100}, (100, 20, 60), id="inside"),
        pytest.param({"prompt_tokens": 100, "total_tokens": 150}, (100, 20, 60), id="inside, as the total says"),
        pytest.param({"prompt_tokens": 100, "total_tokens": 230}, (180, 20, 60), id="beside, as the total says"),
        pytest.param({"prompt_tokens": 10}, (90, 20, 60), id="too many to be inside"),
        pytest.param({"input_tokens": 100, "output_tokens": 50}, (180, 20, 60), id="Anthropic's names only"),
        pytest.param({"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 20, "cache_creation_tokens": 60}},
                     (100, 20, 60), id="twice"),
        pytest.param({"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 0}}, (100, 20, 60), id="details of 0"),
    ],
)  # fmt: skip
def test_the_cached_tokens_in_anthropics_names(usage: dict[str, Any], wanted: tuple[int, int, int]) -> None:
    beside = {"completion_tokens": 50, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 60}
    read = read_usage({**beside, **usage})
    assert (read.input, read.cache_read, read.cache_creation) == wanted


def test_details_in_both_spellings() -> None:
    usage = {
        "prompt_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 0},
        "input_tokens_details": {"cached_tokens": 4},
    }
    assert read_usage(usage).cache_read == 4


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"cached_tokens": 0, "prompt_cache_hit_tokens": 3, "prompt_cache_miss_tokens": 6}, 3),
        ({"prompt_tokens_details": {"cached_tokens": 0}, "cached_tokens": 0, "num_cached_tokens": 3}, 3),
        ({"prompt_tokens_details": {}, "cached_tokens": 0}, 0),
        ({"prompt_tokens_details": {"cached_tokens": 0}, "cached_tokens": None}, 0),
        ({"cached_tokens": None}, None),
    ],
)
def test_cached_tokens_are_read_wherever_a_number_is(usage: dict[str, Any], read: int | None) -> None:
    assert read_usage({"prompt_tokens": 9, **usage}).cache_read == read
    assert contradiction({"prompt_tokens": 9, **usage}) is None


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens_details": {"cached_tokens": 1}, "input_tokens_details": {"cached_tokens": 2}},
        {"prompt_tokens_details": {"cached_tokens": 1}, "prompt_cache_hit_tokens": 2},
        {"cached_tokens": 1, "num_cached_tokens": 2},
    ],
)
def test_two_numbers_of_cached_tokens_are_a_contradiction(usage: dict[str, Any]) -> None:
    assert contradiction({"prompt_tokens": 9, **usage}) == "the response says two numbers of cached tokens"


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.5}, 0.5),
        ({"cost": 0.5, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.4}}, 0.5),
        ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.4}}, 0.41),
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_prompt_cost": 0.1, "upstream_inference_completions_cost": 0.2}}, 0.3),
        ({"cost": {"total_cost": 0.7}}, 0.7),
        ({"cost_in_usd_ticks": 5_000_000_000}, 0.5),
        ({"cost": "much"}, None),
    ],
)  # fmt: skip
def test_what_the_provider_says_it_costs(usage: dict[str, Any], cost: float | None) -> None:
    assert reported_cost(usage) == (None if cost is None else pytest.approx(cost))
    assert (cost_uncertainty(usage) is None) == (cost is not None)


def test_ones_own_key_without_the_price_of_its_provider_is_uncertain() -> None:
    usage = {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": None}}
    assert reported_cost(usage) is None
    assert "own key" in str(cost_uncertainty(usage))


def test_an_empty_usage_does_not_hide_a_full_one() -> None:
    assert usage_in({"usage": {}, "choices": [{"usage": {"prompt_tokens": 1}}]}) == {"prompt_tokens": 1}
    assert usage_in({"usage": None, "x_groq": {"usage": {"prompt_tokens": 1}}}) == {"prompt_tokens": 1}
    assert usage_in({"choices": [{}]}) is None
