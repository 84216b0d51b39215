"""The architecture document matches the source tree."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "autolog"
PAGE = (PACKAGE / "ARCHITECTURE.md").read_text()
NAMES = re.findall(r"`([^`\n]+)`", PAGE)


def test_every_path_that_the_page_names_is_there() -> None:
    paths = [name for name in NAMES if "/" in name or name.endswith((".py", ".toml"))]
    assert len(paths) > 20
    missing = [path for path in paths if not (PACKAGE / path).exists() and not (PACKAGE.parent / path).exists()]
    assert not missing


def test_every_name_that_the_page_mentions_is_defined() -> None:
    source = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    names = [name for name in NAMES if re.fullmatch(r"[A-Za-z_]+", name)]
    assert len(names) > 10
    assert not [
        name
        for name in names
        if not re.search(rf"^\s*(class|def|async def) {name}\b|^{name}\b.* = ", source, re.MULTILINE)
    ]


def test_every_room_is_on_the_page() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert not [room for room in rooms if f"`{room}/`" not in PAGE]
