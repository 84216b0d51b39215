"""Compare logged costs with those a provider reports, by day (UTC), model and API key.

A record contains the last four characters of its call's key, as providers show them, but never the whole key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC

import msgspec

from autolog._pricing.reports import FEES, Report, Sum, Sums, undated
from autolog._record.record import Record

#: Differences up to this share, or this many dollars, are considered rounding.
SHARE, DOLLARS = 0.005, 0.0005
#: The key label of calls whose key is unknown.
_UNKNOWN_KEY = "?"


class Line(msgspec.Struct, frozen=True):
    """The comparison for one day, model and key, with the logged and the billed dollars.

    Attributes:
        verdict: `agreed`, `missing` (not logged), `unbilled`, `dearer` or `cheaper` (billed more or less than logged).
        key: the key's label; empty if the two sides cannot be compared by key.
    """

    day: str
    model: str
    verdict: str
    logged: float
    billed: float
    reason: str = ""
    key: str = ""


def logged(records: Iterable[Record], keys: Mapping[str, str]) -> Sums:
    """Return the sums of logged records; `keys` maps the last characters of the provider's keys to their labels."""
    sums: Sums = {}
    for record in records:
        at = record.created_at or record.start_time
        model = record.response_model or record.request_model
        if at is None or model is None:
            continue
        hint = str(record.request_meta.get("key_hint") or "")
        key = (keys.get(hint) or keys.get(hint[-3:], "")) if hint else _UNKNOWN_KEY
        day, fees = at.astimezone(UTC).date().isoformat(), (record.cost_details or {}).get("tools") or 0.0
        total = sums.setdefault((day, undated(model), key), Sum())
        total.calls += 1
        total.cost += (record.cost or 0.0) - fees
        total.unknown += record.cost is None and record.status != "error"
        total.tokens += (record.usage_input_tokens or 0) + (record.usage_output_tokens or 0)
        if fees:
            sums.setdefault((day, FEES, key), Sum()).cost += fees
    return sums


def compare(ours: Sums, theirs: Report) -> list[Line]:
    """Return a line for each day and model on either side, in order, and for each key if both sides have keys."""
    known = {key for _, _, key in ours}
    return [
        line
        for day, model in sorted({(day, model) for day, model, _ in ours.keys() | theirs.sums.keys()})
        for line in _lines(day, model, _by_key(ours, day, model), _by_key(theirs.sums, day, model), theirs, known)
    ]


def _by_key(sums: Sums, day: str, model: str) -> dict[str, Sum]:
    return {key: total for (of, name, key), total in sums.items() if (of, name) == (day, model)}


def _lines(
    day: str, model: str, ours: dict[str, Sum], theirs: dict[str, Sum], report: Report, known: set[str]
) -> Iterator[Line]:
    if report.costs_by_key and _UNKNOWN_KEY not in ours and model != FEES:
        for key in sorted(ours.keys() | theirs.keys()):
            yield _line(day, model, key, ours.get(key), theirs.get(key), key in known)
        return
    line = _line(day, model, "", _total(ours), _total(theirs), True)
    if line.verdict != "agreed" and (note := _differing_keys(ours, theirs)):
        line = msgspec.structs.replace(line, reason=f"{line.reason} (by key: {note})")
    yield line


def _total(sums: dict[str, Sum]) -> Sum | None:
    total = Sum()
    for addend in sums.values():
        total.cost += addend.cost
        total.tokens += addend.tokens
        total.calls += addend.calls
        total.unknown += addend.unknown
        total.others = {
            name: total.others.get(name, 0) + addend.others.get(name, 0) for name in total.others | addend.others
        }
    return total if sums else None


def _differing_keys(ours: dict[str, Sum], theirs: dict[str, Sum]) -> str:
    """Return a note on the keys whose tokens differ; empty if some logged calls have no known key."""
    if _UNKNOWN_KEY in ours or not any(theirs):
        return ""
    notes = []
    for key in sorted(ours.keys() | theirs.keys()):
        recorded, billed = ours.get(key, Sum()).tokens, theirs.get(key, Sum()).tokens
        if abs(recorded - billed) > SHARE * max(recorded, billed):
            notes.append(f"{key or 'others'} {recorded:,} tokens logged, {billed:,} billed")
    return "; ".join(notes)


def _line(day: str, model: str, key: str, ours: Sum | None, theirs: Sum | None, known: bool) -> Line:
    recorded, billed = ours or Sum(), theirs or Sum()
    difference = billed.cost - recorded.cost
    if abs(difference) <= max(DOLLARS, SHARE * max(recorded.cost, billed.cost)):
        return Line(day, model, "agreed", recorded.cost, billed.cost, "", key)
    if ours is None:
        return Line(day, model, "missing", 0.0, billed.cost, _why_missing(model, billed, known), key)
    if theirs is None or not billed.cost:
        why = "the provider reports none: its report may lag, or the key belongs to another organisation"
        return Line(day, model, "unbilled", recorded.cost, 0.0, why, key)
    verdict = "dearer" if difference > 0 else "cheaper"
    return Line(day, model, verdict, recorded.cost, billed.cost, _why(recorded, billed, difference > 0), key)


def _why_missing(model: str, billed: Sum, known: bool) -> str:
    if model == FEES:
        amounts = _amounts(billed)
        return "tools and storage are billed separately from the calls" + (f": {amounts}" if amounts else "")
    if not known:
        return "nothing at all was logged with this key: another program uses it"
    return "none of these calls was logged: another program or key made them"


def _amounts(billed: Sum) -> str:
    """Return the amounts that are not tokens, such as `3 images, 40 seconds`; empty if there are none."""
    return ", ".join(f"{amount:,.0f} {name.replace('_', ' ')}" for name, amount in billed.others.items() if amount)


def _why(recorded: Sum, billed: Sum, dearer: bool) -> str:
    if dearer and recorded.unknown:
        return f"{recorded.unknown} of our {recorded.calls} calls have no known cost"
    if not billed.tokens:
        return _why_by_calls(recorded, billed)
    extra = billed.tokens - recorded.tokens
    if abs(extra) <= SHARE * max(recorded.tokens, billed.tokens):
        other = (
            "a more expensive tier, tools, or a surcharge"
            if dearer
            else "a batch, flex or contract discount, or credits"
        )
        return f"the tokens agree but the price does not: {other}; or an outdated price table"
    if extra > 0:
        return f"the provider counts {extra:,} more tokens: some calls were not logged"
    return f"the provider counts {-extra:,} fewer tokens: some calls were logged twice, or are billed on another day"


def _why_by_calls(recorded: Sum, billed: Sum) -> str:
    """Return the likely reason for a difference if the report has no tokens, as for images and speech."""
    amounts = f" ({_amounts(billed)})" if _amounts(billed) else ""
    if not billed.calls:
        return f"the report has no tokens{amounts}: calls are missing on one side, or the price differs"
    if billed.calls == recorded.calls:
        return f"the calls agree{amounts} but the price does not: another size or quality, or an outdated price"
    more = "more" if billed.calls > recorded.calls else "fewer"
    return f"the provider counts {abs(billed.calls - recorded.calls):,} {more} calls{amounts}"
