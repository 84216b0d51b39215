"""A single trace: its spans as a tree, beside the selected span."""

from __future__ import annotations

from autolog.dialects._fault import Fault
from autolog.server._call import Reply
from autolog.server.dashboard import log
from autolog.server.dashboard._page import PageRequest
from autolog.server.dashboard.tree import make_tree, spans_of


def trace(request: PageRequest) -> Reply:
    """Show a trace with its first span selected."""
    records = spans_of(request.store, request.id, request.project or request.parameter("project") or None)
    if not records:
        raise Fault(404, f"There is no trace with the id {request.id[:100]!r}.")
    tree = make_tree(records)
    first = tree.nodes[0].record
    return log.show(request, request.record(first.id, project=first.project), tree)
