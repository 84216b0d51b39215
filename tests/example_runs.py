"""Run an example against the stand-in for OpenAI and Anthropic."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from autolog._record.record import Record
from autolog.cli._standin import standin
from autolog.stores import open_store
from autolog.stores.query import Query

EXAMPLES = Path(__file__).parents[1] / "examples"


def run_example(name: str, folder: Path) -> list[Record]:
    """Run `examples/{name}.py` in a folder, and return the records in the store that it leaves there."""
    with standin() as address:
        keys = {"OPENAI_API_KEY": "test", "OPENAI_BASE_URL": f"{address}/v1", "ANTHROPIC_API_KEY": "test",
                "ANTHROPIC_BASE_URL": address}  # fmt: skip
        done = subprocess.run(
            [sys.executable, EXAMPLES / f"{name}.py"], cwd=folder,
            env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent), **keys},
            timeout=180, check=False, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    store = open_store(f"sqlite:///{folder}/.autolog/logs.db", create=False)
    return store.find(Query(), 100) if store else []
