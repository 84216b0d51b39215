"""The store engines on which a test runs, if they differ from those of its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

every_store = pytest.mark.parametrize("store_url", ["sqlite", "clickhouse"], indirect=True)
#: For behaviour that does not depend on the store, such as requests that are refused before they reach it.
sqlite_alone = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


def empty_store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty store of the engine that the fixture's parameter names."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/logs.db"
    url: str = request.getfixturevalue("clickhouse_url")
    return url
