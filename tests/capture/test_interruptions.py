"""An exception raised asynchronously inside autolog's code on the calling thread reaches the program."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from types import FrameType
from typing import Any

import openai
import pytest
from sdk_http import openai_http as http

import autolog
from autolog import _guard
from autolog.testing import Records

PACKAGE = str(Path(autolog.__file__).parent)
COMPLETION = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": []}
EVENTS = b'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[]}\n\ndata: [DONE]\n\n'


class TimeLimit(Exception):
    """What the program's handler raises."""


class Handler:
    """Raises at one instruction of ours, as a signal handler does that Python runs there.

    A tracer is called like a handler: from the frame that it interrupts, with that frame as an argument.
    """

    def __init__(self, at: int, kind: type[BaseException]) -> None:
        self.left, self.kind, self.raised = at, kind, False

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace = self.strike  # before the next: from Python 3.13 on it has no effect otherwise
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self.strike

    def strike(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "opcode":
            self.left -= 1
            if self.left == 0:
                self.raised = True
                sys.settrace(None)
                raise self.kind
        return self.strike


def struck(act: Callable[[], object], at: int, kind: type[BaseException]) -> bool | None:
    """Return whether an exception at one instruction came out; None if there are fewer instructions.

    One that strikes between the opening of a block and its first instruction leaves the block open, as Python has it,
    so each runs in a context of its own.
    """
    handler = Handler(at, kind)
    context = copy_context()
    sys.settrace(handler)
    try:
        context.run(act)
    except kind:
        return True
    finally:
        sys.settrace(None)
    return False if handler.raised else None


def span() -> None:
    with autolog.context(user="u", metadata={"list": [1]}), autolog.span("s", model="m") as opened:
        opened.set(output={"a": [object()]})


@autolog.autolog
def double(number: int, more: object = None) -> int:
    return 2 * number


def function() -> None:
    double(2, {"set": {1, 2}})


def numbers() -> None:
    list(count(2))


@autolog.autolog
def count(to: int) -> Any:
    yield from range(to)


def client(response: Callable[[Any], Any]) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", max_retries=0, http_client=http.Client(transport=http.MockTransport(response)))


plain = client(lambda _: http.Response(200, json=COMPLETION))


def call() -> None:
    plain.chat.completions.create(model="gpt-4o", messages=[])


@pytest.mark.parametrize("act", [span, function, numbers, call])
@pytest.mark.parametrize("kind", [TimeLimit, TimeoutError, ValueError])
def test_it_comes_out_wherever_it_strikes(
    patched: Records, act: Callable[[], None], kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_guard, "strict", False)
    act()  # so that everything is imported
    struck(act, -1, kind)  # Python 3.12 reports instructions only from the second tracer on
    at, silent = 1, []
    while (came_out := struck(act, at, kind)) is not None:
        if not came_out:
            silent.append(at)
        at += 7
    assert at > 100
    assert silent == []
    act()
    assert len(patched) > 1
