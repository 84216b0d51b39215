"""Schemathesis over /openapi.json: no request gets a 5xx or an undocumented response."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from live import KEY, live

#: Paths whose routes are also available under another path.
ALIASES = "^/(langsmith|accounts|otel|api/otel|v1/otel|v1/logs/otel|api/public/otel|api/v1/(info|runs|feedback|sessions|settings))"


@pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed")
def test_no_request_breaks_the_server(store_url: str, tmp_path: Path) -> None:
    examples = "10" if store_url.startswith("sqlite") else "2"  # few of the requests reach the store
    with live(store_url) as server:
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "schemathesis"), "run", f"{server.url}/openapi.json",
                "--exclude-path", "/api/v1/tail",  # an endless stream
                "--header", f"Authorization: Bearer {KEY}",
                "--exclude-path-regex", ALIASES,
                "--checks", "not_a_server_error,status_code_conformance,content_type_conformance",
                "--phases", "examples,coverage,fuzzing", "--max-examples", examples, "--generation-database", "none",
            ],
            cwd=tmp_path, timeout=300, check=False, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "64/64" in done.stdout or "Tested:" in done.stdout
