"""The URLs under which calls are recorded."""

from __future__ import annotations

import pytest

from autolog._record.addresses import operation_url


@pytest.mark.parametrize("target", ["Service.Invoke", b"Service.Invoke", "Invoke", "com.amazon.Service.Invoke"])
@pytest.mark.parametrize("url", ["https://a.example", "https://a.example/"])
def test_an_operation_that_only_a_header_names_is_the_path(url: str, target: str | bytes) -> None:
    assert operation_url(url, target) == "https://a.example/Invoke"


def test_without_that_header_a_url_is_its_own() -> None:
    assert operation_url("https://a.example/model/m/invoke?x=1", None) == "https://a.example/model/m/invoke?x=1"
