"""Sessions and users: the lists, and the turns of one session one under the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autolog._record.record import Record
from autolog.dialects._fault import Fault
from autolog.server._call import Reply
from autolog.server.dashboard import conversation
from autolog.server.dashboard._page import PageRequest
from autolog.server.dashboard.filters import read_range
from autolog.server.dashboard.frame import RECENT
from autolog.server.dashboard.tree import trace_sums
from autolog.stores._contract import Store
from autolog.stores.query import SUMMARY_ORDERS, Query, Summary

#: Rows of a list, and turns of a session, on a page.
ROWS, TURNS = 50, 25
#: So many characters of a turn are shown; all of it is where it leads to.
MAX_SAID = 4_000


def sessions(request: PageRequest) -> Reply:
    return _list(request, "session", "sessions")


def users(request: PageRequest) -> Reply:
    return _list(request, "user", "users")


def _list(request: PageRequest, field: str, place: str) -> Reply:
    number, order = _page_number(request), request.parameter("sort") or "last"
    if order not in SUMMARY_ORDERS:
        raise Fault(400, f"sort: {order[:50]!r} is not one of {', '.join(SUMMARY_ORDERS)}")
    groups = request.store.summarise(_query(request, recent=True), field, ROWS + 1, (number - 1) * ROWS, order)
    most = max((group.cost or 0.0 for group in groups[:ROWS]), default=0.0)
    began = _beginnings(request, groups[:ROWS]) if field == "session" else {}
    return request.render(
        "groups.html", recent=RECENT,
        groups=groups[:ROWS], began=began, field=field, place=place, order=order, most=most, number=number,
        newer=_page_url(request, number - 1) if number > 1 else None,
        older=_page_url(request, number + 1) if len(groups) > ROWS else None,
    )  # fmt: skip


def _beginnings(request: PageRequest, groups: Sequence[Summary]) -> dict[str | None, Record]:
    """Return the first turn of each session."""
    query = _query(request, recent=True)
    found: dict[str | None, Record] = {}
    for group in groups:
        one = Query({**query.equal, "session": group.value}, since=query.since, until=query.until, roots=True)
        for record in request.store.find(one, 1, newest_first=False):
            found[group.value] = record
    return found


def session(request: PageRequest) -> Reply:
    """Show the turns of a session, the first ones first."""
    query = _query(request).where(session=request.id)
    whole = next(iter(request.store.summarise(query)), None)
    if not request.id or whole is None:
        raise Fault(404, f"There is no session {request.id[:100]!r} in this project and time range.")
    number = _page_number(request)
    found = request.store.find(
        Query(query.equal, since=query.since, until=query.until, roots=True), TURNS + 1, (number - 1) * TURNS, False
    )
    sums = trace_sums(request.store, found[:TURNS])
    turns = [_turn(request.store, record) for record in request.store.with_bodies(found[:TURNS])]
    pages = max(1, -(-whole.turns // TURNS))
    return request.render(
        "session.html", whole=whole, turns=turns, sums=sums, session=request.id, place="sessions", ranged=True,
        number=number, pages=pages, first=(number - 1) * TURNS + 1,
        newer=_page_url(request, number - 1) if number > 1 else None,
        older=_page_url(request, number + 1) if len(found) > TURNS else None,
        last=_page_url(request, pages) if number < pages else None,
    )  # fmt: skip


def _turn(store: Store, record: Record) -> dict[str, Any]:
    """Return what a turn shows: of a root that keeps no bodies, what its calls asked first and answered last."""
    asked, answered = conversation.turn_of(record, MAX_SAID)
    if record.trace_id and not (asked or answered):
        calls = Query({"project": record.project, "trace_id": record.trace_id, "kind": "llm"})
        for call in store.find(calls, 1, newest_first=False, bodies=True):
            asked, _ = conversation.turn_of(call, MAX_SAID)
        for call in store.find(calls.where(status="ok"), 1, bodies=True):
            _, answered = conversation.turn_of(call, MAX_SAID)
    return {"record": record, "asked": asked, "answered": answered}


def _query(request: PageRequest, recent: bool = False) -> Query:
    """Return the project and the time range; with `recent`, the last days if the URL says none."""
    return read_range(request.call.query, request.project, request.frame.zone_name, RECENT if recent else "")


def _page_number(request: PageRequest) -> int:
    """Return which page of the list is asked for, counted from 1."""
    given = request.parameter("page") or "1"
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:7]) <= 1_000_000):
        raise Fault(400, f"page: {given[:50]!r} is not the number of a page")
    return int(given)


def _page_url(request: PageRequest, number: int) -> str:
    return request.frame.url(page=str(number))
