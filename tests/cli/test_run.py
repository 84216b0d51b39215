"""`autolog run`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run

import autolog.cli
from autolog.cli._standin import standin
from autolog.stores import open_store
from autolog.stores.query import Query

PROGRAM = """
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="k")
answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello"}])
print(__name__, sys.argv[2:])
"""


#: The same without an SDK, which takes seconds to import.
WITHOUT_SDK = """
import sys, httpx2
body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello"}]}
httpx2.post(sys.argv[1] + "/v1/chat/completions", json=body).raise_for_status()
print(__name__, sys.argv[2:])
"""


@pytest.mark.parametrize(
    "form", ["program.py", "-m program", f"{sys.executable} program.py", f"{sys.executable} -m program"]
)
def test_run_records_a_program_as_it_is(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("program.py").write_text(PROGRAM if form == "program.py" else WITHOUT_SDK)
    with standin() as address:
        monkeypatch.setenv("AUTOLOG_HOSTS", f"{address.removeprefix('http://')}=openai")
        words = form.split()
        command = [sys.executable, "-m", "autolog", "run", *words, address, "--flag", "-x"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "__main__ ['--flag', '-x']\n", done.stderr
    assert [record.request_model for record in open_store("sqlite:///.autolog/logs.db").find(Query())] == ["gpt-4o"]
    assert run("run", "no-such-file.py").exit_code == 1


HEADS = [f"#!{sys.executable}", "#!/bin/sh\n'''exec' " + sys.executable + ' "$0"\n' + "' '''"]


@pytest.mark.parametrize("head", HEADS)
def test_a_program_may_be_a_command_of_the_same_environment(tmp_path: Path, head: str) -> None:
    _write_command(tmp_path / "bin", f"{head}\nimport sys\nprint(__name__, sys.argv[1:])\n")
    command = [sys.executable, "-m", "autolog", "run", "ask", "-x"]
    environment = os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.stdout == "__main__ ['-x']\n", done.stderr


@pytest.mark.parametrize("text", ["#!/opt/other/bin/python3\nimport other\n", "#!/usr/bin/env node\n", "\x7fELF"])
def test_a_command_of_another_environment_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    _write_command(tmp_path / "bin", text)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    result = run("run", "ask")
    assert result.exit_code == 1
    assert "install autolog-llm in its environment" in " ".join(result.output.split())


def _write_command(folder: Path, text: str, name: str = "ask") -> None:
    folder.mkdir()
    file = folder / name
    file.write_text(text)
    file.chmod(0o755)


CALL = """
import httpx2, sys
address, model = sys.argv[1:]
httpx2.post(address + "/v1/chat/completions", json={"model": model, "messages": []}).raise_for_status()
"""
PARENT = f"""
import multiprocessing, os, subprocess, sys
def call(model):
    sys.argv[1:] = [address, model]
    exec({CALL!r})
address = sys.argv[1]
if __name__ == "__main__":
    os.mkdir("elsewhere")
    subprocess.run([sys.executable, "-c", {CALL!r}, address, "elsewhere"], cwd="elsewhere", check=True)
    child = multiprocessing.get_context("forkserver").Process(target=call, args=("forkserver",))
    child.start()
    child.join()
    print(os.listdir("elsewhere"))
"""


def test_run_records_the_python_processes_that_a_program_starts(tmp_path: Path) -> None:
    Path("parent.py").write_text(PARENT)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "sitecustomize.py").write_text("import sys; sys.stderr.write('own\\n')")
    with standin() as address:
        environment = os.environ | {
            "AUTOLOG_HOSTS": f"{address.removeprefix('http://')}=openai",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(tmp_path / "own"), os.environ.get("PYTHONPATH")])),
        }
        command = [sys.executable, "-m", "autolog", "run", "parent.py", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.stdout == "[]\n", done.stderr
    assert set(done.stderr.splitlines()) == {"own"}  # the environment's own `sitecustomize` ran in all of them
    records = open_store("sqlite:///.autolog/logs.db").find(Query())
    assert {record.request_model for record in records} == {"elsewhere", "forkserver"}


#: A launcher as `opentelemetry-instrument` is one: its own `sitecustomize` comes first, and imports no other.
LAUNCHER = """
import os, sys
folder = os.path.dirname(__file__)
os.environ["PYTHONPATH"] = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
os.execlp(sys.argv[1], *sys.argv[1:])
"""
LAUNCHED = """
import os, sys
sys.stderr.write("launched\\n")
folder = os.path.dirname(__file__)
others = [entry for entry in os.environ["PYTHONPATH"].split(os.pathsep) if entry != folder]
os.environ["PYTHONPATH"] = os.pathsep.join([folder, *others])
"""
LAUNCHED_PARENT = f"""
import os, subprocess, sys
child = [sys.executable, "-c", {CALL!r}, sys.argv[1]]
subprocess.run([*child, "child"], check=True)
if os.fork() == 0:
    os.execve(sys.executable, [*child, "executed"], dict(os.environ))
os.wait()
sys.argv.append("parent")
exec({CALL!r})
"""


@pytest.mark.parametrize("order", ["autolog run launch python", "launch autolog run python", "launch autolog run"])
def test_run_records_a_program_and_its_children_beside_a_launcher(tmp_path: Path, order: str) -> None:
    _write_command(tmp_path / "bin", f"#!{sys.executable}\n{LAUNCHER}", "launch")
    (tmp_path / "bin" / "sitecustomize.py").write_text(LAUNCHED)
    Path("parent.py").write_text(LAUNCHED_PARENT)
    with standin() as address:
        environment = os.environ | {
            "AUTOLOG_HOSTS": f"{address.removeprefix('http://')}=openai",
            "PATH": os.pathsep.join([f"{tmp_path}/bin", str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
        command = [*order.split(), "parent.py", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert set(done.stderr.splitlines()) == {"launched"}
    assert done.stderr.count("launched") >= 3  # in all of them
    records = open_store("sqlite:///.autolog/logs.db").find(Query())
    assert sorted(record.request_model or "" for record in records) == ["child", "executed", "parent"]


@pytest.mark.parametrize("source", ["", "a syntax error", "import no_such_module", "from os import no_such_name"])
def test_a_child_whose_python_cannot_use_autolog_runs_as_ever(tmp_path: Path, source: str) -> None:
    (tmp_path / "autolog.py").write_text(source)
    folder = Path(autolog.cli.__file__).parent / "_children"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(tmp_path)])}
    command = [sys.executable, "-c", "print('ran')"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert (done.stdout, done.stderr) == ("ran\n", "")
