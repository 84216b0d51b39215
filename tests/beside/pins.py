"""Check that autolog changes no versions of other tracing libraries: `python tests/beside/pins.py [library ...]`.

For each library, pip resolves (without installing) the library alone, and then together with this checkout. The
versions of all its distributions must be the same; differences are printed, with the requirements of both. The exit
code is 1 if anything differs. Needs a package index and takes some minutes; resolving is stopped after ten.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIBRARIES = ("agentops", "crewai", "ddtrace", "dspy", "langfuse", "langsmith", "litellm", "mlflow")
#: The requirement of a program that ships its logs.
AUTOLOG = f"{ROOT}[ship]"

Resolved = dict[str, dict[str, Any]]


def resolve(*requirements: str) -> Resolved | str:
    """Return the metadata, by name, of the distributions that pip would install, or the reason why it would not."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed",
               "--disable-pip-version-check", "--report", "-", *requirements]  # fmt: skip
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return "pip found no answer in ten minutes"
    if done.returncode:
        return done.stderr.strip()[-500:]
    report = json.loads(done.stdout[done.stdout.index("{") :])
    return {item["metadata"]["name"].lower().replace("_", "-"): item["metadata"] for item in report["install"]}


def moved(alone: Resolved, both: Resolved) -> list[str]:
    """Return a library's distributions that have another version beside autolog, and the requirements behind that."""
    changes = []
    for name, metadata in alone.items():
        version = both.get(name, {}).get("version", "none")
        if version != metadata["version"]:
            reasons = [
                f"{asking}: {requirement}"
                for asking, other in both.items()
                for requirement in other.get("requires_dist", ())
                if requirement.lower().replace("_", "-").startswith(name) and "extra ==" not in requirement
            ]
            changes.append(f"{name} {metadata['version']} -> {version} ({'; '.join(reasons)})")
    return changes


def main(arguments: list[str]) -> int:
    failed = 0
    for library in arguments or LIBRARIES:
        alone = resolve(library)
        both = resolve(library, AUTOLOG) if isinstance(alone, dict) else alone
        if isinstance(alone, str) or isinstance(both, str):
            failed += 1
            print(f"{library}: cannot be resolved: {both}", flush=True)
            continue
        changes = moved(alone, both)
        failed += bool(changes)
        added = len(both.keys() - alone.keys()) - 1
        version = alone[library]["version"]
        print(
            f"{library} {version}: {len(alone)} distributions, autolog adds {added}, moved {len(changes)}", flush=True
        )
        for change in changes:
            print(f"  {change}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
