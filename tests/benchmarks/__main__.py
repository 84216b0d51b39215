"""Measure autolog's overhead and throughput beside its peers in one run; compare ratios, because machines differ.

    python tests/benchmarks client [--rounds 20] [--only autolog,langfuse] [--json FILE]
    python tests/benchmarks client --core 0 [--cases "chat;messages"]     all on one core
    python tests/benchmarks server [--logs 100000] [--store chdb] [--json FILE]
    python tests/benchmarks commands [--rounds 20]
    python tests/benchmarks safe --core 0     how soon after its call a record is on disk, or accepted by a server

Every peer gets its own environment, which this command creates and keeps in the folder given by `--environments`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from client import compare as client  # noqa: E402


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=["client", "server", "commands", "safe"])
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--memory-calls", type=int, default=20_000, help="0 to leave memory out")
    options.add_argument("--core", type=int, help="the core that all subjects run on")
    options.add_argument("--cases", default="", help="cases to measure, by semicolon")
    options.add_argument("--only", default="", help="subjects besides the bare SDK and the floor, by comma")
    options.add_argument("--logs", type=int, default=100_000)
    options.add_argument(
        "--store", default="sqlite", help="sqlite, chdb (ClickHouse's engine), or clickhouse://host:8123"
    )
    options.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "autolog-benchmarks")
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    given.environments.mkdir(parents=True, exist_ok=True)
    if given.what == "client":
        chosen = [name for name in given.only.split(",") if name]
        wanted = list(dict.fromkeys(["nothing", "floor", *(chosen or client.names())]))
        rows = []
        cases = [name for name in given.cases.split(";") if name]
        for of_case in client.compare(given.environments, wanted, given.rounds, given.memory_calls, given.core, cases):
            show(of_case)
            rows += of_case
    elif given.what == "commands":
        import commands

        rows = commands.measure(given.environments, given.rounds)
        show(rows)
    elif given.what == "safe":
        import safe

        rows = safe.measure(given.core)
        show(rows)
    else:
        from server import compare as server

        rows = server.compare(given.environments, given.logs, given.store)
        show(rows)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


def show(rows: list[dict[str, Any]]) -> None:
    """Print a table for each case."""
    for case in dict.fromkeys(row["case"] for row in rows):
        mine = [row for row in rows if row["case"] == case]
        columns = list(dict.fromkeys(key for row in mine for key in row if key not in {"case", "subject"}))
        print(f"\n{case}", flush=True)
        print("  " + f"{'':24}" + "".join(f"{column:>22}" for column in columns))
        for row in mine:
            cells = "".join(f"{_cell(row.get(column)):>22}" for column in columns)
            print("  " + f"{row['subject']:24}" + cells)


def _cell(value: Any) -> str:
    return (
        ""
        if value is None
        else f"{value:,.2f}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


if __name__ == "__main__":
    main()
