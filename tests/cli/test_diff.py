"""`autolog diff`."""

from __future__ import annotations

import json

from click.testing import CliRunner
from commands import run

from autolog._record.record import Record
from autolog.cli import cli
from autolog.stores._contract import Store


def test_diff(ten_records: Store) -> None:
    shown = run("diff", "id-1", "id-3").output
    assert "$0.10" in shown
    assert "$0.30" in shown
    assert "\x1b[31m" not in shown
    data = json.loads(run("diff", "id-1", "id-3", "--json").output)
    assert data["figures"]["cost"] == ["$0.10", "$0.30"]
    assert run("diff", "id-1", "nobody").exit_code == 1


def test_control_characters_in_names_of_scores_are_only_shown(store: Store) -> None:
    scores = {"\x1b]0;taken over\x07": {"value": 0.5}}
    store.write([Record(id=name, name="chat", scores=scores) for name in ("left", "right")])
    shown = CliRunner().invoke(cli, ["diff", "left", "right", "--store", store.url], env={"FORCE_COLOR": "1"}).output
    assert "taken" in shown
    assert "\x1b]" not in shown


def test_texts_that_repeat_themselves_are_compared_in_time() -> None:
    from autolog._display.diff import compare_lines

    lines = compare_lines(["a"] + ["x"] * 2998 + ["z"], ["a"] + (["x"] * 7 + ["y"]) * 375)
    assert (lines[0].kind, lines[-1].kind) == ("same", "changed")
    assert compare_lines(["same"] * 4000, ["same"] * 4000)[-1].left == "… 1,000 more lines, not compared"
