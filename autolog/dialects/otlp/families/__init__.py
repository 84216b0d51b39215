"""The families of senders, each a small table: what its attributes are called, and where its bodies are.

A family's module says what it cannot know. For a field that several name, the first of `FAMILIES` wins: those that
know most come first, and raw bodies before what was made of them.
"""

from __future__ import annotations

from autolog.dialects.otlp.families import (
    claude_code,
    codex,
    gemini_cli,
    genai,
    google,
    langfuse,
    langsmith,
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
    mlflow.FAMILY,
    openinference.FAMILY,
    openllmetry.FAMILY,
    genai.OLDER,
)

#: The coding agents, whose log records are read.
AGENTS: tuple[Agent, ...] = (claude_code.AGENT, codex.AGENT, gemini_cli.AGENT)
