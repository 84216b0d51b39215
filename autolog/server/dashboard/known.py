"""Values that filters suggest: those that calls of the last time had, the most frequent first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from autolog.server._call import Reply
from autolog.server.dashboard import charts
from autolog.server.dashboard._page import PageRequest
from autolog.stores.query import DIMENSIONS

#: How far back values are looked for, and how many there are of each kind.
LOOK_BACK, MOST = timedelta(days=30), 200


def known(request: PageRequest) -> Reply:
    """Return a list of values for each of the filters that have sums."""
    until = datetime.now(UTC)
    project = request.project or request.parameter("project") or None
    values = {
        name: [
            total.value
            for total in charts.totals(request.store.hours(project, name, until - LOOK_BACK, until))[:MOST]
            if total.value
        ]
        for name in DIMENSIONS[1:]
    }
    return request.fragment("known.html", values=values)
