"""What every test gets: a clean environment, a recorder of its own where it asks for one, and no swallowed errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import autolog
from autolog import _guard
from autolog.testing import Records, capture

SHARED = Path(__file__).parents[2] / "shared"


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


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> bool:
    """Whether to take all the time that it takes, and not only as much as every change can afford."""
    return bool(request.config.getoption("--thorough"))
