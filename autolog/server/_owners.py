"""Gives model calls the user and the session that only the root of their trace names.

Langfuse's clients, programs with one span around a request, and others say once, in the root, whose trace it is. The
root usually ends, and arrives, last. Sums by user and by session are over model calls, so only these are filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from autolog._record.record import Record
from autolog.stores._contract import Store
from autolog.stores.query import Query

#: The dialects in which the id of a trace is also the id of its root, which may have come before.
_ROOT_HAS_TRACES_ID = frozenset({"langfuse", "langsmith", "openai_agents"})
#: The most stored calls of a trace that a late root is given to.
_MOST = 1_000


def inherit_owners(store: Store, records: Sequence[Record]) -> None:
    """Fill in the users and sessions of calls, among `records` and in the store, from the roots of their traces."""
    roots = {_trace(record): record for record in records if _names_owner(record)}
    calls = [record for record in records if _lacks_owner(record)]
    stored = _stored_roots(store, [call for call in calls if _trace(call) not in roots])
    for call in calls:
        if (root := roots.get(_trace(call)) or stored.get(_trace(call))) is not None:
            _take(call, root)
    for root in roots.values():
        query = Query({"project": root.project, "trace_id": root.trace_id, "kind": "llm"})
        for call in filter(_lacks_owner, store.find(query, _MOST)):
            store.update(call.id, call.project, partial(_take, root=root))


#: A project and the id of a trace.
Trace = tuple[str, str | None]


def _stored_roots(store: Store, calls: Iterable[Record]) -> dict[Trace, Record]:
    ids: dict[str, set[str]] = {}
    for call in calls:
        if call.dialect in _ROOT_HAS_TRACES_ID and call.trace_id is not None:
            ids.setdefault(call.project, set()).add(call.trace_id)
    found = (root for project, traces in ids.items() for root in store.by_ids(project, traces))
    return {_trace(root): root for root in found if _names_owner(root)}


def _trace(record: Record) -> Trace:
    return record.project, record.trace_id


def _names_owner(record: Record) -> bool:
    """Return whether a record is the root of a trace and names its user or session; autolog's own names it in calls."""
    is_root = record.trace_id is not None and record.parent_span_id is None and record.kind != "llm"
    return is_root and record.dialect != "native" and bool(record.user or record.session)


def _lacks_owner(record: Record) -> bool:
    return record.kind == "llm" and record.trace_id is not None and not (record.user and record.session)


def _take(call: Record, root: Record) -> None:
    call.user, call.session = call.user or root.user, call.session or root.session
