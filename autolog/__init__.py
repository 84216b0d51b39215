"""Log every LLM call your program makes, with one import and one line.

    from autolog import autolog

    autolog.patch_openai()

`import autolog` works the same way: the package's functions are the bound methods of a single shared `Recorder`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from autolog._capture.span import Span
from autolog._recorder import Recorder
from autolog._version import __version__
from autolog.errors import AutologError, BudgetExceeded, ConfigError, PatchError, StoreError

if TYPE_CHECKING:
    from autolog._record.record import Record as Record

autolog = Recorder()

budget = autolog.budget
configure = autolog.configure
context = autolog.context
current_span = autolog.current_span
flush = autolog.flush
opentelemetry = autolog.opentelemetry
patch = autolog.patch
patch_anthropic = autolog.patch_anthropic
patch_cerebras = autolog.patch_cerebras
patch_fireworks = autolog.patch_fireworks
patch_groq = autolog.patch_groq
patch_http = autolog.patch_http
patch_llama_api = autolog.patch_llama_api
patch_openai = autolog.patch_openai
patch_perplexity = autolog.patch_perplexity
patch_portkey = autolog.patch_portkey
patch_together = autolog.patch_together
patch_writer = autolog.patch_writer
score = autolog.score
show = autolog.show
shutdown = autolog.shutdown
span = autolog.span
status = autolog.status
traceparent = autolog.traceparent
unpatch = autolog.unpatch
unpatch_anthropic = autolog.unpatch_anthropic
unpatch_cerebras = autolog.unpatch_cerebras
unpatch_fireworks = autolog.unpatch_fireworks
unpatch_groq = autolog.unpatch_groq
unpatch_http = autolog.unpatch_http
unpatch_llama_api = autolog.unpatch_llama_api
unpatch_openai = autolog.unpatch_openai
unpatch_perplexity = autolog.unpatch_perplexity
unpatch_portkey = autolog.unpatch_portkey
unpatch_together = autolog.unpatch_together
unpatch_writer = autolog.unpatch_writer


def __getattr__(name: str) -> Any:
    """Import `autolog.testing`, `autolog.server` and `autolog.Record` when they are first used."""
    if name in {"testing", "server"}:
        return importlib.import_module(f"autolog.{name}")
    if name == "Record":
        return importlib.import_module("autolog._record.record").Record
    raise AttributeError(f"module 'autolog' has no attribute {name!r}")


__all__ = [
    "AutologError",
    "BudgetExceeded",
    "ConfigError",
    "PatchError",
    "Record",
    "Recorder",
    "Span",
    "StoreError",
    "__version__",
    "autolog",
    "budget",
    "configure",
    "context",
    "current_span",
    "flush",
    "opentelemetry",
    "patch",
    "patch_anthropic",
    "patch_cerebras",
    "patch_fireworks",
    "patch_groq",
    "patch_http",
    "patch_llama_api",
    "patch_openai",
    "patch_perplexity",
    "patch_portkey",
    "patch_together",
    "patch_writer",
    "score",
    "show",
    "shutdown",
    "span",
    "status",
    "traceparent",
    "unpatch",
    "unpatch_anthropic",
    "unpatch_cerebras",
    "unpatch_fireworks",
    "unpatch_groq",
    "unpatch_http",
    "unpatch_llama_api",
    "unpatch_openai",
    "unpatch_perplexity",
    "unpatch_portkey",
    "unpatch_together",
    "unpatch_writer",
]
