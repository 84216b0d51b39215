"""Run the suites of the client and the store in other situations: `python tests/release/situations.py [situation ...]`.

| situation | how |
| --- | --- |
| `optimised` | `python -O`: without assert statements |
| `isolated` | `python -I`: without PYTHON* variables, the user site and the program's folder on the path |
| `ordinary-user` | as the user `nobody`, without write access to the package or a home; has to be started by root |

Prints a line for each, and exits with 1 if one failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITES = (
    "tests/test_config.py", "tests/test_recorder.py", "tests/testing", "tests/test_lifecycle.py", "tests/record",
    "tests/capture", "tests/delivery", "tests/processing", "tests/redaction", "tests/stores/sqlite",
    "tests/stores/test_filters.py", "tests/stores/test_store.py", "tests/cli",
)  # fmt: skip
#: Silences two expected warnings of the tools: that assertions are stripped, and that examples cannot be saved.
QUIET = ("-W", "ignore::pytest.PytestConfigWarning", "-W", "ignore::hypothesis.errors.HypothesisWarning")
SITUATIONS = {"optimised": ("-O",), "isolated": ("-I",), "ordinary-user": ()}


def command(situation: str) -> list[str]:
    """Return the command that runs the suites in a situation."""
    return [sys.executable, *SITUATIONS[situation], "-m", "pytest", "-q", "-p", "no:cacheprovider", *QUIET, *SUITES]


def as_ordinary_user() -> int:
    """Run the suites as `nobody` with a read-only home, and return pytest's exit code."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as room:
        Path(home).chmod(0o555)
        Path(room).chmod(0o777)
        variables = {"PATH": os.environ["PATH"], "HOME": home, "TMPDIR": room, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command("ordinary-user"), cwd=ROOT, env=variables, check=False, user="nobody", group="nogroup",
            extra_groups=[],
        )  # fmt: skip
    return done.returncode


def main(chosen: list[str]) -> int:
    failed = 0
    for situation in chosen or SITUATIONS:
        print(f"== {situation}", flush=True)
        if situation == "ordinary-user" and os.geteuid() != 0:
            print("not run: only root may become another user")
            continue
        code = (
            as_ordinary_user()
            if situation == "ordinary-user"
            else subprocess.run(command(situation), cwd=ROOT, check=False).returncode
        )
        failed += code != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
