"""What vendors export, row by row, as records: the history that people bring along.

A module for each vendor, which knows its rows by their keys and names the source of its format. Ids are the vendor's,
so rows that are read again are the same records; times are those of the rows; a cost is ours where the price table has
one, else the vendor's, marked as an estimate, and the vendor's figure is kept as `extra["reported_cost"]`.
"""

from __future__ import annotations

import importlib
from typing import Protocol

from autolog._record.record import Record
from autolog.dialects._fault import Json

#: Every format, by the name of its module; those that are the surest of their rows come first.
NAMES = ("helicone", "langsmith", "phoenix", "mlflow", "portkey", "promptlayer", "langfuse")


class Export(Protocol):
    """A vendor's format."""

    def matches(self, row: Json) -> bool:
        """Return whether a row is of this format."""

    def decode(self, row: Json) -> list[Record]:
        """Return the records of a row.

        Raises:
            Fault: it is none of this format, or a value in it is not of its type.
        """


def get(name: str) -> Export:
    """Return a format by its name."""
    export: Export = importlib.import_module(f"autolog.dialects.exports.{name}")
    return export


def detect(row: Json) -> str | None:
    """Return the name of a row's format; None if no vendor's rows look so."""
    return next((name for name in NAMES if get(name).matches(row)), None)
