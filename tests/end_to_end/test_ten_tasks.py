"""Ten questions that a team has about its logs, each answered by one or two commands at 80 columns."""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import tasks
from click.testing import CliRunner
from live import KEY, live

from autolog.cli import cli
from autolog.stores import open_store


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('tasks')}/logs.db"
    tasks.fill(open_store(url))
    return url


@pytest.fixture(params=["store", "server"], autouse=True)
def logs(request: pytest.FixtureRequest, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Read the store itself, or a server over it: both give the same answers."""
    if request.param == "store":
        monkeypatch.setenv("AUTOLOG_STORE", store_url)
        yield
        return
    with live(store_url) as server:
        monkeypatch.setenv("AUTOLOG_ENDPOINT", server.url)
        monkeypatch.setenv("AUTOLOG_API_KEY", KEY)
        yield


def ask(command: str) -> str:
    """Return what a command says in a terminal of 80 columns."""
    words = shlex.split(command.removeprefix("autolog "))
    result = CliRunner().invoke(cli, words, env={"COLUMNS": "80"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert all(len(line) <= 80 for line in result.output.splitlines() if "─" in line)
    return result.output


def rows(shown: str) -> list[str]:
    """Return the lines of a table, without its heading and total."""
    lines = shown.splitlines()
    return lines[2 : next((index for index, line in enumerate(lines[2:], 2) if line.startswith("─")), len(lines))]


def first_id(shown: str) -> str:
    match = re.search(r"\b[0-9a-f]{8}\b", rows(shown)[0])
    assert match
    return match[0]


def test_the_dearest_user_this_week() -> None:
    shown = ask("autolog stats --by user --since 'this week' --project people --sort cost")
    assert rows(shown)[0].startswith(tasks.DEAREST_USER)
    assert "$27.00" in rows(shown)[0]


def test_the_prompt_that_failed_at_14_05_yesterday() -> None:
    shown = ask("autolog logs --errors --since 'yesterday 14:05' --until 'yesterday 14:06'")
    assert "1 record" in shown
    assert tasks.FAILED_AT_14_05 in ask(f"autolog show {first_id(shown)}")


def test_why_an_agent_run_took_40_s() -> None:
    shown = ask("autolog logs --name restock_agent --sort latency -n 1")
    assert "40.00 s" in shown
    tree = ask(f"autolog trace {first_id(shown)}")
    longest = max(rows(tree.partition("\n")[2])[1:], key=lambda line: line.count("━"))
    assert tasks.SLOW_SPAN in longest
    assert "31.00 s" in longest


def test_all_turns_of_a_session() -> None:
    shown = ask(f"autolog logs --session {tasks.SESSION} --roots --sort oldest --columns time,id,preview")
    assert [line.split("  ")[-1].strip() for line in rows(shown)[: len(tasks.TURNS)]] == tasks.TURNS
    assert "4 records" in shown


def test_which_model_s_errors_rose() -> None:
    shown = ask("autolog stats --by model --project classify --since yesterday --until today --compare")
    lines = {line.split()[0]: line for line in rows(shown)}
    assert "5.0% → 30.0%" in lines[tasks.RISING_MODEL]
    assert "10.0% → 10.0%" in lines["claude-sonnet-5"]


def test_what_project_shop_spent_by_tag() -> None:
    shown = ask("autolog stats --project shop --by tag --sort cost")
    for tag, cost in tasks.SPENT_BY_TAG.items():
        assert f"${cost:.2f}" in next(line for line in rows(shown) if line.startswith(tag))


def test_the_same_call_in_two_prompt_versions() -> None:
    sums = ask("autolog stats --prompt delivery --by prompt_version")
    assert "$0.04" in next(line for line in rows(sums) if line.startswith("v1"))
    shown = ask("autolog logs --prompt delivery --columns id,prompt,cost,score --sort oldest")
    assert "helpful=0.2" in shown
    left, right = (re.search(r"\b[0-9a-f]{8}\b", line)[0] for line in rows(shown)[:2])  # type: ignore[index]
    compared = ask(f"autolog diff {left} {right}")
    assert "- Maybe." in compared
    assert "+ Yes, by Tuesday." in compared
    assert "4.00 s" in compared
    assert "1.50 s" in compared


def test_the_answer_with_a_phrase() -> None:
    shown = ask(f"autolog logs --text {tasks.PHRASE}")
    assert "1 record" in shown
    assert f"A {tasks.PHRASE} dinosaur, of course." in ask(f"autolog show {first_id(shown)}")


def test_a_key_for_a_colleague_that_may_only_read(store_url: str) -> None:
    key = ask("autolog keys create --name colleague --scope read").strip()
    assert re.search(r"colleague +default +read +valid", ask("autolog keys list"))
    with live(store_url) as server:
        env = {"AUTOLOG_ENDPOINT": server.url, "AUTOLOG_API_KEY": key, "AUTOLOG_STORE": None}
        read = CliRunner().invoke(cli, ["logs", "-n", "1"], env=env)
        assert read.exit_code == 0
        refused = CliRunner().invoke(cli, ["keys", "create", "--name", "more"], env=env)
        assert refused.exception is not None
        assert "that may administer" in str(refused.exception)


def test_a_chart_of_cost_by_day_for_a_slide(tmp_path: Path) -> None:
    ask(f"autolog stats --by day --project reports --svg {tmp_path}/cost.svg")
    root = ElementTree.parse(tmp_path / "cost.svg").getroot()
    titles = [node.text for node in root.iter("{http://www.w3.org/2000/svg}title")][1:]
    days = range(len(tasks.COST_PER_DAY), 0, -1)
    assert titles == [f"{tasks.midnight(day).date()}: ${tasks.COST_PER_DAY[day - 1]:.2f}" for day in days]
    table = list(csv.DictReader(ask("autolog stats --by day --project reports --csv").splitlines()))
    assert [float(row["cost"]) for row in table] == tasks.COST_PER_DAY[::-1]
    lines = ask("autolog stats --by day --project reports --json").splitlines()
    assert [json.loads(line)["cost"] for line in lines] == tasks.COST_PER_DAY[::-1]
