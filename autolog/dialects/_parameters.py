"""Query parameters: texts, whole numbers, flags and times, which all dialects parse by the same rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from autolog.dialects._convert import parse_time
from autolog.dialects._fault import Fault

_FLAGS = {"true": True, "false": False, "1": True, "0": False}


def read_flag(text: str) -> bool | None:
    """Return the flag that a text stands for; None if it stands for none."""
    return _FLAGS.get(text.lower())


class Parameters:
    """The parameters of one request, by name; of several with the same name the last counts, and empty ones are absent.

    Every method raises a `Fault` with the dialect's `status` if a value does not have the right type.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]], status: int = 400) -> None:
        self._pairs, self._status = pairs, status

    def has(self, name: str) -> bool:
        """Return whether a parameter is present, even if it is empty."""
        return any(key == name for key, _ in self._pairs)

    def texts(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        return [value for key, value in self._pairs if key == name and value]

    def text(self, name: str) -> str | None:
        """Return a text, or None if it is absent."""
        return next(reversed(self.texts(name)), None)

    def integer(self, name: str, default: int, least: int = 0, most: int = 10**9) -> int:
        """Return a whole number from `least` to `most`, or the default if it is absent."""
        text = self.text(name)
        if text is None:
            return default
        if not re.fullmatch(r"[+-]?[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise self._fault(name, text, f"is not a whole number from {least} to {most}", "int_parsing")
        return int(text)

    def flag(self, name: str) -> bool:
        """Return a flag; False if it is absent."""
        return next(reversed(self.flags(name)), False)

    def flags(self, name: str) -> list[bool]:
        """Return all flags of a parameter."""
        return [self._flag(name, text) for text in self.texts(name)]

    def _flag(self, name: str, text: str) -> bool:
        flag = read_flag(text)
        if flag is None:
            raise self._fault(name, text, "is neither true nor false", "bool_parsing")
        return flag

    def time(self, name: str) -> datetime | None:
        """Return a time, or None if it is absent."""
        return parse_time(self.text(name), name, self._status)

    def _fault(self, name: str, text: str, problem: str, kind: str) -> Fault:
        details = [{"loc": ["query", name], "msg": problem, "type": kind}]
        return Fault(self._status, f"{name}: {text[:50]!r} {problem}", details)
