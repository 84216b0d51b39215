"""The README and the documents that it links to: links work, and everything public is mentioned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import autolog
from autolog._config import NAMES
from autolog.cli import COMMANDS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *(ROOT / "autolog").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
REFERENCE = (ROOT / "autolog" / "REFERENCE.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", text):
        if target.startswith(("http://", "https://")):
            continue
        there = page.parent / target if target else page
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            assert anchor[1:] in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, (
                anchor
            )


def test_docstrings_and_comments_name_files_that_are_there() -> None:
    sources = [path for folder in ("autolog", "tests", "examples") for path in (ROOT / folder).rglob("*.py")]
    named = {
        (str(path.relative_to(ROOT)), name)
        for path in sources
        for name in re.findall(r"`((?:autolog|tests|examples)/[\w/.-]+\.(?:py|md))`", path.read_text())
    }
    assert [(path, name) for path, name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_reference_has_every_option() -> None:
    assert [name for name in NAMES if f"`{name}`" not in REFERENCE] == []


def test_the_reference_has_every_command() -> None:
    assert [name for name in COMMANDS if f"`autolog {name}" not in REFERENCE] == []


def test_the_readme_names_what_there_is_to_import() -> None:
    text = "".join(page.read_text() for page in PAGES)
    names = [name for name in autolog.__all__ if name.islower() and not name.startswith(("__", "unpatch", "patch_"))]
    assert [name for name in names if f"{name}(" not in text and f"`{name}`" not in text] == []
