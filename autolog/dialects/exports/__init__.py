"""Vendors' exports: rows of logs, decoded as records, so that users can import their history.

Each vendor has a module, which recognises its rows by their keys and names the source of the format. Record ids derive
from the vendor's, so importing rows again gives the same records; times are those of the rows. The cost is computed
from the price table if possible, or else it is the vendor's figure, marked as an estimate; the vendor's figure is kept
in `extra["reported_cost"]`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Protocol

from autolog._record.record import Record
from autolog.dialects._fault import Json

#: Every format, by the name of its module; those with the most distinctive rows come first.
NAMES = ("otlp", "helicone", "langsmith", "phoenix", "mlflow", "portkey", "promptlayer", "langfuse")


class Export(Protocol):
    """A vendor's export format."""

    def matches(self, row: Json) -> bool:
        """Return whether a row has this format."""

    def decode(self, row: Json) -> Iterable[Record]:
        """Return the records of a row.

        Raises:
            Fault: 400, if the row does not have this format, or a value has the wrong type; perhaps after the records
                of those parts of the row that can be read.
        """


def get(name: str) -> Export:
    """Import a format by its name."""
    export: Export = importlib.import_module(f"autolog.dialects.exports.{name}")
    return export


def detect(row: Json) -> str | None:
    """Return the name of a row's format; None if it has no vendor's format."""
    return next((name for name in NAMES if get(name).matches(row)), None)
