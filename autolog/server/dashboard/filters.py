"""What a page's URL asks for: filters, order, place. The names are those of the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from autolog.dialects._fault import Fault
from autolog.server.routes.native import moment
from autolog.stores.query import Query

#: Filters by name: what they are called on the page, and the field that they compare.
EQUAL = {
    "model": "model", "provider": "provider_name", "status": "status", "user": "user", "name": "name", "kind": "kind",
    "session": "session", "trace": "trace_id", "dialect": "dialect", "function": "caller",
}  # fmt: skip
#: What the table can be sorted by: the parameter, the field, the heading.
SORTS = {"time": "created_at", "latency": "duration", "cost": "cost", "tokens": "tokens"}
PAGE = 50
#: What the form has fields for, and the kinds that it offers.
FIELDS = frozenset(
    {
        "text",
        "model",
        "provider",
        "function",
        "name",
        "status",
        "kind",
        "user",
        "session",
        "tag",
        "metadata",
        "since",
        "until",
    }
)
KINDS = ("llm", "function", "span", "tool", "agent", "retrieval", "chain")

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Filters:
    """A list's URL, understood. `given`: its parameters as they are, without empty ones."""

    query: Query
    given: Pairs
    sort: str
    descending: bool
    offset: int

    @property
    def first_page(self) -> bool:
        """Whether this is the newest page, to which new records are added while one looks."""
        return self.query.past is None and self.offset == 0 and self.sort == "time" and self.descending

    @property
    def shown(self) -> Pairs:
        """The filters alone: what narrows the list, without order and place."""
        return [(name, value) for name, value in self.given if name not in {"sort", "past", "offset"}]

    @property
    def others(self) -> Pairs:
        """What the form has no field for, so that it does not lose it: each filter's further values, and the rest."""
        seen: set[str] = set()
        left = []
        for name, value in reversed(self.given):
            shown = name in FIELDS and name not in seen and (name != "kind" or value in KINDS)
            seen.add(name)
            if not shown and name not in {"past", "offset"}:
                left.append((name, value))
        return left[::-1]

    def url(self, path: str = "/ui/", **changes: str | None) -> str:
        """This list's URL with parameters changed, or taken out by None; a change begins at the first page."""
        kept = [(name, value) for name, value in self.given if name not in changes and name not in {"past", "offset"}]
        pairs = kept + [(name, value) for name, value in changes.items() if value]
        return path + ("?" + urlencode(pairs) if pairs else "")

    def without(self, name: str, value: str) -> str:
        """This list's URL with one filter taken out."""
        kept = [pair for pair in self.given if pair != (name, value) and pair[0] not in {"past", "offset"}]
        return "/ui/" + ("?" + urlencode(kept) if kept else "")


def read_filters(pairs: Pairs, project: str | None) -> Filters:
    """Understand a list's parameters.

    Raises:
        Fault: 400, with what makes no sense.
    """
    pairs = [(name, value.strip()) for name, value in pairs if value.strip()]
    given = dict(pairs)
    equal = {field: given[name] for name, field in EQUAL.items() if name in given}
    if project is not None:
        equal["project"] = project
    if given.get("status", "ok") not in {"ok", "error"}:
        raise Fault(400, f"status: {given['status'][:50]!r} is neither ok nor error")
    metadata = {}
    for value in (value for name, value in pairs if name == "metadata"):
        key, found, text = value.partition("=")
        if not found or not key:
            raise Fault(400, f"metadata: {value[:50]!r} is not of the form key=value")
        metadata[key.strip()] = text.strip()
    sort = given.get("sort", "-time")
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise Fault(
            400, f"sort: {sort[:50]!r} is not one of {', '.join(SORTS)}, with - before it for the largest first"
        )
    query = Query(
        equal,
        tags=tuple(value for name, value in pairs if name == "tag"),
        metadata=metadata,
        text=given.get("text"),
        since=moment(given.get("since"), "since"),
        until=moment(given.get("until"), "until"),
        past=_past(given.get("past")),
    )
    offset = given.get("offset", "0")
    if not re.fullmatch(r"\d{1,7}", offset):
        raise Fault(400, f"offset: {offset[:50]!r} is not a number")
    return Filters(query, pairs, name, sort.startswith("-"), int(offset))


def _past(text: str | None) -> tuple[datetime, int] | None:
    """Where the last page ended: microseconds since 1970 and the record's number."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,16})\.(\d{1,18})", text)
    if not found:
        raise Fault(400, f"past: {text[:50]!r} is no place in the list")
    return datetime.fromtimestamp(int(found[1]) / 1e6, UTC).replace(microsecond=int(found[1]) % 1_000_000), int(
        found[2]
    )


def place(at: datetime, seq: int) -> str:
    """A place in the list, for `past`."""
    return f"{int(at.timestamp()) * 1_000_000 + at.microsecond}.{seq}"
