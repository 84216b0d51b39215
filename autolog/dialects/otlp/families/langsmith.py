"""LangSmith's OpenTelemetry mode (`langsmith.*` beside the older names of the conventions).

What it cannot know: the service tier, the life of cache writes, raw bodies.
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
