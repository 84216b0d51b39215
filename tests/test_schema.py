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


#: By store and thoroughness, the requests. What is not valid is refused before it reaches the store, so only SQLite's
#: server gets it. ClickHouse's gets a few of every operation, and whatever its reads may be asked.
REQUESTS = {
    ("sqlite", False): ["--phases=coverage,fuzzing --max-examples=2"],
    ("sqlite", True): ["--phases=coverage,fuzzing --max-examples=50"],
    ("clickhouse", False): [
        "--phases=fuzzing --mode=positive --max-examples=2",
        "--phases=coverage --mode=positive --include-method=GET",
    ],
    ("clickhouse", True): ["--phases=coverage,fuzzing --max-examples=10"],
}


@pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed")
def test_no_request_breaks_the_server(store_url: str, tmp_path: Path, thorough: bool) -> None:
    with live(store_url) as server:
        for requests in REQUESTS[store_url.partition(":")[0], thorough]:
            done = subprocess.run(
                [
                    str(Path(sys.executable).parent / "schemathesis"), "run", f"{server.url}/openapi.json",
                    "--exclude-path", "/api/v1/tail",  # an endless stream
                    "--header", f"Authorization: Bearer {KEY}",
                    "--exclude-path-regex", ALIASES,
                    "--checks", "not_a_server_error,status_code_conformance,content_type_conformance",
                    "--generation-database", "none", *requests.split(),
                ],
                cwd=tmp_path, timeout=3000 if thorough else 900, check=False, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
            assert "Tested:" in done.stdout
