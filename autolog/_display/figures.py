"""Formatting for terminal and dashboard: numbers with units, escaped text."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from decimal import Decimal

from autolog._record.record import Record

#: Characters that are not escaped: line breaks, tabs, and the two joiners, which some scripts and emoji need.
_KEPT = {"\n", "\t", "\u200c", "\u200d"}


def safe(value: object) -> str:
    """Escape text for display, so that control characters and changes of direction become visible."""
    text = str(value)
    if (
        text.isprintable() or "".join(text.split("\n")).isprintable()
    ):  # fast path for nearly all text, without inspecting each character
        return text
    return "".join(
        char
        if char in _KEPT or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
        else f"\\x{ord(char):02x}"
        for char in text
    )


#: Characters that JSON does not escape and a terminal may act on: DEL, C1, changes of direction, line separators.
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")


def safe_json(text: str) -> str:
    """Return equivalent JSON in which characters that a terminal may act on are escaped."""
    if text.isascii() and "\x7f" not in text:  # nearly all, and the search takes 20 µs
        return text
    return _OBEYED.sub(lambda found: json.dumps(found[0])[1:-1] if found[0] != "\x7f" else "\\u007f", text)


#: The units of long durations, in seconds.
_LONG = ((60, "min"), (3_600, "h"), (86_400, "d"))


def seconds(value: float | None) -> str:
    """Format a duration, given in seconds, in a suitable unit; – if unknown."""
    if value is None:
        return "–"
    if value < 0:
        return f"-{seconds(-value)}"
    if value < 0.0995:
        return f"{value * 1000:.1f} ms" if value < 0.00995 else f"{value * 1000:.0f} ms"
    if value < 99.5:
        return f"{value:.2f} s"
    length, unit = next(((length, unit) for length, unit in _LONG if value < 100 * length), _LONG[-1])
    return f"{value / length:,.1f} {unit}"


def dollars(value: float | None) -> str:
    """Format US dollars: two decimals from a dollar on, below three significant digits in up to nine decimals.

    An unknown amount is –.
    """
    if value is None or not math.isfinite(value):
        return "–"
    amount, sign = abs(value), "-" if value < 0 else ""
    if amount == 0 or amount >= 1:
        return f"{sign}${amount:,.2f}"
    if amount < 1e-9:
        return f"<{sign}$0.000000001"
    digits = min(9, max(2, 2 - math.floor(math.log10(amount))))
    exact = Decimal(f"{amount:.12g}")  # makes sums of the same costs look the same in any order
    whole, _, part = f"{exact:.{digits}f}".partition(".")
    return f"{sign}${whole}.{part[:2]}{part[2:].rstrip('0')}"


def number(value: float | None) -> str:
    """Format a whole number with thousands separators; – if unknown."""
    return "–" if value is None else f"{value:,.0f}"


def size(count: float) -> str:
    """Format a number of bytes in a suitable unit."""
    power = min(4, int(math.log(count, 1024))) if count >= 1 else 0
    amount, unit = count / 1024**power, ("bytes", "KiB", "MiB", "GiB", "TiB")[power]
    return f"{amount:.0f} {unit}" if amount >= 100 or not power else f"{amount:.1f} {unit}"


def tokens(record: Record) -> str:
    """Format input and output tokens; empty if both are unknown."""
    if record.usage_input_tokens is None and record.usage_output_tokens is None:
        return ""
    return f"{_short(record.usage_input_tokens)} → {_short(record.usage_output_tokens)}"


def _short(value: int | None) -> str:
    """Format a whole number; from ten million on, in millions (M) or billions (B)."""
    if value is None or value < 10_000_000:
        return number(value)
    return f"{value / 1e6:,.1f}M" if value < 999_950_000 else f"{value / 1e9:,.1f}B"


#: Ids of up to 12 characters are shown in full; of longer ones, the random end is enough to tell them apart.
_SHORT, _END = 12, 8


def short_id(record_id: str) -> str:
    """Return the part of an id that suffices to identify it: its end, because the beginning is mostly the time."""
    return safe(record_id if len(record_id) <= _SHORT else record_id[-_END:])
