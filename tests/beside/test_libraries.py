"""Other libraries that instrument the same SDKs: each call is recorded once, in every order of patching and unpatching.

The installed libraries are tested; `python tests/beside/libraries.py` tests all.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from beside.libraries import LIBRARIES, Library

PROGRAM = '''
import asyncio, json, os, sys

import anthropic, openai

import autolog
from autolog.testing import capture

START, STOP, WRAP = map(os.environ.get, ("START", "STOP", "WRAP"))
URL = os.environ["STANDIN"]
MESSAGES = [{"role": "user", "content": "hello"}]
CHAT = {"model": "gpt-4o-mini", "messages": MESSAGES}
CLAUDE = {"model": "claude-sonnet-5", "max_tokens": 9, "messages": MESSAGES}


def wrap_openai(client): return client
def wrap_anthropic(client): return client


def make_clients():
    """Sync and async clients of both SDKs, wrapped by the library where that is its way."""
    global chat, messages, async_chat, async_messages
    at = {"api_key": "k", "max_retries": 0}
    chat = wrap_openai(openai.OpenAI(base_url=URL + "/v1", **at)).chat.completions
    messages = wrap_anthropic(anthropic.Anthropic(base_url=URL, **at)).messages
    async_chat = wrap_openai(openai.AsyncOpenAI(base_url=URL + "/v1", **at)).chat.completions
    async_messages = wrap_anthropic(anthropic.AsyncAnthropic(base_url=URL, **at)).messages


async def async_calls():
    yield (await async_chat.create(**CHAT)).choices[0].message.content
    yield len([chunk async for chunk in await async_chat.create(stream=True, **CHAT)])
    yield (await async_messages.create(**CLAUDE)).content[0].text
    yield len([event async for event in await async_messages.create(stream=True, **CLAUDE)])


def calls():
    """What eight calls give, and which records are made of them."""
    async def all_async(): return [result async for result in async_calls()]

    with capture() as records:
        results = [
            chat.create(**CHAT).choices[0].message.content,
            len(list(chat.create(stream=True, **CHAT))),
            messages.create(**CLAUDE).content[0].text,
            len(list(messages.create(stream=True, **CLAUDE))),
            *loop.run_until_complete(all_async()),
        ]
        made = [f"{record.sdk} {record.status} {bool(record.request_stream)}" for record in records]
    return {"results": results, "records": made}


def come():
    exec(WRAP, globals())
    exec(START, globals())


STEPS = {
    "clients": make_clients,
    "library": come,
    "library goes": lambda: exec(STOP, globals()),
    "autolog": autolog.patch,
    "autolog goes": autolog.unpatch,
    "calls": lambda: seen.append(calls()),
}
seen = []
loop = asyncio.new_event_loop()
for step in sys.argv[1:]:
    STEPS[step]()
print("seen", json.dumps(seen))
print("unrecorded", autolog.status()["unrecorded"])
sys.stdout.flush()
os._exit(0)  # without the exit of the library, which may wait for its server
'''

ORDERS = {
    "library first": ("clients", "library", "autolog", "calls", "clients", "calls", "autolog goes", "calls", "autolog"),
    "autolog first": ("autolog", "library", "clients", "calls"),
}
#: Orders of steps for libraries that can be stopped.
GOING = {
    "library first": ("calls", "library goes", "calls", "autolog goes", "autolog", "calls"),
    "autolog first": ("autolog goes", "library goes", "autolog", "calls", "library", "calls"),
}
RECORDED = [f"{sdk} ok {stream}" for sdk in ("openai", "anthropic") for stream in (False, True)] * 2


def run(steps: tuple[str, ...], url: str, tmp_path: Path, library: Library) -> tuple[list[dict[str, Any]], str]:
    """Run the steps, and return the calls' results with the records made, and the warnings about missed calls."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, *steps],
        env={
            **os.environ, "STANDIN": url, "START": library.start, "STOP": library.stop, "WRAP": library.wrap,
            **library.variables,
        },
        cwd=tmp_path, timeout=120, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith(("seen ", "unrecorded ")))
    return json.loads(lines["seen"]), lines["unrecorded"]


@pytest.fixture(scope="module")
def bare(url: str, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Return the results of the eight calls without any instrumentation."""
    ((seen,), _) = run(("clients", "calls"), url, tmp_path_factory.mktemp("bare"), Library("nobody", (), ()))
    assert seen["records"] == []
    results: list[Any] = seen["results"]
    return results


def installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", LIBRARIES)
def test_every_call_is_recorded_once(name: str, order: str, url: str, tmp_path: Path, bare: list[Any]) -> None:
    library = LIBRARIES[name]
    if not all(map(installed, library.modules)):
        pytest.skip(f"{' '.join(library.requires)} is not installed: python tests/beside/libraries.py")
    steps = ORDERS[order] + (GOING[order] if library.stop else ("calls",))
    seen, unrecorded = run(steps, url, tmp_path, library)
    patched = [steps[:place].count("autolog") > steps[:place].count("autolog goes")
               for place, step in enumerate(steps) if step == "calls"]  # fmt: skip
    assert [outcome["results"] for outcome in seen] == [bare] * len(seen)
    assert [outcome["records"] for outcome in seen] == [RECORDED if live else [] for live in patched]
    assert unrecorded == "{}"
