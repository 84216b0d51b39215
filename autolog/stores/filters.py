"""Parse filters and times as people write them, in the same way for command line, API and dashboard."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

from autolog.stores.query import FilterError, Query, Scored

#: Filters that compare one field: their word, the field (`Query.equal`), and the description in help pages.
FIELDS = {
    "model": ("model", "The requested model, or the one that answered."),
    "provider": ("provider_name", "openai, anthropic, and so on."),
    "name": ("name", "The name of the span."),
    "function": ("caller", "The function or span that the call was made in."),
    "kind": ("kind", "llm, function, span, tool, agent, and so on."),
    "status": ("status", "ok or error."),
    "error": ("error_type", "The type of the error, such as rate_limit_exceeded."),
    "user": ("user", "As set by context(user=...)."),
    "session": ("session", "As set by context(session=...)."),
    "trace": ("trace_id", "A trace's id, or that of a record in it; the beginning or the end is enough."),
    "prompt": ("prompt_name", "The name of a prompt template."),
    "prompt_version": ("prompt_version", "The version of a prompt template."),
    "project": ("project", "One project only."),
    "dialect": ("dialect", "The format it arrived in: native, portkey, otlp and so on."),
}
#: Filters that may be repeated, in which case all of them must match.
REPEATED = {
    "tag": "Has this tag; may be repeated.",
    "metadata": "key=value: has this metadata; may be repeated.",
    "score": "A score's name, or how it compares: helpful, helpful<0.5, default>=1; may be repeated.",
}
OTHERS = {
    "text": "Text in the prompt, answer, name, error or model.",
    "since": "From this time on: 2h, '2 h ago', yesterday, monday, 'this week', '14:05', 2026-11-20, 2026-11-20T14:05.",
    "until": "Before this time.",
}
#: All filters: their words, and their descriptions in help pages.
FILTERS = {word: says for word, (_, says) in FIELDS.items()} | REPEATED | OTHERS

_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_UNITS = {
    "seconds": "s sec secs second seconds",
    "minutes": "m min mins minute minutes",
    "hours": "h hr hrs hour hours",
    "days": "d day days",
    "weeks": "w week weeks",
}
_UNIT_BY_WORD = {word: unit for unit, words in _UNITS.items() for word in words.split()}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS = ("today", "yesterday", "this week", "this month", *_WEEKDAYS)
_DAY_AND_CLOCK = re.compile(rf"(?P<day>{'|'.join(_DAYS)})?\b ?((?P<h>\d\d?):(?P<m>\d\d)(:(?P<s>\d\d))?)?")


def read_query(pairs: Iterable[tuple[str, str]], zone: tzinfo | None = UTC) -> Query:
    """Return the query for filters given as pairs of a word in `FILTERS` and a value.

    Times without a time zone are in `zone`; None stands for this machine's.

    Raises:
        FilterError: if a filter does not exist, is given twice, or has an invalid value.
    """
    single: dict[str, str] = {}
    tags: list[str] = []
    metadata: dict[str, str] = {}
    scores: list[Scored] = []
    for name, value in pairs:
        if name not in FILTERS:
            raise FilterError(name[:50], f"there is no such filter; choose from {', '.join(FILTERS)}")
        if name == "tag":
            tags.append(value)
        elif name == "metadata":
            key, found, text = value.partition("=")
            if not found or not key:
                raise FilterError(name, f"{value[:50]!r} is not of the form key=value")
            metadata[key] = text
        elif name == "score":
            scores.append(_scored(value))
        elif single.setdefault(name, value) != value:
            raise FilterError(name, "is given twice, and no record has both")
    if single.get("status", "ok") not in {"ok", "error"}:
        raise FilterError("status", f"{single['status'][:50]!r} is neither ok nor error")
    since, until = (_time(single, name, zone) for name in ("since", "until"))
    if since is not None and until is not None and since > until:
        raise FilterError("until", f"{single['until'][:50]!r} is before since, {single['since'][:50]!r}")
    equal = {field: single[word] for word, (field, _) in FIELDS.items() if word in single}
    return Query(equal, tuple(tags), metadata, single.get("text"), since=since, until=until, scores=tuple(scores))


_SIGNS = {"<": "lt", ">": "gt", "<=": "le", ">=": "ge", "=": "eq"}
_NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?"
_COMPARED_SCORE = re.compile(rf"(?P<name>[^<>=]+?) ?(?P<sign><=|>=|<|>|=) ?(?P<value>{_NUMBER})", re.IGNORECASE)


def _scored(text: str) -> Scored:
    """Parse a filter for scores, such as `helpful` or `helpful<0.5`."""
    match = _COMPARED_SCORE.fullmatch(text.strip())
    if match:
        return Scored(match["name"], _SIGNS[match["sign"]], float(match["value"]))
    if re.search(r"[<>=]", text):
        raise FilterError("score", f"{text[:50]!r} is not of the form name, name<0.5, name>=0.5 or name=1")
    return Scored(text.strip())


def scored_words(scored: Scored) -> str:
    """Return a filter for scores as people write it."""
    signs = {operator: sign for sign, operator in _SIGNS.items()}
    return scored.name + (f"{signs[scored.operator]}{scored.value:g}" if scored.operator else "")


def _time(given: dict[str, str], name: str, zone: tzinfo | None) -> datetime | None:
    if name not in given:
        return None
    try:
        return parse_time(given[name], zone)
    except ValueError as error:
        raise FilterError(name, str(error)) from None


def parse_time(text: str, zone: tzinfo | None = UTC, now: datetime | None = None) -> datetime:
    """Parse a time as people write it, and return it in UTC.

    Accepted are an age ("2h", "90 min ago"), a day ("today", "yesterday", "monday", "2026-11-20"; its beginning), a
    time of day ("14:05", "yesterday 14:05"), "this week" (its Monday), "this month", and ISO 8601. Times without a time
    zone are in `zone`; None stands for this machine's.

    Raises:
        ValueError: if the text is none of these, or the time is not within the years 1970 to 9998.
    """
    at = _read_time(" ".join(text.lower().split()), zone, now or datetime.now(UTC))
    if at is None:
        raise ValueError(
            f"{text[:50]!r} is not a time such as 30m, '2 h ago', yesterday, 'this week', '14:05' or 2026-11-20T12:00"
        )
    if not _EARLIEST <= at < _LATEST:
        raise ValueError(f"{text[:50]!r} is not a time of the years 1970 to 9998")
    return at


def _read_time(text: str, zone: tzinfo | None, now: datetime) -> datetime | None:
    if text == "now":
        return now
    try:
        age = parse_age(text.removesuffix(" ago"))
    except ValueError:
        pass
    else:
        return max(_EARLIEST, now - min(age, now - _EARLIEST))
    try:
        match = _DAY_AND_CLOCK.fullmatch(text)
        if not text or not match:
            return _in_zone(datetime.fromisoformat(text.upper()), zone)
        clock = time(int(match["h"] or 0), int(match["m"] or 0), int(match["s"] or 0))
        return _in_zone(datetime.combine(_day(match["day"], now.astimezone(zone).date()), clock), zone)
    except (ValueError, OverflowError):
        return None


def _day(word: str | None, today: date) -> date:
    """Return the day that a word refers to; a weekday is the most recent one, including today."""
    if word == "yesterday":
        return today - timedelta(days=1)
    if word == "this month":
        return today.replace(day=1)
    weekday = 0 if word == "this week" else _WEEKDAYS.index(word) if word in _WEEKDAYS else today.weekday()
    return today - timedelta(days=(today.weekday() - weekday) % 7)


def _in_zone(at: datetime, zone: tzinfo | None) -> datetime:
    """Return a time in UTC; a time without a zone is in `zone`."""
    if at.tzinfo is None and zone is not None:
        at = at.replace(tzinfo=zone)
    return at.astimezone(UTC)  # takes a time without a zone as this machine's


def parse_age(text: str) -> timedelta:
    """Parse a length of time, such as "30m", "12 hours" or "7d".

    Raises:
        ValueError: if the text is not a length of time.
    """
    match = re.fullmatch(r"(\d{1,6}) ?([a-z]+)", text.strip().lower())
    if not match or match[2] not in _UNIT_BY_WORD:
        raise ValueError(f"{text[:50]!r} is not a duration such as 30m, 12h or 7d")
    return timedelta(**{_UNIT_BY_WORD[match[2]]: int(match[1])})


def parse_zone(text: str) -> tzinfo:
    """Parse a time zone: a name such as Europe/Berlin, an offset such as +02:00, or UTC.

    Raises:
        ValueError: if there is no such zone.
    """
    if text.upper() in {"UTC", "Z"}:
        return UTC
    offset = re.fullmatch(r"([+-])([01]\d|2[0-3]):?([0-5]\d)", text)
    if offset:
        shift = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-shift if offset[1] == "-" else shift)
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(text)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"{text[:50]!r} is not a time zone such as Europe/Berlin, +02:00 or UTC") from None
