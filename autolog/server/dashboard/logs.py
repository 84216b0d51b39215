"""The list of logs, and the rows that are added to it while one looks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic

from autolog._record.record import Record
from autolog.server._call import Reply
from autolog.server._live import follow
from autolog.server.dashboard._page import HEADERS, PageRequest, templates
from autolog.server.dashboard.filters import PAGE, SORTS, Filters, place, read_filters
from autolog.stores._contract import Store
from autolog.stores.query import Query

#: How long a search through texts may go on before it shows what it has, in seconds.
SEARCH_SECONDS = 2.5


def logs(request: PageRequest) -> Reply:
    filters = read_filters(request.call.query, request.project)
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
    return request.render(
        "logs.html", filters=filters, records=records, older=older, further=further, reached=reached,
        sorts=SORTS, given=dict(filters.given), place="logs", last=request.store.last(),
    )  # fmt: skip


def events(request: PageRequest) -> Reply:
    """Stream new records as rows of the table."""
    filters = read_filters(request.call.query, request.project)
    template, root = templates().get_template("rows.html"), request.root
    reply = follow(request.call, filters.query, lambda record: json.dumps(template.render(root=root, records=[record])))
    return replace(reply, headers=HEADERS)


def _find(store: Store, filters: Filters) -> tuple[list[Record], datetime | None]:
    """Return a page of records and one more; and how far back the search went, if it stopped before the end."""
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
