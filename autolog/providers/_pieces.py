"""Responses that arrive in pieces. Texts are joined once at the end, for joining at every piece takes time squared."""

from __future__ import annotations

from typing import Any


class Pieces:
    """A text that is still arriving."""

    __slots__ = ("_pieces",)

    def __init__(self, *pieces: str) -> None:
        self._pieces = list(pieces)

    def add(self, piece: str) -> None:
        self._pieces.append(piece)

    @property
    def text(self) -> str:
        return "".join(self._pieces)


def add_text(holder: dict[str, Any], key: str, piece: str) -> None:
    """Let the text under a key grow by a piece; what is no text makes room."""
    before = holder.get(key)
    if isinstance(before, Pieces):
        before.add(piece)
    elif isinstance(before, str) and before:
        holder[key] = Pieces(before, piece)
    else:
        holder[key] = Pieces(piece)


def child(holder: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the object under a key; what is no object makes room for one."""
    inner = holder.get(key)
    if not isinstance(inner, dict):
        inner = holder[key] = {}
    return inner


def children(holder: dict[str, Any], key: str) -> list[Any]:
    """Return the list under a key; what is no list makes room for one."""
    inner = holder.get(key)
    if not isinstance(inner, list):
        inner = holder[key] = []
    return inner


def joined(value: Any) -> Any:
    """Return a JSON value in which every text that arrived in pieces is one text."""
    if isinstance(value, Pieces):
        return value.text
    if isinstance(value, dict):
        return {key: joined(item) for key, item in value.items()}
    if isinstance(value, list):
        return [joined(item) for item in value]
    return value
