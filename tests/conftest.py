"""Fixtures for all tests: a clean environment, a fresh recorder for tests that need one, and no swallowed errors."""

from __future__ import annotations

import functools
import gc
import importlib.metadata
import importlib.util
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse.running import start_front
from engines import empty_store

import autolog
from autolog import _guard
from autolog.testing import Records, capture

SHARED = Path(__file__).parents[2] / "shared"
#: A ClickHouse server to test on; without one, the tests run its engine in a local process.
CLICKHOUSE = os.environ.get("AUTOLOG_TEST_CLICKHOUSE_URL")
#: Every client of an SDK loads the certificates that the machine trusts, which takes 20 ms. The tests call no foreign
#: host, so they and the programs that they start trust a single certificate, whose key nobody has.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("certificate.pem"))
#: logfire, installed for its own tests, is a plugin of pydantic: every process that defined a model would import it.
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "logfire-plugin"
#: To patch all SDKs, their versions are read from files, which takes 60 ms. Thousands of tests patch them.
_read = importlib.metadata.version
_version = functools.cache(lambda name, path: _read(name))
importlib.metadata.version = functools.wraps(_read)(lambda name: _version(name, tuple(sys.path)))
if importlib.util.find_spec("hypothesis"):  # the environments of `tests/beside` may have pytest only
    from hypothesis import HealthCheck, settings

    # Tests with generated values do not fail on a slow machine.
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")
#: Modules whose tests take 20 seconds or more each.
LONGEST = {"test_schema.py"}


@pytest.fixture(autouse=True)
def clean_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Remove AUTOLOG_* variables, change to an empty folder, raise autolog's errors, and undo patches afterwards."""
    for name in list(os.environ):
        if name.startswith(("AUTOLOG_", "OPENAI_", "ANTHROPIC_", "AZURE_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_guard, "strict", True)
    yield
    autolog.unpatch()
    autolog.shutdown()
    autolog.autolog._config = None
    failures = dict(_guard.failures)
    _guard.failures.clear()
    assert not failures, f"autolog failed inside: {failures}"


@pytest.fixture(scope="module", autouse=True)
def young_heap() -> None:
    """Exclude imported SDKs from garbage collection, which otherwise takes 0.2 s each time."""
    gc.freeze()


@pytest.fixture
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the test its own temporary folder, because the machine's contains files of other programs."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def records() -> Iterator[Records]:
    """Collect the records made during the test."""
    with capture() as kept:
        yield kept


@pytest.fixture
def patched(records: Records) -> Records:
    """Collect the records made during the test, with both SDKs patched."""
    autolog.patch_openai()
    autolog.patch_anthropic()
    return records


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="The whole fault suite and fuzzing, for many minutes.")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Return 1.5 workers per core for `-n auto`, because many tests wait for processes, timers and browsers."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores * 3 // 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Run a module's tests on one worker, where they share servers and browsers, unless another worker is idle."""
    if config.getvalue("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest tests first, so that no worker is alone with them at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> bool:
    """Return whether to run the long version of a test rather than the one that runs for every change."""
    return bool(request.config.getoption("--thorough"))


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a ClickHouse server, without a database."""
    if CLICKHOUSE is not None:
        yield CLICKHOUSE.rstrip("/")
        return
    if importlib.util.find_spec("chdb") is None:
        if os.environ.get("CI"):
            pytest.fail("the tests of the ClickHouse store need chdb")
        pytest.skip("no ClickHouse: pip install chdb, or set AUTOLOG_TEST_CLICKHOUSE_URL")
    process, address = start_front(tmp_path_factory.mktemp("chdb"))
    yield f"clickhouse://default@{address}"
    process.kill()
    process.wait()


@pytest.fixture
def clickhouse_url(clickhouse_server: str) -> Iterator[str]:
    """Create a ClickHouse database for the test, and drop it afterwards."""
    from autolog.stores.clickhouse._client import Database
    from autolog.stores.clickhouse._url import read_url

    url = f"{clickhouse_server}/autolog_{uuid.uuid4().hex[:12]}"
    yield url
    database = Database(read_url(url))
    database.command(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} SYNC", database=False)
    database.close()


@pytest.fixture(params=["sqlite", "clickhouse"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty store, of each engine in turn."""
    return empty_store(request, tmp_path)
