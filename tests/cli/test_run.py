"""`autolog run`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from commands import run

from autolog.cli._standin import standin
from autolog.stores import open_store
from autolog.stores.query import Query

PROGRAM = """
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="k")
answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello"}])
print(__name__, sys.argv[2:])
"""


@pytest.mark.parametrize("form", ["script", "module"])
def test_run_records_a_program_as_it_is(form: str) -> None:
    import subprocess

    Path("program.py").write_text(PROGRAM)
    with standin() as address:
        words = ["program.py"] if form == "script" else ["-m", "program"]
        command = [sys.executable, "-m", "autolog", "run", *words, address, "--flag", "-x"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "__main__ ['--flag', '-x']\n", done.stderr
    assert [record.request_model for record in open_store("sqlite:///.autolog/logs.db").find(Query())] == ["gpt-4o"]
    assert run("run", "no-such-file.py").exit_code == 1
