"""A process that has imported what is slow to import, and runs programs in forks of itself."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_SERVER = """
import importlib, json, os, sys, traceback

for name in sys.argv[1:]:
    importlib.import_module(name)
print("ready", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if child:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["variables"])
    for number, name in enumerate((os.devnull, "out", "err")):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | (os.O_TRUNC if number else 0)), number)
    sys.argv[1:] = job["arguments"]
    code = 0
    try:
        exec(compile(job["program"], "<program>", "exec"), {"__name__": "__main__"})
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    os._exit(code)
"""


class Prepared:
    """Runs programs that find some modules imported."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, program: str, arguments: Sequence[str], folder: Path, variables: Mapping[str, str]) -> str:
        """Run a program in a folder, with these environment variables alone, and return what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {"program": program, "arguments": list(arguments), "folder": str(folder), "variables": dict(variables)}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "0\n", (folder / "err").read_text()
        return (folder / "out").read_text()


@contextlib.contextmanager
def prepared(*modules: str) -> Iterator[Prepared]:
    """Start a process that has imported these modules."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _SERVER, *modules],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield Prepared(process)
    finally:
        process.kill()
        process.communicate()
