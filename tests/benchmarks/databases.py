"""The engines of stores for benchmarks: an SQLite file, ClickHouse's engine in a local process, or a server."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clickhouse.running import start_front


@dataclass
class Engine:
    """An engine: `url` returns the URL of a store with a name; `pid` is its process, if it is a local one."""

    url: Callable[[str], str]
    pid: int | None = None

    def cpu(self) -> float:
        """Return the seconds of CPU time that the engine's own process has used."""
        if self.pid is None:
            return 0.0
        parts = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def engine(kind: str) -> Iterator[Engine]:
    """Run an engine for the block: `sqlite`, `chdb`, or the URL of a ClickHouse server without a database."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "sqlite":
            yield Engine(lambda name: f"sqlite:///{folder}/{name}.db")
            return
        if kind != "chdb":
            yield Engine(lambda name: f"{kind.rstrip('/')}/autolog_{name}")
            return
        process, address = start_front(f"{folder}/engine")
        try:
            yield Engine(lambda name: f"clickhouse://default@{address}/autolog_{name}", process.pid)
        finally:
            process.kill()
            process.wait()
