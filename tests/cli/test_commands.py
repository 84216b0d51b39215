"""The command line as a whole: wrong usage, help, a missing store."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from commands import output, run

from autolog._record.record import Record
from autolog.cli import COMMANDS, main
from autolog.stores._contract import Store


def test_wrong_usage(store: Store) -> None:
    assert "is not a time such as" in output("logs", "--since", "soon", code=2)
    assert "is neither ok nor error" in output("logs", "--status", "fine", code=2)
    assert "is given twice" in output("logs", "--status", "ok", "--errors", code=2)
    assert "is before since" in output("logs", "--since", "1h", "--until", "2h", code=2)
    assert "not of the form key=value" in output("logs", "--metadata", "x", code=2)
    assert "No such option" in output("logs", "--nonsense", code=2)
    assert "No such command 'lgos'. Did you mean logs?" in output("lgos", code=2)
    assert "Did you mean" not in output("zzz", code=2)
    assert "no record has an id" in output("show", "nobody", code=1)
    assert "no record has an id" in output("show", "", code=1)
    several = output("show", "000", code=1)
    assert "several records" in several
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


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_encodings_without_lines_and_arrows_lose_no_data(ten_records: Store, encoding: str) -> None:
    ten_records.write([Record(id="r-é→", kind="llm", name="café → 日本", trace_id="a1" * 16)])
    words = "['logs'], ['trace', 'a1' * 16], ['stats', '--by', 'name', '--csv'], ['export', '-f', 'csv'], ['logs', '--json']"
    program = f"from autolog.cli import main\nfor words in ({words}):\n try: main(words)\n except SystemExit as left: assert not left.code"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=300, env={**os.environ, "PYTHONIOENCODING": encoding})  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(errors="replace").count("café → 日本") >= 3


_CLIENT_ALONE = """
import sys
sys.modules.update(dict.fromkeys(["starlette", "uvicorn", "jinja2", "httpx2", "pyarrow"]))  # not to be found
from autolog.cli import COMMANDS, main
for words in (*([name, "--help"] for name in COMMANDS), ["keys", "list"], ["serve"], ["ui"]):
    try:
        main(words)
    except SystemExit as left:
        print(*words, left.code)
"""


def test_without_the_servers_packages_commands_work_or_say_what_they_need(ten_records: Store) -> None:
    done = subprocess.run([sys.executable, "-c", _CLIENT_ALONE], capture_output=True, text=True, timeout=300)
    assert "Traceback" not in done.stderr
    assert done.stdout.count("Usage: ") == len(COMMANDS)
    assert "There are no keys yet." in done.stdout
    for name, feature in (("serve", "the server"), ("ui", "the dashboard")):
        assert f"{name} 1\n" in done.stdout
        assert f"{feature} needs more packages (" in done.stderr
