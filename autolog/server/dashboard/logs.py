"""The list of logs or traces, the totals of what matches, and live rows for new records."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic

from autolog._record.record import Record
from autolog.server._call import Reply
from autolog.server._live import follow
from autolog.server.dashboard import histogram
from autolog.server.dashboard._page import HEADERS, PageRequest, templates
from autolog.server.dashboard.export import offered_forms
from autolog.server.dashboard.filters import COLUMNS, KINDS, LOGS, PAGE, SORTS, TRACES, Filters, place, read_filters
from autolog.server.dashboard.frame import reader_zone
from autolog.server.dashboard.tree import trace_sums
from autolog.server.dashboard.views import views_of
from autolog.stores._contract import Store
from autolog.stores.query import Query

#: How long a text search may take before it shows what it has found, in seconds.
SEARCH_SECONDS = 2.5
#: A text search has totals only if it has to read no more records than this.
SEARCH_SUMS = 20_000


def logs(request: PageRequest) -> Reply:
    return _list(request, LOGS)


def traces(request: PageRequest) -> Reply:
    return _list(request, TRACES)


def _list(request: PageRequest, path: str) -> Reply:
    filters = _filters(request, path)
    records, reached = _find(request.store, filters)
    older = None
    if len(records) > PAGE:
        records = records[:PAGE]
        last = records[-1]
        if filters.sort == "time" and filters.descending and last.created_at and last.seq:
            older = filters.url(past=place(last.created_at, last.seq))
        else:
            older = filters.url(offset=str(filters.offset + PAGE))
    further = None if reached is None else filters.url(until=reached.isoformat())
    name = "traces" if path == TRACES else "logs"
    return request.render(
        "logs.html", filters=filters, records=records, older=older, further=further, reached=reached,
        all_columns=COLUMNS, forms=offered_forms(), views=views_of(request, path), may_write=request.may_write,
        sorts=SORTS, kinds=KINDS, given=dict(filters.given), place=name, last=request.store.last(), ranged=True,
        sums=trace_sums(request.store, records) if name == "traces" else {},
    )  # fmt: skip


def _filters(request: PageRequest, path: str) -> Filters:
    return read_filters(request.call.query, request.project, reader_zone(request.call)[1], path, request.store)


def sums(request: PageRequest) -> Reply:
    """Return the totals and the histogram of what matches; the script adds them, so that the list does not wait."""
    filters = _filters(request, TRACES if request.parameter("step") == "traces" else LOGS)
    query = replace(filters.query, past=None)
    if query.text is not None and request.store.count(replace(query, text=None)) > SEARCH_SUMS:
        return request.fragment("sums.html", whole=None, too_many=True)
    whole, drawn = histogram.summed(request.store, query, reader_zone(request.call)[0]) or (None, None)
    scores = request.store.scores(query) if query.scores else []
    return request.fragment("sums.html", whole=whole, drawn=drawn, scores=scores)


def events(request: PageRequest) -> Reply:
    """Stream new records as rows of the table."""
    filters = _filters(request, LOGS)
    template, root, zone = templates().get_template("rows.html"), request.root, reader_zone(request.call)[0]

    def row(record: Record) -> str:
        return json.dumps(template.render(root=root, zone=zone, records=[record], filters=filters, sums={}))

    return replace(follow(request.call, filters.query, row), headers=HEADERS)


def _find(store: Store, filters: Filters) -> tuple[list[Record], datetime | None]:
    """Return a page of records and one more, and the time that a search reached if it stopped before the end."""
    if filters.query.text is None or filters.sort != "time" or not filters.descending or filters.offset:
        return store.find(filters.query, PAGE + 1, filters.offset, filters.descending, SORTS[filters.sort]), None
    oldest = store.extremes(Query(), ["created_at"])["created_at"][0]
    if oldest is None:
        return [], None
    begin = datetime.fromtimestamp(oldest / 1e6, UTC)
    if filters.query.since is not None:
        begin = max(begin, filters.query.since)
    until = filters.query.until or datetime.now(UTC) + timedelta(days=1)
    found: list[Record] = []
    deadline, width = monotonic() + SEARCH_SECONDS, timedelta(minutes=5)
    while until > begin and len(found) <= PAGE:
        if monotonic() > deadline:
            return found, until
        since = max(begin, until - width)
        found += store.find(replace(filters.query, since=since, until=until), PAGE + 1 - len(found))
        until, width = since, width * 2
    return found, None
