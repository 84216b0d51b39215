"""A lower bound: the leanest possible instrumentation of the same functions, two clock readings and one append."""

import functools
import inspect
import time

import anthropic._base_client
import openai._base_client

REQUIREMENTS: list[str] = []
kept: list[tuple[int, int]] = []
clock = time.perf_counter_ns


def begin(sink: str) -> None:
    for module in (openai._base_client, anthropic._base_client):
        module.SyncAPIClient.request = decorate(module.SyncAPIClient.request)
        module.AsyncAPIClient.request = decorate(module.AsyncAPIClient.request)


def settle() -> None:
    kept.clear()


def decorate(function):
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def timed(*args, **kwargs):
            start = clock()
            result = await function(*args, **kwargs)
            kept.append((start, clock()))
            return result

    else:

        @functools.wraps(function)
        def timed(*args, **kwargs):
            start = clock()
            result = function(*args, **kwargs)
            kept.append((start, clock()))
            return result

    return timed


class span:
    __slots__ = ("start",)

    def __init__(self, name: str) -> None: ...

    def __enter__(self) -> None:
        self.start = clock()

    def __exit__(self, *_: object) -> None:
        kept.append((self.start, clock()))
