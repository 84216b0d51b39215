"""The recorder, the object that users call."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import tempfile
from pathlib import Path

import pytest

import autolog
from autolog import _guard
from autolog._capture import inventory
from autolog.errors import PatchError
from autolog.stores import open_store
from autolog.stores.query import Query


def test_status_says_why_an_sdk_is_not_patched_until_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as old:
        old.setattr(importlib.metadata, "version", lambda name: "0.1" if name == "openai" else "99.0")
        patched = autolog.patch()
        assert "anthropic" in patched
        assert "openai" not in patched
        assert list(autolog.status()["unpatched"]) == ["openai"]
        with pytest.raises(PatchError, match="too old"):
            autolog.patch_openai()
        assert "0.1 is too old" in autolog.status()["unpatched"]["openai"]
    autolog.patch_openai()
    assert autolog.status()["unpatched"] == {}
    assert {"openai", "anthropic"} <= set(autolog.status()["patched"])


def test_an_sdk_that_is_no_longer_wanted_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as old:
        old.setattr(importlib.metadata, "version", lambda name: "0.1")
        autolog.patch()
    autolog.unpatch()
    assert autolog.status()["unpatched"] == {}


@pytest.mark.skipif(os.name != "posix", reason="limits are of POSIX")
def test_status_answers_even_if_no_file_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    assert autolog.status()["sdks"]
    inventory.version_of.cache_clear()
    read = inspect.unwrap(importlib.metadata.version)  # from the file, whatever is known
    monkeypatch.setattr(importlib.metadata, "version", read)
    monkeypatch.setattr(_guard, "strict", False)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        status = autolog.status()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        inventory.version_of.cache_clear()
        _guard.failures.clear()
    assert (status["enabled"], status["sdks"], status["failures"]) == (True, [], {"listing SDKs": 1})


def test_status_answers_even_if_the_journal_cannot_be_read(tmp_path: Path) -> None:
    autolog.configure(journal=str(tmp_path))  # a folder
    assert autolog.status()["journalled"] == 0


def ids_in(path: Path) -> list[str]:
    store = open_store(f"sqlite:///{path}")
    try:
        return [record.id for record in store.find(Query(), 10)]
    finally:
        store.close()


def test_records_stay_where_the_program_was_when_it_changes_its_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, later = tmp_path / "begun", tmp_path / "later"
    started.mkdir()
    later.mkdir()
    monkeypatch.chdir(started)
    monkeypatch.setenv("AUTOLOG_STORE", "sqlite:///logs.db")
    with autolog.span("before"):
        pass
    monkeypatch.chdir(later)  # before a thread has opened the store
    assert autolog.flush(10)
    assert (started / "logs.db").exists()
    assert "before" in str(autolog.show(next(iter(ids_in(started / "logs.db")))))
    assert list(later.iterdir()) == []


def test_a_working_directory_that_is_gone_stops_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(gone)
    gone.rmdir()
    autolog.patch_openai()
    with autolog.span("kept"):
        pass
    autolog.shutdown()
    monkeypatch.chdir(tmp_path)
    assert list(tmp_path.glob("autolog-*/journal-*.db"))
