"""The contents of the packages built from this checkout; `python tests/release/packages.py` installs and uses them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def load(path: Path) -> Any:
    """Load a module of the checkout that is not part of the package."""
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


packages = load(ROOT / "tests/release/packages.py")


def test_wheel_and_sdist_hold_what_they_should(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="building the packages needs hatchling: pip install hatchling")
    variables = {**os.environ, "REPOSITORY_URL": packages.REPOSITORY}
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True)
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    packages.check_contents(wheel, sdist)


def test_links_of_the_readme_become_absolute_ones_of_the_version() -> None:
    pytest.importorskip("hatchling", reason="the hook is one of hatchling's: pip install hatchling")
    hook = load(ROOT / "tests/release/metadata.py")
    readme = "[a](b/c.md#d) ![e](f.png) [![g](h.svg)](i.yml) [j](#k) [l](https://m.example/n) [o `p[0]`](q.py)"
    assert hook.absolute(readme, "https://git.example/o/n", "1.2.3") == (
        "[a](https://git.example/o/n/blob/v1.2.3/b/c.md#d) ![e](https://git.example/o/n/raw/v1.2.3/f.png) "
        "[![g](https://git.example/o/n/raw/v1.2.3/h.svg)](https://git.example/o/n/blob/v1.2.3/i.yml) [j](#k) "
        "[l](https://m.example/n) [o `p[0]`](https://git.example/o/n/blob/v1.2.3/q.py)"
    )


def test_links_of_the_documents_lead_somewhere() -> None:
    missing = []
    documents = (path for folder in (".", "autolog", "examples") for path in (ROOT / folder).rglob("*.md"))
    for document in {path for path in documents if not set(path.parts) & {".venv", "node_modules", "site-packages"}}:
        for target in re.findall(r"\]\((?![a-z]+:|#|/)([^)\s#]+)[^)]*\)", document.read_text(encoding="utf-8")):
            if not (document.parent / target).exists():
                missing.append(f"{document.relative_to(ROOT)}: {target}")
    assert not missing


def test_every_extra_is_tried_by_the_developers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    developers = " ".join(extras["dev"])
    tried = set(re.findall(r"[\w-]+", developers.partition("]")[0].partition("[")[2]))
    assert set(extras) - {"dev", "openai", "anthropic"} <= tried


#: Distributions of a plain install that only the command line uses.
FOR_THE_COMMAND_LINE = {"click", "rich", "pygments", "markdown_it"}


def test_a_program_that_records_imports_nothing_of_the_command_line(tmp_path: Path) -> None:
    code = """
import sys, autolog
autolog.configure(store="sqlite:///s.db")
autolog.patch_openai()
with autolog.span("a"):
    pass
autolog.flush()
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "wrapt" in loaded
    assert not loaded & FOR_THE_COMMAND_LINE
    assert not loaded & {"starlette", "uvicorn", "jinja2", "opentelemetry", "clickhouse_connect", "pyarrow", "tiktoken"}
