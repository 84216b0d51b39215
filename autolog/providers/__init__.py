"""The providers' SDKs: which classes are wrapped, which calls are recorded, how their bodies read.

A module here answers the same questions for each SDK (see `Provider`); adding one is adding a file and a line below.
Nothing here imports an SDK: `_capture.patch` does, when the user's program has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from autolog._record.bodies import Event
from autolog.providers import anthropic as _anthropic, openai as _openai
from autolog.providers._facts import BatchResult, Facts, Usage
from autolog.providers._fields import text
from autolog.providers._hosts import provider_at

__all__ = ["PROVIDERS", "BatchResult", "Facts", "Provider", "Usage", "provider_at", "provider_of", "provider_of_model"]


class Provider(Protocol):
    """The questions that every provider's module answers."""

    name: str
    """The SDK's import name and distribution."""
    module: str
    """Where its `SyncAPIClient` and `AsyncAPIClient` are."""
    sockets: dict[str, tuple[str, str]]
    """Its classes of WebSocket connections, sync and async, by module; what a version does not have is left out."""
    oldest: tuple[int, int]
    """The oldest version that is tested."""
    provider_name: str
    """Who answers when the host does not say."""
    client_providers: dict[str, str]
    """Who answers, by a word in the client class's name."""

    def billable(self, method: str, path: str) -> bool: ...

    def has_usage_option(self, path: str) -> bool: ...

    def is_follow_up(self, method: str, path: str) -> bool: ...

    def results_id(self, path: str) -> str | None: ...

    def batch_results(self, path: str, body: bytes) -> Iterator[BatchResult]: ...

    def operation(self, path: str) -> str: ...

    def guess_path(self, request: dict[str, Any]) -> str: ...

    def model_in(self, path: str) -> str | None: ...

    def read(self, path: str, body: Any) -> Facts: ...

    def unbilled_reason(self, path: str) -> str | None: ...

    def billable_units(self, path: str, asked: dict[str, Any], answer: Any) -> dict[str, float]: ...

    def assemble(self, path: str, events: list[Event]) -> dict[str, Any]: ...


_MODULES: tuple[Provider, ...] = (_openai, _anthropic)

PROVIDERS: dict[str, Provider] = {module.name: module for module in _MODULES}


def provider_of(path: str, request: dict[str, Any], response: dict[str, Any]) -> Provider:
    """The provider whose formats a URL path and bodies are in, when no SDK says so."""
    speaks_anthropic = path and _anthropic.operation(path) in {"chat", "count_tokens"} and "/chat/" not in path
    kinds = {"message", "message_batch", "session", "dream"}
    shaped_so = text(response.get("type")) in kinds or "stop_reason" in response or "anthropic_version" in request
    return PROVIDERS["anthropic" if speaks_anthropic or shaped_so else "openai"]


_MODEL_PREFIXES = (
    ("gpt-", "openai"), ("chatgpt-", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"),
    ("text-embedding-", "openai"), ("dall-e", "openai"), ("whisper-", "openai"), ("tts-", "openai"),
    ("davinci", "openai"), ("omni-moderation", "openai"), ("claude", "anthropic"), ("gemini", "gcp.gemini"),
    ("grok-", "x_ai"), ("deepseek-", "deepseek"), ("mistral-", "mistral_ai"), ("command-", "cohere"),
    ("sonar", "perplexity"),
)  # fmt: skip


def provider_of_model(model: str | None) -> str | None:
    """Who makes a model of this name, for logs that do not say who answered."""
    name = (model or "").lower()
    return next((provider for prefix, provider in _MODEL_PREFIXES if name.startswith(prefix)), None)
