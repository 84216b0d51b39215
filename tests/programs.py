"""Run programs that use another logging library and are pointed here by environment variables alone."""

from __future__ import annotations

import os
import subprocess
import sys

#: Prefixes of environment variables that would point a program elsewhere.
_ELSEWHERE = ("LANG", "OPENAI", "OTEL")


def run_program(code: str, **environment: str) -> str:
    """Run a program with environment variables, and return its output."""
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
