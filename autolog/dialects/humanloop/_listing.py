"""The parameters of Humanloop's list request."""

from __future__ import annotations

from collections.abc import Sequence

from autolog.dialects._fault import Fault
from autolog.dialects._parameters import Parameters


class Listing:
    """The parameters of `GET /v5/logs`."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        given = Parameters(pairs, status=422)
        file_id = given.text("file_id")
        if file_id is None:
            raise missing("query", "file_id")
        self.file_id = file_id
        self.page = given.integer("page", 1, least=1)
        self.size = min(given.integer("size", 10), 1000)
        self.version_id = given.text("version_id")
        self.ids = tuple(given.texts("id"))
        self.search = given.text("search")
        self.metadata_search = given.text("metadata_search")
        self.since = given.time("start_date")
        self.until = given.time("end_date")
        self.in_trace = set(given.flags("in_trace_filter"))
        self.include_children = given.flag("include_trace_children")
        given.flag("include_parent")
        self.sample = given.integer("sample", 0)


def missing(place: str, field: str) -> Fault:
    """Return the error for a missing parameter."""
    return Fault(422, f"{field} is required", [{"loc": [place, field], "msg": "Field required", "type": "missing"}])
