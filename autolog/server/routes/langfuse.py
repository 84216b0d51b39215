"""Langfuse: batches of its older SDKs, scores, and traces read back."""

from __future__ import annotations

from autolog._record.record import Record
from autolog._version import __version__
from autolog.dialects import langfuse as dialect
from autolog.dialects._fault import Fault
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite
from autolog.stores.query import Query

#: The most records of one trace that are read.
MAX_RECORDS = 1_000


def _find(call: Call) -> dialect.Find:
    return lambda thing_id: call.store.get(thing_id, call.project)


def _root_of(call: Call) -> dialect.Find:
    """Return what finds the record that a score is of: an observation's, or of a trace's its root."""

    def find(thing_id: str) -> Record | None:
        if (record := call.store.get(thing_id, call.project, bodies=False)) is not None:
            return record
        for field in ("span_id", "trace_id"):
            query = Query({"project": call.project, field: thing_id})
            found = call.store.find(query, MAX_RECORDS, newest_first=False)
            if found:
                return next((record for record in found if record.parent_span_id is None), found[0])
        return None

    return find


def ingest(call: Call) -> RecordWrite:
    batch = dialect.decode_batch(call.object(), _find(call), _root_of(call), call.batch_items)
    reply = Reply(207, {"successes": batch.successes, "errors": batch.errors})
    return call.keep(batch.records, lambda _: reply)


def score(call: Call) -> RecordWrite:
    """Keep a score, or a list of them: of those that cannot be read, the reply says why."""
    body = call.json()
    if isinstance(body, list):
        batch = dialect.decode_scores(body, _root_of(call), call.batch_items)
        reply = Reply(207 if batch.errors else 202, dialect.encode_scores(batch))
        return call.keep(batch.records, lambda _: reply)
    if not isinstance(body, dict):
        raise Fault(400, "the body is neither a score nor a list of them")
    record = dialect.decode_score(body, _root_of(call))
    return call.keep([record], lambda _: Reply(200, {"id": body.get("id") or f"{record.id}/{body['name']}"}))


def get_trace(call: Call) -> Reply:
    trace_id = call.path["id"]
    query = Query({"project": call.project, "trace_id": trace_id})
    records = call.store.find(query, MAX_RECORDS, newest_first=False, bodies=True)
    if not records:
        raise Fault(404, "there is no trace with this id")
    return Reply(200, dialect.encode_trace(trace_id, records))


def get_observation(call: Call) -> Reply:
    record = call.store.get(call.path["id"], call.project)
    if record is None:
        found = call.store.find(Query({"project": call.project, "span_id": call.path["id"]}), 1, bodies=True)
        record = found[0] if found else None
    if record is None:
        raise Fault(404, "there is no observation with this id")
    return Reply(200, dialect.encode_observation(record))


def projects(call: Call) -> Reply:
    """Say which project a key is of: SDKs ask it to see whether their keys are right."""
    organization = {"id": "autolog", "name": "autolog"}
    project = {"id": call.project, "name": call.project, "metadata": {}, "organization": organization}
    return Reply(200, {"data": [project]})


def health(call: Call) -> Reply:  # noqa: ARG001 - every handler takes a call
    return Reply(200, {"status": "OK", "version": __version__})


ROUTES = [
    Route("POST", "/api/public/ingestion", ingest, dialect, "Langfuse: a batch of events", ok=(207,), keeps=True),
    Route(
        "POST",
        "/api/public/scores",
        score,
        dialect,
        "Langfuse: a score, or a list of them",
        keeps=True,
        ok=(200, 202, 207),
    ),
    Route("GET", "/api/public/traces/{id}", get_trace, dialect, "Langfuse: a trace with its observations", "read"),
    Route("GET", "/api/public/observations/{id}", get_observation, dialect, "Langfuse: one observation", "read"),
    Route("GET", "/api/public/projects", projects, dialect, "Langfuse: the project of a key"),
    Route("GET", "/api/public/health", health, dialect, "Langfuse: whether the server answers", open=True),
]
