"""`autolog mcp`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp_clients import failed_run, use_every_tool, with_client

from autolog.cli._standin import standin
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.query import Query

CODE = "import sys; from autolog.cli import main; main(['mcp', *sys.argv[1:]])"


@pytest.fixture
def run_store(tmp_path: Path) -> Store:
    opened = open_store("sqlite:///.autolog/logs.db")
    opened.write(failed_run())
    return opened


def test_the_official_client_lists_and_calls_every_tool(run_store: Store) -> None:
    def connect() -> object:
        from mcp import StdioServerParameters

        return StdioServerParameters(command=sys.executable, args=["-c", CODE, "--project", "default"])

    with_client(connect, use_every_tool)


def _answers(*messages: Any, args: tuple[str, ...] = (), env: dict[str, str] | None = None) -> list[dict[str, Any]]:
    lines = "".join((message if isinstance(message, str) else json.dumps(message)) + "\n" for message in messages)
    done = subprocess.run([sys.executable, "-c", CODE, *args], input=lines, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _call(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": tool, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def test_nonsense_is_answered_and_ends_nothing(run_store: Store) -> None:
    answers = _answers("nonsense", "", {"jsonrpc": "2.0", "method": "notifications/x"}, _call("find", limit=1))
    assert answers[0]["error"]["code"] == -32700
    assert answers[1]["result"]["content"][0]["text"].startswith("run-039")


def test_replay_is_off_unless_allowed(run_store: Store) -> None:
    (refused,) = _answers(_call("replay", id="run-001"))
    assert "there is no tool 'replay'" in refused["result"]["content"][0]["text"]


def test_replay_sends_the_request_again_where_it_is_allowed(run_store: Store) -> None:
    with standin() as address:

        def to_standin(record: Any) -> None:
            record.request_url = f"{address}/v1/chat/completions"

        run_store.update("run-001", "default", to_standin)
        env = {"OPENAI_API_KEY": "k", "PATH": "/usr/bin"}
        listed, answered = _answers(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, _call("replay", id="run-001"),
            args=("--allow-replay",), env=env,
        )  # fmt: skip
    assert "replay" in {tool["name"] for tool in listed["result"]["tools"]}
    assert "which API key" in answered["result"]["content"][0]["text"]  # a key of OpenAI's goes nowhere else
    assert run_store.count(Query({"project": "default"})) == 41
