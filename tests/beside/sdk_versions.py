"""Run the tests of the supported SDK versions: `python tests/beside/sdk_versions.py [folder] [name ...]`.

Each set of versions gets a virtual environment in the folder (`.sdk-versions`).
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: The oldest versions of what a client needs, and of what it needs to ship.
LOWEST = tuple(
    requirement.replace(">=", "==")
    for requirement in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["ship"])
)
#: The oldest versions that `autolog.providers._sdks` names, with the oldest of all else; some between; and the newest.
VERSIONS = {
    "oldest": ("openai==1.30.*", "anthropic==0.49.*", "httpx<0.28", *LOWEST),
    "middle": ("openai==1.109.*", "anthropic==0.93.*", "wrapt==2.0.*"),
    "recent": ("openai==2.50.*", "anthropic==1.*"),  # versions that look for httpx2 on every call
    "newest": ("openai", "anthropic"),
    "generated, oldest": (
        "openai", "anthropic", "groq==0.9.*", "cerebras-cloud-sdk==1.0.*", "together==2.0.*", "writer-sdk==1.0.*",
        "llama-api-client==0.1.*", "perplexityai==0.20.*", "httpx<0.28",
    ),
    "generated, newest": (
        "openai", "anthropic", "groq", "cerebras-cloud-sdk", "together", "writer-sdk", "llama-api-client",
        "perplexityai", "fireworks-ai", "portkey-ai",
    ),
}  # fmt: skip
TESTS = ("tests/beside/test_sdk_versions.py", "tests/beside/test_imports.py", "tests/capture/test_graft.py",
         "tests/capture/test_patch.py", "tests/test_config.py")  # fmt: skip


def main(arguments: list[str]) -> int:
    """Return the number of environments in which tests failed or could not be run."""
    sys.path.insert(0, str(ROOT / "tests"))
    from environments import make, run_tests

    folder = Path(arguments[0] if arguments else ".sdk-versions").absolute()
    failed = 0
    for name in arguments[1:] or VERSIONS:
        python = make(folder / name, "pytest", *VERSIONS[name])
        print(f"{name}: {', '.join(VERSIONS[name])}", flush=True)
        tests = ("tests/beside/test_generated_sdks.py",) if name.startswith("generated") else TESTS
        failed += python is None or run_tests(python, *tests)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
