"""Virtual environments for tests with other SDKs, versions and libraries, created once and kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def make(home: Path, *requirements: str, interpreter: str = sys.executable) -> Path | None:
    """Return the Python of an environment with this checkout and the requirements.

    If they cannot be installed, print why and return None.
    """
    python = home / "bin" / "python"
    mark = home / "ready"
    wanted = "\n".join(requirements)
    if mark.exists() and mark.read_text() == wanted:
        return python
    print(f"installing {home.name}: {' '.join(requirements)}", flush=True)
    subprocess.run([interpreter, "-m", "venv", "--clear", str(home)], check=True)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *requirements, "-e", f"{ROOT}[server]"], capture_output=True, text=True)
    if done.returncode:
        print(f"  cannot be installed: {' '.join(done.stderr.strip().splitlines()[-1:])}", flush=True)
        return None
    mark.write_text(wanted)
    return python


def run_tests(python: Path, *arguments: Path | str) -> bool:
    """Run pytest in an environment, and return whether it failed."""
    variables = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=variables).returncode != 0
