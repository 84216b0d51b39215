"""The SDKs that are patched directly, at the same methods, because all are generated from the same base.

There is one row per SDK.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autolog.providers import Format


@dataclass(frozen=True)
class SDK:
    """One SDK.

    Attributes:
        name: the name in `patch_NAME()` and in `Record.sdk`.
        oldest: the oldest supported version, major and minor: the oldest with which `tests/beside/sdk_versions.py`
            has passed.
        package: the import name; by default `name`.
        distribution: the name of the PyPI distribution; by default `package`.
        base: the module with `SyncAPIClient` and `AsyncAPIClient`; by default `_base_client` in the package.
        speaks: the module in `autolog.providers` that reads the SDK's calls.
        provider_name: the provider that is assumed when the host does not determine it; by default `name`.
        client_providers: such providers for particular client classes, by a word in the class's name.
        sockets: the classes of WebSocket connections, sync and async, by module; a version need not have all.
    """

    name: str
    oldest: tuple[int, int]
    package: str = ""
    distribution: str = ""
    base: str = ""
    speaks: str = "openai"
    provider_name: str = ""
    client_providers: Mapping[str, str] = field(default_factory=dict)
    sockets: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        package = self.package or self.name
        defaults = {
            "package": package,
            "distribution": package,
            "base": f"{package}._base_client",
            "provider_name": self.name,
        }
        for attribute, value in defaults.items():
            if not getattr(self, attribute):
                object.__setattr__(self, attribute, value)

    @functools.cached_property
    def format(self) -> Format:
        """The module that reads the SDK's calls."""
        from autolog.providers import format_named

        return format_named(self.speaks)


_ROWS = (
    SDK("openai", (1, 30), client_providers={"Azure": "azure.ai.openai", "Bedrock": "aws.bedrock"}, sockets={
        "openai._websocket_connection": ("WebSocketConnectionBase", "AsyncWebSocketConnectionBase"),
        "openai.resources.beta.realtime.realtime": ("RealtimeConnection", "AsyncRealtimeConnection"),
        "openai.resources.realtime.realtime": ("RealtimeConnection", "AsyncRealtimeConnection"),  # before that base
    }),
    SDK("anthropic", (0, 49), speaks="anthropic", client_providers={
        "Bedrock": "aws.bedrock", "AWS": "aws.bedrock", "Vertex": "gcp.vertex_ai", "GoogleCloud": "gcp.vertex_ai",
    }),
    SDK("groq", (0, 9)),
    SDK("together", (2, 0)),
    SDK("cerebras", (1, 0), package="cerebras.cloud.sdk", distribution="cerebras-cloud-sdk"),
    SDK("fireworks", (1, 2), distribution="fireworks-ai"),
    SDK("perplexity", (0, 20), distribution="perplexityai"),
    SDK("portkey", (2, 3), package="portkey_ai", distribution="portkey-ai",
        base="portkey_ai._vendor.openai._base_client"),
    SDK("writer", (1, 0), package="writerai", distribution="writer-sdk", speaks="writer"),
    SDK("llama_api", (0, 1), package="llama_api_client", distribution="llama-api-client", speaks="llama_api",
        provider_name="meta"),
)  # fmt: skip

SDKS: dict[str, SDK] = {row.name: row for row in _ROWS}
