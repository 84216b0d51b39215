"""Saved views: a list's filters, order and columns under a name, stored on the server for each project."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from autolog.dialects._fault import Fault
from autolog.server._call import Reply
from autolog.server.dashboard._page import PageRequest
from autolog.server.dashboard.filters import read_filters
from autolog.server.dashboard.frame import Pairs, with_query

#: The lists that can have views.
LISTS = ("/ui/", "/ui/traces")
#: The longest name and the longest query, in characters, and the most views of a project.
LONGEST_NAME, LONGEST_QUERY, MOST = 80, 4_000, 200
_KIND = "view"
#: The parameters of the position in a list, which are not part of a view.
_PLACE = frozenset({"past", "offset"})


@dataclass(frozen=True, slots=True)
class View:
    """A saved view: the key under which it is stored, its name, and its URL."""

    key: str
    name: str
    url: str


def views_of(request: PageRequest, path: str) -> list[View]:
    """Return a list's views in the chosen project, or in all projects if none is chosen, by name."""
    project = request.frame.project
    views = []
    for key, data in request.store.documents(_KIND).items():
        if data.get("removed_at") or data.get("path") != path:
            continue
        if data.get("project") == project or (not project and request.project is None):
            views.append(View(key, str(data["name"]), with_query(path, _pairs(data["query"]))))
    return sorted(views, key=lambda view: view.name.casefold())


def save(request: PageRequest) -> Reply:
    """Save a list's filters, order and columns under a name; a view of the same name is replaced."""
    _check(request)
    name, path = request.form.get("name", "").strip(), request.form.get("path", "")
    query, project = request.form.get("query", ""), _project(request)
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Fault(400, f"A view's name has 1 to {LONGEST_NAME} characters.")
    if path not in LISTS or len(query) > LONGEST_QUERY:
        raise Fault(400, "This list has no views.")
    pairs = [pair for pair in _pairs(query) if pair[0] not in _PLACE]
    read_filters(pairs, request.project, request.frame.zone_name, path)
    kept = {key for key, data in request.store.documents(_KIND).items() if not data.get("removed_at")}
    key = f"{project}\n{path}\n{name}"
    if key not in kept and sum(other.startswith(f"{project}\n") for other in kept) >= MOST:
        raise Fault(400, f"There are {MOST} views already: remove one first.")
    data = {"name": name, "project": project, "path": path, "query": with_query("", pairs).removeprefix("?")}
    request.call.write(lambda store: store.put_document(_KIND, key, data))
    return request.redirect(with_query(path, pairs))


def remove(request: PageRequest) -> Reply:
    """Remove a view."""
    _check(request)
    data = request.store.documents(_KIND).get(request.id)
    if data is None or request.project not in {None, data.get("project")}:
        raise Fault(404, "There is no such view; it may have been removed.")
    removed = {**data, "removed_at": datetime.now(UTC).isoformat(timespec="seconds")}
    request.call.write(lambda store: store.put_document(_KIND, request.id, removed))
    return request.redirect(data["path"])


def _check(request: PageRequest) -> None:
    if not request.may_write:
        raise Fault(403, "This key may read, but not save views; the page's URL holds everything shown.")


def _project(request: PageRequest) -> str:
    """Return the project of a new view; empty for all."""
    return request.project or dict(_pairs(request.form.get("query", ""))).get("project", "")


def _pairs(query: str) -> Pairs:
    return parse_qsl(query)[:50]
