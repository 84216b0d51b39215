"""A third-party backend that follows the OTLP/HTTP specification, built on the published protobuf definitions.

Phoenix answers JSON with a plain-text 415; the OpenTelemetry Collector and Jaeger accept both encodings, and respond in
that of the request (https://opentelemetry.io/docs/specs/otlp/#otlphttp-response).
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import MessageToDict, MessageToJson, ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PROTOBUF = "application/x-protobuf"


class OTLPBackend(ThreadingHTTPServer):
    """A server that accepts spans in the encodings `takes`, and keeps them in the protobuf JSON mapping.

    Attributes:
        spans: the spans received.
        content_types: the content type of each request.
        rejects: how many spans of each request it rejects.
        refusal: the response to an encoding that it does not accept.
    """

    daemon_threads = True

    def __init__(self, *takes: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.takes = takes
        self.spans: list[dict[str, Any]] = []
        self.content_types: list[str] = []
        self.rejects = 0
        self.refusal = (415, b"Unsupported content type")

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the only span."""
        (span,) = self.spans
        return {item["key"]: next(iter(item["value"].values()), None) for item in span["attributes"]}


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["content-length"]))
        kind = self.headers["content-type"]
        server.content_types.append(kind)
        if kind not in server.takes:
            self.reply(server.refusal[0], "text/plain", server.refusal[1])
            return
        request = ExportTraceServiceRequest.FromString(body) if kind == PROTOBUF else from_json(body)
        server.spans += [
            span
            for part in MessageToDict(request)["resourceSpans"]
            for scope in part["scopeSpans"]
            for span in scope["spans"]
        ]
        response = ExportTraceServiceResponse()
        if server.rejects:
            response.partial_success.rejected_spans = server.rejects
        self.reply(200, kind, response.SerializeToString() if kind == PROTOBUF else MessageToJson(response).encode())

    def reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def from_json(body: bytes) -> ExportTraceServiceRequest:
    """Parse OTLP JSON, in which ids are hexadecimal; an unknown field is an error."""
    request = json.loads(body)
    for part in request["resourceSpans"]:
        for scope in part["scopeSpans"]:
            for span in scope["spans"]:
                for name, size in (("traceId", 16), ("spanId", 8), ("parentSpanId", 8)):
                    if name in span:
                        raw = bytes.fromhex(span[name])
                        assert len(raw) == size
                        span[name] = base64.b64encode(raw).decode()
    return ParseDict(request, ExportTraceServiceRequest())


@contextlib.contextmanager
def otlp_backend(*takes: str) -> Iterator[OTLPBackend]:
    server = OTLPBackend(*takes)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
