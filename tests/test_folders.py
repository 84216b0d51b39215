"""Creating private files."""

import os
import stat
from pathlib import Path

import pytest

from autolog._folders import make_private


@pytest.mark.parametrize("mknod", [True, False], ids=["with mknod", "as on Windows"])
def test_a_private_file_is_made_once_and_then_left_alone(
    mknod: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not mknod:
        monkeypatch.delattr(os, "mknod")
    file = tmp_path / "logs.db"
    make_private(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("content")
    make_private(file)
    assert file.read_text() == "content"
