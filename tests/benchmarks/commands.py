"""Measure the reading commands from the shell, on a warm store of 5,000 logs in traces of 100."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from client.compare import with_bytecode
from server.compare import BATCH, records

from autolog.stores import open_store

LOGS, TRACE = 5_000, 100
#: The commands; the first is the interpreter alone, whose start-up is part of every other time.
COMMANDS = {
    "python": ["-c", "pass"],
    "autolog logs": ["-m", "autolog", "logs"],
    "autolog show": ["-m", "autolog", "show", f"command-{LOGS - 1}"],
    "autolog trace": ["-m", "autolog", "trace", f"{(LOGS - 1) // TRACE:032x}"],
    "autolog stats": ["-m", "autolog", "stats"],
}


def measure(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Return a row for each command: milliseconds of wall clock and CPU time, without the first run."""
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/logs.db"
        fill(url)
        environment = {**with_bytecode(folder), "AUTOLOG_STORE": url}
        seen: dict[str, list[tuple[float, float]]] = {command: [] for command in COMMANDS}
        for _ in range(rounds + 1):
            for command, arguments in COMMANDS.items():
                seen[command].append(run([sys.executable, *arguments], environment))
    rows = []
    for command, times in seen.items():
        walls = sorted(wall for wall, _ in times[1:])
        row = {"median": statistics.median(walls), "fastest": walls[0], "slowest": walls[-1]}
        cpu = statistics.median(cpu for _, cpu in times[1:])
        rows.append({"case": "commands, ms", "subject": command, **row, "CPU": cpu})
    return rows


def fill(url: str) -> None:
    store = open_store(url)
    batch = [
        msgspec.structs.replace(record, trace_id=f"{number // TRACE:032x}")
        for number, record in enumerate(records(LOGS, "command"))
    ]
    for start in range(0, LOGS, BATCH):
        store.write(batch[start : start + BATCH])
    store.close()


def run(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return the milliseconds of wall clock and CPU time that a command takes."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed")
    return (time.perf_counter() - started) * 1000, (used.ru_utime + used.ru_stime) * 1000
