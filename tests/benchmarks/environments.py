"""A virtual environment for every subject, created once and kept."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path


def environment(folder: Path, name: str, requirements: list[str]) -> Path | None:
    """Return the Python of an environment with the requirements, created if necessary, or None if that fails."""
    if not requirements:
        return Path(sys.executable)
    home = folder / name
    python = home / "bin" / "python"
    mark = home / "ready"
    wanted = "\n".join(requirements)
    if mark.exists() and mark.read_text() == wanted:
        return python
    print(f"installing {name}: {' '.join(requirements)}", file=sys.stderr)
    if not python.exists():
        venv.create(home, with_pip=True)
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        print(f"  cannot be installed here: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    mark.write_text(wanted)
    return python
