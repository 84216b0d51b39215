"""A pytest plugin that records what a test suite calls: `pytest -p suite_plugin`, for `sdk_suites.py`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

import autolog


def pytest_configure(config: pytest.Config) -> None:
    folder = Path(tempfile.mkdtemp())
    autolog.configure(store=f"sqlite:///{folder}/logs.db", journal=f"{folder}/journal.db")
    autolog.patch()


def pytest_unconfigure(config: pytest.Config) -> None:
    autolog.flush()
    status = autolog.status()
    print(f"\nautolog: {status['written']} records, failures {status['failures']}, unrecorded {status['unrecorded']}")
