"""`autolog tail`."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from commands import output

from autolog._record.record import Record
from autolog.cli import cli
from autolog.stores import open_store
from autolog.stores._contract import Store


def test_tail(store: Store) -> None:
    later = threading.Timer(0.3, store.write, [[Record(id="0004", name="late"), Record(id="0005", name="later")]])
    later.start()
    assert [json.loads(line)["id"] for line in output("tail", "--json", "--limit", "2").splitlines()] == [
        "0004",
        "0005",
    ]
    later.join()


def test_what_was_before_is_shown_since_a_time(store: Store) -> None:
    lines = output("tail", "--since", "1d", "--json", "--limit", "3").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["0001", "0002", "0003"]


def test_children_stand_under_their_parents_in_columns(store: Store) -> None:
    lines = output("tail", "--since", "1d", "--limit", "3").splitlines()
    assert [name in line for name, line in zip(("0002", "0001", "0003"), lines, strict=True)] == [True] * 3
    assert ["└" in line for line in lines] == [False, True, False]
    assert "└ chat gpt-4o" in lines[1]
    assert lines[0].index("answer") + 2 == lines[1].index("└")
    assert lines[0].index("2.00 s") == lines[1].index("1.50 s")


def test_it_waits_for_a_store_that_is_not_there_yet(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/later.db"
    later = threading.Timer(0.5, lambda: open_store(url).write([Record(id="first", name="first")]))
    later.start()
    assert json.loads(output("tail", "--json", "--limit", "1", "--store", url))["id"] == "first"
    later.join()


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(store: Store, width: int) -> None:
    store.write(
        [Record(id=f"w{n}", name="a long name " * 5, output_preview="words " * 50, cost=1e-8) for n in range(2)]
    )
    shown = CliRunner().invoke(cli, ["tail", "--since", "1h", "--limit", "3"], env={"COLUMNS": str(width)}).output
    assert [len(line) <= width for line in shown.splitlines()] == [True] * 3
    assert "$0.00000001" in shown
