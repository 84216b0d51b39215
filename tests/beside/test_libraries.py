"""Other libraries that instrument the same SDKs: each call is recorded once, in every order of patching and unpatching.

The libraries make the same spans as without autolog, alone and in groups. The installed libraries are tested; `python
tests/beside/libraries.py` tests all.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from beside.libraries import GROUPS, LIBRARIES, Library
from prepared import Prepared, prepared

PROGRAM = '''
import asyncio, json, os, sys

import anthropic, openai

import autolog
from autolog.testing import capture

LIBRARIES = json.loads(os.environ["LIBRARIES"])
NAMESPACES = [{} for _ in LIBRARIES]
URL = os.environ["STANDIN"]
MESSAGES = [{"role": "user", "content": "hello"}]
CHAT = {"model": "gpt-4o-mini", "messages": MESSAGES}
CLAUDE = {"model": "claude-sonnet-5", "max_tokens": 9, "messages": MESSAGES}


def make_clients():
    """Sync and async clients of both SDKs, wrapped by the libraries whose way that is."""
    global chat, messages, async_chat, async_messages
    def wrap_openai(client): return wrapped("wrap_openai", client)
    def wrap_anthropic(client): return wrapped("wrap_anthropic", client)
    at = {"api_key": "k", "max_retries": 0}
    chat = wrap_openai(openai.OpenAI(base_url=URL + "/v1", **at)).chat.completions
    messages = wrap_anthropic(anthropic.Anthropic(base_url=URL, **at)).messages
    async_chat = wrap_openai(openai.AsyncOpenAI(base_url=URL + "/v1", **at)).chat.completions
    async_messages = wrap_anthropic(anthropic.AsyncAnthropic(base_url=URL, **at)).messages


def wrapped(wrap, client):
    for namespace in NAMESPACES:
        client = namespace.get(wrap, lambda client: client)(client)
    return client


def made_spans():
    """The names of the spans that each library has made."""
    return [namespace["spans"]() if "spans" in namespace else [] for namespace in NAMESPACES]


async def async_calls():
    yield (await async_chat.create(**CHAT)).choices[0].message.content
    yield len([chunk async for chunk in await async_chat.create(stream=True, **CHAT)])
    yield (await async_messages.create(**CLAUDE)).content[0].text
    yield len([event async for event in await async_messages.create(stream=True, **CLAUDE)])


def calls():
    """What eight calls give, and which records and other libraries' spans are made of them."""
    before = made_spans()
    async def all_async(): return [result async for result in async_calls()]

    with capture() as records:
        results = [
            chat.create(**CHAT).choices[0].message.content,
            len(list(chat.create(stream=True, **CHAT))),
            messages.create(**CLAUDE).content[0].text,
            len(list(messages.create(stream=True, **CLAUDE))),
            *loop.run_until_complete(all_async()),
        ]
        made = [f"{record.sdk} {record.status} {bool(record.request_stream)}"
                for record in records if record.kind == "llm"]
    spans = [sorted(after[len(earlier):]) for earlier, after in zip(before, made_spans())]
    return {"results": results, "records": made, "spans": spans}


def come(number):
    for part in ("wrap", "start", "spans"):
        exec(LIBRARIES[number][part], NAMESPACES[number])


def go(number):
    exec(LIBRARIES[number]["stop"], NAMESPACES[number])


STEPS = {
    "clients": make_clients,
    "library": lambda: come(0),
    "library goes": lambda: go(0),
    "second": lambda: come(1),
    "second goes": lambda: go(1),
    "third": lambda: come(2),
    "third goes": lambda: go(2),
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


#: The libraries of a group, in the order in which they come, and the places among them at which autolog comes.
PLACES = ("library", "second", "third")
TOGETHER = {"first": 0, "between": 1, "last": len(PLACES)}


@pytest.fixture(scope="module")
def sdks() -> Iterator[Prepared]:
    """Start a process that has imported both SDKs, which takes seconds; autolog and the libraries come after them."""
    with prepared("anthropic", "openai") as started:
        yield started


def run(
    sdks: Prepared, steps: Sequence[str], url: str, tmp_path: Path, *libraries: Library
) -> tuple[list[dict[str, Any]], str]:
    """Run the steps, and return the results of the calls, with records and spans, and warnings about missed calls."""
    variables = {name: value for library in libraries for name, value in library.variables.items()}
    code = [{"start": library.start, "stop": library.stop, "wrap": library.wrap, "spans": library.spans}
            for library in libraries]  # fmt: skip
    environment = {**os.environ, **variables, "STANDIN": url, "LIBRARIES": json.dumps(code)}
    printed = sdks.run(PROGRAM, steps, tmp_path, environment)
    lines = dict(line.split(" ", 1) for line in printed.splitlines() if line.startswith(("seen ", "unrecorded ")))
    return json.loads(lines["seen"]), lines["unrecorded"]


def check(sdks: Prepared, steps: Sequence[str], url: str, tmp_path: Path, *libraries: Library) -> None:
    """Check that every call is recorded once while autolog is in force, with the results and spans as without it."""
    seen, unrecorded = run(sdks, steps, url, tmp_path, *libraries)
    patched = [steps[:place].count("autolog") > steps[:place].count("autolog goes")
               for place, step in enumerate(steps) if step == "calls"]  # fmt: skip
    assert [outcome["records"] for outcome in seen] == [RECORDED if live else [] for live in patched]
    assert unrecorded == "{}"
    without, _ = run(sdks, [step for step in steps if not step.startswith("autolog")], url, tmp_path, *libraries)
    for what in ("results", "spans"):
        assert [outcome[what] for outcome in seen] == [outcome[what] for outcome in without]
    # clients that were made before a library that wraps them make no spans
    assert any(all(outcome["spans"]) for outcome in seen) or not all(library.spans for library in libraries)


def installed(library: Library) -> bool:
    try:
        return all(importlib.util.find_spec(module) is not None for module in library.modules)
    except ImportError:
        return False


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", LIBRARIES)
def test_every_call_is_recorded_once(name: str, order: str, url: str, tmp_path: Path, sdks: Prepared) -> None:
    library = LIBRARIES[name]
    if not installed(library):
        pytest.skip(f"{' '.join(library.requires)} is not installed: python tests/beside/libraries.py")
    check(sdks, ORDERS[order] + (GOING[order] if library.stop else ("calls",)), url, tmp_path, library)


@pytest.mark.parametrize("order", TOGETHER)
@pytest.mark.parametrize("names", GROUPS, ids="+".join)
def test_beside_several_libraries(names: tuple[str, ...], order: str, url: str, tmp_path: Path, sdks: Prepared) -> None:
    group = [LIBRARIES[name] for name in names]
    if "AUTOLOG_TEST_TOGETHER" not in os.environ or not all(map(installed, group)):
        pytest.skip(f"{' and '.join(names)} are tried in their own environment: python tests/beside/libraries.py")
    steps = list(PLACES[: len(group)])
    leave = [f"{step} goes" for step, library in zip(steps, group, strict=True) if library.stop]
    steps.insert(TOGETHER[order], "autolog")
    steps += ["clients", "calls", *(part for step in leave for part in (step, "calls"))]
    check(sdks, (*steps, "autolog goes", "calls", "autolog", "calls"), url, tmp_path, *group)
