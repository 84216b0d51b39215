"""Starts the front (`front.py`) in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def start_front(folder: Path | str, port: int = 0, *configuration: str) -> tuple[subprocess.Popen[str], str]:
    """Start the front, and return the process, its host and its port; for `port` 0 a free one is used."""
    command = [sys.executable, str(Path(__file__).with_name("front.py")), str(folder), str(port), *configuration]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip().removeprefix("http://")
