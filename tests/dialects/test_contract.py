"""What every dialect declares, and that the rest of the house reads it there."""

from __future__ import annotations

from pathlib import Path

import pytest

import autolog
from autolog import dialects
from autolog._record.record import Record
from autolog.dialects._fault import Fault
from autolog.server.app import ROUTES, _dialect_at

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("name", dialects.NAMES)
def test_a_dialect_is_called_like_its_module(name: str) -> None:
    assert dialects.get(name).name == name


@pytest.mark.parametrize("name", dialects.shipping())
def test_a_shipping_dialect_makes_one_request_of_its_records(name: str) -> None:
    dialect = dialects.get_shipping(name)
    count = 3 if dialect.batches else 1
    request = dialect.encode_request([Record(id=f"r{number}") for number in range(count)])
    assert request.method == "POST"
    assert request.path.startswith("/")
    assert request.headers["content-type"]
    assert isinstance(request.body, bytes)


def test_a_name_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(LookupError, match=r"'nonsense' is not one of native, otlp, .*promptlayer$"):
        dialects.get("nonsense")


def test_a_vendor_that_takes_no_logs_says_why() -> None:
    with pytest.raises(LookupError, match="no call that inserts; there are native"):
        dialects.get_shipping("cloudflare")
    with pytest.raises(autolog.errors.ConfigError, match="no call that inserts"):
        autolog.configure(endpoint="http://127.0.0.1:9", dialect="cloudflare")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_an_unknown_path_beside_a_route_gets_the_error_of_its_dialect(route: object) -> None:
    assert _dialect_at(route.path) is route.dialect  # type: ignore[attr-defined]


def test_an_unknown_path_elsewhere_gets_our_own_error() -> None:
    assert _dialect_at("/nothing/here").encode_fault(Fault(404, "x")) == {"error": {"message": "x"}}


def test_the_readme_names_every_dialect_that_ships() -> None:
    row = next(line for line in README.read_text().splitlines() if line.startswith("| `dialect`"))
    assert [name for name in dialects.shipping() if f"`{name}`" not in row] == []
