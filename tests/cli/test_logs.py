"""`autolog logs`: filters and columns."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from commands import output, run
from rich.cells import cell_len

from autolog._config import config_from
from autolog._delivery.journal import journal_for
from autolog._record.record import FIELDS, Record
from autolog.cli import cli
from autolog.cli._columns import record_lines
from autolog.cli._table import Column, draw
from autolog.stores import open_store
from autolog.stores._contract import Store


def test_logs(store: Store) -> None:
    lines = [line for line in output("logs").splitlines() if line.strip()]
    assert "0003" in lines[2]
    assert "429 rate_limit" in lines[2]
    assert "1,200 → 34" in output("logs")
    assert "$0.0125" in output("logs")


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
    assert sorted(json.loads(line)["id"] for line in output("logs", "--json", *args).splitlines()) == sorted(found)


def test_json_has_every_field(store: Store) -> None:
    record = json.loads(output("logs", "--json").splitlines()[0])
    assert set(record) == set(FIELDS) - {"request_body", "response_body"}
    shown = json.loads(output("show", "0001", "--json"))
    assert shown["request_body"]["messages"][1]["content"] == "Hi?"
    assert shown["cost"] == 0.0125


def test_what_waits_in_the_journal_is_mentioned(store: Store) -> None:
    assert run("logs").stderr == ""
    journal_for(config_from({}), "sqlite:///.autolog/logs.db").add([Record(id="a"), Record(id="b")])
    done = run("logs", "--json")
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr.startswith("2 more in the journal ")


NOW = datetime.now(UTC)
WORDS = ("15:04", "beb60002", "1.50 s", "1,234,567 → 89,012", "$0.000123")


@pytest.fixture
def long_records(tmp_path: Path) -> Store:
    """Return records with long names, errors, users and texts in several scripts."""
    store = open_store(f"sqlite:///{tmp_path}/.autolog/logs.db")
    store.write(
        [
            Record(
                id=f"01a21d77-6267-75cd-8865-7a98beb6{n:04}", created_at=NOW, kind="llm", duration=1.5, cost=0.000123,
                name="chat a-model-with-a-long-name-2026-01-01", user="somebody@example.com", usage_input_tokens=1234567,
                usage_output_tokens=89012, status="error" if n else "ok", error_type="insufficient_quota",
                status_code=429, error_message="東京は日本の首都です。" * 20, session="s", tags=["t"], metadata={"tenant": "t1"},
                prompt_name="greet", prompt_version="3", score=0.5, scores={"tone": {"value": 1, "comment": "good"}},
            )
            for n in range(3)
        ]
    )  # fmt: skip
    return store


@pytest.mark.parametrize("width", [72, 80, 100, 120, 160, 200])
def test_at_any_width_figures_are_whole_and_no_line_is_too_long(long_records: Store, width: int) -> None:
    lines = CliRunner().invoke(cli, ["logs"], env={"COLUMNS": str(width)}).output.splitlines()
    assert all(cell_len(line) <= width for line in lines)
    for line in lines[2:5]:
        assert all(word in line for word in WORDS[2:])
        assert "beb6000" in line
    assert "name" in lines[0]
    assert ("preview" in lines[0]) == (width >= 100)
    assert lines[-1] == "3 records · 3 calls · 3,970,737 tokens · $0.000369 · 2 errors"


@pytest.mark.parametrize(
    "command", [["logs"], ["stats"], ["stats", "--by", "name"], ["stats", "--by", "name", "--compare", "--since", "1h"]]
)
def test_a_narrow_terminal_gets_the_most_important_columns(long_records: Store, command: list[str]) -> None:
    lines = CliRunner().invoke(cli, command, env={"COLUMNS": "40"}).output.splitlines()
    rule = next(number for number, line in enumerate(lines) if line.startswith("─"))
    assert all(cell_len(line) <= 40 for line in lines[rule - 1 :])
    assert "cost" in lines[rule - 1].split()


def test_columns_that_are_kept_to_the_last_are_left_out_from_the_right() -> None:
    columns = [Column("a", leave=-1), Column("b"), Column("c"), Column("d", leave=-2)]
    row = [[("x" * 8, "")]] * 4
    for width, left in ((38, "abcd"), (37, "bcd"), (27, "bc"), (17, "b"), (3, "b")):
        head = "".join(words for words, _ in next(iter(draw(columns, [row], width))))
        assert "".join(head.split()) == left


@pytest.mark.parametrize("command", ["logs", "tail"])
def test_extreme_figures_are_whole_and_leave_room_for_the_name_and_the_error(store: Store, command: str) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=20)
    store.write(
        [
            Record(id="dear", created_at=long_ago, name="chat gpt", kind="llm", duration=123.4, cost=1234.56,
                   usage_input_tokens=123_456_789_012, usage_output_tokens=987_654_321),
            Record(id="failed", created_at=long_ago, name="chat gpt", kind="llm", duration=0.2, status="error",
                   status_code=429, cost=0.00000123 if command == "logs" else None),
        ]
    )  # fmt: skip
    words = [command, "--until", "1d"] + (["--since", "30d", "-n", "2"] if command == "tail" else [])
    lines = CliRunner().invoke(cli, words, env={"COLUMNS": "80"}).output.splitlines()
    assert all(cell_len(line.rstrip()) <= 80 for line in lines)
    (dear,) = (line for line in lines if "dear" in line)
    assert all(word in dear for word in ("chat", "2.1 min", "123.5B → 987.7M", "$1,234.56"))
    (failed,) = (line for line in lines if "failed" in line)
    assert all(word in failed for word in ("chat", "429", "0.20 s"))


def test_wide_and_piped_nothing_is_cut(long_records: Store) -> None:
    for args in (["logs", "--wide"], ["logs"]):
        shown = CliRunner().invoke(cli, args, env={"COLUMNS": "80" if "--wide" in args else ""}).output
        assert "東京は日本の首都です。" * 20 in shown
        assert "chat a-model-with-a-long-name-2026-01-01" in shown


def test_columns_are_chosen(long_records: Store) -> None:
    shown = output("logs", "--columns", "id,metadata.tenant,score,prompt,tags").splitlines()
    assert shown[0].split() == ["id", "tenant", "score", "prompt", "tags"]
    assert shown[2].split() == ["beb60002", "t1", "tone=1", "0.5", "greet", "3", "t"]
    assert "is not a column; choose from time, id" in output("logs", "--columns", "colour", code=2)
    assert "name some of" in output("logs", "--columns", ",", code=2)


def test_points_of_money_stand_under_each_other(store: Store) -> None:
    store.write([Record(id=f"c{n}", kind="llm", cost=cost) for n, cost in enumerate([12.5, 0.000123, 0.5, 1234.0])])
    lines = output("logs", "--columns", "id,cost").splitlines()[2:-1]
    points = {line.rindex(".") for line in lines if "$" in line}
    assert len(points) == 1


def test_a_tiny_amount_beside_a_huge_one_leaves_the_table_within_the_terminal() -> None:
    records = [Record(id=f"c{n}", kind="llm", cost=cost) for n, cost in enumerate([1_234_567.89, 0.0000000123])]
    for width, costs in (
        (22, ["$1,234,567.89", " $0.000000012"]),  # on the right
        (40, ["$1,234,567.89       ", "        $0.000000012"]),  # on the point
    ):
        lines = ["".join(words for words, _ in line) for line in record_lines(records, ("id", "cost"), width)]
        assert [line[4:] for line in lines[2:]] == costs


def test_line_breaks_and_tabs_in_a_cell_leave_the_table_whole() -> None:
    records = [Record(id="broken", kind="llm", name="two\nlines\tand a tab"), Record(id="plain", kind="llm", name="x")]
    lines = ["".join(words for words, _ in line) for line in record_lines(records, ("id", "name", "kind"), 80)]
    assert lines[2:] == ["broken  two lines and a tab  llm", "plain   x                    llm"]


def test_how_many_match_is_said(store: Store) -> None:
    assert output("logs", "-n", "1").splitlines()[-1].startswith("1 of 3 records")


def test_a_reader_that_stops_reading_is_no_error(long_records: Store) -> None:
    command = f"{sys.executable} -m autolog logs --json | head -n 1; echo ${{PIPESTATUS[0]}}"
    for pipeline in (command, command.replace("--json", "--wide")):
        done = subprocess.run(["bash", "-c", pipeline], capture_output=True, text=True, timeout=300, check=False)
        assert (done.stdout.splitlines()[-1], done.stderr) == ("0", "")
