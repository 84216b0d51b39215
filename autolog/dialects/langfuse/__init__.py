"""Langfuse: batches of its older SDKs and of LiteLLM, Dify, Flowise and others; scores; what its SDKs read back.

Its current SDKs send spans, which `otlp` decodes. A batch consists of events: traces, observations (generations, spans,
events, tools and so on), updates of both, and scores; each gets its own status in a reply with status 207
(https://api.reference.langfuse.com). Traces, observations, sessions and scores can be read back, in the shapes of the
older SDKs and of the current ones (langfuse 2.60 and 5.0), as can metrics of observations and score configurations.
There are no prompts and datasets.

The format cannot express raw bodies, HTTP status and headers, the service tier, and retries.
"""

from __future__ import annotations

from autolog.dialects.langfuse._columns import (
    observation_columns as observation_columns,
    trace_columns as trace_columns,
)
from autolog.dialects.langfuse._decode import (
    KINDS as KINDS,
    Batch as Batch,
    Find as Find,
    RootOf as RootOf,
    decode_batch as decode_batch,
    decode_score as decode_score,
    decode_scores as decode_scores,
    decode_thing as decode_thing,
)
from autolog.dialects.langfuse._encode import (
    MEDIA as MEDIA,
    encode_fault as encode_fault,
    encode_observation as encode_observation,
    encode_record_scores as encode_record_scores,
    encode_scores as encode_scores,
    encode_session as encode_session,
    encode_trace as encode_trace,
    encode_trace_row as encode_trace_row,
    encode_typed_scores as encode_typed_scores,
    is_observation as is_observation,
)

name = "langfuse"
why_not_shipped = "its server accepts spans: ship to it with dialect='otlp'"
key_headers: tuple[str, ...] = ()
#: PromptLayer has the prefix `/api/public/v2`; Langfuse's paths below it are listed, as the longest prefix wins.
prefixes = (
    "/api/public",
    *(
        f"/api/public/v2/{word}"
        for word in ("observations", "scores", "prompts", "datasets", "metrics", "evaluators", "evaluation-rules")
    ),
)
#: What Langfuse has beside logs, by a part of the path.
absent = {
    "/prompts": "prompts",
    **dict.fromkeys(("/datasets", "/dataset-items", "/dataset-run-items"), "datasets"),
    **dict.fromkeys(("/experiments", "/experiment-items"), "lists of experiments (their traces and scores are listed)"),
    "/comments": "comments",
    "/models": "definitions of models",
    "/annotation-queues": "annotation queues",
    **dict.fromkeys(("/evaluators", "/evaluation-rules", "/llm-connections"), "evaluators"),
    **dict.fromkeys(
        ("/organizations", "/scim", "/integrations", "/unstable", "/feedback", "/memberships"),
        "settings of an organization",
    ),
    "/apiKeys": "keys of Langfuse's (`autolog keys` creates keys)",
}
