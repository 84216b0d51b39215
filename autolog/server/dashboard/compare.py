"""Two logs side by side."""

from __future__ import annotations

from autolog._display import diff
from autolog.server._call import Reply
from autolog.server.dashboard._page import PageRequest


def compare(request: PageRequest) -> Reply:
    ids = [request.parameter("a"), request.parameter("b")]
    if not all(ids):
        return request.render("compare.html", left=None, ids=ids, place="compare")
    left, right = (request.record(record_id) for record_id in ids)
    return request.render(
        "compare.html", left=left, right=right, ids=ids, place="compare",
        figures=diff.compare_figures(left, right),
        asked=diff.compare_lines(diff.request_lines(left), diff.request_lines(right)),
        answered=diff.compare_lines(diff.answer_lines(left), diff.answer_lines(right)),
    )  # fmt: skip
