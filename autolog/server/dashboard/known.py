"""Suggestions of values for filters: those of recent records, the most frequent first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from autolog._record.record import Record
from autolog.server._call import Reply
from autolog.server.dashboard import charts
from autolog.server.dashboard._page import HEADERS, PageRequest
from autolog.stores._contract import Store
from autolog.stores.query import DIMENSIONS, Query

#: How far back the hourly sums are read, the number of newest records that are read, and the most values per filter.
LOOK_BACK, RECORDS, MOST = timedelta(days=30), 1_000, 200


def known(request: PageRequest) -> Reply:
    """Return the suggested values of each filter as JSON."""
    project = request.project or request.parameter("project") or None
    values = {**_of_records(request.store, project), **_of_sums(request.store, project)}
    return Reply(
        200,
        {name: [value for value in known_values if value] for name, known_values in values.items()},
        headers=HEADERS,
    )


def _of_sums(store: Store, project: str | None) -> dict[str, list[str]]:
    """Return the values of dimensions that have hourly sums, over all calls."""
    until = datetime.now(UTC)
    return {
        name: [total.value for total in charts.totals(store.totals(project, name, until - LOOK_BACK, until))[:MOST]]
        for name in DIMENSIONS[1:]
        if name != "user"  # users may be too many, and come from the newest records instead
    }


def _of_records(store: Store, project: str | None) -> dict[str, list[str]]:
    """Return the values in the newest records."""
    found: dict[str, Counter[str]] = {}
    for record in store.find(Query({"project": project} if project else {}), RECORDS):
        for name, value in _values(record):
            found.setdefault(name, Counter())[value] += 1
    return {name: [value for value, _ in counts.most_common(MOST)] for name, counts in found.items()}


def _values(record: Record) -> Iterator[tuple[str, str]]:
    single = {
        "name": record.name, "kind": record.kind, "status": record.status, "error": record.error_type,
        "session": record.session, "prompt": record.prompt_name, "prompt_version": record.prompt_version,
        "user": record.user,
    }  # fmt: skip
    yield from ((name, value) for name, value in single.items() if value)
    yield from (("tag", tag) for tag in record.tags)
    yield from (("score", name) for name in record.scores)
    for key, value in record.metadata.items():
        if isinstance(value, (str, int, float)):
            yield "metadata", f"{key}={value}"
