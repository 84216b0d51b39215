"""Texts that arrive in pieces: joined once at the end, for joining at every piece takes time squared."""

from __future__ import annotations

from typing import Any


class Pieces(list[str]):
    """A text that is still arriving."""

    @property
    def text(self) -> str:
        return "".join(self)


def add_text(holder: dict[str, Any], key: str, piece: str) -> None:
    """Let the text under a key grow by a piece."""
    before = holder.get(key)
    if isinstance(before, Pieces):
        before.append(piece)
    elif isinstance(before, str) and before:
        holder[key] = Pieces((before, piece))
    else:
        holder[key] = Pieces((piece,))


def joined(value: Any) -> Any:
    """Return a JSON value in which every text that arrived in pieces is one text."""
    if isinstance(value, Pieces):
        return value.text
    if isinstance(value, dict):
        return {key: joined(item) for key, item in value.items()}
    if isinstance(value, list):
        return [joined(item) for item in value]
    return value
