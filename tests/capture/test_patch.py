"""Patching with broken SDKs, and before an SDK is imported, in separate processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import autolog

HERE = Path(autolog.__file__).parents[1]


def run(program: str, tmp_path: Path, *path: Path) -> str:
    """Run a program, and return its output and errors."""
    paths = os.pathsep.join(map(str, (*path, HERE)))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=tmp_path,
        timeout=300,
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def fake(tmp_path: Path, name: str, base_client: str, version: str | None = None) -> Path:
    site = tmp_path / "site"
    package = site / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from . import _base_client\n")
    (package / "_base_client.py").write_text(base_client)
    if version:
        (site / f"{name}-{version}.dist-info").mkdir()
        (site / f"{name}-{version}.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
    return site


def test_importing_costs_nothing(tmp_path: Path) -> None:
    printed = run(
        """
        import sys, threading, os
        before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
        import autolog
        from autolog import autolog as recorder
        after = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
        assert recorder is autolog.autolog and callable(recorder)
        loaded = {"openai", "anthropic", "httpx", "httpx2", "pydantic", "genai_prices", "rich", "click", "sqlite3"} & set(sys.modules)
        print(threading.active_count(), after - before, loaded, os.listdir("."))
        """,
        tmp_path,
    )
    assert printed.strip() == "1 set() set() []"


def test_patching_before_the_sdk_is_imported(tmp_path: Path) -> None:
    printed = run(
        """
        import sys, autolog
        autolog.patch()
        assert "openai" not in sys.modules and "anthropic" not in sys.modules
        import openai
        http = getattr(openai._base_client, 'httpx2', None) or openai._base_client.httpx
        from autolog.testing import capture
        with capture() as records:
            transport = http.MockTransport(lambda r: http.Response(200, json={"id": "x", "model": "m"}))
            openai.OpenAI(api_key="k", http_client=http.Client(transport=transport)).moderations.create(input="x")
            print(len(records), records[0].operation_name)
        autolog.unpatch()
        print(openai._base_client.SyncAPIClient.request.__module__, hasattr(openai._base_client.SyncAPIClient.request, "__wrapped__"))
        """,
        tmp_path,
    )
    assert printed.splitlines() == ["1 moderation", "openai._base_client False"]


def test_a_missing_sdk(tmp_path: Path) -> None:
    printed = run(
        """
        import importlib.util as u, autolog
        find = u.find_spec
        u.find_spec = lambda name, *a: None if name == "openai" else find(name, *a)
        try: autolog.patch_openai()
        except autolog.PatchError as error: print(error)
        patched = autolog.patch()
        print("openai" in patched, "anthropic" in patched)
        """,
        tmp_path,
    )
    first, second = printed.splitlines()
    assert first == ("cannot patch openai: it is not installed; install openai 1.30 or newer: pip install -U openai")
    assert second == "False True"


def test_an_sdk_that_is_too_old(tmp_path: Path) -> None:
    site = fake(tmp_path, "openai", "", version="1.3.0")
    printed = run(
        """
        import autolog
        try: autolog.patch_openai()
        except autolog.PatchError as error: print(error)
        """,
        tmp_path,
        site,
    )
    assert "version 1.3.0 is too old; install openai 1.30 or newer" in printed


def test_an_sdk_that_is_too_old_does_not_keep_others_from_being_patched(tmp_path: Path) -> None:
    site = fake(tmp_path, "openai", "", version="1.3.0")
    printed = run(
        """
        import logging, autolog
        logging.basicConfig(level="WARNING")
        print("anthropic" in autolog.patch(), autolog.status()["unpatched"])
        """,
        tmp_path,
        site,
    )
    assert "True {'openai': 'version 1.3.0 is too old; install openai 1.30 or newer" in printed
    assert "cannot patch openai: version 1.3.0 is too old" in printed


@pytest.mark.parametrize(
    "base_client",
    [
        "class BaseClient: pass",
        "class BaseClient:\n  def _build_request(self, options): ...\n"
        "class SyncAPIClient(BaseClient):\n  def request(self, other): ...\n  def _process_response(self, response): ...\n",
    ],
)
def test_an_sdk_that_has_changed(tmp_path: Path, base_client: str) -> None:
    site = fake(tmp_path, "openai", base_client, version="9.0.0")
    program = """
        import logging, autolog
        logging.basicConfig(level="WARNING")
        {before}
        try: autolog.patch_openai()
        except autolog.PatchError as error: print("raised", error)
        import openai
        print("imported", autolog.status()["patched"])
        """
    now = run(program.format(before="import openai"), tmp_path, site)
    assert "raised cannot patch openai: SyncAPIClient.request" in now
    later = run(program.format(before=""), tmp_path, site)
    assert "raised" not in later
    assert "cannot patch openai: SyncAPIClient.request" in later
    assert "imported []" in later


def test_a_second_patch_records_an_sdk_or_library_that_was_imported_again_or_reloaded_and_its_old_clients(
    tmp_path: Path,
) -> None:
    printed = run(
        """
        import importlib, sys, autolog
        autolog.patch()
        from autolog.testing import capture

        def module(name):
            return importlib.import_module(name)

        def client(sdk, maker):
            base = module(f"{sdk}._base_client")
            http = getattr(base, "httpx2", None) or base.httpx
            transport = http.MockTransport(lambda r: http.Response(200, json={"id": "x", "model": "m"}))
            return getattr(module(f"{sdk}._client"), maker)(api_key="k", http_client=http.Client(transport=transport))

        def ask_openai(client):
            client.post("/moderations", cast_to=object, body={"input": "x"})  # old clients cannot parse into new classes

        def ask_anthropic(client):
            client.post("/v1/messages", cast_to=object, body={"model": "m", "max_tokens": 1})

        library = "httpx" if importlib.util.find_spec("httpx") else "httpx2"

        def ask_library(client):
            client.post("https://api.openai.com/v1/moderations", json={"input": "x"})

        def library_client():
            http = module(library)
            return http.Client(transport=http.MockTransport(lambda r: http.Response(200, json={"id": "x"})))

        kinds = {
            "openai": (lambda: client("openai", "OpenAI"), ask_openai),
            "anthropic": (lambda: client("anthropic", "Anthropic"), ask_anthropic),
            library: (library_client, ask_library),
        }
        reloaded = {"openai": ("_base_client", "_client"), "anthropic": ("_base_client", "_client"), library: ("_client", "")}
        for name, (make, ask) in kinds.items():
            old = make()
            for method in "import", "reload":
                if method == "import":
                    for part in [part for part in sys.modules if part.split(".")[0] == name]:
                        del sys.modules[part]
                elif method == "reload":
                    for part in reloaded[name]:
                        importlib.reload(module(f"{name}.{part}".rstrip(".")))
                make()
                reported = name in autolog.status()["unpatched"]
                autolog.patch()
                with capture() as records:
                    ask(make()), ask(old)
                kind = "library" if name == library else name
                print(kind, method, len(records), reported, name in autolog.status()["unpatched"])
        """,
        tmp_path,
    )
    assert printed.splitlines() == [
        f"{name} {method} 2 {name != 'library'} False"  # status() says of an SDK that it is to be patched again
        for name in ("openai", "anthropic", "library")
        for method in ("import", "reload")
    ]


@pytest.mark.parametrize("replacement", ["functools.lru_cache(print)", "lambda *args: None", "property(print)"])
def test_a_method_that_other_code_has_replaced(tmp_path: Path, replacement: str) -> None:
    base_client = (
        "class BaseClient:\n  def _build_request(self, options): ...\n"
        "class SyncAPIClient(BaseClient):\n  def request(self, cast_to, options): ...\n"
    )
    printed = run(
        f"""
        import functools, openai, autolog
        openai._base_client.SyncAPIClient.request = {replacement}
        try: autolog.patch_openai()
        except autolog.PatchError as error: print(error)
        """,
        tmp_path,
        fake(tmp_path, "openai", base_client, version="9.0.0"),
    )
    assert "cannot patch openai: other code has replaced SyncAPIClient.request with " in printed
    assert "this version" not in printed
