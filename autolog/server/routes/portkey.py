"""Portkey: logs, feedback and exports."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from datetime import UTC, datetime
from typing import Any

from autolog._record.record import Record
from autolog.dialects import portkey as dialect
from autolog.dialects._convert import new_uuid, parse_time, text_of
from autolog.dialects._fault import Fault, Json, check_count, parse_json, validate
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

_FEEDBACK = "portkey-feedback"
_EXPORT = "portkey-export"


def log(call: Call) -> RecordWrite:
    if call.headers.get("content-type", "").startswith("application/x-protobuf"):
        raise Fault(415, "this is Portkey's log call; send OTLP traces to /v1/traces")
    records = dialect.decode_logs(call.body, call.headers, call.batch_items)
    reply = Reply(200, dialect.encode_reply([record.id for record in records]), headers=_request_id())
    return call.keep(records, lambda _: reply)


def _request_id() -> dict[str, str]:
    """Return the header with which the vendor's client does not repeat the call, whatever the status."""
    return {"x-portkey-request-id": new_uuid()}


def get_log(call: Call) -> Reply:
    record = call.store.get(call.path["id"], call.project)
    if record is None:
        raise Fault(404, "there is no log with this id")
    return Reply(200, dialect.encode_log(record))


# Feedback


def create_feedback(call: Call) -> Reply:
    value = call.json()
    items = value if isinstance(value, list) else [value]
    check_count(len(items), call.batch_items)
    given = [validate(dialect.Feedback, item) for item in items]
    ids = [new_uuid() for _ in given]

    def change(store: Store) -> None:
        for feedback_id, feedback in zip(ids, given, strict=True):
            kept = {**feedback.model_dump(), "weight": 1 if feedback.weight is None else feedback.weight}
            store.put_document(_FEEDBACK, feedback_id, {**kept, "project": call.project})
            _mark(store, call.project, feedback.trace_id, feedback.value)

    call.write(change)
    reply = {"status": "success", "message": "Feedback successfully saved", "feedback_ids": ids}
    return Reply(200, reply, headers=_request_id())


def update_feedback(call: Call) -> Reply:
    feedback_id = call.path["id"]
    given = validate(dialect.FeedbackUpdate, call.object())

    def change(store: Store) -> bool:
        kept = store.documents(_FEEDBACK).get(feedback_id)
        if kept is None or kept["project"] != call.project:
            return False
        store.put_document(_FEEDBACK, feedback_id, {**kept, **given.model_dump(exclude_unset=True)})
        _mark(store, call.project, kept["trace_id"], given.value)
        return True

    if not call.write(change):
        raise Fault(404, "there is no feedback with this id")
    reply = {"status": "success", "message": "Feedback successfully updated", "feedback_ids": [feedback_id]}
    return Reply(200, reply)


def _mark(store: Store, project: str, trace_id: str, value: int) -> None:
    """Set feedback (-1, 0 or 1) on every log of a trace."""

    def mark(record: Record) -> None:
        record.feedback = (value > 0) - (value < 0)

    for record in store.find(Query({"project": project, "trace_id": trace_id}), limit=1_000):
        store.update(record.id, project, mark)


# Exports

_RANGES = {"cost": "cost", "total_units": "tokens", "prompt_token": "tokens_in", "completion_token": "tokens_out"}
MAX_PAGE = 50_000


def create_export(call: Call) -> Reply:
    given = validate(dialect.ExportRequest, call.object())
    query = _query(call.project, given.filters)
    _paging(given.filters)
    export = {**given.model_dump(), "status": "draft", "project": call.project, "token": secrets.token_urlsafe(24),
              "created_at": datetime.now(UTC).isoformat()}  # fmt: skip
    export_id = new_uuid()
    call.write(lambda store: store.put_document(_EXPORT, export_id, export))
    return Reply(200, {"id": export_id, "total": call.store.count(query), "object": "export"})


def _query(project: str, filters: Json) -> Query:
    conditions = []
    for word, field in _RANGES.items():
        for end, operator in (("min", "ge"), ("max", "le")):
            value = filters.get(f"{word}_{end}")
            if value is not None:
                if isinstance(value, bool) or not isinstance(value, (int, float)):
                    raise Fault(400, f"filters.{word}_{end}: is not a number")
                conditions.append(Condition(field, operator, (value,)))
    until = parse_time(filters.get("time_of_generation_max"), "filters.time_of_generation_max")
    if until is not None:
        conditions.append(Condition("created_at", "le", (until,)))
    for word, field in (("ai_model", "model"), ("status_code", "status_code"), ("trace_id", "trace_id")):
        value = filters.get(word)
        if value is not None:
            values = value if isinstance(value, list) else str(value).split(",")
            if not all(isinstance(item, (str, int)) for item in values):
                raise Fault(400, f"filters.{word}: is neither text nor a list of it")
            conditions.append(Condition(field, "eq", tuple(str(item) for item in values)))
    metadata = filters.get("metadata") or {}
    if isinstance(metadata, str):
        metadata = parse_json(metadata.encode())
    if not isinstance(metadata, dict):
        raise Fault(400, "filters.metadata: is not an object")
    since = parse_time(filters.get("time_of_generation_min"), "filters.time_of_generation_min")
    wanted = {str(key): text_of(value) or "" for key, value in metadata.items()}
    return Query({"project": project}, metadata=wanted, since=since, conditions=tuple(conditions))


