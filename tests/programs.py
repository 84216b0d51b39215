"""Programs that log elsewhere, run with environment variables alone that point them here."""

from __future__ import annotations

import os
import subprocess
import sys

#: How the variables begin that would point a program elsewhere.
_ELSEWHERE = ("LANG", "OPENAI", "OTEL")


def run_program(code: str, **environment: str) -> str:
    """Run a program with environment variables, and return what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_ELSEWHERE)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
