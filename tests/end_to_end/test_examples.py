"""Every example runs against the stand-in, and leaves the expected records."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from example_runs import EXAMPLES, run_example

from autolog.cli._standin import standin

#: How many records each leaves.
RECORDS = {"quickstart": 1, "streaming": 2, "tools": 5, "web_app": 5, "own_tests": 0}


def test_all_examples_are_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(RECORDS)
    listed = (EXAMPLES / "README.md").read_text()
    assert all(f"`{name}.py`" in listed for name in RECORDS)


@pytest.mark.parametrize("name", RECORDS)
def test_example(name: str, tmp_path: Path) -> None:
    records = run_example(name, tmp_path)
    assert len(records) == RECORDS[name]
    assert all(record.status == "ok" for record in records)
    if name == "web_app":
        assert {record.user for record in records} == {"user:42"}
        assert len({record.trace_id for record in records}) == 1


def test_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="pip install nbclient ipykernel")
    nbclient = pytest.importorskip("nbclient", reason="pip install nbclient ipykernel")
    pytest.importorskip("ipykernel", reason="pip install nbclient ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    with standin() as address:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{address}/v1")
        nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (shown,) = notebook.cells[-1].outputs
    assert "Say hello in five languages" in shown.data["text/html"]
    assert "gpt-4o-mini" in shown.data["text/plain"]


def test_the_suite_with_cassettes_needs_no_network(tmp_path: Path) -> None:
    for path in (EXAMPLES / "suite").rglob("*.*"):
        if path.is_file() and "__pycache__" not in path.parts:
            copy = tmp_path / path.relative_to(EXAMPLES / "suite")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text())
    # The plugins that are installed here are not the suite's.
    env = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "HTTPS_PROXY": "http://127.0.0.1:1",
           "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=env, timeout=180, check=False, capture_output=True, text=True)
    assert "3 passed" in done.stdout, done.stdout


def test_the_cluster_is_one_that_we_understand() -> None:
    from xml.etree import ElementTree

    import yaml

    from autolog.stores.clickhouse._schema import MIGRATIONS
    from autolog.stores.clickhouse._url import read_url

    folder = EXAMPLES / "scale"
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    assert services["autolog-1"] == services["autolog-2"]
    url = services["autolog-1"]["environment"]["AUTOLOG_STORE"].replace("${CLICKHOUSE_PASSWORD:-change-me}", "secret")
    place = read_url(url)
    assert (place.host, place.port, place.replicated, place.distributed) == ("balancer", 8123, True, False)
    configuration = ElementTree.parse(folder / "cluster.xml").getroot()
    replicas = configuration.findall(f"remote_servers/{place.cluster}/shard/replica/host")
    assert {replica.text for replica in replicas} == {"clickhouse-1", "clickhouse-2"} <= services.keys()
    keeper = ElementTree.parse(folder / "keeper.xml").getroot()
    assert keeper.findtext("keeper_server/tcp_port") == configuration.findtext("zookeeper/node/port")
    balancer = (folder / "Caddyfile").read_text()
    assert all(f"{name}:" in balancer for name in services.keys() - {"balancer", "keeper"})
    assert all("ON CLUSTER `logs`" in statement for migrate in MIGRATIONS for statement in migrate(place))
