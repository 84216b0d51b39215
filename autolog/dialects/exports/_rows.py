"""The fields of exported rows; JSON and numbers may be given as texts, as in CSV."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from autolog._reading.derive import derive
from autolog._record.record import Record
from autolog.dialects._chat import parsed
from autolog.dialects._convert import MAX_DOLLARS, parse_time
from autolog.dialects._fault import Fault, Json
from autolog.providers._fields import count, mapping

#: The numbers from which on a Unix time is in milliseconds, microseconds and nanoseconds instead of seconds.
_MILLISECONDS, _MICROSECONDS, _NANOSECONDS = 1e11, 1e14, 1e17


def figure(value: Any) -> float | None:
    """Parse a finite, non-negative number, which may be given as text; return None if it is not one."""
    if not isinstance(value, (int, float, str)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def whole(value: Any) -> int | None:
    """Parse a count, which may be given as text or as a float; return None if it is not one."""
    return count(figure(value))


def dollars(value: Any) -> float | None:
    """Parse an amount of money; return None if it is not one."""
    amount = figure(value)
    return amount if amount is not None and amount <= MAX_DOLLARS else None


def object_of(value: Any) -> Json:
    """Parse a JSON object, which may be given as text; return an empty one if it is not one."""
    return mapping(parsed(value))


def texts(value: Any) -> list[str]:
    """Return the texts of a list, which may be given as JSON in a text."""
    found = parsed(value)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def name_of(value: Any) -> str | None:
    """Return a text or a number as text; None if the value is neither, or empty."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value) or None


def instant(value: Any, name: str) -> datetime | None:
    """Parse a time in ISO 8601, or a Unix time in seconds, milliseconds, microseconds or nanoseconds.

    Raises:
        Fault: 400, if it is not a time.
    """
    if value in (None, ""):
        return None
    number = figure(value)
    if number is None:
        return parse_time(value if isinstance(value, str) else str(value), name)
    unit = next((least / 1e8 for least in (_NANOSECONDS, _MICROSECONDS, _MILLISECONDS) if number >= least), 1)
    return parse_time(number / unit, name)


def require_id(row: Json, key: str) -> str:
    """Return the id of a row.

    Raises:
        Fault: 400, if it has none.
    """
    found = name_of(row.get(key))
    if found is None or len(found) > 200:
        raise Fault(400, f"{key}: must have 1 to 200 characters")
    return found


def settle(record: Record, reported: float | None) -> None:
    """Fill in what follows from a call's bodies, and its cost: by the price table, else the vendor's figure."""
    status, message, name = record.status, record.error_message, record.name
    derive(record)
    if status == "error":
        record.status, record.error_message = status, record.error_message or message
    record.name = name or record.name
    keep_cost(record, reported)


def keep_cost(record: Record, reported: float | None) -> None:
    """Keep the vendor's figure, which is the cost if there is no other; vendors report 0 if they do not know."""
    if reported is None:
        return
    record.extra = {**record.extra, "reported_cost": reported}
    if record.cost is None and record.kind == "llm" and reported:
        record.cost, record.custom_cost = reported, True
        record.cost_details = {"certainty": "estimated", "why": "as the exporting service computed it"}
