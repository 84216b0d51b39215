"""The messages of the Model Context Protocol; the official client speaks them in `cli/test_mcp.py` and `server/test_mcp.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autolog._display import mcp
from autolog._display.tools import Logs
from autolog.stores import open_store, sql
from autolog.stores.query import Query


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    store = open_store(f"sqlite:///{tmp_path}/logs.db")
    return Logs(
        store, None, lambda part: store.find(Query({"id": part})), lambda query: query,
        lambda statement, query, rows: sql.select(store, statement, query, rows=rows),
    )  # fmt: skip


def ask(logs: Logs, method: str, **params: Any) -> Any:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return json.loads(mcp.reply(json.dumps(message), logs, "1.2.3") or b"null")


def test_a_known_version_is_spoken_and_any_other_is_answered_with_the_newest(logs: Logs) -> None:
    for requested, spoken in (("2025-06-18", "2025-06-18"), ("2031-01-01", mcp.VERSIONS[0]), (None, mcp.VERSIONS[0])):
        result = ask(logs, "initialize", protocolVersion=requested)["result"]
        assert result["protocolVersion"] == spoken
        assert result["serverInfo"] == {"name": "autolog", "version": "1.2.3"}


def test_every_tool_says_what_it_takes_and_all_of_them_take_few_characters(logs: Logs) -> None:
    listed = ask(logs, "tools/list")["result"]["tools"]
    assert all(tool["inputSchema"]["type"] == "object" and tool["description"] for tool in listed)
    assert all(tool["annotations"]["readOnlyHint"] for tool in listed)
    assert len(json.dumps(listed)) < 3_500


def test_filters_are_named_once_and_taken_by_every_tool_that_filters(logs: Logs) -> None:
    listed = {tool["name"]: tool for tool in ask(logs, "tools/list")["result"]["tools"]}
    assert "error, user, session, trace" in listed["find"]["description"]
    for name in ("find", "stats", "cache"):
        assert listed[name]["inputSchema"]["additionalProperties"] == {"type": "string"}
        assert not ask(logs, "tools/call", name=name, arguments={"status": "error", "since": "2h"})["result"]["isError"]
    assert listed["show"]["inputSchema"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("nonsense", -32700), ("[" * 100_000, -32700), ("[]", -32600), ("7", -32600), ('{"jsonrpc": "1.0"}', -32600),
        ('{"jsonrpc": "2.0", "id": 1, "method": "resources/list"}', -32601),
        ('{"jsonrpc": "2.0", "id": 1, "method": ["x"]}', -32601),
        ('{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": 3}', -32602),
    ],
)  # fmt: skip
def test_malformed_messages_are_answered_with_the_code_of_json_rpc(logs: Logs, message: str, code: int) -> None:
    assert json.loads(mcp.reply(message, logs, "1") or b"{}")["error"]["code"] == code


def test_batches_are_answered_together_and_notifications_not_at_all(logs: Logs) -> None:
    ping, notification = (
        '{"jsonrpc": "2.0", "id": 4, "method": "ping"}',
        '{"jsonrpc": "2.0", "method": "notifications/x"}',
    )
    answers = json.loads(mcp.reply(f"[{ping}, {notification}, 5]", logs, "1") or b"")
    assert [answer.get("result", answer.get("error", {}).get("code")) for answer in answers] == [{}, -32600]
    assert mcp.reply(notification, logs, "1") is None
    assert mcp.reply(f"[{notification}]", logs, "1") is None
    assert mcp.reply('{"jsonrpc": "2.0", "id": 1, "result": {}}', logs, "1") is None


def test_wrong_arguments_are_told_to_the_agent(logs: Logs) -> None:
    for name, arguments, says in (
        ("find", {"nonsense": 1}, "find has no argument 'nonsense'; it has limit, sort, model"),
        ("find", {"limit": True}, "limit: True is not an integer"), ("find", {"since": "soon"}, "is not a time such as"),
        ("show", {}, "show needs the argument 'id'"), ("show", {"id": "x"}, "no record has an id like 'x'"),
        ("stats", {"by": "x"}, "by: one of model"), ("nothing", {}, "there is no tool 'nothing'"),
        ("sql", {"select": "drop table log"}, "view"), (None, {}, "name must be a string"), ("find", [1], "an object"),
    ):  # fmt: skip
        result = ask(logs, "tools/call", name=name, arguments=arguments)["result"]
        assert result["isError"], name
        assert says in result["content"][0]["text"]
