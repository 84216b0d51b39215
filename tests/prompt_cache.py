"""A model of Anthropic's published prompt cache, independent of autolog's, to compute what a series of calls reads."""

from __future__ import annotations

import json
from typing import Any

LOOKBACK, MINIMUM, LIVES = 20, 1_024, 300.0


class PromptCache:
    """A cache that counts the tokens that each request reads and writes."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], float] = {}

    def ask(self, body: dict[str, Any], now: float) -> tuple[int, int, int]:
        """Return the numbers of tokens in the whole input, read from the cache, and written to it."""
        blocks, marks = _blocks(body)
        ends = [sum(map(len, blocks[: n + 1])) for n in range(len(blocks))]
        read = 0
        for mark in marks:
            for at in range(mark, max(-1, mark - LOOKBACK - 1), -1):
                key = body["model"], "".join(blocks[: at + 1])
                if self._entries.get(key, -1.0) >= now:
                    self._entries[key] = now + LIVES
                    read = max(read, ends[at] // 4)
                    break
        written = 0
        for mark in marks:
            if ends[mark] // 4 >= MINIMUM:
                self._entries[body["model"], "".join(blocks[: mark + 1])] = now + LIVES
                written = max(written, ends[mark] // 4 - read)
        return ends[-1] // 4, read, max(0, written)


def _blocks(body: dict[str, Any]) -> tuple[list[str], list[int]]:
    blocks: list[str] = []
    marks: list[int] = []
    parts = [("", tool) for tool in body["tools"]] + [("", block) for block in body["system"]]
    parts += [(message["role"], block) for message in body["messages"] for block in message["content"]]
    for role, block in parts:
        blocks.append(role + json.dumps({key: value for key, value in block.items() if key != "cache_control"}))
        if "cache_control" in block:
            marks.append(len(blocks) - 1)
    return blocks, marks
