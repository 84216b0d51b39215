"""Compare all subjects: their processes take turns in blocks so short that the machine's load affects all alike."""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from environments import environment

HERE = Path(__file__).parent
#: The calls in a block, by case; the first number is the default.
COUNTS = {"": 60, "stream of 200 chunks": 8, "messages, stream of 200": 8, "async, 50 at once": 2,
          "span": 400, "decorator, 3 deep": 200, "async decorator, 3 deep": 30}  # fmt: skip
BASE = "nothing"


@dataclass
class Subject:
    """A subject's process, and its measurements."""

    name: str
    process: subprocess.Popen[str]
    log: IO[str]
    cases: list[str] = field(default_factory=list)
    begin: float = 0.0

    def ask(self, case: str, count: int) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"case": case, "count": count}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise EndedError(f"{self.name} ended in {case!r}: {self.errors()}")
        answer: dict[str, Any] = json.loads(line)
        if "broken" in answer:
            raise BrokenError(f"{self.name} breaks {case!r}: {answer['broken'][:200]}")
        return answer

    def errors(self) -> str:
        self.log.seek(0)
        return " ".join(self.log.read().strip().splitlines()[-2:])


class EndedError(Exception):
    """A subject's process has ended."""


class BrokenError(Exception):
    """A subject raised an error that the bare SDK does not."""


def names() -> list[str]:
    return sorted(file.stem for file in (HERE / "subjects").glob("[!_]*.py"))


def requirements(name: str) -> list[str]:
    """Return the list of requirements at the top of a subject's file, read without running it."""
    import ast

    tree = ast.parse((HERE / "subjects" / f"{name}.py").read_text())
    for node in tree.body:
        target = getattr(node, "target", None) or (getattr(node, "targets", None) or [None])[0]
        if getattr(target, "id", "") == "REQUIREMENTS":
            scope: dict[str, Any] = {"Path": Path, "__file__": str(HERE / "subjects" / f"{name}.py")}
            found: list[str] = eval(compile(ast.Expression(node.value), name, "eval"), scope)
            return found
    return []


def start(name: str, folder: Path, sink: str) -> Subject | None:
    here = name.startswith("autolog") and importlib.util.find_spec("autolog") is not None
    python = Path(sys.executable) if here else environment(folder, name, requirements(name))
    if python is None:
        return None
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process
    process = subprocess.Popen(
        [str(python), str(HERE / "worker.py"), str(HERE / "subjects" / f"{name}.py"), sink],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=with_bytecode(folder),
    )  # fmt: skip
    subject = Subject(name, process, log)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        print(f"  {name} cannot be run: {subject.errors()}", file=sys.stderr)
        return None
    announced = json.loads(line)
    subject.cases, subject.begin = announced["cases"], announced["begin"]
    return subject


