"""The fields of exported rows, whose values may be JSON in texts and figures in texts, as CSV has them."""

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

#: From here on numbers are no seconds since 1970, but milliseconds, microseconds, nanoseconds.
_MILLISECONDS, _MICROSECONDS, _NANOSECONDS = 1e11, 1e14, 1e17


def figure(value: Any) -> float | None:
    """Return a finite number that is not negative, which may be given as text; None if it is none."""
    if not isinstance(value, (int, float, str)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def whole(value: Any) -> int | None:
    """Return a count, which may be given as text or as a float; None if it is none."""
    return count(figure(value))


def dollars(value: Any) -> float | None:
    """Return an amount of money; None if it is none."""
    amount = figure(value)
    return amount if amount is not None and amount <= MAX_DOLLARS else None


def object_of(value: Any) -> Json:
    """Return a JSON object, which may be given as text; an empty one if it is none."""
    return mapping(parsed(value))


def texts(value: Any) -> list[str]:
    """Return the texts of a list, which may be given as JSON."""
    found = parsed(value)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def name_of(value: Any) -> str | None:
    """Return a text or a number as text; None if it is neither or empty."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value) or None


def instant(value: Any, name: str) -> datetime | None:
    """Return a time given as ISO 8601, or as a number since 1970 in seconds or a thousandth of that, once or more.

    Raises:
        Fault: 400, it is none.
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
        Fault: 400, it has none.
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
    """Keep the vendor's figure, which serves where there is no other; 0 is what they say of what they do not know."""
    if reported is None:
        return
    record.extra = {**record.extra, "reported_cost": reported}
    if record.cost is None and record.kind == "llm" and reported:
        record.cost, record.custom_cost = reported, True
        record.cost_details = {"certainty": "estimated", "why": "as the exporting service computed it"}
