"""Two logs side by side, and suggestions of logs to compare with."""

from __future__ import annotations

from autolog._display import diff
from autolog._record.record import Record
from autolog.dialects._fault import Fault
from autolog.server._call import Reply
from autolog.server.dashboard._page import PageRequest
from autolog.server.dashboard.overview import percent
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

#: The most suggestions, and the most logs that are searched for the same input.
OFFERED, LOOKED_THROUGH = 12, 200


def compare(request: PageRequest) -> Reply:
    ids = [request.parameter("a"), request.parameter("b")]
    try:
        if all(ids):
            return _side_by_side(request, ids)
        first = request.record(ids[0], bodies=False) if ids[0] else None
    except Fault as fault:  # the form keeps the ids
        return request.render(
            "compare.html", fault.status, wrong=fault.message, ids=ids, place="compare", left=None, first=None
        )
    others = offered(request.store, first) if first else []
    return request.render("compare.html", left=None, ids=ids, place="compare", first=first, others=others)


def _side_by_side(request: PageRequest, ids: list[str]) -> Reply:
    left, right = (request.record(record_id) for record_id in ids)
    return request.render(
        "compare.html", left=left, right=right, ids=ids, place="compare",
        figures=diff.compare_figures(left, right), changes=_changes(left, right),
        requested=list(diff.folded(diff.compare_lines(diff.request_lines(left), diff.request_lines(right)))),
        answered=list(diff.folded(diff.compare_lines(diff.answer_lines(left), diff.answer_lines(right)))),
    )  # fmt: skip


def offered(store: Store, record: Record) -> list[Record]:
    """Return logs to compare with: first those with the same input, other versions or other models."""
    same = {"project": record.project, "kind": record.kind}
    if record.prompt_name:
        same["prompt_name"] = record.prompt_name
    elif record.caller:
        same["caller"] = record.caller
    else:
        same["name"] = record.name or ""
    query = Query(dict(same), conditions=(Condition("id", "neq", (record.id,)),))
    found = store.find(query, LOOKED_THROUGH)
    if record.prompt_version:
        found += store.find(query.where(Condition("prompt_version", "neq", (record.prompt_version,))), LOOKED_THROUGH)
    unlike = {candidate.id: candidate for candidate in found}.values()

    def rank(candidate: Record) -> tuple[bool, bool, bool]:
        same_version = candidate.prompt_version == record.prompt_version
        same_model = candidate.request_model == record.request_model
        return candidate.input_preview != record.input_preview, same_version, same_version == same_model

    return sorted(unlike, key=rank)[:OFFERED]


#: The figures whose change is given in per cent, with their fields.
_MEASURED = {
    "latency": "duration", "first chunk": "time_to_first_chunk", "input tokens": "usage_input_tokens",
    "output tokens": "usage_output_tokens", "cost": "cost",
}  # fmt: skip


def _changes(left: Record, right: Record) -> dict[str, str]:
    """Return by figure how much more or less the right record has; empty if it is the same or unknown."""
    pairs = {name: (getattr(left, field), getattr(right, field)) for name, field in _MEASURED.items()}
    return {name: "" if None in (before, now) else percent(now, before) for name, (before, now) in pairs.items()}
