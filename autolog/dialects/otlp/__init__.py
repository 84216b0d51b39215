"""OTLP: traces, logs and metrics of any OpenTelemetry program as records, and records as spans.

Spans and log records are decoded with a table for each family of senders (`families`). The format cannot express exact
bodies (only what senders put into attributes), headers, and retries.
"""

from __future__ import annotations

from autolog.dialects.otlp._encode import (
    encode_fault as encode_fault,
    encode_request as encode_request,
    is_fault as is_fault,
    refused as refused,
)
from autolog.dialects.otlp._logs import decode_logs as decode_logs
from autolog.dialects.otlp._metrics import decode_metrics as decode_metrics
from autolog.dialects.otlp._protobuf import (
    decode_protobuf as decode_protobuf,
    encode_protobuf_reply as encode_protobuf_reply,
)
from autolog.dialects.otlp._spans import decode_span as decode_span, decode_traces as decode_traces
from autolog.dialects.otlp._wire import encode_reply as encode_reply

name = "otlp"
why_not_shipped = ""
batches = True
binary = "autolog.dialects.otlp._binary"
key_headers = ("api_key",)  # Arize's, and Phoenix's until it had logins
bearer = True  # Phoenix's, and the Collector's `bearertokenauth`
prefixes = ("/v1/traces", "/v1/metrics", "/v1/otel/", "/v1/logs/otel/", "/otel/", "/api/otel/", "/api/public/otel/")
