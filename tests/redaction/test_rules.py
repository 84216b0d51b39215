"""The user's redaction rules are validated when they are configured."""

from __future__ import annotations

from typing import Any

import pytest

import autolog
from autolog import ConfigError


@pytest.mark.parametrize("rules", ["(", 5, [print, len], {"pattern": "x"}, {"function": "x"}, {"patterns": [5]}, ""])
def test_impossible_rules_are_refused(rules: Any) -> None:
    with pytest.raises(ConfigError, match="redact"):
        autolog.configure(redact=rules)


def test_rules_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOLOG_REDACT", r"\d{4}")
    with autolog.testing.capture() as records, autolog.span("s") as span:
        span.set(output="1234 or 12")
    assert records[0].response_body == b'"[REDACTED] or 12"'
