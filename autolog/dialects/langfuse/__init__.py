"""Langfuse: the batches of its older SDKs and of LiteLLM, Dify, Flowise and others; scores; what its SDKs read back.

Its present SDKs send spans, which `otlp` reads. A batch is events: traces, observations (generations, spans, events,
tools ...), updates of both, and scores; each is answered by itself, with 207 (https://api.reference.langfuse.com).
Read back are traces, observations, sessions and scores, in the shapes of the older SDKs and of the present ones
(langfuse 2.60 and 5.0); there are no prompts, datasets and scores' configurations here.

What the format cannot hold: raw bodies, HTTP status and headers, the service tier, retries.
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
#: All that Langfuse serves: PromptLayer's paths there begin with more.
prefixes = (
    "/api/public",
    *(f"/api/public/v2/{word}" for word in ("observations", "scores", "prompts", "datasets", "metrics")),
)
