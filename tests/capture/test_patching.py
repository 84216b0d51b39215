"""The recorder's patch and unpatch methods, a pair for each SDK."""

from __future__ import annotations

import inspect

import pytest

import autolog
from autolog import Recorder
from autolog.providers import SDKS


@pytest.mark.parametrize("sdk", SDKS)
def test_every_sdk_has_a_documented_pair(sdk: str) -> None:
    for name in (f"patch_{sdk}", f"unpatch_{sdk}"):
        method = getattr(Recorder, name)
        assert method.__qualname__ == f"Recorder.{name}"
        assert sdk in (inspect.getdoc(method) or "")
        assert getattr(autolog, name).__func__ is method


def test_libraries_that_are_patched_later_know_the_hosts_that_were_configured_before() -> None:
    recorder = Recorder()
    recorder.configure(hosts={"llm.internal": "openai"}, enabled=False)
    recorder.patch_http()
    try:
        assert recorder._libraries is not None
        assert dict(recorder._libraries._hosts) == {"llm.internal": "openai"}
    finally:
        recorder.unpatch_http()
        recorder.shutdown()
