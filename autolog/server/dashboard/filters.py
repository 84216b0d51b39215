"""The parameters of a list's URL: filters, order, page. The names are those of the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from autolog.dialects._fault import Fault
from autolog.server.dashboard.frame import Pairs, with_query
from autolog.stores._contract import Store
from autolog.stores.filters import parse_zone, read_query
from autolog.stores.lookup import with_whole_trace
from autolog.stores.query import Query

#: What the table can be sorted by: the parameter, the field, the heading.
SORTS = {"time": "created_at", "latency": "duration", "cost": "cost", "tokens": "tokens"}
PAGE = 50
#: The two lists.
LOGS, TRACES = "/ui/", "/ui/traces"
#: What the form has fields for, and the kinds that it offers.
FIELDS = frozenset({
    "text", "model", "provider", "function", "name", "status", "kind", "user", "session", "tag", "metadata", "error",
    "prompt", "prompt_version", "score",
})  # fmt: skip
#: Parameters that narrow nothing: order, place, columns, and the zone of times.
_OTHERS = frozenset({"sort", "past", "offset", "after", "zone", "column", "roots", "step"})
#: What the frame shows: the project and the time range are no chips.
_FRAMED = frozenset({"project", "since", "until"})
#: The columns that there are, and their headings.
COLUMNS = {
    "time": "Time", "name": "Name", "kind": "Kind", "model": "Model", "status": "Status", "latency": "Latency",
    "first": "First chunk", "tokens": "Tokens", "cost": "Cost", "user": "User", "session": "Session", "tags": "Tags",
    "score": "Score", "prompt": "Prompt", "function": "Function", "provider": "Provider", "project": "Project",
}  # fmt: skip
DEFAULT_COLUMNS = ("time", "name", "model", "status", "latency", "tokens", "cost", "user", "tags")
KINDS = ("llm", "function", "span", "tool", "agent", "retrieval", "chain")


@dataclass(frozen=True, slots=True)
class Filters:
    """The parameters of a list's URL, parsed. `given` has them as they are, without empty ones."""

    query: Query
    given: Pairs
    sort: str
    descending: bool
    offset: int
    zone: str
    path: str = LOGS

    @property
    def first_page(self) -> bool:
        """Return whether this is the newest page, to which new records are added live."""
        return self.query.past is None and self.offset == 0 and self.sort == "time" and self.descending

    @property
    def shown(self) -> Pairs:
        """Return the filters alone, without order and page, and without what the frame shows."""
        return [(name, value) for name, value in self.given if name not in _OTHERS | _FRAMED]

    @property
    def columns(self) -> list[str]:
        """Return the columns to show."""
        return [value for name, value in self.given if name == "column"] or list(DEFAULT_COLUMNS)

    @property
    def origin(self) -> str:
        """Return the filters as a query, for the page of a log to go back to; `step` tells the list of traces."""
        kept = [pair for pair in self.given if pair[0] not in {"past", "offset", "column", "step"}]
        return urlencode([*kept, ("step", "traces")] if self.path == TRACES else kept)

    @property
    def query_string(self) -> str:
        """Return all parameters but the place in the list: what a saved view keeps."""
        return urlencode([pair for pair in self.given if pair[0] not in {"past", "offset"}])

    @property
    def unfiltered(self) -> str:
        """Return this list's URL without filters; project and time range stay."""
        return with_query(self.path, [pair for pair in self.given if pair[0] in _FRAMED | {"zone", "column", "roots"}])

    @property
    def others(self) -> Pairs:
        """Return what the form has no field for, to be kept in hidden ones: repeated filters, and the rest."""
        seen: set[str] = set()
        left = []
        for name, value in reversed(self.given):
            shown = name in FIELDS and name not in seen and (name != "kind" or value in KINDS)
            seen.add(name)
            if not shown and name not in {"past", "offset", "zone"}:
                left.append((name, value))
        return left[::-1]

    def url(self, path: str | None = None, **changes: str | None) -> str:
        """Return this list's URL with parameters changed, or removed by None; a change goes to the first page."""
        kept = [(name, value) for name, value in self.given if name not in changes and name not in {"past", "offset"}]
        pairs = kept + [(name, value) for name, value in changes.items() if value]
        return with_query(path or self.path, pairs)

    def without(self, name: str, value: str) -> str:
        """Return this list's URL without one of its filters."""
        kept = [pair for pair in self.given if pair != (name, value) and pair[0] not in {"past", "offset"}]
        return with_query(self.path, kept)


def read_filters(
    pairs: Pairs, project: str | None, zone: str = "UTC", path: str = LOGS, store: Store | None = None
) -> Filters:
    """Parse the parameters of a list; `zone` is that of times, unless a parameter names one.

    `store` tells which trace is meant by a part of its id.

    Raises:
        Fault: 400, naming the parameter that is invalid; 403, another key's project.
    """
    pairs = [(name, value.strip()) for name, value in pairs if value.strip()]
    given = dict(pairs)
    zone = given.get("zone", zone)
    try:
        query = read_query([_pair(*pair) for pair in pairs if pair[0] not in _OTHERS], parse_zone(zone))
        if project is not None and query.equal.setdefault("project", project) != project:
            raise Fault(403, "project: your key is for another project")
        query = query if store is None else with_whole_trace(store, query)
    except ValueError as error:
        raise Fault(400, str(error)) from error
    unknown = [value for name, value in pairs if name == "column" and value not in COLUMNS]
    if unknown:
        raise Fault(400, f"column: {unknown[0][:50]!r} is not one of {', '.join(COLUMNS)}")
    sort = given.get("sort", "-time")
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise Fault(
            400, f"sort: {sort[:50]!r} is not one of {', '.join(SORTS)}, with - before it for the largest first"
        )
    offset = given.get("offset", "0")
    if not re.fullmatch(r"\d{1,7}", offset):
        raise Fault(400, f"offset: {offset[:50]!r} is not a number")
    query = replace(query, past=_past(given.get("past")), roots=path == TRACES or given.get("roots") == "1")
    return Filters(query, pairs, name, sort.startswith("-"), int(offset), zone, path)


def read_range(pairs: Pairs, project: str | None, zone: str, recent: str = "") -> Query:
    """Parse the project and the time range alone; `recent` is where it begins if `pairs` do not say.

    Raises:
        Fault: as `read_filters` does.
    """
    ends = [(name, value) for name, value in pairs if name in _FRAMED | {"zone"} and value.strip()]
    if recent and "since" not in dict(ends):
        ends.append(("since", recent))
    return read_filters(ends, project, zone).query


def _pair(name: str, value: str) -> tuple[str, str]:
    """Return a filter as it is meant: blanks around metadata's key and value are none of them."""
    if name == "metadata":
        value = "=".join(part.strip() for part in value.split("=", 1))
    return name, value


def _past(text: str | None) -> tuple[datetime, int] | None:
    """Parse where the last page ended: microseconds since 1970, and the record's sequence number."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,16})\.(\d{1,18})", text)
    if not found:
        raise Fault(400, f"past: {text[:50]!r} is not a position in the list")
    return datetime.fromtimestamp(int(found[1]) / 1e6, UTC).replace(microsecond=int(found[1]) % 1_000_000), int(
        found[2]
    )


def place(at: datetime, seq: int) -> str:
    """Return a position in the list, for `past`."""
    return f"{int(at.timestamp()) * 1_000_000 + at.microsecond}.{seq}"
