"""Run the suites of the client and the stores on several Pythons and SDKs, and print the table in the README.

    python tests/release/versions.py [folder] [interpreter ...]

uses the given interpreters, or all of 3.11 to 3.15 on the path or in pyenv, and creates a virtual environment in the
folder (`.versions`) for each with every set of SDKs. Results are kept in the folder, so that a run elsewhere (such as
in a container with another Python) adds its rows to the same table.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
#: The sets of `tests/beside/sdk_versions.py`: oldest, middle, newest.
SDKS = ("oldest", "middle", "newest")
NEEDED = ("pytest>=9", "hypothesis>=6", "boto3", "httpx", "httpx2", "opentelemetry-sdk", "requests", "tiktoken")
#: The tests to run with all SDKs, and those to run with the newest only, because they do not depend on the SDKs.
CLIENT = ("tests/beside/test_sdk_versions.py", "tests/beside/test_imports.py", "tests/capture/test_patch.py",
          "tests/capture/test_graft.py")  # fmt: skip
MORE = ("tests/capture", "tests/delivery", "tests/record", "tests/test_lifecycle.py", "tests/stores/sqlite",
        "tests/stores/test_store.py", "tests/stores/test_filters.py")  # fmt: skip


def interpreters() -> dict[str, str]:
    """Return the interpreters on this machine, by version."""
    found = {}
    for version in PYTHONS:
        inside = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        if path := (str(inside[-1]) if inside else shutil.which(f"python{version}")):
            found[version] = path
    return found


def outcome(python: Path, tests: tuple[str, ...]) -> str:
    """Run tests, and return pytest's summary of how many passed, failed and were skipped."""
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore::DeprecationWarning",
               *tests]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout[-3000:] if done.returncode else "", end="", flush=True)
    counts = re.findall(r"(\d+) (passed|failed|errors?|skipped)", done.stdout.strip().rpartition("\n")[2])
    return ", ".join(f"{number} {result}" for number, result in counts) or "did not run"


def main(arguments: list[str]) -> int:
    sys.path.insert(0, str(ROOT / "tests"))
    from beside.sdk_versions import VERSIONS
    from environments import make

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=".versions")
    parser.add_argument("interpreter", nargs="*")
    given = parser.parse_args(arguments)
    folder = Path(given.folder).absolute()
    folder.mkdir(exist_ok=True)
    kept = folder / "results.json"
    results: dict[str, dict[str, str]] = json.loads(kept.read_text()) if kept.exists() else {}
    for interpreter in given.interpreter or interpreters().values():
        program = "import sys; print('%d.%d.%d' % sys.version_info[:3] + sys.version_info[3][0].replace('f', ''))"
        version = subprocess.run(
            [interpreter, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()
        for sdks in SDKS:
            python = make(folder / f"{version}-{sdks}", *NEEDED, *VERSIONS[sdks], interpreter=interpreter)
            tests = CLIENT + (MORE if sdks == "newest" else ())
            summary = "cannot be installed" if python is None else outcome(python, tests)
            results.setdefault(version, {})[sdks] = summary
            print(f"Python {version}, {sdks} SDKs: {summary}", flush=True)
            kept.write_text(json.dumps(results, indent=1))
    print(table(results))
    bad = ("failed", "error", "did not run", "cannot")
    return any(word in summary for row in results.values() for summary in row.values() for word in bad)


def table(results: dict[str, dict[str, str]]) -> str:
    """Return the results as the table in the README."""
    rows = ["| Python | " + " | ".join(f"{sdks} SDKs" for sdks in SDKS) + " |", "| --- " * (len(SDKS) + 1) + "|"]
    for version, row in sorted(results.items(), key=lambda item: [int(n) for n in re.findall(r"\d+", item[0])]):
        rows.append(f"| {version} | " + " | ".join(row.get(sdks, "not run") for sdks in SDKS) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
