"""autolog: one import and one line, and every LLM call your program makes is logged.

    from autolog import autolog

    autolog.patch_openai()

`import autolog` works the same: the package's functions are the methods of its one recorder.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from autolog._capture.span import Span
from autolog._recorder import Recorder
from autolog._version import __version__
from autolog.errors import AutologError, ConfigError, PatchError, StoreError

if TYPE_CHECKING:
    from autolog._record.record import Record as Record

autolog = Recorder()

configure = autolog.configure
context = autolog.context
current_span = autolog.current_span
flush = autolog.flush
opentelemetry = autolog.opentelemetry
patch = autolog.patch
patch_anthropic = autolog.patch_anthropic
patch_http = autolog.patch_http
patch_openai = autolog.patch_openai
score = autolog.score
shutdown = autolog.shutdown
span = autolog.span
status = autolog.status
traceparent = autolog.traceparent
unpatch = autolog.unpatch
unpatch_anthropic = autolog.unpatch_anthropic
unpatch_http = autolog.unpatch_http
unpatch_openai = autolog.unpatch_openai


def __getattr__(name: str) -> Any:
    """Import `autolog.testing`, `autolog.server` and `autolog.Record` when they are first used."""
    if name in {"testing", "server"}:
        return importlib.import_module(f"autolog.{name}")
    if name == "Record":
        return importlib.import_module("autolog._record.record").Record
    raise AttributeError(f"module 'autolog' has no attribute {name!r}")


__all__ = [
    "AutologError",
    "ConfigError",
    "PatchError",
    "Record",
    "Recorder",
    "Span",
    "StoreError",
    "__version__",
    "autolog",
    "configure",
    "context",
    "current_span",
    "flush",
    "opentelemetry",
    "patch",
    "patch_anthropic",
    "patch_http",
    "patch_openai",
    "score",
    "shutdown",
    "span",
    "status",
    "traceparent",
    "unpatch",
    "unpatch_anthropic",
    "unpatch_http",
    "unpatch_openai",
]
