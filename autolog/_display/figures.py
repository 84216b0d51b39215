"""Formatting for terminal and dashboard: numbers with units, escaped text."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from decimal import Decimal

from autolog._record.record import Record

#: Format characters that scripts and emoji need: the two joiners.
_KEPT = {"\n", "\t", "\u200c", "\u200d"}


def safe(value: object) -> str:
    """Escape text for display: control and direction-changing characters become visible."""
    text = str(value)
    if (
        text.isprintable() or "".join(text.split("\n")).isprintable()
    ):  # nearly all text is, and needs no look at each character
        return text
    return "".join(
        char
        if char in _KEPT or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
        else f"\\x{ord(char):02x}"
        for char in text
    )


#: Characters that JSON may hold as they are and a terminal may obey: DEL, C1, what changes directions or lines.
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")


def safe_json(text: str) -> str:
    """Return JSON that means the same, with characters escaped that a terminal may obey."""
    return _OBEYED.sub(lambda found: json.dumps(found[0])[1:-1] if found[0] != "\x7f" else "\\u007f", text)


#: The units of long durations, in seconds.
_LONG = ((60, "min"), (3_600, "h"), (86_400, "d"))


def seconds(value: float | None) -> str:
    """Format a duration given in seconds, in a fitting unit; – for unknown."""
    if value is None:
        return "–"
    if value < 0:
        return f"-{seconds(-value)}"
    if value < 0.0995:
        return f"{value * 1000:.1f} ms" if value < 0.00995 else f"{value * 1000:.0f} ms"
    if value < 99.5:
        return f"{value:.2f} s"
    size, unit = next(((size, unit) for size, unit in _LONG if value < 100 * size), _LONG[-1])
    return f"{value / size:,.1f} {unit}"


def dollars(value: float | None) -> str:
    """Return US dollars: cents from a dollar on, three significant digits below; – for unknown."""
    if value is None or not math.isfinite(value):
        return "–"
    size, sign = abs(value), "-" if value < 0 else ""
    if size == 0 or size >= 1:
        return f"{sign}${size:,.2f}"
    if size < 1e-9:
        return f"<{sign}$0.000000001"
    digits = max(2, 2 - math.floor(math.log10(size)))
    exact = Decimal(f"{size:.12g}")  # sums of the same costs in another order show the same
    whole, _, part = f"{exact:.{digits}f}".partition(".")
    return f"{sign}${whole}.{part[:2]}{part[2:].rstrip('0')}"


def number(value: float | None) -> str:
    """Return a whole number with thousands separated; – for unknown."""
    return "–" if value is None else f"{value:,.0f}"


def tokens(record: Record) -> str:
    """Format input and output tokens; empty if both are unknown."""
    if record.usage_input_tokens is None and record.usage_output_tokens is None:
        return ""
    return f"{number(record.usage_input_tokens)} → {number(record.usage_output_tokens)}"


#: Ids up to this length are shown whole; of longer ones the end, which is random, is short and tells them apart.
_SHORT, _END = 12, 8


def short_id(record_id: str) -> str:
    """Return the part of an id that is enough to name it: the end, for what comes before it is mostly the time."""
    return safe(record_id if len(record_id) <= _SHORT else record_id[-_END:])
