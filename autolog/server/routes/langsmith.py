"""LangSmith: ingestion of runs, feedback, and what its clients read back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autolog._record.record import Record
from autolog.dialects import langsmith as dialect
from autolog.dialects._convert import parse_time
from autolog.dialects._fault import MISREAD, Fault, Json, why_misread
from autolog.server._addresses import sign
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite
from autolog.server.routes import _langsmith_feedback
from autolog.stores.query import Condition, Query

#: The most runs that one query returns.
MAX_RUNS = 100
#: The records per query, and the most that are searched for one reply; the next page continues from there.
PAGE = 200
MAX_LOOKED_AT = 5_000
#: The most runs of a trace that are read.
MAX_IN_TRACE = 1_000
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
    ids = Condition("id", "eq", tuple(upload.runs))
    stored = call.store.find(Query({"project": call.project}, conditions=(ids,)), len(upload.runs) or 1, bodies=True)
    known = {record.id: record for record in (stored if upload.runs else ())}
    for run_id, run in upload.runs.items():
        try:
            if (before := known.get(run_id)) is not None:
                started = run_id in upload.started
                run = dialect.join(run, dialect.known_of(before)) if started else _patched(before, run)
            record = dialect.decode_run(run)
        except MISREAD as error:
            upload.reject(why_misread(error))
            continue
        records.append(record)
        records += (dialect.decode_attachment(record, *file) for file in upload.attachments.get(run_id, ()))
    if upload.rejected and not records:
        raise Fault(422, upload.problem)
    return call.keep(records, lambda _: Reply(202, {"rejected": upload.rejected, "problem": upload.problem or None}))


def _patched(before: Record, run: Json) -> Json:
    return {**dialect.join(dialect.run_of(before), run), "id": before.id}


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
    return Reply(200, _encoded(call, record))


def query_runs(call: Call) -> Reply:
    """Find runs by the fields of the request, and by filters in LangSmith's own language.

    Raises:
        Fault: 422, if a field or a filter is not supported.
    """
    wanted = call.object()
    for key in ("query", "reference_example"):
        if wanted.get(key):
            known = "filter, trace_filter, tree_filter, id, trace, parent_run, run_type, is_root, error"
            raise Fault(422, f"{key}: is not supported; choose from {known}")
    limit = wanted.get("limit")
    most = min(limit, MAX_RUNS) if isinstance(limit, int) and limit > 0 else MAX_RUNS
    accepts, query, offset = _accepting(call, wanted), _run_query(call, wanted), _offset(wanted.get("cursor"))
    runs: list[Json] = []
    last = offset + MAX_LOOKED_AT
    while offset < last:
        found = call.store.find(query, PAGE, offset, newest_first=wanted.get("order") != "asc", bodies=True)
        for record in found:
            offset += 1
            if dialect.is_run(record) and accepts(dialect.encode_run(record)):
                runs.append(_encoded(call, record))
            if len(runs) == most:
                return Reply(200, {"runs": runs, "cursors": {"next": str(offset)}})
        if len(found) < PAGE:
            return Reply(200, {"runs": runs, "cursors": {"next": None}})
    return Reply(200, {"runs": runs, "cursors": {"next": str(offset)}})


def _offset(cursor: Any) -> int:
    if cursor is None:
        return 0
    if not isinstance(cursor, str) or not cursor.isdecimal() or len(cursor) > 12:
        raise Fault(422, "cursor: was not returned by any page")
    return int(cursor)


def _run_query(call: Call, wanted: Json) -> Query:
    conditions = [Condition("dialect", "eq", (dialect.name,))]
    equal: dict[str, Any] = {"project": call.project}
    if isinstance(wanted.get("id"), list) and wanted["id"]:
        conditions.append(Condition("id", "eq", tuple(map(str, wanted["id"]))))
    for word, key in (("trace", "trace_id"), ("parent_run", "parent_span_id")):
        if wanted.get(word):
            equal[key] = str(wanted[word])
    if wanted.get("error") is not None:
        equal["status"] = "error" if wanted["error"] else "ok"
    since, until = (parse_time(wanted.get(key), key, 422) for key in ("start_time", "end_time"))
    return Query(equal, since=since, until=until, conditions=tuple(conditions))


def _accepting(call: Call, wanted: Json) -> dialect.Filter:
    """Return a function that checks runs for the conditions that the store cannot compare."""
    accepts = _filter(wanted, "filter")
    if not isinstance(wanted.get("session"), (list, type(None))):
        raise Fault(422, "session: is not a list of ids")
    sessions = set(map(str, wanted.get("session") or []))
    in_trace = _accepting_trace(call, wanted)
    return lambda run: (
        (not sessions or run["session_id"] in sessions)
        and wanted.get("run_type") in (None, run["run_type"])
        and wanted.get("is_root") in (None, run["parent_run_id"] is None)
        and (accepts is None or accepts(run))
        and (in_trace is None or in_trace(run))
    )


def _filter(wanted: Json, key: str) -> dialect.Filter | None:
    return dialect.parse_filter(str(wanted[key]), key) if wanted.get(key) else None


def _accepting_trace(call: Call, wanted: Json) -> dialect.Filter | None:
    """Return a function that checks a run's trace: its root, and any of its runs; None without such a condition."""
    of_root, of_any = _filter(wanted, "trace_filter"), _filter(wanted, "tree_filter")
    if of_root is None and of_any is None:
        return None
    known: dict[str, bool] = {}

    def accepts(run: Json) -> bool:
        trace_id = run["trace_id"]
        if trace_id not in known:
            query = Query({"project": call.project, "trace_id": trace_id})
            found = call.store.find(query, MAX_IN_TRACE, newest_first=False, bodies=True)
            runs = [run, *map(dialect.encode_run, filter(dialect.is_run, found))]
            roots = [candidate for candidate in runs if candidate["parent_run_id"] is None]
            known[trace_id] = (of_root is None or any(map(of_root, roots))) and (
                of_any is None or any(map(of_any, runs))
            )
        return known[trace_id]

    return accepts


