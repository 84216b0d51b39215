"""LiteLLM: ingestion from its generic logger."""

from __future__ import annotations

from autolog.dialects import litellm as dialect
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite


def log(call: Call) -> RecordWrite:
    upload = dialect.decode_payloads(call.body, call.batch_items)
    return call.keep(upload.records, lambda _: Reply(200, dialect.encode_reply(upload)))


ROUTES = [
    Route("POST", path, log, dialect, "LiteLLM: payloads of its generic logger", keeps=True, decodes=True)
    for path in ("/litellm", "/litellm/")
]
