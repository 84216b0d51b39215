"""Requests and replies in protobuf, for backends that do not accept JSON, such as Phoenix.

Importing this module needs opentelemetry-proto: `pip install 'autolog-llm[otlp]'`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from autolog._record.bodies import decode_json
from autolog._record.record import Record
from autolog.dialects import Request
from autolog.dialects._fault import Json
from autolog.dialects.otlp._encode import payload

_TYPE = "application/x-protobuf"


def encode_request(records: Sequence[Record]) -> Request:
    """Return the OTLP protobuf request that ships records."""
    message = ParseDict(_with_base64_ids(payload(records)), ExportTraceServiceRequest())
    return Request("POST", "/v1/traces", message.SerializeToString(), {"content-type": _TYPE})


def decode_reply(status: int, content_type: str, content: bytes) -> Any:
    """Return a reply in the form of OTLP JSON; the message of a fault is the text that can be read in it."""
    if not content_type.startswith(_TYPE):
        return decode_json(content)
    if status >= 400:  # a google.rpc.Status, whose module would need another package
        return {"code": 2, "message": "".join(filter(str.isprintable, content.decode(errors="ignore")))}
    try:
        reply = ExportTraceServiceResponse.FromString(content)
    except DecodeError:
        return content.decode(errors="replace")
    return MessageToDict(reply) or None


def _with_base64_ids(request: Json) -> Json:
    """Return a request for the protobuf JSON mapping, which has ids in Base64, not in hexadecimal as OTLP JSON."""
    for part in request["resourceSpans"]:
        for scope in part["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return request
