"""Build JSON from pieces. Strings are joined once at the end, as appending each piece would take quadratic time."""

from __future__ import annotations

from typing import Any


class Pieces:
    """A string that is still arriving."""

    __slots__ = ("_pieces",)

    def __init__(self, *pieces: str) -> None:
        self._pieces = list(pieces)

    def add(self, piece: str) -> None:
        self._pieces.append(piece)

    @property
    def text(self) -> str:
        return "".join(self._pieces)


def add_text(holder: dict[str, Any], key: str, piece: str) -> None:
    """Append a piece to the string under a key, replacing a value that is not a string."""
    before = holder.get(key)
    if isinstance(before, Pieces):
        before.add(piece)
    elif isinstance(before, str) and before:
        holder[key] = Pieces(before, piece)
    else:
        holder[key] = Pieces(piece)


def child(holder: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the dict under a key, replacing a value that is not a dict by an empty one."""
    inner = holder.get(key)
    if not isinstance(inner, dict):
        inner = holder[key] = {}
    return inner


def children(holder: dict[str, Any], key: str) -> list[Any]:
    """Return the list under a key, replacing a value that is not a list by an empty one."""
    inner = holder.get(key)
    if not isinstance(inner, list):
        inner = holder[key] = []
    return inner


def joined(value: Any) -> Any:
    """Return a JSON value with all `Pieces` in it joined to strings."""
    if isinstance(value, Pieces):
        return value.text
    if isinstance(value, dict):
        return {key: joined(item) for key, item in value.items()}
    if isinstance(value, list):
        return [joined(item) for item in value]
    return value
