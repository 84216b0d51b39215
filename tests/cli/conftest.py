"""Stores for the commands to read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commands import NASTY, NOON

from autolog._record.record import Record
from autolog.stores import open_store
from autolog.stores._contract import Store

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _apart(own_temporary_folder: Path) -> None:
    """Tell nothing of what other programs have lost on this machine."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(f"sqlite:///{tmp_path}/.autolog/logs.db")
    chat = {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi?"}],
    }
    answer = {"model": "gpt-4o-1", "choices": [{"message": {"role": "assistant", "content": "Hello\x1b[31m red",
              "tool_calls": [{"id": "c", "function": {"name": "look", "arguments": "{}"}}]}}]}  # fmt: skip
    opened.write(
        [
            Record(
                id="0001", created_at=NOW - timedelta(hours=3), name="chat gpt-4o", request_model="gpt-4o", duration=1.5,
                request_url="https://api.openai.com/v1/chat/completions", request_body=json.dumps(chat).encode(),
                response_body=json.dumps(answer).encode(), usage_input_tokens=1200, usage_output_tokens=34, cost=0.0125,
                trace_id="a" * 32, span_id="1" * 16, parent_span_id="2" * 16, user="u", tags=["t"], metadata={"k": "v"},
                start_time=NOW - timedelta(hours=3), provider_name="openai",
            ),
            Record(
                id="0002", created_at=NOW - timedelta(hours=3), name="answer", kind="function", duration=2.0,
                trace_id="a" * 32, span_id="2" * 16, request_body=b'{"q":"Hi?"}', response_body=b'"Hello"',
                start_time=NOW - timedelta(hours=3, seconds=0.2),
            ),
            Record(id="0003", created_at=NOW, name="chat m", request_model="m", status="error", status_code=429,
                   error_type="rate_limit", error_message="slow down"),
        ]
    )  # fmt: skip
    return opened


@pytest.fixture
def ten_records() -> Store:
    """Ten records in the default place, some of them difficult."""
    opened = open_store("sqlite:///.autolog/logs.db")
    opened.write(
        [
            Record(
                id=f"id-{n}", created_at=NOON + timedelta(seconds=n), start_time=NOON, name=NASTY if n == 3 else "chat",
                request_model="gpt-4o" if n % 2 else None, provider_name="openai", cost=0.1 * n if n else None,
                usage_input_tokens=n * 100, usage_output_tokens=n, duration=n / 10, tags=["a", "b"] if n > 5 else [],
                metadata={"k": [n, None, {"x": "y"}]}, tool_calls=[{"id": None, "name": "f", "arguments": "{}"}],
                request_body=b'{ "spaces":  1.0 }', response_body=b"\xff\x00binary" if n == 4 else NASTY.encode(),
                prompt_template="text" if n else {"a": 1}, usage={"prompt_tokens": 5},
                request_url="https://api.openai.com/v1/chat/completions", status_code=200, truncated=n == 2,
            )
            for n in range(10)
        ]
    )  # fmt: skip
    return opened
