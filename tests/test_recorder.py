"""The recorder: what users hold."""

from __future__ import annotations

import importlib.metadata

import pytest

import autolog
from autolog.errors import PatchError


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
