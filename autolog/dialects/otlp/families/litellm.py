"""LiteLLM's callbacks (its proxy and its SDK; litellm 1.110), which add to the conventions' attributes.

`otel` follows GenAI, `arize_phoenix` and `langfuse_otel` OpenInference.

Cached tokens are only in `metadata.usage_object`, written as Python writes a dict; the input includes them. The spans
cannot express raw bodies, and a session only if it is the trace.
"""

from __future__ import annotations

from autolog.dialects.otlp.families._family import Family

USAGE = "metadata.usage_object"
PARAMETERS = "hidden_params"
_INPUT = f"{USAGE}.prompt_tokens_details."
_LIVES = f"{_INPUT}cache_creation_token_details."

FAMILY = Family(
    name="litellm",
    texts={
        "response_id": ("llm.response.id",),
        "response_model": ("llm.response.model",),
        "user": ("llm.user", "metadata.user_api_key_end_user_id", "metadata.user_api_key_user_id"),
    },
    counts={
        "usage_cache_read_input_tokens": (f"{_INPUT}cached_tokens",),
        "usage_cache_creation_input_tokens": (f"{_INPUT}cache_creation_tokens",),
        "usage_cache_creation_5m_input_tokens": (f"{_LIVES}ephemeral_5m_input_tokens",),
        "usage_cache_creation_1h_input_tokens": (f"{_LIVES}ephemeral_1h_input_tokens",),
        "usage_reasoning_output_tokens": (f"{USAGE}.completion_tokens_details.reasoning_tokens",),
        "usage_input_audio_tokens": (f"{_INPUT}audio_tokens",),
        "usage_output_audio_tokens": (f"{USAGE}.completion_tokens_details.audio_tokens",),
    },
    costs=("gen_ai.cost.total_cost",),
)
