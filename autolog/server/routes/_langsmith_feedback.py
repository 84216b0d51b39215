"""LangSmith's feedback: scores of runs, each of which has an id of its own."""

from __future__ import annotations

from typing import Any

from autolog._record.record import Record
from autolog.dialects import langsmith as dialect
from autolog.dialects._fault import Fault, Json
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite
from autolog.server.routes._langsmith_query import reading
from autolog.stores.query import Condition, Query

#: The most runs that a list may be requested for, and the most feedback on one page.
MAX_RUNS = 100
MAX_PAGE = 100
#: The records per query, and the most records that are searched for a single feedback.
PAGE = 200
MAX_LOOKED_AT = 5_000


def create(call: Call) -> RecordWrite:
    given = call.object()
    return call.keep(dialect.decode_feedback([given]), lambda _: Reply(202, {"id": given.get("id")}))


def list_all(call: Call) -> Reply:
    """Reply with a page of the feedback on the requested runs, of all keys or of the requested ones."""
    given = call.parameters
    keys, first, limit = given.texts("key"), given.integer("offset", 0), given.integer("limit", MAX_PAGE, 1, MAX_PAGE)
    ids = given.texts("run")[:MAX_RUNS]
    records = [record for run_id in ids if (record := call.store.get(run_id, call.project, bodies=False))]
    found = [item for record in records for item in dialect.encode_feedback(record) if not keys or item["key"] in keys]
    return Reply(200, found[first : first + limit])


def get(call: Call) -> Reply:
    return Reply(200, _find(call)[1])


def _find(call: Call) -> tuple[Record, Json]:
    """Return the feedback with the id in the path, and its run, searching the most recent runs.

    Raises:
        Fault: 404, if it is not found.
    """
    query = Query({"project": call.project}, conditions=(Condition("dialect", "eq", (dialect.name,)),))
    for offset in range(0, MAX_LOOKED_AT, PAGE):
        records = call.store.find(query, PAGE, offset)
        for record in records:
            for item in dialect.encode_feedback(record) if record.scores else ():
                if item["id"] == call.path["id"]:
                    return record, item
        if len(records) < PAGE:
            break
    raise Fault(404, f"there is no feedback with this id on the last {MAX_LOOKED_AT} runs")


def update(call: Call) -> Reply:
    """Change the given fields of a feedback, and leave the others."""
    record, item = _find(call)
    known = {name: item[name] for name in ("id", "key", "run_id", "score", "value", "comment")}
    (changed,) = dialect.decode_feedback([{**known, **call.object(), "id": item["id"], "run_id": record.id}])
    _change(call, record, lambda scores: {**scores, **changed.scores})
    return Reply(200, {"id": item["id"]})


def delete(call: Call) -> Reply:
    record, item = _find(call)
    _change(call, record, lambda scores: {key: value for key, value in scores.items() if key != item["key"]})
    return Reply(200, {"message": "deleted"})


def _change(call: Call, record: Record, change: Any) -> None:
    def apply(stored: Record) -> None:
        stored.scores = change(stored.scores)

    call.write(lambda store: store.update(record.id, call.project, apply))


def routes(base: str) -> list[Route]:
    """Return the feedback routes below a base path."""
    creation = Route("POST", base + "/feedback", create, dialect, "LangSmith: feedback on a run", ok=(202,), keeps=True)
    return [
        creation,
        reading("GET", base + "/feedback", list_all, "feedback on runs"),
        reading("GET", base + "/feedback/{id}", get, "one feedback"),
        Route("PATCH", base + "/feedback/{id}", update, dialect, "LangSmith: change a feedback"),
        Route("DELETE", base + "/feedback/{id}", delete, dialect, "LangSmith: remove a feedback"),
    ]
