"""Build, check and use the packages as in the README: `python tests/release/packages.py [folder]`.

In the folder (`.packages`), creates an environment for the build, one with the client alone, whose size is printed, and
one with everything. In the last, the demo, the quick start, a server with its pages and the ClickHouse store (on chDB)
run from the wheel in an empty folder, without the checkout on their path except for the front of chDB. If a step fails,
prints it and exits with 1.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import time
import urllib.request
import venv
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://git.example/owner/autolog"
QUICK_START = """
import openai
from autolog import autolog

autolog.patch_openai()

@autolog
def answer(question):
    messages = [{"role": "user", "content": question}]
    return openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=messages).choices[0].message.content

print(answer("Name three rivers in Portugal."))
"""
#: Prints the milliseconds that an import takes, and the number of modules that it loads.
IMPORT = """
import sys, time
before = set(sys.modules)
start = time.perf_counter()
import {module}
print(f"{{(time.perf_counter() - start) * 1000:.0f}} {{len(set(sys.modules) - before)}}")
"""


class Environment:
    """A virtual environment, and an empty folder in which its commands run without the checkout."""

    def __init__(self, home: Path, *requirements: str | Path) -> None:
        self.bin = home / ("Scripts" if os.name == "nt" else "bin")
        self.work = home / "work"
        venv.create(home, with_pip=True, clear=True)
        self.work.mkdir()
        self.run("python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *map(str, requirements))

    def command(self, *arguments: str) -> list[str]:
        return [str(self.bin / arguments[0]), *arguments[1:]]

    def variables(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AUTOLOG_", "PYTHON"))}
        return {**kept, "COLUMNS": "160", **more}

    def run(self, *arguments: str, **variables: str) -> str:
        """Run a command, and return its output."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.work, env=self.variables(**variables), capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"{' '.join(arguments)[:300]} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    @contextmanager
    def running(self, *arguments: str, stream: str = "stderr", ready: str) -> Iterator[list[str]]:
        """Run a command for the block; yield its output lines up to the first one that contains `ready`."""
        process = subprocess.Popen(
            self.command(*arguments), cwd=self.work, env=self.variables(), text=True, **{stream: subprocess.PIPE}
        )
        try:
            lines: list[str] = []
            while not lines or (ready not in lines[-1] and lines[-1]):
                lines.append((process.stderr or process.stdout).readline())  # type: ignore[union-attr]
            assert ready in lines[-1], f"{arguments[0]} ended: {lines}"
            yield lines
        finally:
            process.terminate()
            process.wait(20)


