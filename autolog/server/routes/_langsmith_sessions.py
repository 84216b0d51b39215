"""LangSmith's projects, which its API calls sessions. Each exists once it has a run, or has been created."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any
from weakref import WeakKeyDictionary

from autolog._record.record import Record
from autolog.dialects import langsmith as dialect
from autolog.dialects._fault import Fault, Json
from autolog.server._call import Call, Reply, Route
from autolog.stores._contract import Store
from autolog.stores._texts import clean
from autolog.stores.query import Condition, Query

#: The kind of the documents with the names of projects, and what their clients say of them.
_KIND = "langsmith-project"
#: What clients may say of a project.
_DESCRIPTION = ("description", "end_time", "extra", "reference_dataset_id", "start_time")
#: The most recent runs that are searched for projects that have no document.
RECENT = 1_000
MAX_PAGE = 100

#: The ids of the projects that are known to have a document, by store, and the most of them.
MOST_NOTED = 10_000
_noted: MutableMapping[Store, set[str]] = WeakKeyDictionary()


def note_sessions(call: Call, records: Iterable[Record]) -> None:
    """Note the projects of runs, so that they are listed however many runs come later."""
    noted = _noted.setdefault(call.store, set())
    for name in {_name_of(record) for record in records if dialect.is_run(record)}:
        name_id = dialect.session_id(call.project, name)
        if name_id not in noted:
            if name_id not in call.store.documents(_KIND, name_id):
                _put(call, name, {})
            if len(noted) >= MOST_NOTED:
                noted.clear()
            noted.add(name_id)


def _name_of(record: Record) -> str:
    return clean(str((record.extra.get("run") or {}).get("session_name") or "default"))


def _put(call: Call, name: str, description: Json) -> Json:
    """Store the description of a project; return the project, or only what is given to a key that may not read."""

    def put(store: Store) -> Json:
        key = dialect.session_id(call.project, clean(name))
        known = store.documents(_KIND, key).get(key) or {}
        document = {**known, **description, "project": call.project, "name": clean(name)}
        store.put_document(_KIND, key, document)
        return document

    stored = call.write(put)
    return _encode(call, stored if call.principal.may("read") else {**description, "name": clean(name)})


def _encode(call: Call, document: Json) -> Json:
    description = {key: document[key] for key in _DESCRIPTION if document.get(key) is not None}
    return {**dialect.encode_session(call.project, document["name"]), **description}


def _all(call: Call) -> Iterator[Json]:
    """Yield the projects by name."""
    known = {
        document["name"]: document
        for document in call.store.documents(_KIND).values()
        if document["project"] == call.project
    }
    query = Query({"project": call.project}, conditions=(Condition("dialect", "eq", (dialect.name,)),))
    for record in call.store.find(query, RECENT):
        name = _name_of(record)
        known.setdefault(name, {"name": name})
    for _, document in sorted(known.items()):
        yield _encode(call, document)


def _matching(call: Call) -> list[Json]:
    given = call.parameters
    ids, datasets = given.texts("id"), given.texts("reference_dataset")
    return [
        session
        for session in _all(call)
        if (not ids or session["id"] in ids)
        and call.parameter("name") in (None, session["name"])
        and (call.parameter("name_contains") or "").lower() in session["name"].lower()
        and (not datasets or session["reference_dataset_id"] in datasets)
        and not (call.parameter("reference_free") == "true" and session["reference_dataset_id"])
    ]


def _list(call: Call) -> Reply:
    given = call.parameters
    first, limit = given.integer("offset", 0), given.integer("limit", MAX_PAGE, 1, MAX_PAGE)
    return Reply(200, _matching(call)[first : first + limit])


def _find(call: Call) -> Json:
    found = next((session for session in _all(call) if session["id"] == call.path["id"]), None)
    if found is None:
        raise Fault(404, "there is no project with this id")
    return found


def _get(call: Call) -> Reply:
    return Reply(200, _find(call))


def _create(call: Call) -> Reply:
    """Create a project, or answer with the one of this name."""
    given = call.object()
    name = given.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        raise Fault(422, "name: must have 1 to 200 characters")
    return Reply(200, _put(call, name, _description(given)))


def _update(call: Call) -> Reply:
    """Change the description of a project; its name stays, because its runs have it.

    Raises:
        Fault: 404, if there is no such project; 422, if it is to be renamed.
    """
    given, session = call.object(), _find(call)
    if given.get("name") not in (None, session["name"]):
        raise Fault(422, "name: a project cannot be renamed, because its runs have its name")
    changed = _put(call, session["name"], _description(given))
    return Reply(200, changed if call.principal.may("read") else {**changed, "name": given.get("name")})


def _description(given: Json) -> Json:
    return {key: given[key] for key in _DESCRIPTION if given.get(key) is not None}


# The newer form, /api/v2


def _list_v2(call: Call) -> Reply:
    given = call.parameters
    first, limit = given.integer("cursor", 0), given.integer("page_size", MAX_PAGE, 1, MAX_PAGE)
    found = _matching(call)
    cursor = str(first + limit) if first + limit < len(found) else None
    return Reply(200, {"items": [_v2(one) for one in found[first : first + limit]], "next_cursor": cursor})


def _v2(session: Json) -> Json:
    return {**session, "type": "EXPERIMENT" if session["reference_dataset_id"] else "PROJECT"}


def _in_v2(handler: Any) -> Any:
    """Return a handler that answers with a project in the newer form."""

    def answer(call: Call) -> Reply:
        reply = handler(call)
        return Reply(reply.status, _v2(reply.body))

    return answer


def routes(base: str) -> list[Route]:
    """Return the routes of projects below a base path."""

    def route(method: str, path: str, handler: Any, summary: str, scope: str = "read") -> Route:
        return Route(method, base + path, handler, dialect, f"LangSmith: {summary}", scope)

    is_v2 = base.endswith("/v2")
    form = _in_v2 if is_v2 else lambda handler: handler
    return [
        route("GET", "/sessions", _list_v2 if is_v2 else _list, "its projects"),
        route("POST", "/sessions", form(_create), "create a project", "ingest"),
        route("GET", "/sessions/{id}", form(_get), "a project"),
        route("PATCH", "/sessions/{id}", form(_update), "describe a project", "ingest"),
    ]
