"""The OpenAI Agents SDK: ingestion of traces and spans."""

from __future__ import annotations

from autolog.dialects import openai_agents as dialect
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite


def ingest(call: Call) -> RecordWrite:
    upload = dialect.decode_items(call.object(), call.batch_items)
    records = dialect.join_traces(upload, lambda trace_ids: call.store.by_ids(call.project, trace_ids))
    return call.keep(records, lambda _: Reply(200, dialect.encode_reply(upload)))


ROUTES = [
    Route("POST", "/v1/traces/ingest", ingest, dialect, "OpenAI Agents SDK: traces and spans", keeps=True),
]
