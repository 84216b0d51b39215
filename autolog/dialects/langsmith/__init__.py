"""LangSmith: runs of LangChain, LangGraph and `@traceable`, singly, in JSON batches or in multipart forms; feedback.

Programs are configured by `LANGSMITH_ENDPOINT` and `LANGSMITH_API_KEY` alone. A run is posted when it starts and
patched when it has ended. What was sent is kept with the record, and a patch is applied to the whole run (langsmith
0.15).

The format cannot express raw bodies, HTTP status and headers, the service tier (unless the response's metadata has it),
and retries.
"""

from __future__ import annotations

from autolog.dialects.langsmith._decode import (
    Upload as Upload,
    attachment_id as attachment_id,
    decode_attachment as decode_attachment,
    decode_batch as decode_batch,
    decode_feedback as decode_feedback,
    decode_multipart as decode_multipart,
    decode_run as decode_run,
    decode_runs as decode_runs,
    join as join,
)
from autolog.dialects.langsmith._encode import (
    attachments_of as attachments_of,
    encode_fault as encode_fault,
    encode_feedback as encode_feedback,
    encode_info as encode_info,
    encode_run as encode_run,
    encode_run_v2 as encode_run_v2,
    encode_session as encode_session,
    is_run as is_run,
    known_of as known_of,
    run_of as run_of,
    session_id as session_id,
    with_previews as with_previews,
)
from autolog.dialects.langsmith._filter import Filter as Filter, parse_filter as parse_filter
from autolog.dialects.langsmith._stats import encode_stats as encode_stats, encode_thread as encode_thread

name = "langsmith"
why_not_shipped = "its backend accepts runs, not calls; LangSmith also accepts OpenTelemetry: dialect='otlp'"
key_headers = ("x-api-key",)

#: The prefixes of the paths: none, one for servers with several dialects, and LangSmith's own.
BASES = ("", "/langsmith", "/api/v1", "/langsmith/api/v1")
#: The same for its newer API.
NEWER_BASES = ("/api/v2", "/langsmith/api/v2")
#: What LangSmith has beside logs, by the beginning of the path.
absent = {
    "/datasets": "datasets",
    "/examples": "datasets",
    "/platform": "datasets, evaluators and hubs",
    "/repos": "prompts",
    "/commits": "prompts",
    "/likes": "prompts",
    "/annotation-queues": "annotation queues",
    "/feedback-configs": "configurations of feedback",
    "/feedback/tokens": "addresses for feedback without a key",
    "/public": "shared runs",
    "/share": "shared runs",
    "/runs/group": "groups of runs; `/api/v2/threads/query` has threads",
    "/runs/rules": "rules",
    "/insights": "insights",
    "/threads": "statistics of threads, and shared ones",
    "/workspaces": "workspaces",
    "/sandboxes": "sandboxes",
    "/agents": "agents",
}
prefixes = (
    *NEWER_BASES,
    *(base + path for base in BASES for path in ("/info", "/runs", "/feedback", "/sessions", "/settings", *absent)),
)
