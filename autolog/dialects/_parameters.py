"""The parameters in a query: texts, whole numbers, flags and times, read by one rule in every dialect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from autolog.dialects._convert import parse_time
from autolog.dialects._fault import Fault

_FLAGS = {"true": True, "false": False, "1": True, "0": False}


def read_flag(text: str) -> bool | None:
    """Return the flag that a text says; None if it says none."""
    return _FLAGS.get(text.lower())


class Parameters:
    """The parameters of one call, by name; of several with one name the last counts, and empty is absent.

    Every method raises a `Fault` with the dialect's `status` for a value that is not of its type.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]], status: int = 400) -> None:
        self._pairs, self._status = pairs, status

    def has(self, name: str) -> bool:
        """Return whether a name is given at all, be it empty."""
        return any(key == name for key, _ in self._pairs)

    def texts(self, name: str) -> list[str]:
        """Return all values of a name."""
        return [value for key, value in self._pairs if key == name and value]

    def text(self, name: str) -> str | None:
        """Return a text, or None."""
        return next(reversed(self.texts(name)), None)

    def integer(self, name: str, default: int, least: int = 0, most: int = 10**9) -> int:
        """Return a whole number from `least` to `most`."""
        text = self.text(name)
        if text is None:
            return default
        if not re.fullmatch(r"[+-]?[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise self._fault(name, text, f"is not a whole number from {least} to {most}", "int_parsing")
        return int(text)

    def flag(self, name: str) -> bool:
        """Return a flag; False where it is absent."""
        return next(reversed(self.flags(name)), False)

    def flags(self, name: str) -> list[bool]:
        """Return all flags of a name."""
        return [self._flag(name, text) for text in self.texts(name)]

    def _flag(self, name: str, text: str) -> bool:
        flag = read_flag(text)
        if flag is None:
            raise self._fault(name, text, "is neither true nor false", "bool_parsing")
        return flag

    def time(self, name: str) -> datetime | None:
        """Return a time, or None."""
        return parse_time(self.text(name), name, self._status)

    def _fault(self, name: str, text: str, problem: str, kind: str) -> Fault:
        details = [{"loc": ["query", name], "msg": problem, "type": kind}]
        return Fault(self._status, f"{name}: {text[:50]!r} {problem}", details)
