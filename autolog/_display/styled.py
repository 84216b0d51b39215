"""Styled text for the terminal, in which the contents of logs are escaped."""

from __future__ import annotations

from rich.text import Text

from autolog._display.figures import safe
from autolog._record.record import Record


def text(value: object, style: str = "") -> Text:
    """Return escaped text (see `safe`) in a style."""
    return Text(safe(value), style=style)


def status(record: Record) -> Text:
    """Return `ok` in green, or the error in red."""
    if record.status == "ok":
        return Text("ok", style="green")
    return text(" ".join(filter(None, (str(record.status_code or ""), record.error_type or "error"))), "red")
