"""The providers' SDKs: which classes are wrapped, which calls are recorded, how their bodies read.

A module here answers the same questions for each SDK (see `Provider`); adding one is adding a file and a line below.
Nothing here imports an SDK: `_patch` does, when the user's program has.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Protocol, cast

from autolog._bodies import Event
from autolog.providers import anthropic as _anthropic, openai as _openai
from autolog.providers._hosts import provider_at
from autolog.providers._reading import Reading, Usage

__all__ = ["PROVIDERS", "Provider", "Reading", "Usage", "provider_at", "provider_of"]


class Provider(Protocol):
    """The questions that every provider's module answers."""

    name: str
    """The SDK's import name and distribution."""
    module: str
    """Where its `SyncAPIClient` and `AsyncAPIClient` are."""
    oldest: tuple[int, int]
    """The oldest version that is tested."""
    provider_name: str
    """Who answers when the host does not say."""
    client_providers: dict[str, str]
    """Who answers, by a word in the client class's name."""

    def billable(self, method: str, path: str) -> bool: ...

    def operation(self, path: str) -> str: ...

    def model_in(self, path: str) -> str | None: ...

    def read(self, path: str, body: Any) -> Reading: ...

    def assemble(self, path: str, events: list[Event]) -> dict[str, Any]: ...


def _provider(module: ModuleType) -> Provider:
    return cast("Provider", module)


PROVIDERS: dict[str, Provider] = {module.name: _provider(module) for module in (_openai, _anthropic)}


def provider_of(path: str, body: dict[str, Any]) -> Provider:
    """The provider whose formats a URL path and request body are in, when no SDK says so."""
    speaks_anthropic = _anthropic.operation(path) in {"chat", "count_tokens"} and "/chat/" not in path
    if speaks_anthropic or "anthropic_version" in body:
        return PROVIDERS["anthropic"]
    return PROVIDERS["openai"]
