"""Run everything that reads external bytes, for hypothesis, for atheris, or for a hand-made case.

python -m faults.readers FILE...      reads files of bytes, and prints nothing if all is well
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from autolog._reading.derive import fill_in
from autolog._reading.describe import bodies
from autolog._reading.messages import request_messages, response_messages
from autolog._record import bodies as _bodies, media, streams
from autolog._record.record import Record, to_dict
from autolog._redaction.redactor import Redactor
from autolog._redaction.scrub import shorten
from autolog.dialects import native, otlp, portkey
from autolog.dialects._fault import Fault, parse_json
from autolog.providers import format_named
from autolog.providers._table import ROWS
from autolog.server._bodies import decompress

KINDS = (
    "application/json", "text/event-stream", "application/vnd.amazon.eventstream", "multipart/form-data; boundary=B",
    "application/x-jsonl", "audio/mpeg", "",
)  # fmt: skip
PATHS = (
    "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings", "/v1/images/generations",
    "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/batches", "/v1/fine_tuning/jobs", "/v1/videos",
    "/v1beta/models/g:streamGenerateContent", "/model/m/converse-stream", "/model/m/invoke", "/v2/chat", "/api/chat", "",
)  # fmt: skip


def read_everything(data: bytes, kind: str = "application/json", path: str = "/v1/chat/completions") -> None:
    """Pass bytes to all readers; raise only if one of them misbehaves."""
    for side in ("request", "response"):
        other = "response" if side == "request" else "request"
        record = Record(
            id="r", request_url=f"https://api.example{path}", status_code=200,
            **{f"{side}_body": data, f"{side}_content_type": kind, f"{other}_body": b'{"model": "gpt-4o"}'},
        )  # fmt: skip
        Redactor(None, secrets=True).bodies(record)
        fill_in(record, format_named(ROWS[len(data) % len(ROWS)].module))
        json.dumps(to_dict(record, bodies=True))
        request, response = bodies(record)
        request_messages(request)
        response_messages(response)
        shorten(record, 10)
    streams.read_events(data, kind)
    _bodies.read_form(data, kind)
    for coding in ("gzip", "deflate", "zstd"):
        _bodies.decode_content([data], coding)
        with contextlib.suppress(Fault):
            decompress(data, coding, 1_000_000)
    entries = media.find_media(data, kind)
    left, taken = media.take_out(data, entries)
    if taken:
        assert media.put_back(left, entries, taken.get) == data
    for decode in (
        lambda: native.decode_batch(data, "application/json"),
        lambda: native.decode_batch(data, native.MSGPACK),
        lambda: portkey.decode_logs(data, {}),
        lambda: otlp.decode_traces(otlp.decode_protobuf(data)),
        lambda: parse_json(data),
    ):
        with contextlib.suppress(Fault):
            decode()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for kind in KINDS:
            read_everything(Path(name).read_bytes(), kind)
