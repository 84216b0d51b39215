"""The pytest plugin: records to assert on, and a budget that a test must not exceed.

Switch it on with `pytest -p autolog.pytest_plugin`, or `pytest_plugins = ["autolog.pytest_plugin"]` in a conftest. It
is not registered for every pytest run: pytest rewrites all modules of a package that registers a plugin, also those
that our worker thread imports, and parsing in two threads crashes Python 3.11.

    def test_answer(autolog_records):
        answer("What is 2 + 2?")
        assert autolog_records[0].usage_output_tokens < 100

`--autolog-budget 0.05` fails every test whose calls cost more than five cents, and `@pytest.mark.autolog_budget(0.5)`
sets another limit for one test. Both patch the installed SDKs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from autolog.testing import Records


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("autolog")
    group.addoption(
        "--autolog-budget", type=float, metavar="DOLLARS", help="Fail a test whose LLM calls cost more than this."
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "autolog_budget(dollars): fail the test if its LLM calls cost more than this")


@pytest.fixture
def autolog_records() -> Iterator[Records]:
    """Provide the records of this test, as a store would hold them; nothing is written to any store."""
    import autolog
    from autolog.testing import capture

    autolog.patch()
    with capture() as records:
        yield records


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    limit = _limit(item)
    if limit is None or not isinstance(item, pytest.Function):
        yield
        return
    import autolog
    from autolog.testing import Records, capture

    records = item.funcargs.get("autolog_records")
    if isinstance(records, Records):
        yield
        _check(records, limit)
        return
    autolog.patch()
    with capture() as made:
        yield
        _check(made, limit)


def _limit(item: pytest.Item) -> float | None:
    """Return the test's budget in dollars, by its marker or the option; None for no limit."""
    marker = item.get_closest_marker("autolog_budget")
    if marker is None:
        limit: float | None = item.config.getoption("--autolog-budget")
        return limit
    given = [*marker.args, *marker.kwargs.values()]
    if len(given) != 1 or not isinstance(given[0], (int, float)):
        raise pytest.UsageError(f"{item.nodeid}: autolog_budget takes one amount of dollars")
    return float(given[0])


def _check(records: Records, limit: float) -> None:
    calls = [record for record in records if record.kind == "llm"]
    spent = sum(record.cost or 0.0 for record in calls)
    unknown = sum(record.cost is None and record.status == "ok" for record in calls)
    if spent > limit:
        more = f", and {unknown} more of unknown cost" if unknown else ""
        pytest.fail(f"{len(calls)} LLM calls cost ${spent:.6f}{more}; the budget is ${limit:.6f}", pytrace=False)
