"""What every test gets: a clean environment, a recorder of its own where it asks for one, and no swallowed errors."""

from __future__ import annotations

import gc
import importlib.util
import os
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
#: A ClickHouse server to test on; without one its engine is run here (`tests/clickhouse/front.py`).
CLICKHOUSE = os.environ.get("AUTOLOG_TEST_CLICKHOUSE_URL")


@pytest.fixture(autouse=True)
def clean_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No AUTOLOG_* variable, an empty folder to work in, nothing patched, and our own errors raised."""
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
    """Let the garbage collector look at what a module's tests make, not at all SDKs each time: that takes 0.2 s."""
    gc.freeze()


@pytest.fixture
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder for this test alone: in the machine's lies what other programs have lost or left behind."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def records() -> Iterator[Records]:
    """The records made during the test."""
    with capture() as kept:
        yield kept


@pytest.fixture
def patched(records: Records) -> Records:
    """The records made during the test, with both SDKs patched."""
    autolog.patch_openai()
    autolog.patch_anthropic()
    return records


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="The whole fault suite and fuzzing, for many minutes.")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Of `-n auto`: half as many again as there are cores, for many tests wait for processes, timers and browsers."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores * 3 // 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep tests of a module with one worker, whose servers and browsers they share, as long as none has to wait."""
    if config.getvalue("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> bool:
    """Whether to take all the time that it takes, and not only as much as every change can afford."""
    return bool(request.config.getoption("--thorough"))


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a ClickHouse server, without a database."""
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
    """A ClickHouse database of the test's own; gone when it ends."""
    from autolog.stores.clickhouse._client import Database
    from autolog.stores.clickhouse._url import read_url

    url = f"{clickhouse_server}/autolog_{uuid.uuid4().hex[:12]}"
    yield url
    database = Database(read_url(url))
    database.command(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} SYNC", database=False)
    database.close()


@pytest.fixture(params=["sqlite", "clickhouse"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is, of every engine in turn."""
    return empty_store(request, tmp_path)
