"""ResponseLog: insert and update."""

from __future__ import annotations

from autolog.dialects import responselog as dialect
from autolog.dialects._fault import Fault
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite


def insert(call: Call) -> RecordWrite:
    record = dialect.decode_insert(call.object())
    return call.keep([record], lambda _: Reply(200, dialect.encode_reply(record.id)))


def update(call: Call) -> Reply:
    record_id, change = dialect.decode_update(call.object())
    if call.write(lambda store: store.update(record_id, call.project, change)) is None:
        raise Fault(404, "there is no log with this id")
    return Reply(200, dialect.encode_reply(record_id))


ROUTES = [
    Route(
        "POST",
        "/api/logs/insert",
        insert,
        dialect,
        "ResponseLog: insert a log",
        model=dialect.Insert,
        keeps=True,
        decodes=True,
    ),
    Route("POST", "/api/logs/update", update, dialect, "ResponseLog: change a log", model=dialect.Update),
]
