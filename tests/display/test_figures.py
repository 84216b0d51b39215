"""Figures formatted for people."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from autolog._display.figures import dollars, number, safe, seconds, short_id, size, tokens
from autolog._record.record import Record


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0012, "1.2 ms"),
        (0.0123, "12 ms"),
        (0.5, "0.50 s"),
        (99.4, "99.40 s"),
        (120.0, "2.0 min"),
        (7_200, "2.0 h"),
        (864_000, "10.0 d"),
        (-3, "-3.00 s"),
    ],
)
def test_durations_have_a_fitting_unit(value: float | None, shown: str) -> None:
    assert seconds(value) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 bytes"), (1023, "1023 bytes"), (151_552, "148 KiB"), (6_029_312, "5.8 MiB")]
)
def test_sizes_have_a_fitting_unit(count: int, shown: str) -> None:
    assert size(count) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0, "$0.00"),
        (1e-12, "<$0.000000001"),
        (0.0000001, "$0.0000001"),
        (0.00000002468, "$0.000000025"),
        (0.00000123456, "$0.00000123"),
        (0.0125, "$0.0125"),
        (0.9999, "$1.00"),
        (-0.25, "-$0.25"),
        (float("nan"), "–"),
        (0.5, "$0.50"),
        (0.125, "$0.125"),
        (1234.5, "$1,234.50"),
    ],
)
def test_small_amounts_keep_the_digits_that_they_need(value: float | None, shown: str) -> None:
    assert dollars(value) == shown


def test_what_is_unknown_is_not_shown_as_zero() -> None:
    assert (number(None), number(0), number(1234)) == ("–", "0", "1,234")
    assert tokens(Record(id="r")) == ""
    assert tokens(Record(id="r", usage_input_tokens=1000)) == "1,000 → –"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb", "a\\x202eb"),
        ("👩\u200d💻", "👩\u200d💻"),
        (5, "5"),
    ],
)
def test_control_characters_become_visible(text: Any, shown: str) -> None:
    assert safe(text) == shown


def test_of_long_ids_the_end_is_shown_that_tells_them_apart() -> None:
    assert short_id("01a21d77-6267-75cd-8865-7a98beb66115") == "beb66115"
    assert short_id("chatcmpl-1") == "chatcmpl-1"


def test_sums_of_the_same_costs_show_the_same_in_every_order() -> None:
    costs = [0.000526, 2.055e-05, 1.095e-05]
    assert {dollars(a + b + c) for a, b, c in itertools.permutations(costs)} == {"$0.000558"}
