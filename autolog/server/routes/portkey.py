"""Portkey: logs, feedback and exports."""

from __future__ import annotations

from autolog._record.record import Record
from autolog.dialects import portkey as dialect
from autolog.dialects._convert import new_uuid
from autolog.dialects._fault import Fault, check_count
from autolog.dialects._schema import validate
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite
from autolog.server.routes import otlp
from autolog.server.routes._exports import EXPORTS
from autolog.stores._contract import Store
from autolog.stores.query import Query

_FEEDBACK = "portkey-feedback"


def log(call: Call) -> RecordWrite:
    """Store logs; OpenTelemetry's exporters use the same path, and are told apart by content type and shape."""
    if otlp.content_type(call) == otlp.PROTOBUF or dialect.is_otlp(call.body):
        return otlp.export("logs", call)
    records = dialect.decode_logs(call.body, call.headers, call.batch_items)
    reply = Reply(200, dialect.encode_reply([record.id for record in records]), headers=_request_id())
    return call.keep(records, lambda _: reply)


def _request_id() -> dict[str, str]:
    """Return the header that keeps the vendor's client from repeating the request, whatever the status."""
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
        kept = store.documents(_FEEDBACK, feedback_id).get(feedback_id)
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


ROUTES = [
    Route("POST", "/v1/logs", log, dialect, "Portkey: insert one log or an array of them", model=dialect.Log,
          keeps=True, decodes=True),
    *EXPORTS,
    Route("GET", "/v1/logs/{id}", get_log, dialect, "Portkey: one log", "read"),
    Route("POST", "/v1/feedback", create_feedback, dialect, "Portkey: feedback on a trace", model=dialect.Feedback),
    Route("PUT", "/v1/feedback/{id}", update_feedback, dialect, "Portkey: change a feedback",
          model=dialect.FeedbackUpdate),
]  # fmt: skip
