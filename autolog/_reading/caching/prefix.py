"""Flatten a request into the prompt that a provider caches: its leaves in order, their paths, and the cache marks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

#: The size, in characters, assumed for an image or a file, because its base64 form does not reflect its tokens.
_MEDIA_SIZE = 4_000
_LONG = 2_000
#: Keys whose value may be a text or, equivalently, a list of parts.
_CONTENT = {"content", "system"}
_MEDIA = ("image", "audio", "file", "document", "inline", "source")


@dataclass(frozen=True, slots=True)
class Mark:
    """A `cache_control`: the number of leaves and of blocks before it, and its time to live (such as `5m`)."""

    leaves: int
    blocks: int
    ttl: str


@dataclass(slots=True)
class Prefix:
    """The leaves of a prompt: the path (such as `tools[3].description`), text and size in characters of each."""

    paths: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    blocks: int = 0

    @property
    def size(self) -> int:
        return sum(self.sizes)

    def add(self, path: str, text: str) -> None:
        media = len(text) > _LONG and " " not in text[:_LONG] and any(word in path.lower() for word in _MEDIA)
        self.paths.append(path)
        self.texts.append(sha256(text.encode(errors="replace")).hexdigest() if media else text)
        self.sizes.append(_MEDIA_SIZE if media else len(text) + 1)


def prefix_of(request: dict[str, Any], order: Sequence[str]) -> Prefix:
    """Return the prompt of a request, with its parts in the provider's order."""
    prefix = Prefix()
    for part in order:
        if request.get(part) not in (None, "", []):
            _flatten(prefix, part, request[part], depth=0)
    if isinstance(request.get("cache_control"), dict):  # Anthropic's automatic caching: the last block is marked
        prefix.marks.append(_mark(prefix, request["cache_control"]))
    return prefix


def _mark(prefix: Prefix, control: dict[str, Any]) -> Mark:
    return Mark(len(prefix.paths), prefix.blocks, str(control.get("ttl") or "5m"))


def _flatten(prefix: Prefix, path: str, value: Any, depth: int) -> None:
    name = path.rpartition(".")[2]
    if name in _CONTENT and isinstance(value, str):
        value = [{"type": "text", "text": value}]
    if depth > 60 or not isinstance(value, (dict, list)):
        prefix.add(path, value if isinstance(value, str) else json.dumps(value, default=str))
        return
    for key, item in _items(value):
        if key != "cache_control":
            _flatten(prefix, f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}", item, depth + 1)
    if isinstance(value, dict):
        if name.partition("[")[0] in {"content", "system", "tools"} and "]" in name:
            prefix.blocks += 1
        if isinstance(value.get("cache_control"), dict):
            prefix.marks.append(_mark(prefix, value["cache_control"]))


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    return iter(value.items() if isinstance(value, dict) else enumerate(value))


@dataclass(frozen=True, slots=True)
class Common:
    """The common prefix of two prompts: the number of equal leaves, and of characters, including a partial leaf."""

    leaves: int
    size: int


def common_prefix(left: Prefix, right: Prefix) -> Common:
    """Return the common prefix of two prompts."""
    length = min(len(left.paths), len(right.paths))
    at = next((n for n in range(length) if left.texts[n] != right.texts[n] or left.paths[n] != right.paths[n]), length)
    size = sum(left.sizes[:at])
    if at < length and left.paths[at] == right.paths[at]:
        size += same_characters(left.texts[at], right.texts[at])
    return Common(at, size)


def same_characters(left: str, right: str) -> int:
    """Return the length of the common prefix of two texts."""
    low, high = 0, min(len(left), len(right))
    while low < high:  # bisect, because comparing slices is fast and comparing single characters is not
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
