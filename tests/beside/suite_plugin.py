"""A pytest plugin for `sdk_suites.py` that records a suite's calls: `pytest -p suite_plugin`, also with `-n`."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import autolog

#: The counts of this process and of xdist's workers.
COUNTS: Counter[str] = Counter()


def pytest_configure(config: pytest.Config) -> None:
    folder = Path(tempfile.mkdtemp())
    autolog.configure(store=f"sqlite:///{folder}/logs.db", journal=f"{folder}/journal.db")
    autolog.patch()


def pytest_sessionfinish(session: pytest.Session) -> None:
    autolog.flush()
    status = autolog.status()
    COUNTS["records"] += status["written"]
    COUNTS["unrecorded"] += sum(status["unrecorded"].values())
    COUNTS.update({f"failure: {where}": count for where, count in status["failures"].items()})
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["autolog"] = dict(COUNTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add a worker's counts, unless the worker crashed."""
    COUNTS.update(getattr(node, "workeroutput", {}).get("autolog", {}))


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        print(f"\nautolog: {', '.join(f'{count} {name}' for name, count in COUNTS.items())}")
