"""OTLP traces, at the standard path and where Portkey users point theirs."""

from __future__ import annotations

from autolog.dialects import otlp as dialect
from autolog.dialects._fault import Fault
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite

PROTOBUF = "application/x-protobuf"


def export(call: Call) -> RecordWrite:
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == PROTOBUF:
        records = dialect.decode_traces(dialect.decode_protobuf(call.body), base64_ids=True)
    elif kind in {"application/json", ""}:
        records = dialect.decode_traces(call.object(), base64_ids=False)
    else:
        raise Fault(415, f"{kind[:100]!r} is neither {PROTOBUF} nor application/json")
    reply = Reply(200, b"", PROTOBUF) if kind == PROTOBUF else Reply(200, {"partialSuccess": None})
    return call.keep(records, lambda _: reply)


ROUTES = [
    Route("POST", path, export, dialect, "OpenTelemetry: export traces", keeps=True)
    for path in ("/v1/traces", "/v1/logs/otel/v1/traces", "/v1/otel/v1/traces")
]
