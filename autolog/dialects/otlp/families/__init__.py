"""The families of senders, each with a table: the names of its attributes, and where its bodies are.

A family's module says what its spans cannot express. If several families know a field, the first in `FAMILIES` decides:
families that know more come first, and raw bodies come before what was derived from them.
"""

from __future__ import annotations

from autolog.dialects.otlp.families import (
    braintrust,
    claude_code,
    codex,
    gemini_cli,
    genai,
    google,
    langfuse,
    langsmith,
    litellm,
    logfire,
    mlflow,
    openinference,
    openllmetry,
    vercel,
)
from autolog.dialects.otlp.families._agent import Agent
from autolog.dialects.otlp.families._family import Family

FAMILIES: tuple[Family, ...] = (
    claude_code.FAMILY,
    gemini_cli.SPANS,
    logfire.FAMILY,
    google.FAMILY,
    genai.FAMILY,
    vercel.FAMILY,
    langfuse.FAMILY,
    langsmith.FAMILY,
    litellm.FAMILY,
    mlflow.FAMILY,
    braintrust.FAMILY,
    openinference.FAMILY,
    openllmetry.FAMILY,
    genai.OLDER,
)

#: The coding agents whose log records are decoded.
AGENTS: tuple[Agent, ...] = (claude_code.AGENT, codex.AGENT, gemini_cli.AGENT)
