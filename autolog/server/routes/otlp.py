"""OTLP's three signals, at the standard paths and below the endpoints that vendors document.

`/v1/logs` itself belongs to Portkey: `routes.portkey` passes on requests that are OTLP.
"""

from __future__ import annotations

import functools

from autolog.dialects import otlp as dialect
from autolog.dialects._fault import Fault
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite

PROTOBUF = "application/x-protobuf"


def content_type(call: Call) -> str:
    """Return the content type of a call in lower case, without its parameters."""
    return call.headers.get("content-type", "").partition(";")[0].strip().lower()


def export(signal: str, call: Call) -> RecordWrite:
    """Store the contents of an export request; the reply reports what was rejected, as OTLP's partial success.

    Raises:
        Fault: 400, if the request is malformed; 415, if it is neither protobuf nor JSON.
    """
    kind = content_type(call)
    if kind not in {PROTOBUF, "application/json", ""}:
        raise Fault(415, f"{kind[:100]!r} is neither {PROTOBUF} nor application/json")
    protobuf = kind == PROTOBUF
    request = dialect.decode_protobuf(call.body, signal, call.batch_items) if protobuf else call.object(prune=True)
    if signal == "trace":
        batch = dialect.decode_traces(request, most=call.batch_items)
    elif signal == "logs":
        batch = dialect.decode_logs(request, call.batch_items)
    else:
        batch = dialect.decode_metrics(request, call.batch_items)
    result = dialect.encode_reply(signal, batch)
    reply = Reply(200, dialect.encode_protobuf_reply(signal, result), PROTOBUF) if protobuf else Reply(200, result)
    return call.keep(batch.items, lambda _: reply)


#: Prefixes of the signals' paths, besides none, from vendors' endpoints.
_PREFIXES = ("/otel", "/api/otel", "/v1/otel", "/v1/logs/otel", "/api/public/otel")
_PATHS = {"trace": "/v1/traces", "logs": "/v1/logs", "metrics": "/v1/metrics"}

ROUTES = [
    Route("POST", prefix + path, functools.partial(export, signal), dialect, f"OpenTelemetry: export {signal}",
          keeps=True, decodes=True)
    for signal, path in _PATHS.items()
    for prefix in ("", *_PREFIXES)
    if prefix + path != "/v1/logs"
]  # fmt: skip
