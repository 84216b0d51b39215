"""Run commands in tests, and read the stores that they write."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from click.testing import CliRunner, Result

from autolog.cli import cli

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NASTY = 'naïve "quoted"\n=cmd()\x1b[31m\u202e{"a": [1]}'


def run(*args: str, **options: Any) -> Result:
    result = CliRunner().invoke(cli, list(args), **options)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def output(*args: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, list(args), env={"COLUMNS": "160"})
    assert result.exit_code == code, result.output
    return result.output
