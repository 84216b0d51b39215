"""The pytest plugin: assert on records, replay recorded calls, and limit what a test's calls may cost.

Enable it with `pytest -p autolog.pytest_plugin`, or `pytest_plugins = ["autolog.pytest_plugin"]` in a conftest. It is
not registered for every pytest run, because pytest rewrites all modules of a package that registers a plugin, including
those that autolog's worker thread imports, and parsing in two threads crashes Python 3.11.

    def test_answer(autolog_records):
        answer("What is 2 + 2?")
        assert autolog_records[0].usage_output_tokens < 100

    @pytest.mark.autolog_replay("cassettes/sum.yaml")
    def test_sum(autolog_replay):
        answer("What is 2 + 2?")  # from the cassette beside the test; nothing goes to the network

The marker takes the arguments of `autolog.testing.replay`. Without the marker, or without a source in it, a test's
cassette is `cassettes/<file>/<test>.yaml` next to its file. `--autolog-replay=once` records missing cassettes.

`--autolog-budget 0.05` fails every test whose calls cost more than five cents, and `@pytest.mark.autolog_budget(0.5)`
sets another limit for one test. Both patch the installed SDKs.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from autolog.testing import Records, Replay


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("autolog")
    group.addoption(
        "--autolog-budget", type=float, metavar="DOLLARS", help="Fail a test whose LLM calls cost more than this."
    )

    group.addoption(
        "--autolog-replay", choices=["strict", "once"], default="strict",
        help="once: a test without a cassette makes its calls, and they are recorded.",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "autolog_budget(dollars): fail the test if its LLM calls cost more than this")
    config.addinivalue_line(
        "markers",
        "autolog_replay(source, **options): what the fixture autolog_replay replays, as autolog.testing.replay",
    )


@pytest.fixture
def autolog_records() -> Iterator[Records]:
    """Provide the records of this test, as a store would hold them, without writing to any store."""
    import autolog
    from autolog.testing import capture

    autolog.patch()
    with capture() as records:
        yield records


@pytest.fixture
def autolog_replay(request: pytest.FixtureRequest) -> Iterator[Replay]:
    """Answer the calls of this test from recorded ones, and provide the `Replay`."""
    from autolog import AutologError
    from autolog.testing import NotRecorded, replay

    marker = request.node.get_closest_marker("autolog_replay")
    options: dict[str, Any] = {
        "mode": request.config.getoption("--autolog-replay"),
        **(marker.kwargs if marker else {}),
    }
    source = marker.args[0] if marker and marker.args else options.pop("source", None)
    if "://" not in str(source):
        source = request.path.parent / (source or _cassette(request.path, request.node.name))
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.suppress(NotRecorded))  # the test itself has already failed
        try:
            playing = stack.enter_context(replay(source, **options))
        except AutologError as error:
            pytest.fail(f"{error}; --autolog-replay=once records what is missing", pytrace=False)
        yield playing


def _cassette(file: Path, test: str) -> Path:
    """Return the path of a test's cassette, relative to the folder of its file."""
    return Path("cassettes", file.stem, re.sub(r"[^\w.-]+", "_", test).strip("_") + ".yaml")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    playing: Any = item.funcargs.get("autolog_replay") if isinstance(item, pytest.Function) else None
    if playing is None:
        yield from _within_budget(item)
        return
    try:
        yield from _within_budget(item)
    except BaseException:
        playing.discard()
        raise
    _check_replay(playing)


def _check_replay(playing: Replay) -> None:
    """Fail a test that made a request which was not recorded, even if the test caught the error."""
    from autolog.testing import NotRecorded

    try:
        playing.check()
    except NotRecorded as error:
        pytest.fail(str(error), pytrace=False)


def _within_budget(item: pytest.Item) -> Iterator[None]:
    """Run a test inside its budget, if it has one."""
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
    with capture() as calls:
        yield
        _check(calls, limit)


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
    from autolog.testing._budget import budget_problem

    if (problem := budget_problem(records, limit)) is not None:
        pytest.fail(problem, pytrace=False)
