"""`autolog sql`."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
import sys

import pytest
from commands import output, run
from live import KEY, live

from autolog._record.record import Record
from autolog.errors import AutologError
from autolog.server._keys import create_key
from autolog.stores import open_store
from autolog.stores._contract import Store


def test_a_table_json_and_csv(store: Store) -> None:
    statement = "select id, status, cost from calls order by id"
    assert "0001" in output("sql", statement)
    rows = [json.loads(line) for line in output("sql", statement, "--json").splitlines()]
    assert rows == [{"id": "0001", "status": "ok", "cost": 0.0125}, {"id": "0003", "status": "error", "cost": None}]
    cells = list(csv.reader(output("sql", statement, "--csv").splitlines()))
    assert cells == [["id", "status", "cost"], ["0001", "ok", "0.0125"], ["0003", "error", ""]]
    assert "'=1+1" in output("sql", "select '=1+1' as x", "--csv")
    assert "\x1b" not in output("sql", "select text from messages")


def test_small_costs_are_shown_without_an_exponent(store: Store) -> None:
    lines = output("sql", "select 0.00003155 as cost union all select 12.5 union all select 1e-30").splitlines()
    assert {line.strip() for line in lines[2:]} == {"0.00003155", "12.5", "1e-30"}


def test_a_row_too_wide_for_a_table_is_a_line_for_each_value(store: Store) -> None:
    shown = run("sql", "select * from calls limit 2", env={"COLUMNS": "80"}).output
    assert max(map(len, shown.splitlines())) <= 80
    assert ("─ row 2 ─" in shown, "…" in shown) == (True, False)
    narrow = run("sql", "select 0.1 + 0.2 as sum, 'a' as letter", env={"COLUMNS": "80"}).output
    assert narrow.splitlines()[-1].split() == ["0.3", "a"]


def test_times_and_rows_are_bounded(store: Store) -> None:
    assert output("sql", "select id from spans", "--since", "1h", "--json") == '{"id": "0003"}\n'
    bounded = run("sql", "select id from spans order by id", "-n", "1", "--json")
    assert (bounded.stdout, bounded.stderr) == ('{"id": "0001"}\n', "autolog: only the first 1 rows\n")


def test_a_wrong_statement_says_why(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    from autolog.cli import main

    with pytest.raises(SystemExit) as left:
        main(["sql", "delete from calls"])
    assert left.value.code == 1
    assert "calls" in capsys.readouterr().err


def test_the_views_are_listed(store: Store) -> None:
    assert "tool_calls: The tools that models called." in output("sql", "--views")
    assert {json.loads(line)["view"] for line in output("sql", "--views", "--json").splitlines()} >= {"calls", "spans"}


def test_a_statement_comes_from_standard_input(store: Store) -> None:
    assert run("sql", "--json", input="select count(*) as n from spans").stdout == '{"n": 3}\n'


def test_line_by_line_in_a_terminal(store: Store) -> None:
    ours, theirs = pty.openpty()
    code = "from autolog.cli import main; main(['sql', '--json'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    os.close(theirs)
    os.write(ours, b".views\nselect nonsense from calls;\nselect count(*) as n\nfrom spans;\n.quit\n")
    stdout, errors = process.communicate(timeout=300)
    os.close(ours)
    assert process.returncode == 0
    assert b"calls: The calls to providers." in stdout
    assert b'{"n": 3}' in stdout
    assert b"no such column: nonsense" in errors


def test_a_server_answers_for_the_project_of_the_key(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOLOG_API_KEY", KEY)
    key = create_key(open_store(store_url), "reader", "default", ["read"])
    with live(store_url) as server:
        server.store.write([Record(id="x"), Record(id="y", project="other")])
        assert output("sql", "select id from spans", "--server", server.url, "--json") == '{"id": "x"}\n'
        other = output("sql", "select id from spans", "--server", server.url, "--json", "--project", "other")
        assert other == '{"id": "y"}\n'
        with pytest.raises(AutologError, match="only SELECT over the views"):
            run("sql", "pragma database_list", "--server", server.url)
        monkeypatch.setenv("AUTOLOG_API_KEY", key)
        with pytest.raises(AutologError, match="another project"):
            run("sql", "select id from spans", "--server", server.url, "--project", "other")
