"""Which stores a test is run on, if not on those of its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

every_store = pytest.mark.parametrize("store_url", ["sqlite", "clickhouse"], indirect=True)
#: For what does not depend on the store: what is refused or read before it is asked.
sqlite_alone = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


def empty_store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty store of the engine that the fixture's parameter names."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/logs.db"
    url: str = request.getfixturevalue("clickhouse_url")
    return url
