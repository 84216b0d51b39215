"""Following the import of a module."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest

from autolog import _guard
from autolog._capture.imports import follow_import

_numbers = count()


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of a module that can be imported and has never been."""
    name = f"followed_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text("value = object()\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def test_a_follower_is_called_once_however_often_it_follows(name: str) -> None:
    seen: list[ModuleType] = []
    follow_import(name, seen.append)
    follow_import(name, seen.append)
    assert seen == []
    assert seen == [importlib.import_module(name)]


def test_an_import_that_has_happened_is_not_followed_but_the_next_one_is(name: str) -> None:
    seen: list[ModuleType] = []
    importlib.import_module(name)
    follow_import(name, seen.append)
    assert seen == []
    for _ in range(2):
        del sys.modules[name]
        follow_import(name, seen.append)
        importlib.import_module(name)
    assert len(seen) == 2


def test_an_error_of_a_follower_does_not_reach_the_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "strict", False)
    seen: list[ModuleType] = []

    def fail(module: ModuleType) -> None:
        raise LookupError(module)

    follow_import(name, fail)
    follow_import(name, seen.append)
    assert seen == [importlib.import_module(name)]
    assert _guard.failures.pop(f"following the import of {name}") == 1
