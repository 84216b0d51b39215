"""The command line, as a terminal person meets it."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

import autolog
from autolog._record.record import FIELDS, Record
from autolog.cli import COMMANDS, cli, main
from autolog.stores import open_store
from autolog.stores._contract import Store

NOW = datetime.now(UTC)


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


def run(*args: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, list(args), env={"COLUMNS": "160"})
    assert result.exit_code == code, result.output
    return result.output


def test_logs(store: Store) -> None:
    lines = [line for line in run("logs").splitlines() if line.strip()]
    assert "0003" in lines[2]
    assert "429 rate_limit" in lines[2]
    assert "1,200 → 34" in run("logs")
    assert "$0.0125" in run("logs")


@pytest.mark.parametrize(
    ("args", "found"),
    [
        ([], ["0003", "0001", "0002"]),
        (["--limit", "1"], ["0003"]),
        (["--errors"], ["0003"]),
        (["--status", "ok", "--kind", "llm"], ["0001"]),
        (["--model", "gpt-4o", "--user", "u", "--tag", "t", "--metadata", "k=v"], ["0001"]),
        (["--since", "1h"], ["0003"]),
        (["--until", "1h", "--name", "answer"], ["0002"]),
        (["--trace", "a" * 32], ["0001", "0002"]),
        (["--text", "slow"], ["0003"]),
        (["--provider", "openai"], ["0001"]),
    ],
)
def test_filters(store: Store, args: list[str], found: list[str]) -> None:
    assert sorted(json.loads(line)["id"] for line in run("logs", "--json", *args).splitlines()) == sorted(found)


def test_json_has_every_field(store: Store) -> None:
    record = json.loads(run("logs", "--json").splitlines()[0])
    assert set(record) == set(FIELDS) - {"request_body", "response_body"}
    shown = json.loads(run("show", "0001", "--json"))
    assert shown["request_body"]["messages"][1]["content"] == "Hi?"
    assert shown["cost"] == 0.0125


def test_show(store: Store) -> None:
    page = run("show", "0001")
    for text in ("system", "Be brief.", "assistant", "Hello\\x1b[31m red", "calls look({})", "1,200 → 34", "1.50 s"):
        assert text in page
    assert "\x1b[31m" not in page
    assert '"q": "Hi?"' in run("show", "0002")
    assert "slow down" in run("show", "0003")
    assert json.loads(run("show", "0001", "--raw").splitlines()[0])["model"] == "gpt-4o"


def test_trace(store: Store) -> None:
    lines = run("trace", "0001").splitlines()
    assert "answer" in lines[1]
    assert "chat gpt-4o" in lines[2]
    assert lines[2].startswith("    └")
    assert len(run("trace", "a" * 32, "--json").splitlines()) == 2


def test_stats(store: Store) -> None:
    assert "gpt-4o" in run("stats")
    rows = [json.loads(line) for line in run("stats", "--by", "status", "--json").splitlines()]
    assert {row["group"]: row["calls"] for row in rows} == {"error": 1, "ok": 1}
    for group in ("day", "hour", "user", "provider", "session", "name", "kind", "error_type"):
        run("stats", "--by", group)


def test_tail(store: Store) -> None:
    later = threading.Timer(0.3, store.write, [[Record(id="0004", name="late"), Record(id="0005", name="later")]])
    later.start()
    assert [json.loads(line)["id"] for line in run("tail", "--json", "--limit", "2").splitlines()] == ["0004", "0005"]
    later.join()


def test_wrong_usage(store: Store) -> None:
    assert "is no time such as" in run("logs", "--since", "soon", code=2)
    assert "is neither ok nor error" in run("logs", "--status", "fine", code=2)
    assert "is given twice" in run("logs", "--status", "ok", "--errors", code=2)
    assert "is before since" in run("logs", "--since", "1h", "--until", "2h", code=2)
    assert "not of the form key=value" in run("logs", "--metadata", "x", code=2)
    assert "No such option" in run("logs", "--nonsense", code=2)
    assert "No such command" in run("lgos", code=2)
    assert "no single record" in run("show", "nobody", code=1)
    assert "no single record" in run("show", "000", code=1)
    assert "no trace or record" in run("trace", "nobody", code=1)


def test_nothing_there_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["logs"])
    assert left.value.code == 1
    assert "there are no logs yet" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_command_has_help() -> None:
    listed = run("--help")
    for name in COMMANDS:
        assert name in listed
        assert "Usage: " in run(name, "--help")


def test_demo(tmp_path: Path) -> None:
    printed = run("demo")
    for text in ("plan_trip", "get_weather", "chat gpt-4o-mini", "chat claude-sonnet-5", "404", "autolog show "):
        assert text in printed
    autolog.shutdown()
    records = [json.loads(line) for line in run("logs", "--json").splitlines()]
    assert len(records) == 11
    assert {record["trace_id"] for record in records} == {records[0]["trace_id"]}
    assert {record["user"] for record in records} == {"user:1"}
    tool = next(record for record in records if record["kind"] == "tool")
    plan = next(record for record in records if record["name"] == "App.plan_trip")
    assert tool["parent_span_id"] == plan["span_id"]
    priced = [record for record in records if record["kind"] == "llm" and record["status"] == "ok"]
    assert len(priced) == 3
    assert all(record["cost"] > 0 for record in priced)
    for record in records:
        run("show", record["id"])