def build(folder: Path) -> tuple[Path, Path]:
    """Build and check both packages, and return the wheel and the sdist."""
    tools = Environment(folder / "build", "build", "hatchling", "twine", "check-wheel-contents")
    places = str(folder / "dist")
    tools.run("python", "-m", "build", "--no-isolation", "-o", places, str(ROOT), REPOSITORY_URL=REPOSITORY)
    (wheel,), (sdist,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    tools.run("twine", "check", "--strict", str(wheel), str(sdist))
    tools.run("check-wheel-contents", str(wheel))
    return wheel, sdist


def check_contents(wheel: Path, sdist: Path) -> None:
    """Check that the wheel contains only the package and complete metadata, and that the sdist builds and has tests."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "autolog").rglob("*") if path.is_file()}
    there = {name for name in there if "__pycache__" not in name}
    assert {name for name in names if ".dist-info/" not in name} == there
    assert "autolog/py.typed" in names
    for wanted in ("License-Expression: MIT", "Keywords: ", "Requires-Python: >=3.11", "Typing :: Typed"):
        assert wanted in metadata, wanted
    assert f"Project-URL: Repository, {REPOSITORY}" in metadata
    relative = re.findall(r"\]\((?![a-z]+:|#)[^)]*\)", metadata)
    assert not relative, f"on an index these links lead nowhere: {relative}"
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "pyproject.toml", "tests/release/metadata.py", "tests/conftest.py"} <= inside


def weigh(wheel: Path, folder: Path) -> None:
    """Print the size of each distribution of a plain install, and the cost of imports."""
    client = Environment(folder / "client", wheel)
    code = """
import importlib.metadata as m, json, os
def size(d):
    return sum(os.path.getsize(p) for f in d.files or () if os.path.isfile(p := d.locate_file(f)) and not str(f).endswith('.pyc'))
print(json.dumps({d.name: [d.version, size(d)] for d in m.distributions() if d.name not in ('pip', 'setuptools')}))
"""
    sizes = json.loads(client.run("python", "-c", code))
    for name, (version, size) in sorted(sizes.items(), key=lambda item: -item[1][1]):
        print(f"  {name + ' ' + version:28} {size / 1e6:6.2f} MB")
    print(f"  {len(sizes)} distributions, {sum(size for _, size in sizes.values()) / 1e6:.1f} MB")
    for module in ("autolog", "msgspec", "wrapt", "genai_prices", "httpx2", "pydantic", "click", "rich.console"):
        client.run("python", "-c", f"import {module}")  # compiles the bytecode
        took, modules = client.run("python", "-c", IMPORT.format(module=module)).split()
        print(f"  import {module:20} {took:>4} ms {modules:>4} modules")
    client.run("python", "-c", "import autolog\nwith autolog.span('alone'): pass")
    assert "alone" in client.run("autolog", "logs")
    assert "needs" in subprocess.run(client.command("autolog", "serve"), capture_output=True, text=True).stderr


def use(wheel: Path, folder: Path) -> None:
    """Run the README's demo, quick start, server, pages and ClickHouse store."""
    whole = Environment(folder / "whole", f"{wheel}[demo,server,ship,clickhouse,parquet]", "chdb")
    print(whole.run("autolog", "demo").partition("Next:")[0])
    _quick_start(whole)
    _server(whole, f"sqlite:///{whole.work}/server.db")
    front = str(ROOT / "tests/clickhouse/front.py")
    with whole.running("python", front, str(whole.work / "chdb"), stream="stdout", ready="http") as lines:
        _server(whole, f"clickhouse://default@{lines[-1].strip().removeprefix('http://')}/logs")


def _standin() -> Callable[..., object]:
    """Return the checkout's stand-in provider, loaded separately from the package, because it plays a remote server."""
    spec = spec_from_file_location("standin", ROOT / "autolog/cli/_standin.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.standin  # type: ignore[no-any-return]


def _ask(whole: Environment, **variables: str) -> str:
    (whole.work / "app.py").write_text(QUICK_START)
    with _standin()() as address:  # type: ignore[attr-defined]
        return whole.run("python", "app.py", OPENAI_API_KEY="test", OPENAI_BASE_URL=f"{address}/v1", **variables)


def _quick_start(whole: Environment) -> None:
    printed = _ask(whole)
    records = [json.loads(line) for line in whole.run("autolog", "logs", "--json").splitlines()][:2]
    assert {record["name"] for record in records} == {"answer", "chat gpt-4o-mini"}, records
    shown = whole.run("autolog", "show", records[0]["id"]) + whole.run("autolog", "trace", records[0]["id"])
    assert printed.split()[0] in shown
    whole.run("autolog", "stats", "--by", "model")
    whole.run("autolog", "export", "-o", "all.jsonl")
    whole.run("autolog", "doctor")


def _server(whole: Environment, store: str) -> None:
    with whole.running("autolog", "serve", "--port", "0", "--store", store, ready="autolog serves") as lines:
        match = re.search(r"http://[\d.:]+", lines[-1])
        assert match is not None
        url, key = match[0], next(line.split()[-1] for line in lines if "Admin key" in line)
        _ask(whole, AUTOLOG_ENDPOINT=url, AUTOLOG_API_KEY=key)
        assert "answer" in whole.run("autolog", "logs", "--server", url, AUTOLOG_API_KEY=key)
        for path, words in (("/ready", ""), ("/ui/login", "<form"), ("/openapi.json", "/api/v1/records")):
            assert words in urllib.request.urlopen(url + path, timeout=10).read().decode(), path


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0] if arguments else ".packages").absolute()
    for old in folder.glob("dist/*"):
        old.unlink()
    start = time.monotonic()
    wheel, sdist = build(folder)
    check_contents(wheel, sdist)
    print(f"{wheel.name} ({wheel.stat().st_size / 1e3:.0f} kB) and {sdist.name} are whole", flush=True)
    weigh(wheel, folder)
    use(wheel, folder)
    print(f"the README's commands work on the wheel ({time.monotonic() - start:.0f} s)")


if __name__ == "__main__":
    main(sys.argv[1:])
