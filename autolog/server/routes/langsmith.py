"""LangSmith: ingestion of runs, feedback, and what its clients read back."""

from __future__ import annotations

from collections.abc import Callable

from autolog._record.record import Record
from autolog.dialects import langsmith as dialect
from autolog.dialects._fault import MISREAD, Fault, Json, why_misread
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite
from autolog.server.routes import _langsmith_feedback, _langsmith_sessions, _langsmith_v2
from autolog.server.routes._langsmith_query import all_runs, encode, find_runs, reading

#: The most runs that one query returns.
MAX_RUNS = 100
_ANY = "application/octet-stream"


def info(call: Call) -> Reply:
    return Reply(200, dialect.encode_info(call.batch_items, call.services.limits.body_bytes))


def settings(call: Call) -> Reply:
    tenant = dialect.session_id(call.project, "")
    return Reply(200, {"id": tenant, "display_name": call.project, "created_at": "1970-01-01T00:00:00Z"})


# Runs


def _keep(call: Call, upload: dialect.Upload) -> RecordWrite:
    """Store the runs, feedback and attachments of an upload; a patch is applied to the stored run.

    Raises:
        Fault: 422, if all of it is invalid.
    """
    records = list[Record]()
    for given in upload.feedback:
        try:
            records += dialect.decode_feedback([given])
        except MISREAD as error:
            upload.reject(why_misread(error))
    stored = call.store.by_ids(call.project, upload.runs)
    known = {record.id: record for record in call.store.with_bodies(stored)}
    runs = dict[str, Json]()
    for run_id, run in upload.runs.items():
        try:
            runs[run_id] = _joined(run, known.get(run_id), run_id in upload.started)
        except MISREAD as error:
            upload.reject(why_misread(error))
    kept = dict[str, Record]()
    for run_id, record in zip(runs, dialect.decode_runs(runs.values()), strict=True):
        if isinstance(record, Exception):
            upload.reject(why_misread(record))
        else:
            kept[run_id] = record
    records += kept.values()
    for (run_id, name), file in upload.attachments.items():
        if run_id in kept:
            records.append(dialect.decode_attachment(kept[run_id], name, *file))
    if upload.rejected and not records:
        raise Fault(422, upload.problem)
    _langsmith_sessions.note_sessions(call, records)
    return call.keep(records, lambda _: Reply(202, {"rejected": upload.rejected, "problem": upload.problem or None}))


def _joined(run: Json, before: Record | None, started: bool) -> Json:
    """Return a run with what is stored of it already; `started` says that the upload has its beginning."""
    if before is None:
        return run
    if started:
        return dialect.join(run, dialect.known_of(before))
    return dialect.join(dialect.run_of(before), run)


def multipart(call: Call) -> RecordWrite:
    return _keep(call, dialect.decode_multipart(call.body, call.headers.get("content-type", ""), call.batch_items))


def batch(call: Call) -> RecordWrite:
    return _keep(call, dialect.decode_batch(call.object(), call.batch_items))


def post_run(call: Call) -> RecordWrite:
    return _keep(call, dialect.decode_batch({"post": [call.object()]}))


def patch_run(call: Call) -> RecordWrite:
    return _keep(call, dialect.decode_batch({"patch": [{**call.object(), "id": call.path["id"]}]}))


def get_run(call: Call) -> Reply:
    record = call.store.get(call.path["id"], call.project)
    if record is None:
        raise Fault(404, "there is no run with this id")
    return Reply(200, encode(call, [record])[0])


def query_runs(call: Call) -> Reply:
    """Find runs by the fields of the request, and by filters in LangSmith's own language.

    Raises:
        Fault: 422, if a field or a filter is not supported.
    """
    wanted = call.object()
    limit = wanted.get("limit")
    most = min(limit, MAX_RUNS) if isinstance(limit, int) and limit > 0 else MAX_RUNS
    found, cursor = find_runs(call, wanted, most)
    return Reply(200, {"runs": found, "cursors": {"next": cursor}})


def run_stats(call: Call) -> Reply:
    return Reply(200, dialect.encode_stats(all_runs(call, call.object(), _without_bodies)))


def _without_bodies(run: Json) -> Json:
    return {key: value for key, value in run.items() if key not in {"inputs", "outputs"}}


# Attachments


def attachment(call: Call) -> Reply:
    record = call.store.get(dialect.attachment_id(call.path["id"], call.parameter("name") or ""), call.project)
    if record is None:
        raise Fault(404, "there is no attachment of this name")
    headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
    return Reply(200, record.response_body or b"", record.response_content_type or _ANY, headers)


def _routes(base: str) -> list[Route]:
    def ingest(method: str, path: str, handler: Callable[[Call], RecordWrite], summary: str) -> Route:
        return Route(method, base + path, handler, dialect, f"LangSmith: {summary}", ok=(202,), keeps=True)

    return [
        Route("GET", base + "/info", info, dialect, "LangSmith: the server's capabilities"),
        ingest("POST", "/runs", post_run, "a run that starts"),
        ingest("POST", "/runs/batch", batch, "runs in JSON"),
        ingest("POST", "/runs/multipart", multipart, "runs in a form"),
        ingest("PATCH", "/runs/{id}", patch_run, "a run that has ended"),
        reading("POST", base + "/runs/query", query_runs, "find runs"),
        reading("POST", base + "/runs/stats", run_stats, "statistics of runs"),
        reading("GET", base + "/runs/{id}", get_run, "one run"),
        reading("GET", base + "/settings", settings, "the tenant"),
        *_langsmith_feedback.routes(base),
        *_langsmith_sessions.routes(base),
    ]


ROUTES = [route for base in dialect.BASES for route in _routes(base)]
ROUTES += [route for base in dialect.NEWER_BASES for route in _langsmith_v2.routes(base)]
ROUTES.append(
    Route("GET", "/runs/{id}/attachment", attachment, dialect, "LangSmith: an attachment, at a signed address", "read",
          open=True, signed=True, produces=(_ANY,))
)  # fmt: skip
