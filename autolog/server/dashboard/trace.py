"""One trace: its spans as a tree."""

from __future__ import annotations

from autolog._display.trace import span_tree
from autolog.dialects._fault import Fault
from autolog.server._call import Reply
from autolog.server.dashboard._page import PageRequest
from autolog.stores.query import Query

#: How many spans of a trace are drawn.
MAX_SPANS = 2_000


def trace(request: PageRequest) -> Reply:
    trace_id = request.id
    query = Query({"trace_id": trace_id, **({"project": request.project} if request.project else {})})
    records = request.store.find(query, MAX_SPANS, newest_first=False)
    if not records:
        raise Fault(404, f"There is no trace with the id {trace_id[:100]!r}.")
    nodes = span_tree(records)
    roots = [node for node in nodes if not node.depth]
    costs = [node.cost for node in roots if node.cost is not None]
    return request.render(
        "trace.html", nodes=nodes, trace_id=trace_id, most=MAX_SPANS, place="logs",
        calls=sum(node.calls for node in roots), used=sum(node.tokens for node in roots),
        cost=sum(costs) if costs else None,
    )  # fmt: skip
