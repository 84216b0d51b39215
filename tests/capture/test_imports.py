"""Following imports, beside other finders and whatever the module's loader is."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest
from wrapt.importer import ImportHookFinder, register_post_import_hook

from autolog import _guard
from autolog._capture.imports import follow_imports

_numbers = count()


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of a module that can be imported and has never been."""
    name = f"followed_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text("value = object()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield name
    sys.modules.pop(name, None)


def _reimport(name: str) -> ModuleType:
    del sys.modules[name]
    return importlib.import_module(name)


def _reload(name: str) -> ModuleType:
    return importlib.reload(sys.modules[name])


@pytest.mark.parametrize("again", [_reimport, _reload])
def test_every_execution_of_a_module_is_followed(name: str, again: Callable[[str], ModuleType]) -> None:
    values: list[object] = []
    follow_imports(name, lambda module: values.append(module.value))
    assert values == []
    first = importlib.import_module(name).value
    second = again(name).value
    assert values == [first, second]


def test_a_module_that_is_imported_already_is_followed_when_it_is_reloaded(name: str) -> None:
    module = importlib.import_module(name)
    seen: list[ModuleType] = []
    follow_imports(name, seen.append)
    importlib.reload(module)
    assert seen == [module]


def test_following_twice_has_no_effect(name: str) -> None:
    seen: list[ModuleType] = []
    follow_imports(name, seen.append)
    follow_imports(name, seen.append)
    assert seen == [importlib.import_module(name)]


def test_the_module_keeps_its_own_loader(name: str) -> None:
    follow_imports(name, lambda _: None)
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    assert "value" in spec.loader.get_source(name)  # type: ignore[attr-defined]
    module = importlib.import_module(name)
    assert module.__spec__ is not None
    assert type(module.__spec__.loader) is type(module.__loader__) is SourceFileLoader


def test_modules_in_an_archive_are_followed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{name}.py").unlink()
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr(f"{name}.py", "value = 1\n")
    monkeypatch.syspath_prepend(tmp_path / "archive.zip")
    seen: list[ModuleType] = []
    follow_imports(name, seen.append)
    assert seen == [importlib.import_module(name)]


@pytest.mark.parametrize("before", [True, False])
def test_the_hooks_of_other_tools_are_called_too(name: str, before: bool) -> None:
    ours: list[ModuleType] = []
    theirs: list[ModuleType] = []
    follow_imports(name, ours.append)
    register_post_import_hook(theirs.append, name)
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, ImportHookFinder)]
    sys.meta_path.insert(0 if before else 1, ImportHookFinder())
    module = importlib.import_module(name)
    assert theirs == [module]
    assert set(ours) == {module}


def test_a_module_that_does_not_exist_is_not_found() -> None:
    follow_imports("followed_but_absent", lambda _: None)
    assert importlib.util.find_spec("followed_but_absent") is None


def test_a_module_that_fails_is_not_followed(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("raise OSError('its own')\n")
    seen: list[ModuleType] = []
    follow_imports(name, seen.append)
    with pytest.raises(OSError, match="its own"):
        importlib.import_module(name)
    assert seen == []


def test_an_error_of_a_follower_does_not_reach_the_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "strict", False)
    seen: list[ModuleType] = []

    def fail(module: ModuleType) -> None:
        raise LookupError(module)

    follow_imports(name, fail)
    follow_imports(name, seen.append)
    assert seen == [importlib.import_module(name)]
    assert _guard.failures.pop(f"following the import of {name}") == 1


def test_a_finder_that_was_taken_out_is_put_back(name: str) -> None:
    follow_imports(name, lambda _: None)
    sys.meta_path[:] = sys.meta_path[1:]
    seen: list[ModuleType] = []
    follow_imports(name, seen.append)
    assert seen == [importlib.import_module(name)]
