"""MLflow's tracing (`mlflow.*`, each value as JSON in a text).

The spans cannot express the service tier, the lifetime of cache writes, and raw bodies other than what a flavour logs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog.dialects._chat import parsed
from autolog.dialects.otlp._wire import Attributes
from autolog.dialects.otlp.families._family import Family


def _requests(attributes: Attributes) -> Iterator[Any]:
    yield parsed(attributes.get("mlflow.spanInputs"))


def _responses(attributes: Attributes) -> Iterator[Any]:
    yield parsed(attributes.get("mlflow.spanOutputs"))


_KINDS = {"LLM": "llm", "CHAT_MODEL": "llm", "EMBEDDING": "llm", "CHAIN": "chain", "TOOL": "tool",
          "RETRIEVER": "retrieval", "AGENT": "agent", "RERANKER": "chain", "PARSER": "span", "EVALUATOR": "evaluator",
          "WORKFLOW": "chain", "TASK": "function", "GUARDRAIL": "span", "MEMORY": "span",
          "UNKNOWN": "span"}  # fmt: skip

FAMILY = Family(
    name="mlflow",
    texts={
        "request_model": ("mlflow.llm.model",),
        "provider_name": ("mlflow.llm.provider",),
        "user": ("mlflow.trace.user",),
        "session": ("mlflow.trace.session",),
    },
    counts={
        "usage_input_tokens": ("mlflow.chat.tokenUsage.input_tokens",),
        "usage_output_tokens": ("mlflow.chat.tokenUsage.output_tokens",),
        "usage_cache_read_input_tokens": ("mlflow.chat.tokenUsage.cache_read_input_tokens",),
        "usage_cache_creation_input_tokens": ("mlflow.chat.tokenUsage.cache_creation_input_tokens",),
    },
    costs=("mlflow.llm.cost.total_cost",),
    kinds={"mlflow.spanType": _KINDS},
    bodies=("mlflow.spanInputs", "mlflow.spanOutputs"),
    requests=_requests,
    responses=_responses,
)