def _paging(filters: Json) -> tuple[int, int]:
    """Return page size and page number, which clients send as numbers and as text."""
    size, page = (str(filters.get(key, value)) for key, value in (("page_size", MAX_PAGE), ("current_page", 0)))
    if not re.fullmatch("[0-9]{1,9}", size) or not re.fullmatch("[0-9]{1,9}", page):
        raise Fault(400, "filters.page_size and filters.current_page are whole numbers")
    return min(int(size), MAX_PAGE), min(int(page), 10**6)


def _export(call: Call) -> Json:
    export = call.store.documents(_EXPORT).get(call.path["id"])
    if export is None or export["project"] != call.project:
        raise Fault(404, "there is no export with this id")
    return export


def _shown(export_id: str, export: Json) -> Json:
    hidden = {"project", "token"}
    return {"id": export_id, "object": "export", **{key: value for key, value in export.items() if key not in hidden}}


def list_exports(call: Call) -> Reply:
    exports = call.store.documents(_EXPORT).items()
    found = [_shown(key, export) for key, export in exports if export["project"] == call.project]
    return Reply(200, {"object": "list", "total": len(found), "data": found})


def get_export(call: Call) -> Reply:
    return Reply(200, _shown(call.path["id"], _export(call)))


def update_export(call: Call) -> Reply:
    given = validate(dialect.ExportUpdate, call.object()).model_dump(exclude_unset=True)
    export = {**_export(call), **given}
    query = _query(call.project, export["filters"] or {})
    call.write(lambda store: store.put_document(_EXPORT, call.path["id"], export))
    return Reply(200, {"id": call.path["id"], "total": call.store.count(query), "object": "export"})


def _set_status(call: Call, status: str, message: str) -> Reply:
    export = {**_export(call), "status": status}
    call.write(lambda store: store.put_document(_EXPORT, call.path["id"], export))
    return Reply(200, {"message": message, "object": "export"})


def start_export(call: Call) -> Reply:
    return _set_status(call, "success", "Export started")


def cancel_export(call: Call) -> Reply:
    return _set_status(call, "stopped", "Export cancelled")


def download_export(call: Call) -> Reply:
    export = _export(call)
    if export["status"] != "success":
        raise Fault(400, "this export has not been started")
    return Reply(200, {"signed_url": f"{call.base_url}/v1/logs/exports/{call.path['id']}/file?token={export['token']}"})


def export_file(call: Call) -> Reply:
    """Send the file behind the signed URL: whoever has the URL has the key to it."""
    export: Any = call.store.documents(_EXPORT).get(call.path["id"])
    token = call.parameter("token") or ""
    if export is None or not hmac.compare_digest(token.encode(), export["token"].encode()):
        raise Fault(404, "there is no export with this id")
    filters = export["filters"] or {}
    size, page = _paging(filters)
    records = call.store.find(_query(export["project"], filters), size, page * size, bodies=True)
    lines = [json.dumps(dialect.encode_export_row(record, export["requested_data"])) for record in records]
    return Reply(200, "".join(line + "\n" for line in lines).encode(), "application/jsonl")


ROUTES = [
    Route("POST", "/v1/logs", log, dialect, "Portkey: insert one log or an array of them", model=dialect.Log,
          keeps=True),
    Route("POST", "/v1/logs/exports", create_export, dialect, "Portkey: create an export", "read",
          model=dialect.ExportRequest),
    Route("GET", "/v1/logs/exports", list_exports, dialect, "Portkey: list exports", "read"),
    Route("GET", "/v1/logs/exports/{id}", get_export, dialect, "Portkey: an export", "read"),
    Route("PUT", "/v1/logs/exports/{id}", update_export, dialect, "Portkey: change an export", "read",
          model=dialect.ExportUpdate),
    Route("POST", "/v1/logs/exports/{id}/start", start_export, dialect, "Portkey: start an export", "read"),
    Route("POST", "/v1/logs/exports/{id}/cancel", cancel_export, dialect, "Portkey: cancel an export", "read"),
    Route("GET", "/v1/logs/exports/{id}/download", download_export, dialect, "Portkey: where an export's file is",
          "read"),
    Route("GET", "/v1/logs/exports/{id}/file", export_file, dialect, "Portkey: an export's file", open=True),
    Route("GET", "/v1/logs/{id}", get_log, dialect, "Portkey: one log", "read"),
    Route("POST", "/v1/feedback", create_feedback, dialect, "Portkey: feedback on a trace", model=dialect.Feedback),
    Route("PUT", "/v1/feedback/{id}", update_feedback, dialect, "Portkey: change a feedback",
          model=dialect.FeedbackUpdate),
]  # fmt: skip
