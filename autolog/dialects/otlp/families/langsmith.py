"""LangSmith's OpenTelemetry mode (`langsmith.*` in addition to the older names of the conventions).

The spans cannot express the service tier, the lifetime of cache writes, and raw bodies.
"""

from __future__ import annotations

from autolog.dialects.otlp.families._family import Family

FAMILY = Family(
    name="langsmith",
    texts={"name": ("langsmith.trace.name",), "session": ("langsmith.trace.session_id",)},
    tags=("langsmith.span.tags",),
    metadata=("langsmith.metadata.",),
    kinds={
        "langsmith.span.kind": {
            "llm": "llm", "LLM": "llm", "chain": "chain", "tool": "tool", "retriever": "retrieval",
            "embedding": "llm", "prompt": "span", "parser": "span",
        },
    },
)  # fmt: skip
