"""Sessions and users: the two lists, and the turns of one session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from autolog._record.record import Record
from autolog.dialects._fault import Fault
from autolog.server._call import Reply
from autolog.server.dashboard import conversation
from autolog.server.dashboard._page import PageRequest
from autolog.server.dashboard.filters import Filters, read_filters
from autolog.server.dashboard.frame import RECENT
from autolog.server.dashboard.tree import trace_sums
from autolog.stores._contract import Store
from autolog.stores.query import SUMMARY_ORDERS, Query, Summary

#: The rows on a page of a list, and the turns on a page of a session.
ROWS, TURNS = 50, 25
#: The most characters of a turn's texts that are shown; the turn links to its full log.
MAX_SAID = 4_000


def sessions(request: PageRequest) -> Reply:
    return _list(request, "session", "sessions")


def users(request: PageRequest) -> Reply:
    return _list(request, "user", "users")


def _list(request: PageRequest, field: str, place: str) -> Reply:
    number, order = _page_number(request), request.parameter("sort") or "last"
    if order not in SUMMARY_ORDERS:
        raise Fault(400, f"sort: {order[:50]!r} is not one of {', '.join(SUMMARY_ORDERS)}")
    filters = _filters(request, recent=True)
    groups = request.store.summarise(filters.query, field, ROWS + 1, (number - 1) * ROWS, order)
    costs = [group.cost for group in groups[:ROWS] if group.cost is not None]
    ends = _ends(request.store, filters.query, groups[:ROWS]) if field == "session" else {}
    return request.render(
        "groups.html", recent=RECENT, filters=filters,
        groups=groups[:ROWS], ends=ends, field=field, place=place, order=order, number=number,
        most=max(costs, default=0.0), cost=sum(costs) if costs else None,
        newer=_page_url(request, number - 1) if number > 1 else None,
        older=_page_url(request, number + 1) if len(groups) > ROWS else None,
    )  # fmt: skip


def _ends(store: Store, query: Query, groups: Sequence[Summary]) -> dict[str | None, tuple[Record, Record]]:
    """Return the first and the last turn of each session, by session."""
    found: dict[str | None, tuple[Record, Record]] = {}
    for group in groups:
        of_group = replace(query.where(session=group.value), roots=True)
        for first in store.find(of_group, 1, newest_first=False):
            last = store.find(of_group, 1) if group.turns > 1 else []
            found[group.value] = first, last[0] if last else first
    return found


def session(request: PageRequest) -> Reply:
    """Show the turns of a session, oldest first."""
    query = _filters(request).query.where(session=request.id)
    whole = next(iter(request.store.summarise(query)), None)
    if not request.id or whole is None:
        raise Fault(404, f"There is no session {request.id[:100]!r} in this project and time range.")
    number = _page_number(request)
    records = request.store.find(replace(query, roots=True), TURNS + 1, (number - 1) * TURNS, newest_first=False)
    sums = trace_sums(request.store, records[:TURNS])
    turns = [_turn(request.store, record) for record in request.store.with_bodies(records[:TURNS])]
    pages = max(1, -(-whole.turns // TURNS))
    return request.render(
        "session.html", whole=whole, turns=turns, sums=sums, session=request.id, place="sessions", ranged=True,
        number=number, pages=pages, first=(number - 1) * TURNS + 1,
        newer=_page_url(request, number - 1) if number > 1 else None,
        older=_page_url(request, number + 1) if len(records) > TURNS else None,
        last=_page_url(request, pages) if number < pages else None,
    )  # fmt: skip


def _turn(store: Store, record: Record) -> dict[str, Any]:
    """Return what to show of a turn; for a root without bodies, its calls' first input and last output."""
    question, answer = conversation.turn_of(record, MAX_SAID)
    if record.trace_id and not (question or answer):
        calls = Query({"project": record.project, "trace_id": record.trace_id, "kind": "llm"})
        for call in store.find(calls, 1, newest_first=False, bodies=True):
            question, _ = conversation.turn_of(call, MAX_SAID)
        for call in store.find(calls.where(status="ok"), 1, bodies=True):
            _, answer = conversation.turn_of(call, MAX_SAID)
    return {"record": record, "asked": question, "answered": answer}


def _filters(request: PageRequest, recent: bool = False) -> Filters:
    """Return the filters of the URL; with `recent`, limited to the last days unless the URL has a time.

    Raises:
        Fault: 400, if a filter is invalid, or is a text search, which would have to read too much.
    """
    pairs = [(name, value) for name, value in request.call.query if name not in {"sort", "page", "id"}]
    if request.parameter("text"):
        raise Fault(400, "text: sessions and users cannot be searched; search the logs instead.")
    given = pairs if request.parameter("since") or not recent else [*pairs, ("since", RECENT)]
    found = read_filters(given, request.project, request.frame.zone_name, request.frame.path, request.store)
    return replace(found, given=[pair for pair in request.call.query if pair[0] not in {"page", "id"}])


def _page_number(request: PageRequest) -> int:
    """Return the number of the requested page of the list, starting at 1."""
    given = request.parameter("page") or "1"
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:7]) <= 1_000_000):
        raise Fault(400, f"page: {given[:50]!r} is not the number of a page")
    return int(given)


def _page_url(request: PageRequest, number: int) -> str:
    return request.frame.url(page=str(number))
