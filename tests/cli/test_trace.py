"""`autolog trace`, and finding a trace by a part of its id."""

from __future__ import annotations

import io

import pytest
from commands import output, run
from rich.console import Console
from rich.text import Text

from autolog._record.record import Record
from autolog.cli._render import print_lines
from autolog.errors import AutologError
from autolog.stores._contract import Store

#: Ids of traces: two begin alike, and one ends like the first but for its last character.
TRACES = ("ab01" + "0" * 24 + "77ee", "ab02" + "0" * 24 + "88ff", "cd03" + "0" * 24 + "77ef")


@pytest.fixture
def traces(store: Store) -> Store:
    store.write([Record(id=f"r{trace[3]}", trace_id=trace, name=f"run {trace[3]}") for trace in TRACES])
    return store


def test_trace(store: Store) -> None:
    lines = output("trace", "0001").splitlines()
    assert "answer" in lines[3]
    assert "└ chat gpt-4o" in lines[4]
    assert lines[-1].split() == ["2", "spans,", "1", "call", "2.00", "s", "1,234", "$0.0125"]
    assert len(output("trace", "a" * 32, "--json").splitlines()) == 2


@pytest.mark.parametrize(("part", "index"), [("ab01", 0), ("ab02", 1), ("77ee", 0), ("0" * 20 + "88ff", 1), ("cd", 2)])
def test_a_part_of_a_traces_id_is_enough(traces: Store, part: str, index: int) -> None:
    assert output("trace", part).splitlines()[0] == f"trace {TRACES[index]}"
    for command in (("logs",), ("export",), ("tail", "--since", "1h", "-n", "1")):
        assert f"run {index + 1}" in output(*command, "--trace", part), command
        assert "run" not in output("logs", "--trace", "0000")


def test_a_part_of_several_traces_ids_lists_them(traces: Store) -> None:
    with pytest.raises(AutologError, match="begins or ends the ids of several traces") as error:
        run("trace", "ab")
    assert sorted(line.split()[0] for line in str(error.value).splitlines()[1:]) == sorted(TRACES[:2])
    assert "run 1" in str(error.value)
    refused = run("logs", "--trace", "ab")
    assert refused.exit_code == 2
    assert TRACES[1] in refused.output


def test_lines_are_printed_in_their_styles_and_never_wrapped() -> None:
    page = io.StringIO()
    screen = Console(file=page, force_terminal=True, color_system="standard", width=20, legacy_windows=False)
    print_lines(screen, [Text("a rule", style="dim"), Text.assemble(("red", "red"), " and", " plain" * 9), Text("")])
    assert page.getvalue() == f"\x1b[2ma rule\x1b[0m\n\x1b[31mred\x1b[0m and{' plain' * 9}\n\n"
