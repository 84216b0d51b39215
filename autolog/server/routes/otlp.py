"""OTLP traces, at the standard path and where Portkey users point theirs."""

from __future__ import annotations

from autolog.dialects import otlp as dialect
from autolog.dialects._fault import Fault
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite

PROTOBUF = "application/x-protobuf"


def export(call: Call) -> RecordWrite:
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {PROTOBUF, "application/json", ""}:
        raise Fault(415, f"{kind[:100]!r} is neither {PROTOBUF} nor application/json")
    protobuf = kind == PROTOBUF
    given = dialect.decode_protobuf(call.body, most=call.batch_items) if protobuf else call.object()
    batch = dialect.decode_traces(given, protobuf, call.batch_items)
    body = dialect.encode_reply("trace", batch, protobuf)
    return call.keep(batch.items, lambda _: Reply(200, body, PROTOBUF if protobuf else "application/json"))


ROUTES = [
    Route("POST", path, export, dialect, "OpenTelemetry: export traces", keeps=True)
    for path in ("/v1/traces", "/v1/logs/otel/v1/traces", "/v1/otel/v1/traces")
]
