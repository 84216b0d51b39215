"""Joins the raw requests that coding agents log with the calls they began, if the two come in different exports.

A request is logged when a call begins, without the call's id, and the call when it ends. Of one prompt there may be
several calls; a request belongs to the call that began nearest to it. Until the call comes, the request is a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from autolog._reading.describe import preview
from autolog._reading.messages import last_user_text
from autolog._record.bodies import decode_object
from autolog._record.media import note_media
from autolog._record.record import Record
from autolog.server._reports import begun
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

#: How far the log record of a request may be from the beginning of its call.
NEAR = timedelta(seconds=2)
#: The most requests and calls of one session that are compared.
EACH = 100


def join_requests(store: Store, records: Sequence[Record]) -> None:
    """Let each raw request become part of its call, among `records` and in the store.

    A request among the records gets the id of its call, into which the store merges it. A stored one is removed.
    """
    sessions = {(record.project, record.session) for record in records if _is_request(record) or _is_waiting(record)}
    for project, session in sessions:
        arrived = [record for record in records if (record.project, record.session) == (project, session)]
        known = _stored(store, project, session, arrived)
        calls = [record for record in (*arrived, *known) if record.kind == "llm" and record.dialect == "otlp"]
        for request in filter(_is_request, [*arrived, *known]):
            call = _call_of(request, calls)
            if call is None:
                continue
            is_stored = request.seq is not None
            if is_stored and call.seq is not None:
                continue  # they were compared when the later one came
            name = request.id
            call.extra = {**call.extra, "raw_request": name}
            if is_stored:
                (request,) = store.with_bodies([request])
                store.delete(Query({"project": project, "id": name}))
                call.request_body = request.request_body
                _describe(call)
            else:
                _reduce(request, call)


def _stored(store: Store, project: str, session: str | None, records: Iterable[Record]) -> list[Record]:
    """Return the stored records of a session around those that are being written."""
    times = [at for record in records if (at := begun(record)) is not None]
    if not times:
        return []
    query = Query(
        {"project": project, "session": session, "dialect": "otlp"},
        since=_shifted(min(times), -NEAR),
        until=_shifted(max(times), NEAR),
        conditions=(Condition("kind", "eq", ("llm", "span")),),
    )
    return store.find(query, EACH)


def _shifted(at: datetime, by: timedelta) -> datetime:
    try:
        return at + by
    except OverflowError:
        return at


def _is_request(record: Record) -> bool:
    return record.kind == "span" and record.session is not None and bool(record.extra.get("is_raw_request"))


def _is_waiting(record: Record) -> bool:
    """Return whether a record is a call of an agent, whose request may have been logged separately."""
    return record.kind == "llm" and record.session is not None and "event" in record.extra and not record.request_body


def _call_of(request: Record, calls: Iterable[Record]) -> Record | None:
    """Return the call that a request began: the one that has it already, or the nearest one that has none."""
    siblings = [call for call in calls if call.parent_span_id == request.parent_span_id and "event" in call.extra]
    joined = next((call for call in siblings if call.extra.get("raw_request") == request.id), None)
    if joined is not None:
        return joined
    taken = {call.id for call in siblings if "raw_request" in call.extra}  # also of a call that is sent again
    near = [
        (request.request_model != call.request_model, apart, number, call)
        for number, call in enumerate(siblings)
        if call.id not in taken and _is_waiting(call) and (apart := _gap(request, call)) <= NEAR
    ]
    return min(near)[-1] if near else None


def _gap(request: Record, call: Record) -> timedelta:
    requested_at, called_at = begun(request), begun(call)
    return abs(requested_at - called_at) if requested_at is not None and called_at is not None else timedelta.max


def _reduce(request: Record, call: Record) -> None:
    """Leave of a request what it adds to its call, under the call's id."""
    request.id, request.kind, request.name, request.trace_id = call.id, "llm", None, call.trace_id
    request.span_id, request.parent_span_id = call.span_id, call.parent_span_id
    request.extra = {"raw_request": call.extra["raw_request"]}
    _describe(request)


def _describe(record: Record) -> None:
    record.input_preview = preview(last_user_text(decode_object(record.request_body)))
    note_media(record)
