"""The parameters of a list's URL: filters, order and page. They are named as on the command line."""

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

#: The orders of the table: the value of the parameter, and the field.
SORTS = {"time": "created_at", "latency": "duration", "cost": "cost", "tokens": "tokens"}
PAGE = 50
#: The paths of the two lists.
LOGS, TRACES = "/ui/", "/ui/traces"
#: The filters that have a field in the form, and the kinds that the form offers.
FIELDS = frozenset({
    "text", "model", "provider", "function", "name", "status", "kind", "user", "session", "tag", "metadata", "error",
    "prompt", "prompt_version", "score",
})  # fmt: skip
#: Parameters that do not filter: order, page, columns, and the time zone.
_OTHERS = frozenset({"sort", "past", "offset", "after", "zone", "column", "roots", "step"})
#: Filters that the frame shows; they get no chips.
_FRAMED = frozenset({"project", "since", "until"})
#: The available columns, and their headings.
COLUMNS = {
    "time": "Time", "name": "Name", "kind": "Kind", "model": "Model", "status": "Status", "latency": "Latency",
    "first": "First chunk", "tokens": "Tokens", "cost": "Cost", "user": "User", "session": "Session", "tags": "Tags",
    "score": "Score", "prompt": "Prompt", "function": "Function", "provider": "Provider", "project": "Project",
}  # fmt: skip
DEFAULT_COLUMNS = ("time", "name", "model", "status", "latency", "tokens", "cost", "user", "tags")
KINDS = ("llm", "function", "span", "tool", "agent", "retrieval", "chain")


@dataclass(frozen=True, slots=True)
class Filters:
    """The parsed parameters of a list's URL. `given` are the parameters as written, without empty ones."""

    query: Query
    given: Pairs
    sort: str
    descending: bool
    offset: int
    zone: str
    path: str = LOGS

    @property
    def first_page(self) -> bool:
        """Whether this is the page with the newest records, to which new ones are added live."""
        return self.query.past is None and self.offset == 0 and self.sort == "time" and self.descending

    @property
    def shown(self) -> Pairs:
        """The filters without order and page, and without those that the frame shows."""
        return [(name, value) for name, value in self.given if name not in _OTHERS | _FRAMED]

    @property
    def columns(self) -> list[str]:
        """The columns to show."""
        return [value for name, value in self.given if name == "column"] or list(DEFAULT_COLUMNS)

    @property
    def origin(self) -> str:
        """The filters as a query string, with which a log's page links back; `step` marks the list of traces."""
        kept = [pair for pair in self.given if pair[0] not in {"past", "offset", "column", "step"}]
        return urlencode([*kept, ("step", "traces")] if self.path == TRACES else kept)

    @property
    def query_string(self) -> str:
        """All parameters except the page, as saved views store them."""
        return urlencode([pair for pair in self.given if pair[0] not in {"past", "offset"}])

    @property
    def unfiltered(self) -> str:
        """This list's URL without filters, but with project and time range."""
        return with_query(self.path, [pair for pair in self.given if pair[0] in _FRAMED | {"zone", "column", "roots"}])

    @property
    def others(self) -> Pairs:
        """Parameters without a field in the form, kept in hidden fields: repeated filters, order and the like."""
        seen: set[str] = set()
        left = []
        for name, value in reversed(self.given):
            shown = name in FIELDS and name not in seen and (name != "kind" or value in KINDS)
            seen.add(name)
            if not shown and name not in {"past", "offset", "zone"}:
                left.append((name, value))
        return left[::-1]

    def url(self, path: str | None = None, **changes: str | None) -> str:
        """Return this list's URL with parameters changed, or removed if None; a change leads to the first page."""
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
    """Parse the parameters of a list. `zone` is the time zone of times, unless a parameter names another.

    `store` is needed to find the trace that is meant by a part of its id.

    Raises:
        Fault: 400, if a parameter is invalid, which is named; 403, if the project is not the key's.
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
    """Parse only the project and the time range; `recent` is the default of `since`.

    Raises:
        Fault: as `read_filters` does.
    """
    ends = [(name, value) for name, value in pairs if name in _FRAMED | {"zone"} and value.strip()]
    if recent and "since" not in dict(ends):
        ends.append(("since", recent))
    return read_filters(ends, project, zone).query


def _pair(name: str, value: str) -> tuple[str, str]:
    """Return a filter with the spaces around the key and value of metadata removed."""
    if name == "metadata":
        value = "=".join(part.strip() for part in value.split("=", 1))
    return name, value


def _past(text: str | None) -> tuple[datetime, int] | None:
    """Parse the position at which the last page ended: microseconds since 1970, and the record's sequence number."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,16})\.(\d{1,18})", text)
    if not match:
        raise Fault(400, f"past: {text[:50]!r} is not a position in the list")
    return datetime.fromtimestamp(int(match[1]) / 1e6, UTC).replace(microsecond=int(match[1]) % 1_000_000), int(
        match[2]
    )


def place(at: datetime, seq: int) -> str:
    """Return a position in the list for the parameter `past`."""
    return f"{int(at.timestamp()) * 1_000_000 + at.microsecond}.{seq}"