def with_bytecode(folder: Path) -> dict[str, str]:
    """Return environment variables with which imports use compiled bytecode, like those of an installed package."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def compare(
    folder: Path, wanted: Sequence[str], rounds: int, memory_calls: int, core: int | None, cases: Sequence[str]
) -> Iterator[list[dict[str, Any]]]:
    """Yield, for each case, a row per subject: microseconds per call in addition to those without instrumentation.

    All subjects run on `core` if it is given; the backend to which they ship does not.
    """
    sink = subprocess.Popen([sys.executable, str(HERE / "sink.py")], stdout=subprocess.PIPE, text=True)
    assert sink.stdout is not None
    address = sink.stdout.readline().strip()
    if core is not None:
        os.sched_setaffinity(0, {core})
    subjects = [found for name in wanted if (found := start(name, folder, address)) is not None]
    try:
        for case in next(subject for subject in subjects if subject.name == BASE).cases:
            if not cases or case in cases:
                able = [subject for subject in subjects if case in subject.cases]
                yield measure(case, able, rounds)
        if not cases or "import" in cases:
            yield startup(subjects, folder, address)
        if memory_calls:
            yield back_to_back([subject for subject in subjects if subject.cases], memory_calls)
            case = f"memory after {memory_calls:,} calls"
            yield [{"case": case, **grown(subject, memory_calls)} for subject in subjects if subject.cases]
    finally:
        for subject in subjects:
            subject.process.kill()
        sink.kill()


def measure(case: str, subjects: list[Subject], rounds: int) -> list[dict[str, Any]]:
    count = COUNTS.get(case, COUNTS[""])
    seen: dict[str, list[dict[str, Any]]] = {}
    for subject in subjects.copy():
        try:
            subject.ask(case, count)  # warm
            seen[subject.name] = []
        except BrokenError as error:
            print(f"  {error}", file=sys.stderr)
            subjects.remove(subject)
        except EndedError as error:
            print(f"  {error}", file=sys.stderr)
            subjects.remove(subject)
            subject.cases.clear()
    for number in range(rounds):
        turn = number % len(subjects)
        for subject in subjects[turn:] + subjects[:turn]:
            seen[subject.name].append(subject.ask(case, count))
    base = seen[BASE]
    rows = []
    for name, blocks in seen.items():
        row: dict[str, Any] = {"case": case, "subject": name}
        row["added p50"] = _added(blocks, base, "times", 50)
        row["added p99"] = _added(blocks, base, "times", 99)
        if blocks[0]["firsts"]:
            row["added to first chunk"] = _added(blocks, base, "firsts", 50)
            row["added per chunk"] = (row["added p50"] - row["added to first chunk"]) / 200
        for key, label in (("thread", "own CPU"), ("cpu", "all CPU")):
            row[label] = statistics.median(
                (mine[key] - theirs[key]) / mine["calls"] * 1e6 for mine, theirs in zip(blocks, base, strict=True)
            )
        row["CPU off the thread"] = row["all CPU"] - row["own CPU"]
        rows.append(row)
    return rows


def back_to_back(subjects: list[Subject], calls: int) -> list[dict[str, Any]]:
    """Return the times of chats without a pause until all are delivered, relative to no instrumentation.

    The subjects take turns, a twentieth of the calls at a time; the spread is that of the turns' ratios.
    """
    walls: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    for _ in range(20):
        for subject in subjects:
            walls[subject.name].append(subject.ask("chat", calls // 20)["wall"])
    rows = []
    for name, mine in walls.items():
        ratios = sorted(wall / base for wall, base in zip(mine, walls[BASE], strict=True))
        row = {"wall / bare": sum(mine) / sum(walls[BASE]), "median": ratios[10], "from": ratios[2], "to": ratios[17]}
        rows.append({"case": f"{calls:,} chats back to back", "subject": name, **row})
    return rows


def startup(subjects: list[Subject], folder: Path, sink: str) -> list[dict[str, Any]]:
    """Return the milliseconds to import and set up each subject when the SDKs are already imported."""
    times: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    for _ in range(7):
        for subject in subjects:
            again = start(subject.name, folder, sink)
            if again is not None:
                times[subject.name].append(again.begin * 1000)
                again.process.kill()
                again.process.wait()
    case = "import and set up, ms"
    return [{"case": case, "subject": name, "median": statistics.median(of)} for name, of in times.items() if of]


def _added(blocks: list[dict[str, Any]], base: list[dict[str, Any]], key: str, percent: int) -> float:
    """Return the median over the rounds of the difference between a block's percentile and the bare block's."""

    def at(block: dict[str, Any]) -> float:
        times = sorted(block[key])
        return float(times[min(len(times) - 1, len(times) * percent // 100)])

    return statistics.median(at(mine) - at(theirs) for mine, theirs in zip(blocks, base, strict=True)) / 1000


def grown(subject: Subject, calls: int) -> dict[str, Any]:
    """Return the resident memory in MiB after a tenth of the calls and after all."""
    before = after = subject.ask("chat", calls // 10)["memory"]
    for _ in range(9):
        after = subject.ask("chat", calls // 10)["memory"]
    return {"subject": subject.name, "MiB before": before / 2**20, "MiB after": after / 2**20}
