"""Items billed per unit, and surcharges for regional inference."""

from __future__ import annotations

import pytest

from autolog._pricing.cost import Terms, price
from autolog._pricing.tariff import PARTS
from autolog._pricing.units import UNITS, geo_factor
from autolog.providers import Usage


def test_every_unit_has_a_price_a_part_of_the_bill_and_a_dated_source() -> None:
    for name, unit in UNITS.items():
        assert unit.dollars > 0, name
        assert unit.part in PARTS, name
        assert "read 20" in unit.source.page, name


def test_units_add_to_the_bill_and_an_unknown_one_makes_it_unknown() -> None:
    used = Usage(input=1_000_000, output=0, units={"container 1g": 2})
    priced = price("openai", ("gpt-4o",), used, Terms(), None)
    assert (priced.cost, priced.details["certainty"]) == (pytest.approx(2.56), "exact")
    used.units = {"container 1t": 1}
    unknown = price("openai", ("gpt-4o",), used, Terms(), None)
    assert (unknown.cost, unknown.details["unknown"]) == (None, "no published price for: container 1t")


@pytest.mark.parametrize(
    ("seller", "model", "geo", "factor"),
    [
        ("anthropic", "claude-opus-4-6", "us", 1.1), ("anthropic", "claude-sonnet-4-5", "us", 1.0),
        ("anthropic", "claude-opus-4-6", "eu", None), ("google", "claude-haiku-4-5", "europe-west1", 1.1),
        ("google", "claude-3-5-haiku", "us-east5", 1.0), ("openai", "gpt-5", "eu", None),
    ],
)  # fmt: skip
def test_what_a_place_costs_more(seller: str, model: str, geo: str, factor: float | None) -> None:
    assert geo_factor(seller, model, geo) == factor


def test_another_sellers_units_are_an_estimate() -> None:
    used = Usage(units={"image of dall-e-2, 1024x1024": 1})
    assert price("openai", ("dall-e-2",), used, Terms(), None).details["certainty"] == "exact"
    assert price("zai", ("dall-e-2",), used, Terms(), None).details["certainty"] == "estimated"
