"""The command line as a whole: wrong usage, help, a store that is not there."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from commands import output, run

from autolog.cli import COMMANDS, main
from autolog.stores._contract import Store


def test_wrong_usage(store: Store) -> None:
    assert "is no time such as" in output("logs", "--since", "soon", code=2)
    assert "is neither ok nor error" in output("logs", "--status", "fine", code=2)
    assert "is given twice" in output("logs", "--status", "ok", "--errors", code=2)
    assert "is before since" in output("logs", "--since", "1h", "--until", "2h", code=2)
    assert "not of the form key=value" in output("logs", "--metadata", "x", code=2)
    assert "No such option" in output("logs", "--nonsense", code=2)
    assert "No such command" in output("lgos", code=2)
    assert "no record has an id" in output("show", "nobody", code=1)
    assert "no record has an id" in output("show", "", code=1)
    several = output("show", "000", code=1)
    assert "no single record" in several
    assert all(f"  {name}  " in several for name in ("0001", "0002", "0003"))
    assert "no record has an id" in output("trace", "nobody", code=1)


@pytest.mark.parametrize(
    "words",
    ["logs", "show 1", "trace 1", "stats", "cache", "alerts", "alerts remove x", "keys list", "keys revoke x",
     "projects list", "sql 'select 1'", "export", "prune --older-than 1d", "diff 1 2"],
)  # fmt: skip
def test_what_reads_makes_no_store(words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(shlex.split(words))
    assert left.value.code == 1
    assert "there are no logs yet" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_command_has_help() -> None:
    listed = output("--help")
    for name in COMMANDS:
        assert name in listed
        assert "Usage: " in output(name, "--help")


def test_every_command_has_help_with_an_example() -> None:
    from autolog.cli import COMMANDS

    for name in COMMANDS:
        shown = run(name, "--help").output
        assert max(map(len, shown.splitlines())) <= 80, name
        assert f"autolog {name}" in shown.split("Options:")[0].partition("\n")[2], name
