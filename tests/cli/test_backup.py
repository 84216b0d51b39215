"""`autolog backup`."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import output, run

from autolog.errors import AutologError
from autolog.stores._contract import Store


def test_a_copy_holds_what_the_store_does(store: Store, tmp_path: Path) -> None:
    run("backup", f"{tmp_path}/copy.db")
    assert [path.name for path in tmp_path.glob("copy.db*")] == ["copy.db"]
    assert output("logs", "--json", "--store", f"sqlite:///{tmp_path}/copy.db") == output("logs", "--json")


def test_no_file_is_replaced_unasked_and_the_store_never(store: Store, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("of yesterday")
    with pytest.raises(AutologError, match="--force replaces it"):
        run("backup", f"{tmp_path}/copy.db")
    run("backup", "--force", f"{tmp_path}/copy.db")
    with pytest.raises(AutologError, match="is the store itself"):
        run("backup", "--force", f"{tmp_path}/.autolog/logs.db")
    assert len(output("logs", "--json").splitlines()) == 3