def list_sessions(call: Call) -> Reply:
    query = Query({"project": call.project}, conditions=(Condition("dialect", "eq", (dialect.name,)),))
    found = call.store.find(query, 1_000)
    names = sorted({str((record.extra.get("run") or {}).get("session_name") or "default") for record in found})
    wanted = call.parameter("name")
    return Reply(200, [dialect.encode_session(call.project, name) for name in names if wanted in (None, name)])


def create_session(call: Call) -> Reply:
    """Answer with the project of a given name; it need not be created, as it exists once it has a run."""
    name = call.object().get("name")
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        raise Fault(422, "name: must have 1 to 200 characters")
    return Reply(200, dialect.encode_session(call.project, name))


# Attachments


def _encoded(call: Call, record: Record) -> Json:
    """Return a run with signed addresses of its attachments, from which clients read them."""
    files = dialect.attachments_of(record)
    if not files:
        return dialect.encode_run(record)
    path = f"/runs/{record.id}/attachment"
    urls = {
        f"attachment.{name}": {
            "presigned_url": sign(call, "GET", path, name=name),
            "mime_type": description.get("content_type"),
        }
        for name, description in files.items()
    }
    return {**dialect.encode_run(record), "s3_urls": urls}


def attachment(call: Call) -> Reply:
    record = call.store.get(dialect.attachment_id(call.path["id"], call.parameter("name") or ""), call.project)
    if record is None:
        raise Fault(404, "there is no attachment of this name")
    headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
    return Reply(200, record.response_body or b"", record.response_content_type or _ANY, headers)


def _routes(base: str) -> list[Route]:
    def ingest(method: str, path: str, handler: Callable[[Call], RecordWrite], summary: str) -> Route:
        return Route(method, base + path, handler, dialect, f"LangSmith: {summary}", ok=(202,), keeps=True)

    def read(method: str, path: str, handler: Callable[[Call], Reply], summary: str) -> Route:
        return Route(method, base + path, handler, dialect, f"LangSmith: {summary}", "read")

    return [
        Route("GET", base + "/info", info, dialect, "LangSmith: the server's capabilities"),
        ingest("POST", "/runs", post_run, "a run that starts"),
        ingest("POST", "/runs/batch", batch, "runs in JSON"),
        ingest("POST", "/runs/multipart", multipart, "runs in a form"),
        ingest("PATCH", "/runs/{id}", patch_run, "a run that has ended"),
        read("POST", "/runs/query", query_runs, "find runs"),
        read("GET", "/runs/{id}", get_run, "one run"),
        read("GET", "/sessions", list_sessions, "its projects"),
        Route("POST", base + "/sessions", create_session, dialect, "LangSmith: a project"),
        read("GET", "/settings", settings, "the tenant"),
        *_langsmith_feedback.routes(base),
    ]


ROUTES = [route for base in dialect.BASES for route in _routes(base)]
ROUTES.append(
    Route("GET", "/runs/{id}/attachment", attachment, dialect, "LangSmith: an attachment, at a signed address", "read",
          open=True, signed=True, produces=(_ANY,))
)  # fmt: skip
