"""Imports by autolog's threads while the program runs never expose a half-imported module to the program or an SDK."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from live import KEY, live

#: Prints the modules, other than autolog's, that were imported on threads other than the main one.
WATCHED = """
import json, os, sys, threading

class Watch:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread() and name.partition(".")[0] != "autolog":
            seen.add(name)

seen = set()
sys.meta_path.insert(0, Watch())
import autolog
options = json.loads(os.environ["OPTIONS"])
if options:
    autolog.configure(**options)
{program}
autolog.flush(5)
autolog.shutdown()
print("made", made)
print("imported", sorted(seen))
"""

SPANS = """
with autolog.span("outer") as span:
    span.set(number=1)

@autolog.autolog
def function(values):
    return {"got": values}

made = function([1, 2])["got"]
"""

CALLS = """
autolog.patch()
import openai, anthropic

url = os.environ["STANDIN"]
chat = openai.OpenAI(api_key="k", base_url=url + "/v1").chat.completions
messages = [{"role": "user", "content": "hello"}]
made = [type(chat.create(model="gpt-4o-mini", messages=messages)).__name__]
made.append(len(list(chat.create(model="gpt-4o-mini", messages=messages, stream=True))) > 1)
claude = anthropic.Anthropic(api_key="k", base_url=url).messages
made.append(type(claude.create(model="claude-sonnet-5", max_tokens=9, messages=messages)).__name__)
"""


#: The calls of one SDK; those of the others ship the same way.
CHATS = "\n".join(line for line in CALLS.splitlines() if "claude" not in line).replace(", anthropic", "")
CHATTED = "made ['ChatCompletion', True]"


def watched(program: str, url: str, tmp_path: Path, options: dict[str, Any], **variables: str) -> list[str]:
    """Run a program, and return the imports on threads that are not its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WATCHED.format(program=textwrap.dedent(program))],
        env={**os.environ, "OPTIONS": json.dumps(options), "STANDIN": url, **variables},
        cwd=tmp_path,
        timeout=300,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


CALLED = "made ['ChatCompletion', True, 'Message']"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"durable": True},
        {"stream_usage": "estimate", "max_field_chars": 3, "max_media_bytes": 3, "redact": ["hello"]},
        {"update_prices": True, "budgets": [{"limit": 1e-9, "then": "http://127.0.0.1:1/"}]},
    ],
    ids=lambda options: "-".join(options) or "default",
)
def test_our_threads_import_nothing_of_others(options: dict[str, Any], url: str, tmp_path: Path) -> None:
    # An option's code is the same for every SDK, and all take seconds to import.
    calls, called = (CHATS, CHATTED) if options else (CALLS, CALLED)
    assert watched(calls, url, tmp_path, options) == [called, "imported []"]


@pytest.mark.parametrize(
    ("dialect", "prefix"),
    [("native", ""), ("otlp", ""), ("portkey", "/v1"), ("humanloop", "/v5"), ("promptlayer", ""), ("responselog", "")],
)
def test_shipping_imports_nothing_of_others_on_our_threads(dialect: str, prefix: str, url: str, tmp_path: Path) -> None:
    with live(tmp_path / "server.db") as server:
        variables = {"AUTOLOG_ENDPOINT": server.url + prefix, "AUTOLOG_DIALECT": dialect, "AUTOLOG_API_KEY": KEY}
        assert watched(CHATS, url, tmp_path, {}, **variables) == [CHATTED, "imported []"]
        assert len(server.records()) == 2


def test_spans_alone_import_nothing_of_others_on_our_threads(url: str, tmp_path: Path) -> None:
    assert watched(SPANS, url, tmp_path, {}) == ["made [1, 2]", "imported []"]


def test_clickhouse_imports_nothing_of_others_on_our_threads(url: str, tmp_path: Path, clickhouse_url: str) -> None:
    assert watched(CHATS, url, tmp_path, {}, AUTOLOG_STORE=clickhouse_url) == [CHATTED, "imported []"]


def test_capturing_in_a_test_imports_nothing_of_others_on_our_threads(url: str, tmp_path: Path) -> None:
    program = f"""
from autolog.testing import capture
with capture() as records:
{textwrap.indent(CHATS, "    ")}
    made.append(len(records))
"""
    assert watched(program, url, tmp_path, {}) == ["made ['ChatCompletion', True, 2]", "imported []"]


def test_patching_before_anything_is_imported_imports_prices_once(url: str, tmp_path: Path) -> None:
    """Check the cycle of genai-prices, which imports httpx2, whose patch imports genai-prices."""
    program = """
autolog.patch()
import httpx2
made = autolog.status()["failures"]
"""
    assert watched(program, url, tmp_path, {}) == ["made {}", "imported []"]
    program = """
autolog.patch()
import genai_prices
made = autolog.status()["failures"]
"""
    assert watched(program, url, tmp_path, {}) == ["made {}", "imported []"]
